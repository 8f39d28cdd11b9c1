"""Steps 4 to 6 of an apply: header and anchor, plan, readiness."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from hyops_gitops.apply.adopt import not_served
from hyops_gitops.apply.look import (
    Observation,
    anchor_refusal,
    check_clock,
    check_header,
    damage_refusal,
    observe,
    observe_markers,
    observe_names,
)
from hyops_gitops.apply.merged_commits import AttributedCommit, mixed_change
from hyops_gitops.apply.opening import (
    ApplyBase,
    ApplyRequest,
    authority_change,
    check_history,
    check_signers,
    read_recorded,
)
from hyops_gitops.apply.probe import check_readiness
from hyops_gitops.apply.propose import (
    FindingsByEffect,
    LastRecordedTree,
    PlanBase,
    about_zone,
    check_trailers,
    effective,
    known_sites,
    limits_since,
    mixed_refusal,
    propose,
    sites_lost,
    sort_findings,
)
from hyops_gitops.core.authority import Authority
from hyops_gitops.core.damage import REPAIR, damage_words
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.declaration import NOTHING_DECLARED, Declaration
from hyops_gitops.core.errors import Refused, UsageError
from hyops_gitops.core.events import Step, Warned
from hyops_gitops.core.findings import FindingsError
from hyops_gitops.core.guards import Override, find_override, override_line
from hyops_gitops.core.network import ZoneWriter
from hyops_gitops.core.people import MergedCommit, missing_approval
from hyops_gitops.core.readiness import Candidate, ReadinessReport
from hyops_gitops.core.text import counted, masked
from hyops_gitops.core.zone import Key, RRset, Zone
from hyops_gitops.log.admin_entries import Gap, MissingEntries
from hyops_gitops.log.entries import AuthorityChange, ZoneDrift
from hyops_gitops.log.holds import held_contracts, moves_of
from hyops_gitops.log.log import Log
from hyops_gitops.log.parts import Hold
from hyops_gitops.log.repairing import RowRepair
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.plan.freezes import KindOf, frozen, kinds_of
from hyops_gitops.plan.limits import Limits, attested, candidates, guarded
from hyops_gitops.plan.plan import Plan

_GUARD = "separation-of-duties"


@dataclass(frozen=True, slots=True)
class Preparation:
    """Everything known when the plan is made and nothing is written."""

    opened: ApplyBase
    primary: ZoneWriter
    observation: Observation
    plan: Plan
    targets: tuple[Candidate, ...]  # that the plan moves endpoints to
    readiness: tuple[ReadinessReport, ...]  # of those targets
    merged: tuple[MergedCommit, ...]
    gap: Gap | None  # to be recorded first, in this order
    authority_change: AuthorityChange | None
    drift: ZoneDrift | None
    sites_lost: tuple[str, ...] = ()  # whose servers are watched, not required
    rollback_of: int | None = None  # the intent that this takes back
    holds: tuple[Hold, ...] = ()  # names that stay as this leaves them
    declared: Declaration = NOTHING_DECLARED  # by the run itself, where no commit does
    repair: tuple[RowRepair, ...] = ()  # of rows that contradict each other
    overrides: tuple[Override, ...] = ()  # those that the policy allows

    @property
    def serial(self) -> int:
        """The zone's serial at the plan."""
        return self.observation.header.serial

    @property
    def deletes(self) -> list[Key]:
        """What the update takes away, markers apart."""
        gone = [change.key for change in self.plan.changes if change.writes and change.after is None]
        return [*gone, *(key for repair in self.repair for key in repair.deletes)]

    @property
    def replaces(self) -> list[RRset]:
        """What the update writes, markers apart."""
        put = [change.after for change in self.plan.changes if change.writes and change.after is not None]
        return [*put, *(rrset for repair in self.repair for rrset in repair.writes)]


@dataclass(frozen=True, slots=True)
class SeenPrimary:
    """The primary and what it shows."""

    primary: ZoneWriter
    observation: Observation

    def at(self, log: Log, names: Collection[str]) -> "SeenPrimary":
        """With these names read by now."""
        return replace(self, observation=observe_names(self.observation, self.primary, log, names))


def check_sites(opened: ApplyBase, request: ApplyRequest, workspace: Workspace) -> None:
    """Check that the sites declared lost exist, here or in another zone.

    Raises:
        UsageError: a misspelt site would leave its servers required.
    """
    known = known_sites(opened.validation) if request.sites_lost else frozenset()
    for site in request.sites_lost:
        if site not in known and opened.validation.files.tree.is_elsewhere(site):
            workspace.on_event(Warned(f"--site-lost {site}: {opened.authority.zone} has no such site"))
        elif site not in known:
            raise UsageError(
                f"--site-lost {site}: no server or endpoint has a site of this name",
                code="unknown-site",
                hint=f"sites: {', '.join(sorted(known))}",
            )


def look(opened: ApplyBase, request: ApplyRequest, workspace: Workspace) -> SeenPrimary:
    """Read the zone, and check that it belongs to the log.

    Where header and markers are as the log recorded them the rest is taken from the log, until `Seen.at` reads it.
    Only after this may anything be written to the log: an entry put on a log that was rolled back would fork it.

    Raises:
        Refused: `primary-url`, `primary`, `soa-edit-api`, `served-serial`, `clock`, `other-log`, `log-gap`, `race`.
        OutsideFailure: the API is unreachable.
    """
    authority, log = opened.authority, opened.log
    workspace.on_event(Step(f"reading the zone from {authority.primary.api.url}"))
    primary = workspace.open_writer(authority)
    header = primary.header()
    check_header(header, authority, workspace.clock.now())
    check_clock(workspace.clock.now(), log.head.envelope.time, header.server_time)
    markers = None if request.full else observe_markers(primary, log, header)
    observation = markers or observe(primary, log, header)
    if observation.state in ("ahead", "breakglass"):
        if opened.writer.head() not in (None, log.commit):
            message = "another applier wrote between reading the log and reading the zone"
            raise Refused(message, guard="race", hint="run the command again")
        refusal = anchor_refusal(observation, log, Limits.of(authority.policy), request.overrides)
        if refusal is not None:
            raise refusal
    return SeenPrimary(primary, observation)


@dataclass(frozen=True, slots=True)
class ChosenCommits:
    """The commits to carry out, and the contracts to leave alone."""

    past: LastRecordedTree | None
    found: FindingsByEffect
    merged: tuple[MergedCommit, ...]
    kind_of: KindOf  # of a contract's change


def check_commits(
    opened: ApplyBase, people: tuple[AttributedCommit, ...], request: ApplyRequest, workspace: Workspace
) -> ChosenCommits:
    """Check that these commits may be applied. Asks no server.

    Raises:
        FindingsError: contracts that this apply would change are invalid.
        Refused: `history`, `trailers`, `separation-of-duties`, `mixed-commit`.
    """
    past = read_recorded(opened, workspace)
    check_history(opened, past, request, workspace)
    check_signers(opened, past, workspace)
    commits = tuple(attributed.commit for attributed in people)
    limits = limits_since(past, Limits.of(opened.authority.policy))
    check_trailers(commits, limits, request.overrides, opened.validation, workspace.on_event)
    _check_separation(limits, people, request)
    if past is not None and (refusal := mixed_refusal(mixed_change(people), limits, request.overrides)) is not None:
        raise refusal
    found = sort_findings(opened.validation, past)
    if found.blocking:
        raise FindingsError(found.blocking)
    merged = tuple(attributed.merged for attributed in people)
    return ChosenCommits(past, found, merged, kinds_of(commits, opened.authority.path))


def prepare(
    opened: ApplyBase, checked: ChosenCommits, seen: SeenPrimary, request: ApplyRequest, workspace: Workspace
) -> Preparation:
    """Plan, and probe the targets that endpoints are to move to.

    Raises:
        Refused: guards `damaged`, `restored` and `log-gap`.
    """
    log = opened.log
    limits = limits_since(checked.past, Limits.of(opened.authority.policy))
    held = held_contracts(log, opened.validation.looked_at, limits, request.overrides)

    def planned(observation: Observation) -> Plan:
        return propose(
            opened.validation,
            limits,
            PlanBase(log.state, observation.zone, observation.state != "current", observation.came_back(log)),
            held={**held, **checked.found.held},
            past=checked.past,
            overrides=request.overrides,
            moves=moves_of(log, workspace.clock.now()),
        )

    observation, plan = seen.observation, None
    if not observation.whole:
        plan = planned(observation)
        observation = seen.at(log, plan.names()).observation
        plan = plan if observation.zone is seen.observation.zone else None
    _check_damage(opened, observation, Limits.of(opened.authority.policy), request, workspace)
    refusal = anchor_refusal(observation, log, Limits.of(opened.authority.policy), request.overrides)
    if refusal is not None:
        raise refusal
    plan = plan or planned(observation)
    plan = frozen(plan, log.state, limits, request.overrides, checked.kind_of, workspace.clock.now())
    lost = tuple(dict.fromkeys((*request.sites_lost, *sites_lost(checked.merged))))
    hidden = (
        not_served(plan.changes, opened.authority, observation.header, lost, workspace) if not plan.refusals else ()
    )
    plan = replace(plan, refusals=(*plan.refusals, *hidden))
    wanted = candidates(plan.changes, opened.validation.contract)
    own = about_zone(request.overrides, opened.authority.zone, opened.validation.files.tree.other_zones)
    readiness = probe_targets(wanted, opened.authority, limits, plan.expected_zone(), workspace)
    return Preparation(
        opened=opened,
        primary=seen.primary,
        observation=observation,
        plan=guarded(plan, readiness, limits, request.overrides),
        targets=wanted,
        readiness=readiness,
        merged=checked.merged,
        gap=_gap(observation, log, request),
        authority_change=authority_change(opened, checked.past),
        drift=observation.drift(log, opened.commit),
        sites_lost=lost,
        overrides=effective(own, Limits.of(opened.authority.policy), checked.past, workspace.on_event),
    )


def _check_damage(
    opened: ApplyBase, observation: Observation, limits: Limits, request: ApplyRequest, workspace: Workspace
) -> None:
    """Refuse to build on rows that contradict each other.

    Before the first apply and in break-glass they are only warned of: no log could record their repair.

    Raises:
        Refused: guard `damaged`.
    """
    if not observation.damage:
        return
    wanted = {rrset.name for contract in opened.validation.contracts for rrset in contract.rrsets()}
    refusal = damage_refusal(observation, opened.log, wanted)
    bound = opened.log.segment is None and opened.log.anchor is not None
    if refusal is not None and bound and not limits.lifted("damaged", None, request.overrides):
        raise refusal
    workspace.on_event(Warned(f"{damage_words(observation.damage)}; repair it: `{REPAIR}`"))


def probe_targets(
    wanted: Sequence[Candidate], authority: Authority, limits: Limits, zone: Zone, workspace: Workspace
) -> tuple[ReadinessReport, ...]:
    """Step 6: the readiness of the targets, probed or attested."""
    if any(target.probes for target in wanted):
        workspace.on_event(Step(f"probing {counted(len(wanted), 'new target')}"))
    reports = check_readiness(wanted, authority, zone, workspace.prober, workspace.dns)
    now, minutes = workspace.clock.now(), limits.readiness_attested_minutes
    return tuple(
        attested(report, target.attested, minutes, now) for target, report in zip(wanted, reports, strict=True)
    )


def _check_separation(limits: Limits, people: tuple[AttributedCommit, ...], request: ApplyRequest) -> None:
    """Check that a second person approved each commit, by the policy.

    Raises:
        Refused: guard `separation-of-duties`.
    """
    if limits.separation_of_duties != "enforce" or limits.lifted(_GUARD, None, request.overrides):
        return
    for attributed in people:
        if attributed.commit.changed and (
            why := attributed.unanswered or missing_approval(attributed.merged, attributed.pushers)
        ):
            raise Refused(
                f"commit {attributed.commit.id[:12]} needs the approval of another person: {why}",
                guard=_GUARD,
                hint=f"if this is right: {override_line(_GUARD)}",
            )


def _gap(observation: Observation, log: Log, request: ApplyRequest) -> Gap | None:
    """The entries that the log lacks, where an override accepts that."""
    if observation.state != "ahead" or observation.anchor is None:
        return None
    override = find_override(request.overrides, "log-gap")
    reason = masked(override.reason) if override else ""
    return Gap(reason, MissingEntries(log.head.seq + 1, observation.anchor.seq), observation.anchor.sha256)


def record_circumstances(prepared: Preparation) -> Log:
    """Append what precedes the intent: a gap, a changed authority, drift.

    Raises:
        Refused: guard `request-size`: the update would not fit into one request; nothing is appended.
    """
    prepared.primary.check_size(prepared.deletes, prepared.replaces)
    log, writer = prepared.opened.log, prepared.opened.writer
    if prepared.gap is not None:
        log = writer.append(log, prepared.gap, log.observed, log.state)
    change = prepared.authority_change
    if change is not None and all(entry.body != change for entry in log.entries.of_types("authority")):
        log = writer.append(log, change, log.observed, log.state)
    if prepared.drift is not None:
        log = writer.append(log, prepared.drift, prepared.plan.observed, log.state)
    return log
