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
from hyops_gitops.core.names import SHARED, EndpointName, endpoint_name_of_path, resolved_zone, zone_of_name
from hyops_gitops.core.readiness import Candidate, ReadinessReport
from hyops_gitops.core.text import counted, suggestion
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.move.contract_files import FileChange, Overlay, check_changes
from hyops_gitops.move.moves import CommitText, Move, MoveResult, Rehearsal, SkippedEndpoint, move_of
from hyops_gitops.move.write_moves import (
    CommitOptions,
    cache_warnings,
    contract_names,
    edit_moves,
    named_contract,
    read_contracts,
    write_or_commit,
    zone_label,
    zone_parts,
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
class ZoneFailover:
    """The part of a failover in one zone; names are whole."""

    workspace: Workspace  # of the zone
    request: FailoverRequest
    validation: Validation
    contracts: Mapping[EndpointName, Contract | None]  # as `_at_origin` finds them

    def choose(self) -> "Selection":
        """The moves, edited in memory and checked. Writes nothing.

        Raises:
            UsageError: code `cannot-include`: an endpoint named by --include cannot move.
            FindingsError: a contract would be invalid.
        """
        moves, skipped = _chosen(self.request, self.validation, self.contracts)
        label = zone_label(self.workspace)
        return Selection(
            self,
            tuple(replace(move, zone=label) for move in moves),
            tuple(replace(endpoint, zone=label) for endpoint in skipped),
            edit_moves(moves, self.validation, self.workspace),
        )


@dataclass(frozen=True, slots=True)
class Selection:
    """The selected moves of a zone, edited in memory and checked."""

    part: ZoneFailover
    moves: tuple[Move, ...]
    skipped: tuple[SkippedEndpoint, ...]
    changes: tuple[FileChange, ...]

    @property
    def leads_elsewhere(self) -> bool:
        """Whether a new target may be a name in another zone."""
        others = self.part.workspace.work_tree.other_zones
        return any(zone_of_name(value, others) for move in self.moves for value in move.after.values)

    def warnings(self) -> tuple[str, ...]:
        """Reasons for which clients keep old targets."""
        return cache_warnings(self.moves, self.part.validation, self.part.workspace)


def failover_parts(request: FailoverRequest, options: CommitOptions, workspace: Workspace) -> tuple[ZoneFailover, ...]:
    """What a failover asks of each zone.

    A site, an environment and a name have to be known in any of them.

    Raises:
        UsageError: no such site, environment or name.
        FindingsError: an authority file is invalid.
        Refused: guard `dirty`.
    """
    validations = read_contracts(workspace, options)
    found = [_at_origin(request.origin, validation) for validation in validations]
    _check_places(request, found, validations)
    each = zip(zone_parts(workspace), _divided(request, validations), validations, found, strict=True)
    return tuple(ZoneFailover(*part) for part in each)


def choose_together(parts: Iterable[ZoneFailover]) -> tuple[Selection, ...]:
    """The moves of each zone; none is invalid after all of them.

    Raises:
        UsageError, FindingsError: as `ZoneFailover.choose`.
    """
    selections = tuple(part.choose() for part in parts)
    for selection in selections:
        if selection.leads_elsewhere:  # what leads to no other zone is as it was found to be in its own
            beside = (change for other in selections if other is not selection for change in other.changes)
            check_changes(selection.changes, selection.part.workspace, beside)
    return selections


def _divided(request: FailoverRequest, validations: Sequence[Validation]) -> list[FailoverRequest]:
    """The request of each zone, with whole names.

    Raises:
        UsageError: codes `unknown-name`, `ambiguous-name`.
    """
    by_zone = {validation.authority.zone: validation for validation in validations if validation.authority}
    known = {zone: contract_names(validation.files.layout, zone) for zone, validation in by_zone.items()}

    def whole(given: str) -> EndpointName:
        zone = next(iter(by_zone)) if len(by_zone) == 1 else resolved_zone(given, known, "contract")
        return named_contract(by_zone[zone], given).name

    include = [whole(name) for name in request.include]
    hold = [(whole(name), reason) for name, reason in request.hold.items()]
    return [
        replace(
            request,
            include=tuple(str(name) for name in include if name.zone == zone),
            hold={str(name): reason for name, reason in hold if name.zone == zone},
        )
        for zone in by_zone
    ]


def choose_moves(
    request: FailoverRequest, validation: Validation
) -> tuple[tuple[Move, ...], tuple[SkippedEndpoint, ...]]:
    """The moves in the only zone, and the endpoints that stay.

    Raises:
        UsageError: no such site, environment or name.
    """
    contracts = _at_origin(request.origin, validation)
    _check_places(request, [contracts], [validation])
    (asked,) = _divided(request, [validation])
    return _chosen(asked, validation, contracts)


def failover(request: FailoverRequest, options: CommitOptions, workspace: Workspace) -> MoveResult:
    """Move a site's endpoints to another site, in all zones at once.

    Raises:
        UsageError, FindingsError, Refused: as `failover_parts` and `choose_together`; nothing is written.
        OutsideFailure: git, the remote or the forge's program failed.
    """
    selections = choose_together(failover_parts(request, options, workspace))
    moves = tuple(move for selection in selections for move in selection.moves)
    result = MoveResult(
        "failover",
        moves,
        tuple(endpoint for selection in selections for endpoint in selection.skipped),
        tuple(warning for selection in selections for warning in selection.warnings()),
    )
    lost = (request.origin,) if request.site_lost else ()
    held = [DeclaredHold(*held) for selection in selections for held in selection.part.request.hold.items()]
    declared = replace(
        options.declared,
        sites_lost=tuple(dict.fromkeys((*lost, *options.declared.sites_lost))),
        holds=tuple(held),
    )
    where = f" in {request.environment}" if request.environment else ""
    zones = f" in {len({move.zone for move in moves})} zones" if len({move.zone for move in moves}) > 1 else ""
    subject = f"Fail over from {request.origin} to {request.to}{where}: {counted(len(moves), 'endpoint')}{zones}"
    words = ("failover", request.origin, "to", request.to, request.environment or "")
    text = CommitText(subject, "\n".join(line for selection in selections for line in _lines(selection)))
    changes = [change for selection in selections for change in selection.changes]
    return write_or_commit(result, changes, text, words, replace(options, declared=declared), workspace)


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


def _chosen(
    request: FailoverRequest, validation: Validation, contracts: Mapping[EndpointName, Contract | None]
) -> tuple[tuple[Move, ...], tuple[SkippedEndpoint, ...]]:
    moves, skipped = _selected(contracts, request)
    return moves, (*skipped, *invalid_contracts(validation, request.environment))


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
    request: FailoverRequest,
    contracts: Iterable[Mapping[EndpointName, Contract | None]],
    validations: Sequence[Validation],
) -> None:
    """Refuse unknown sites and environments, so that slips show."""
    places = [request.origin, *filter(None, (request.to,))]
    sites = {site for found in contracts for contract in found.values() if contract for site in contract.sites}
    if not sites.issuperset(places):
        sites = {site for validation in validations for contract in validation.contracts for site in contract.sites}
    for site in places:
        if site not in sites:
            raise unknown_site(site, sites)
    if request.origin == request.to:
        raise UsageError("--from and --to are the same site", code="usage")
    authorities = [validation.authority for validation in validations if validation.authority]
    environments = {SHARED, *(environment for authority in authorities for environment in authority.environments)}
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
    if (zone := zone_label(selection.part.workspace)) and (selection.moves or selection.skipped):
        yield f"zone {zone}"
    for move in selection.moves:
        yield move.addresses
    if selection.skipped:
        yield f"{len(selection.skipped)} stay: {', '.join(endpoint.name for endpoint in selection.skipped)}"


def rehearse(selection: Selection, options: CommitOptions, *, live: bool = False) -> Rehearsal:
    """Plan a failover in one zone and probe its targets.

    Args:
        selection: The failover.
        options: Only its overrides matter.
        live: Whether to read the primary instead of the signed log.

    Raises:
        FindingsError, Refused: as its plan does.
        OutsideFailure: with `live`, the primary cannot be read.
    """
    request, workspace = selection.part.request, selection.part.workspace
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
    return Rehearsal(
        request.origin,
        request.to,
        selection.moves,
        selection.skipped,
        reports,
        replace(proposal, plan=plan),
        selection.warnings(),
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
