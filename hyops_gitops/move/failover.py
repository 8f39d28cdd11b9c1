"""Failover: every endpoint of a site that has to move, in one commit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hyops_gitops.apply.plan import PlanPorts, PlanRequest, make_proposal
from hyops_gitops.apply.probe import ReadinessPorts, check_readiness
from hyops_gitops.core.declaration import DeclaredHold
from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.findings import FindingsError
from hyops_gitops.core.names import SHARED
from hyops_gitops.core.readiness import Candidate, ReadinessReport
from hyops_gitops.core.text import counted, suggestion
from hyops_gitops.core.zone import Zone
from hyops_gitops.move.contract_files import FileChange, Overlay, check_changes
from hyops_gitops.move.moves import CommitText, Move, MoveResult, Rehearsal, SiteChoice, SkippedEndpoint, select
from hyops_gitops.move.moving import (
    CommitOptions,
    MovePorts,
    cache_warnings,
    edit_moves,
    named_contract,
    read_contracts,
    write_or_commit,
)
from hyops_gitops.plan.limits import attested, guarded
from hyops_gitops.validate.validation import Validation


@dataclass(frozen=True, slots=True)
class FailoverRequest:
    """One call of failover; names may be short."""

    origin: str
    to: str
    environment: str | None = None
    include: tuple[str, ...] = ()
    hold: Mapping[str, str] = field(default_factory=dict)  # name and reason
    site_lost: bool = False  # the servers of the origin cannot answer


@dataclass(frozen=True, slots=True)
class Selection:
    """What would move, edited in memory and checked."""

    validation: Validation
    moves: tuple[Move, ...]
    skipped: tuple[SkippedEndpoint, ...]
    changes: tuple[FileChange, ...]
    holds: tuple[DeclaredHold, ...]


def select_moves(request: FailoverRequest, order: CommitOptions, ports: MovePorts) -> Selection:
    """Which endpoints move, and which stay for what reason. Writes nothing.

    Raises:
        UsageError: a site, an environment or a name that there is not.
        FindingsError: a contract would be invalid.
        Refused: guard `dirty`.
    """
    validation = read_contracts(ports, order)
    moves, skipped, holds = choose_moves(request, validation)
    return Selection(validation, moves, skipped, edit_moves(moves, validation, ports), holds)


def choose_moves(
    request: FailoverRequest, validation: Validation
) -> tuple[tuple[Move, ...], tuple[SkippedEndpoint, ...], tuple[DeclaredHold, ...]]:
    """The moves, what stays and why, and what is held by request.

    Raises:
        UsageError: a site, an environment or a name that there is not.
    """
    _check_places(request, validation)
    include = frozenset(str(named_contract(validation, name).name) for name in request.include)
    hold = {str(named_contract(validation, name).name): reason for name, reason in request.hold.items()}
    choice = SiteChoice(request.origin, request.to, request.environment, include, hold)
    moves, skipped = select(validation.contracts, choice)
    broken = _broken(validation, request.environment)
    holds = tuple(DeclaredHold(name, reason) for name, reason in hold.items())
    return moves, (*skipped, *broken), holds


def failover(request: FailoverRequest, order: CommitOptions, ports: MovePorts) -> MoveResult:
    """Move a site's endpoints to another site.

    Raises:
        UsageError, FindingsError, Refused: as `select_moves`.
        OutsideFailure: git, the remote or the forge's program failed.
    """
    found = select_moves(request, order, ports)
    moving = MoveResult("failover", found.moves, found.skipped, cache_warnings(found.moves, found.validation, ports))
    lost = (request.origin,) if request.site_lost else ()
    declared = replace(
        order.declared,
        sites_lost=tuple(dict.fromkeys((*lost, *order.declared.sites_lost))),
        holds=found.holds,
    )
    number = len(found.moves)
    where = f" in {request.environment}" if request.environment else ""
    subject = f"Fail over from {request.origin} to {request.to}{where}: {counted(number, 'endpoint')}"
    words = ("failover", request.origin, "to", request.to, request.environment or "")
    text = CommitText(subject, "\n".join(_lines(found)))
    return write_or_commit(moving, found.changes, text, words, replace(order, declared=declared), ports)


def _check_places(request: FailoverRequest, validation: Validation) -> None:
    """Sites and environments that nobody knows are slips, never an empty failover."""
    authority = validation.authority
    if authority is None:
        return
    sites = {site for contract in validation.contracts for site in contract.sites}
    for site in (request.origin, request.to):
        if site not in sites:
            raise UsageError(f"no endpoint has a site {site!r}", code="no-site", hint=suggestion(site, sites, "sites"))
    if request.origin == request.to:
        raise UsageError(f"{request.origin} is both where from and where to", code="usage")
    environments = {*authority.environments, SHARED}
    if request.environment is not None and request.environment not in environments:
        hint = suggestion(request.environment, environments, "environments")
        raise UsageError(f"{request.environment!r} is no environment", code="no-environment", hint=hint)


def _broken(validation: Validation, environment: str | None) -> Iterable[SkippedEndpoint]:
    """Contracts that cannot be read as such: nobody knows whether they had to move."""
    for path in sorted(validation.invalid_paths):
        if path.startswith(f"endpoints/{environment}/" if environment else "endpoints/"):
            yield SkippedEndpoint(path, "has findings: `hyops-gitops validate` shows them")


def _lines(found: Selection) -> Iterable[str]:
    """The commit's body: what moves, and how many stay."""
    for move in found.moves:
        yield f"{move.name}: {', '.join(move.before.values)} -> {', '.join(move.after.values)}"
    if found.skipped:
        yield f"{len(found.skipped)} stay: {', '.join(one.name for one in found.skipped)}"


def rehearse(
    request: FailoverRequest,
    order: CommitOptions,
    ports: MovePorts,
    planning: PlanPorts,
    probing: ReadinessPorts,
    *,
    live: bool = False,
) -> Rehearsal:
    """Plan a failover and ask its targets whether they are ready.

    Args:
        request: What would fail over.
        order: Its overrides count.
        ports: Contracts, log, clock.
        planning: For the plan; with `live`, its base is the primary.
        probing: Probes and DNS.
        live: Whether to read the primary instead of the signed log.

    Raises:
        UsageError, FindingsError, Refused: as the failover and its plan do.
        OutsideFailure: with `live`, the primary cannot be read.
    """
    found = select_moves(request, replace(order, commit=False, push=False, pull_request=False), ports)
    after = check_changes(found.changes, ports.files)
    made = {one.path: one.after for one in found.changes}
    planned = PlanRequest(None, live, order.overrides, ports.files.authority_override)
    proposal = make_proposal(planned, replace(planning, work_tree=Overlay(planning.work_tree, made)))
    reports = _probed(
        found.moves, after, proposal.plan.expected_zone(), ports, probing, proposal.limits.readiness_attested_minutes
    )
    plan = guarded(proposal.plan, reports, proposal.limits, proposal.overrides)
    warnings = cache_warnings(found.moves, found.validation, ports)
    return Rehearsal(
        request.origin,
        request.to,
        found.moves,
        found.skipped,
        reports,
        replace(proposal, plan=plan),
        warnings,
    )


def _probed(
    moves: Sequence[Move], after: Validation, zone: Zone, ports: MovePorts, probing: ReadinessPorts, minutes: int
) -> tuple[ReadinessReport, ...]:
    """What the targets say, or else their publishers."""
    if after.authority is None:
        raise FindingsError(after.findings)
    contracts = {one.path: one for one in after.contracts}
    wanted = [Candidate.of(contracts[move.path]) for move in moves]
    reports = check_readiness(wanted, after.authority, zone, probing)
    now = ports.clock.now()
    return tuple(attested(report, one.attested, minutes, now) for one, report in zip(wanted, reports, strict=True))
