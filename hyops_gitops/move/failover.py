"""Failover: every endpoint of a site, in one commit."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace

from hyops_gitops.apply.preview import PlanRequest, make_proposal
from hyops_gitops.apply.probe import check_readiness
from hyops_gitops.core.contract import Contract
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.declaration import DeclaredHold
from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.findings import FindingsError
from hyops_gitops.core.names import SHARED, EndpointName, endpoint_name_of_path
from hyops_gitops.core.readiness import Candidate, ReadinessReport
from hyops_gitops.core.text import counted, suggestion
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.move.contract_files import FileChange, Overlay, check_changes
from hyops_gitops.move.moves import CommitText, Move, MoveResult, Rehearsal, SkippedEndpoint, move_of
from hyops_gitops.move.write_moves import (
    CommitOptions,
    cache_warnings,
    edit_moves,
    named_contract,
    read_contracts,
    write_or_commit,
)
from hyops_gitops.plan.limits import attested, guarded
from hyops_gitops.validate.validation import Validation

_PLAIN = re.compile(r"[a-z0-9._-]+")  # what a file has byte by byte, but for what `SourceTree.mentioning` adds


@dataclass(frozen=True, slots=True)
class FailoverRequest:
    """Arguments of failover; names may be short."""

    origin: str
    to: str  # empty for a report alone: any other site
    environment: str | None = None
    include: tuple[str, ...] = ()
    hold: Mapping[str, str] = field(default_factory=dict)  # reason by name
    site_lost: bool = False  # the servers of the origin cannot answer


@dataclass(frozen=True, slots=True)
class Selection:
    """The selected moves, edited in memory and checked."""

    validation: Validation
    moves: tuple[Move, ...]
    skipped: tuple[SkippedEndpoint, ...]
    changes: tuple[FileChange, ...]
    holds: tuple[DeclaredHold, ...]


def select_moves(request: FailoverRequest, options: CommitOptions, workspace: Workspace) -> Selection:
    """Select the endpoints that move, and those that stay. Writes nothing.

    Raises:
        UsageError: no such site, environment or name.
        FindingsError: a contract would be invalid.
        Refused: guard `dirty`.
    """
    validation = read_contracts(workspace, options)
    moves, skipped, holds = choose_moves(request, validation)
    return Selection(validation, moves, skipped, edit_moves(moves, validation, workspace), holds)


def choose_moves(
    request: FailoverRequest, validation: Validation
) -> tuple[tuple[Move, ...], tuple[SkippedEndpoint, ...], tuple[DeclaredHold, ...]]:
    """The moves, the endpoints that stay, and the holds asked for.

    Raises:
        UsageError: no such site, environment or name.
    """
    contracts = _at_origin(request.origin, validation)
    _check_places(request, contracts, validation)
    include = tuple(str(named_contract(validation, name).name) for name in request.include)
    hold = {str(named_contract(validation, name).name): reason for name, reason in request.hold.items()}
    moves, skipped = _selected(contracts, replace(request, include=include, hold=hold))
    holds = tuple(DeclaredHold(name, reason) for name, reason in hold.items())
    return moves, (*skipped, *invalid_contracts(validation, request.environment)), holds


def failover(request: FailoverRequest, options: CommitOptions, workspace: Workspace) -> MoveResult:
    """Move a site's endpoints to another site.

    Raises:
        UsageError, FindingsError, Refused: as `select_moves`.
        OutsideFailure: git, the remote or the forge's program failed.
    """
    selection = select_moves(request, options, workspace)
    result = MoveResult(
        "failover", selection.moves, selection.skipped, cache_warnings(selection.moves, selection.validation, workspace)
    )
    lost = (request.origin,) if request.site_lost else ()
    declared = replace(
        options.declared,
        sites_lost=tuple(dict.fromkeys((*lost, *options.declared.sites_lost))),
        holds=selection.holds,
    )
    number = len(selection.moves)
    where = f" in {request.environment}" if request.environment else ""
    subject = f"Fail over from {request.origin} to {request.to}{where}: {counted(number, 'endpoint')}"
    words = ("failover", request.origin, "to", request.to, request.environment or "")
    text = CommitText(subject, "\n".join(_lines(selection)))
    return write_or_commit(result, selection.changes, text, words, replace(options, declared=declared), workspace)


def _at_origin(origin: str, validation: Validation) -> Mapping[EndpointName, Contract | None]:
    """Every valid contract by path; None: unread, for it lacks the site.

    Of what was valid when it was applied last, those are read whose files have the site's name, or may hide it.
    """
    if validation.about is None or not _PLAIN.fullmatch(origin):
        return {contract.name: contract for contract in validation.contracts}
    zone = validation.authority.zone if validation.authority else ""
    known = {contract.path: contract for contract in validation.looked_at}
    unread = set(validation.files.layout.contracts) - validation.about
    named = unread & validation.files.tree.mentioning({origin})
    found = {**known, **{path: validation.contract(path) for path in named}}
    if not all(found.values()):  # one is not valid by itself
        return {contract.name: contract for contract in validation.contracts}
    names = ((path, endpoint_name_of_path(path, zone)) for path in sorted(unread | known.keys()))
    return {name: found.get(path) for path, name in names if name is not None}


def _selected(
    contracts: Mapping[EndpointName, Contract | None], request: FailoverRequest
) -> tuple[tuple[Move, ...], tuple[SkippedEndpoint, ...]]:
    """The endpoints of a site that move, and those that stay.

    Raises:
        UsageError: code `cannot-include`: an endpoint named by --include cannot move.
    """
    moves: list[Move] = []
    skipped: list[SkippedEndpoint] = []
    for endpoint, contract in contracts.items():
        if request.environment not in (None, endpoint.environment):
            continue
        name = str(endpoint)
        reason = _stays(name, contract, request)
        if contract is not None and not reason:
            moves.append(move_of(contract, contract.sites[request.to]))
        elif name in request.include:
            raise UsageError(f"cannot include {name}: it {reason}", code="cannot-include")
        else:
            skipped.append(SkippedEndpoint(name, reason))
    return tuple(moves), tuple(skipped)


def _stays(name: str, contract: Contract | None, request: FailoverRequest) -> str:
    """The reason that an endpoint stays, "" when it moves."""
    if name in request.hold:
        return f"is held: {request.hold[name]}"
    if contract is None or request.origin not in contract.sites:
        return f"has no site {request.origin}"
    if contract.active_site != request.origin:
        return f"is active at {contract.active_site}"
    if request.to not in contract.sites:
        return f"has no site {request.to}"
    if not contract.cutover_required and name not in request.include:
        publisher = f", by {contract.source}" if contract.source else ""
        return f"need not move (endpoint_cutover_required: false{publisher}); --include {name} takes it along"
    return ""


def _check_places(
    request: FailoverRequest, contracts: Mapping[EndpointName, Contract | None], validation: Validation
) -> None:
    """Refuse unknown sites and environments, so that slips show."""
    authority = validation.authority
    if authority is None:
        return
    sites = {site for contract in contracts.values() if contract for site in contract.sites}
    if not sites >= {request.origin, request.to}:
        sites = {site for contract in validation.contracts for site in contract.sites}
    for site in (request.origin, request.to):
        if site not in sites:
            raise unknown_site(site, sites)
    if request.origin == request.to:
        raise UsageError("--from and --to are the same site", code="usage")
    environments = {*authority.environments, SHARED}
    if request.environment is not None and request.environment not in environments:
        hint = suggestion(request.environment, environments, "environments")
        raise UsageError(f"unknown environment {request.environment!r}", code="no-environment", hint=hint)


def unknown_site(site: str, known: Iterable[str]) -> UsageError:
    """The error for a site that no contract has."""
    return UsageError(f"no endpoint has a site {site!r}", code="no-site", hint=suggestion(site, known, "sites"))


def invalid_contracts(validation: Validation, environment: str | None) -> Iterable[SkippedEndpoint]:
    """Invalid contracts: whether they have to move is unknown."""
    folder = validation.files.layout.folder
    for path in sorted(validation.invalid_paths):
        if path.startswith(f"endpoints/{folder}{environment}/" if environment else "endpoints/"):
            yield SkippedEndpoint(path, "has findings: `hyops-gitops validate` shows them")


def _lines(selection: Selection) -> Iterable[str]:
    """Body of the commit: the moves, and the endpoints that stay."""
    for move in selection.moves:
        yield move.addresses
    if selection.skipped:
        yield f"{len(selection.skipped)} stay: {', '.join(endpoint.name for endpoint in selection.skipped)}"


def rehearse(
    request: FailoverRequest,
    options: CommitOptions,
    workspace: Workspace,
    *,
    live: bool = False,
) -> Rehearsal:
    """Plan a failover and probe the readiness of its targets.

    Args:
        request: The failover.
        options: Only its overrides matter.
        workspace: The repository, and the targets to ask.
        live: Whether to read the primary instead of the signed log.

    Raises:
        UsageError, FindingsError, Refused: as the failover and its plan do.
        OutsideFailure: with `live`, the primary cannot be read.
    """
    selection = select_moves(request, replace(options, commit=False, push=False, pull_request=False), workspace)
    after = check_changes(selection.changes, workspace)
    made = {change.path: change.after for change in selection.changes}
    kinds = dict.fromkeys(made, options.declared.kind)
    planned = PlanRequest(None, live, options.overrides, kinds=kinds)
    proposal = make_proposal(planned, workspace.replaced(work_tree=Overlay(workspace.work_tree, made)))
    reports = _probed(
        selection.moves,
        after,
        proposal.plan.expected_zone(),
        workspace,
        proposal.limits.readiness_attested_minutes,
    )
    plan = guarded(proposal.plan, reports, proposal.limits, proposal.overrides)
    warnings = cache_warnings(selection.moves, selection.validation, workspace)
    return Rehearsal(
        request.origin,
        request.to,
        selection.moves,
        selection.skipped,
        reports,
        replace(proposal, plan=plan),
        warnings,
    )


def _probed(
    moves: Sequence[Move], after: Validation, zone: Zone, workspace: Workspace, minutes: int
) -> tuple[ReadinessReport, ...]:
    """Readiness of the targets, by probes or else by their publishers' attestations."""
    if after.authority is None:
        raise FindingsError(after.findings)
    contracts = {contract.path: contract for contract in after.looked_at}
    wanted = [Candidate.of(contracts[move.path]) for move in moves]
    reports = check_readiness(wanted, after.authority, zone, workspace.prober, workspace.dns)
    now = workspace.clock.now()
    return tuple(
        attested(report, target.attested, minutes, now) for target, report in zip(wanted, reports, strict=True)
    )
