"""The report of a drill: the fate of each endpoint.

Everything is as `rehearse` finds it for each site that endpoints could move to: the same guards and probes as an apply.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal

from hyops_gitops.apply.preview import PlanRequest, make_proposal
from hyops_gitops.core.codec import JsonReport
from hyops_gitops.core.contract import Contract, Target, TargetType
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import Exit
from hyops_gitops.core.fields import At, Commit, Flat, Natural, time_text
from hyops_gitops.core.findings import FindingsError
from hyops_gitops.core.names import endpoint_name_of_path
from hyops_gitops.core.readiness import ReadinessReport
from hyops_gitops.move.failover import FailoverRequest, ZoneFailover, invalid_contracts, rehearse
from hyops_gitops.move.moves import Move, Rehearsal
from hyops_gitops.move.write_moves import CommitOptions, named_contract
from hyops_gitops.validate.validation import Validation

State = Literal["at-risk", "cannot-move", "moves", "need-not-move", "not-known"]


@dataclass(frozen=True, slots=True)
class StandbySite(JsonReport):
    """A site that an endpoint can move to, as it was found."""

    site: str  # its name
    port: int  # of its target
    readiness: ReadinessReport  # what the probes of its target found
    refused: tuple[str, ...]  # why an apply would not move there
    notes: tuple[str, ...]  # what is worth knowing of it


@dataclass(frozen=True, slots=True)
class EndpointOutlook(JsonReport):
    """What the loss of the site means for one endpoint."""

    name: str  # its DNS name; its path, where that is not known
    path: str  # its contract
    environment: str  # the environment
    owner: str | None  # endpoint_owner
    state: State  # its fate
    why: str  # the reason; empty where it just moves
    site: str | None  # where it is now, where its contract says so
    target: tuple[str, ...]  # what it points at now
    ttl: Natural  # seconds for which clients may keep that
    to: str | None  # the first site that it would move to
    standbys: tuple[StandbySite, ...]  # every site that it could move to


@dataclass(frozen=True, slots=True)
class OutlookCounts(JsonReport):
    """How many endpoints are in which state."""

    endpoints: Natural  # all of them
    moves: Natural  # that would move to a site that is ready
    at_risk: Natural  # that have to move, to nothing that is known to be ready
    cannot_move: Natural  # that have no other site
    need_not_move: Natural  # that are elsewhere, or promise a stable target
    not_known: Natural  # whose contracts have findings

    @classmethod
    def of(cls, endpoints: Iterable[EndpointOutlook]) -> "OutlookCounts":
        """The counts of these endpoints."""
        states = [endpoint.state for endpoint in endpoints]
        return cls(
            len(states),
            states.count("moves"),
            states.count("at-risk"),
            states.count("cannot-move"),
            states.count("need-not-move"),
            states.count("not-known"),
        )


@dataclass(frozen=True, slots=True)
class OutlookGroup(JsonReport):
    """The endpoints of one environment, or of one owner."""

    name: str | None  # null: of no owner
    counts: Annotated[OutlookCounts, Flat()]  # of its endpoints


@dataclass(frozen=True, slots=True)
class SiteRefusal(JsonReport):
    """A guard that refuses the whole failover to a site."""

    site: str  # the site
    guard: str  # the guard
    message: str  # what it refuses
    hint: str  # what to do


class SiteLossDocument:
    """The fate of each endpoint if a site is lost, hyops-readiness/1."""

    FORMAT = "hyops-readiness/1"
    zone: str  # the zone
    commit: Commit  # the contracts' commit
    dirty: bool  # whether the work tree, with uncommitted changes, was looked at instead
    time: datetime  # when the probes began
    origin: Annotated[str, At("from")]  # the site that is lost
    to: str | None  # the only site to move to; null: any other
    passes: bool  # whether nothing stands at risk and no guard refuses
    counts: OutlookCounts  # of all endpoints
    environments: tuple[OutlookGroup, ...]  # by environment
    owners: tuple[OutlookGroup, ...]  # by endpoint_owner
    endpoints: tuple[EndpointOutlook, ...]  # by contract
    refusals: tuple[SiteRefusal, ...]  # what refuses more than one endpoint
    warnings: tuple[str, ...]  # about caches, and the log itself


@dataclass(frozen=True, slots=True)
class SiteLossReport(JsonReport):
    """The fate of each endpoint if a site is lost."""

    FORM = SiteLossDocument
    zone: str
    commit: str
    dirty: bool
    time: datetime
    origin: str
    to: str | None
    endpoints: tuple[EndpointOutlook, ...]
    refusals: tuple[SiteRefusal, ...]
    warnings: tuple[str, ...]

    @property
    def passes(self) -> bool:
        """Whether all that has to move, and can, would."""
        return not self.refusals and not self.counts.at_risk

    @property
    def exit_code(self) -> Exit:
        """As of the rehearsal of the failover."""
        return Exit.OK if self.passes else Exit.REFUSED

    @property
    def counts(self) -> OutlookCounts:
        """The counts of all endpoints."""
        return OutlookCounts.of(self.endpoints)

    @property
    def environments(self) -> tuple[OutlookGroup, ...]:
        """The counts by environment."""
        return _groups((endpoint.environment, endpoint) for endpoint in self.endpoints)

    @property
    def owners(self) -> tuple[OutlookGroup, ...]:
        """The counts by owner."""
        return _groups((endpoint.owner, endpoint) for endpoint in self.endpoints)


def _groups(named: Iterable[tuple[str | None, EndpointOutlook]]) -> tuple[OutlookGroup, ...]:
    groups: dict[str | None, list[EndpointOutlook]] = {}
    for name, endpoint in named:
        groups.setdefault(name, []).append(endpoint)
    ordered = sorted(groups.items(), key=lambda group: (group[0] is None, group[0] or ""))
    return tuple(OutlookGroup(name, OutlookCounts.of(endpoints)) for name, endpoints in ordered)


def report_site_loss(part: ZoneFailover, options: CommitOptions, *, live: bool = False) -> SiteLossReport:
    """Rehearse the failover to each site, and judge every endpoint.

    Args:
        part: The failover; without `to`, to any other site.
        options: Only its overrides matter.
        live: Whether to read the primary instead of the signed log.

    Raises:
        UsageError, FindingsError, Refused, OutsideFailure: as `ZoneFailover.choose` and `rehearse` do.
    """
    request, validation, workspace = part.request, part.validation, part.workspace
    contracts, now = validation.contracts, workspace.clock.now()
    if validation.authority is None:
        raise FindingsError(validation.findings)
    rehearsals = {
        site: rehearse(replace(part, request=_to_site(request, site, validation)).choose(), options, live=live)
        for site in _standby_sites(request, contracts)
    }
    first = next(iter(rehearsals.values()), None)
    proposal = first.proposal if first else make_proposal(PlanRequest(None, live, options.overrides), workspace)
    outlooks = _Outlooks(request, contracts, rehearsals, proposal.limits.readiness_attested_minutes)
    return SiteLossReport(
        validation.authority.zone,
        proposal.commit,
        proposal.dirty,
        now,
        request.origin,
        request.to or None,
        (*outlooks.all(), *_unknown(request, validation)),
        tuple(_refusals(rehearsals)),
        tuple(dict.fromkeys((*proposal.warnings, *(text for each in rehearsals.values() for text in each.warnings)))),
    )


def _standby_sites(request: FailoverRequest, contracts: Iterable[Contract]) -> list[str]:
    """The sites to rehearse a failover to."""
    if request.to:
        return [request.to]
    active = (contract for contract in contracts if contract.active_site == request.origin)
    return sorted({site for contract in active for site in contract.sites} - {request.origin})


def _to_site(request: FailoverRequest, site: str, validation: Validation) -> FailoverRequest:
    if request.to:
        return request
    there = [name for name in request.include if site in named_contract(validation, name).sites]
    return replace(request, to=site, include=tuple(there))


def _refusals(rehearsals: Mapping[str, Rehearsal]) -> Iterator[SiteRefusal]:
    """The refusals that are not about an endpoint that moves."""
    for site, rehearsal in rehearsals.items():
        moving = {move.name for move in rehearsal.moves}
        for refusal in rehearsal.proposal.plan.refusals:
            if refusal.name not in moving:
                yield SiteRefusal(site, refusal.guard, refusal.message, refusal.hint)


def _unknown(request: FailoverRequest, validation: Validation) -> Iterator[EndpointOutlook]:
    zone = validation.authority.zone if validation.authority else ""
    for skipped in invalid_contracts(validation, request.environment):
        name = endpoint_name_of_path(skipped.name, zone)
        environment = skipped.name.split("/")[-2]
        shown = str(name) if name is not None else skipped.name
        yield EndpointOutlook(
            shown, skipped.name, environment, None, "not-known", skipped.reason, None, (), 0, None, ()
        )


class _Outlooks:
    """The endpoints of a repository, judged by the rehearsals."""

    def __init__(
        self,
        request: FailoverRequest,
        contracts: Iterable[Contract],
        rehearsals: Mapping[str, Rehearsal],
        attested_minutes: int,
    ) -> None:
        self._request = request
        self._minutes = attested_minutes
        self._contracts = {contract.path: contract for contract in contracts}
        self._by_name = {str(contract.name): contract for contract in self._contracts.values()}
        self._by_name |= {alias.name: found for found in self._contracts.values() for alias in found.aliases}
        self._standbys: dict[str, list[StandbySite]] = {}
        for site, rehearsal in rehearsals.items():
            for path, standby in self._found(site, rehearsal):
                self._standbys.setdefault(path, []).append(standby)
        self._known: dict[str, EndpointOutlook] = {}

    def all(self) -> list[EndpointOutlook]:
        """Every valid contract's endpoint, of the environment asked for."""
        wanted = (
            (None, self._request.environment) if self._request.environment is None else (self._request.environment,)
        )
        return [
            self.of(contract)
            for contract in self._contracts.values()
            if None in wanted or contract.name.environment in wanted
        ]

    def of(self, contract: Contract) -> EndpointOutlook:
        """What the loss of the site means for one endpoint."""
        if contract.path not in self._known:
            self._known[contract.path] = self._judged(contract)
        return self._known[contract.path]

    def _found(self, site: str, rehearsal: Rehearsal) -> Iterator[tuple[str, StandbySite]]:
        """What was found of a site, by contract."""
        plan = rehearsal.proposal.plan
        refused: dict[str | None, list[str]] = {}
        notes: dict[str, list[str]] = {}
        for refusal in plan.refusals:
            refused.setdefault(refusal.name, []).append(refusal.message)
        for held in plan.held:
            refused.setdefault(held.name, []).append(f"it is held as it was applied last: {held.reason}")
        for note in plan.notes:
            notes.setdefault(note.name, []).append(note.message)
        for move, report in zip(rehearsal.moves, rehearsal.readiness, strict=True):
            whys = (*refused.get(move.name, ()), *self._old_attestation(move, report))
            yield move.path, StandbySite(site, move.after.port, report, whys, tuple(notes.get(move.name, ())))

    def _old_attestation(self, move: Move, report: ReadinessReport) -> Iterator[str]:
        """That the publisher's attestation is too old to stand for the probes."""
        since = self._contracts[move.path].attested_at(move.after)
        if report.verdict == "unknown" and report.attested is None and since is not None:
            counts = f"older than {self._minutes} minutes" if self._minutes else "never counted by the policy"
            yield f"its publisher's attestation of {time_text(since)} is {counts}"

    def _judged(self, contract: Contract) -> EndpointOutlook:
        standbys = tuple(self._standbys.get(contract.path, ()))
        to = next((standby for standby in standbys if not standby.refused), None)
        if to is not None:
            return self._outlook(contract, "moves", "; ".join(to.notes), to.site, standbys)
        if standbys:
            whys = [f"{standby.site}: {'; '.join(standby.refused)}" for standby in standbys]
            return self._outlook(contract, "at-risk", "; ".join(whys), None, standbys)
        state, why = self._left(contract)
        return self._outlook(contract, state, why, None, ())

    def _left(self, contract: Contract) -> tuple[State, str]:
        """State and reason of an endpoint that no failover moves."""
        origin, to = self._request.origin, self._request.to
        if origin in contract.sites and contract.active_site != origin:
            return "need-not-move", f"is active at {contract.active_site}"
        if origin not in contract.sites and contract.sites:
            return "need-not-move", f"has no site {origin}, and is active at {contract.active_site}"
        followed = self._followed(contract.target)
        if followed is not None:
            return self._as_followed(self.of(followed))
        if (reason := self._held(contract)) is not None:
            return "cannot-move", f"is held: {reason}"
        if not contract.cutover_required:
            return "need-not-move", "promises a stable target (endpoint_cutover_required: false)"
        if not contract.sites:
            return "cannot-move", "names no site: it has one target, and nothing says where that stands"
        others = [site for site in contract.sites if site != origin]
        return "cannot-move", f"has no site {to}, only {', '.join(others)}" if to and others else "has no other site"

    def _held(self, contract: Contract) -> str | None:
        """The reason of a hold that was asked for."""
        name = str(contract.name)
        return next((why for held, why in self._request.hold.items() if f"{name}.".startswith(f"{held}.")), None)

    def _followed(self, target: Target) -> Contract | None:
        """The contract whose name is the target."""
        return self._by_name.get(target.values[0]) if target.type is TargetType.DNS else None

    def _as_followed(self, followed: EndpointOutlook) -> tuple[State, str]:
        match followed.state:
            case "moves":
                return "need-not-move", f"follows {followed.name}, which moves"
            case "need-not-move":
                return "need-not-move", f"follows {followed.name}, which need not move"
            case "at-risk":
                return "at-risk", f"follows {followed.name}, which stands at risk"
            case _:
                return "cannot-move", f"follows {followed.name}, which cannot move"

    def _outlook(
        self, contract: Contract, state: State, why: str, to: str | None, standbys: tuple[StandbySite, ...]
    ) -> EndpointOutlook:
        return EndpointOutlook(
            str(contract.name),
            contract.path,
            contract.name.environment,
            contract.owner,
            state,
            why,
            contract.active_site,
            contract.target.values,
            contract.ttl,
            to,
            standbys,
        )
