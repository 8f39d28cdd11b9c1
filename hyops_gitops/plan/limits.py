"""Limits of a policy: the stricter of two, caps, readiness guard."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Literal

from hyops_gitops.core.authority import NO_ASSERTIONS, Assertions, Freeze, Policy
from hyops_gitops.core.codec import JsonReport
from hyops_gitops.core.contract import Contract, Target
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.fields import At, Commit, Keywords, Natural, Of, Seq, Sha256, time_text
from hyops_gitops.core.guards import GUARDS, Override, find_override
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.readiness import Candidate, ReadinessReport
from hyops_gitops.plan.plan import Action, Change, Drift, GuardRefusal, Held, Note, Plan, written_by_name

# From this many managed RRsets on, a share in percent means something; below, the absolute caps protect.
PERCENT_APPLIES_FROM = 10
_STRICTEST: tuple[Literal["enforce", "warn", "off"], ...] = ("enforce", "warn", "off")


@dataclass(frozen=True, slots=True)
class Limits:
    """The size limits of one apply, and its overridable guards."""

    max_replaces: int
    max_deletes: int
    max_change_percent: int
    max_cutovers: int
    cutover_required: Literal["warn", "enforce"]
    overridable: frozenset[str]
    separation_of_duties: Literal["enforce", "warn", "off"] = "warn"
    readiness_unknown: Literal["refuse", "warn"] = "refuse"
    readiness_attested_minutes: int = 0
    assertions: Assertions = NO_ASSERTIONS
    freezes: tuple[Freeze, ...] = ()

    @classmethod
    def of(cls, policy: Policy) -> "Limits":
        """The limits of one policy."""
        return cls(
            policy.max_replaces,
            policy.max_deletes,
            policy.max_change_percent,
            policy.max_cutovers,
            policy.cutover_required,
            policy.overridable,
            policy.separation_of_duties,
            policy.readiness_unknown,
            policy.readiness_attested_minutes,
            policy.assertions,
            policy.freezes,
        )

    def lifted(self, guard: str, name: str | None, overrides: Iterable[Override]) -> bool:
        """Whether an override lifts a guard that the policy lets it."""
        return guard in self.overridable and find_override(overrides, guard, name) is not None

    def without_forbidden_hint(self, refusal: GuardRefusal) -> GuardRefusal:
        """The refusal, without a hint that the policy forbids."""
        if refusal.guard in self.overridable or not GUARDS[refusal.guard].overridable:
            return refusal
        return replace(refusal, hint=f"policy.overridable does not list {refusal.guard}, so nothing lifts it")

    def stricter(self, other: "Limits") -> "Limits":
        """The stricter of two limits.

        A pull request that loosens a limit does not profit from it in the same apply.
        """
        return Limits(
            min(self.max_replaces, other.max_replaces),
            min(self.max_deletes, other.max_deletes),
            min(self.max_change_percent, other.max_change_percent),
            min(self.max_cutovers, other.max_cutovers),
            "enforce" if "enforce" in (self.cutover_required, other.cutover_required) else "warn",
            self.overridable & other.overridable,
            _STRICTEST[min(map(_STRICTEST.index, (self.separation_of_duties, other.separation_of_duties)))],
            "refuse" if "refuse" in (self.readiness_unknown, other.readiness_unknown) else "warn",
            min(self.readiness_attested_minutes, other.readiness_attested_minutes),
            _all_of(self.assertions, other.assertions),
            tuple(dict.fromkeys((*self.freezes, *other.freezes))),
        )


def _all_of(these: Assertions, other: Assertions) -> Assertions:
    """The assertions of both."""
    caps = [*these.environment_cutovers.items(), *other.environment_cutovers.items()]
    return Assertions(
        {name: min(most for named, most in caps if named == name) for name, _ in caps},
        max(these.anti_flap_minutes, other.anti_flap_minutes),
        tuple(sorted({*these.move_together, *other.move_together})),
    )


@dataclass(frozen=True, slots=True)
class Tally:
    """The numbers of changed endpoints, by kind."""

    replaced: int
    deleted: int
    moved: int  # between two of the contract's own sites: a failover, not a rewrite


FindContract = Callable[[str], Contract | None]  # the valid one at a path, or with a name


def cap_refusals(
    changes: Sequence[Change], contract: FindContract, recorded: ManagedSet, limits: Limits
) -> Iterator[GuardRefusal]:
    """A refusal for each cap that the changes exceed."""
    tally = count(changes, contract)
    counted = tally.replaced + tally.deleted
    for guard, number, limit, what in (
        ("max-replaces", tally.replaced, limits.max_replaces, "endpoints would be replaced"),
        ("max-deletes", tally.deleted, limits.max_deletes, "endpoints would be deleted"),
        ("max-cutovers", tally.moved, limits.max_cutovers, "endpoints would move between their sites"),
    ):
        if number > limit:
            message = f"{number} {what}, policy.{guard.replace('-', '_')} allows {limit}"
            yield GuardRefusal.overridable(guard, None, message)
    percent = limits.max_change_percent
    if not counted or (percent and recorded.entries.has_at_least(-(-counted * 100 // percent))):
        return
    managed = len(recorded.entries)
    if managed >= PERCENT_APPLIES_FROM:
        share = counted * 100 // managed
        message = f"{counted} of {managed} managed RRsets ({share} %) would change, "
        message += f"policy.max_change_percent allows {percent} %"
        yield GuardRefusal.overridable("max-change-percent", None, message)


def count(changes: Iterable[Change], contract: FindContract) -> Tally:
    """Replaced, deleted and moved endpoints; created and adopted ones are not limited."""
    replaced = deleted = moved = 0
    for of_name in written_by_name(changes).values():
        if all(change.action is Action.DELETE for change in of_name) and _is_gone(of_name[0], contract):
            deleted += 1
        elif _moves_between_sites(of_name, contract(of_name[0].contract)):
            moved += 1
        elif any(change.before is not None for change in of_name):
            replaced += 1
    return Tally(replaced, deleted, moved)


def _is_gone(change: Change, contract: FindContract) -> bool:
    """Whether no contract asks for the name, as own name or alias."""
    found = contract(change.contract)
    return found is None or change.name not in {rrset.name for rrset in found.rrsets()}


def _moves_between_sites(changes: Iterable[Change], contract: Contract | None) -> bool:
    before = frozenset(value for change in changes if change.before for value in change.before.rdata)
    after = frozenset(value for change in changes if change.after for value in change.after.rdata)
    if contract is None or not before or before == after:
        return False
    sites = [site_rdata(target) for target in contract.sites.values()]
    return any(before <= site for site in sites) and any(after <= site for site in sites)


def site_rdata(target: Target) -> frozenset[str]:
    """The canonical rdata of a site's target, whatever its RRset types."""
    return frozenset(value for rrset in target.rrsets("site", 0) for value in rrset.rdata)


Source = Literal["live", "evidence", "empty"]


_COMMIT_OR_NONE = Keywords.of(pattern=r"^(?:[0-9a-f]{40}(?:[0-9a-f]{24})?)?(?!\n)$")


class PlanDocument:
    """A plan, hyops-plan/1."""

    FORMAT = "hyops-plan/1"
    zone: Annotated[str, Of("plan.zone")]  # the zone, without final dot
    commit: Annotated[str, _COMMIT_OR_NONE]  # the contracts' commit
    merged_into: Commit | None = None  # the commit that the contracts' commit was planned as merged into
    dirty: bool  # whether the work tree, with uncommitted changes, was planned instead of the commit
    source: Annotated[Source, At("base.source")]  # live: the primary; evidence: the log; empty: there is no log yet
    serial: Annotated[Natural | None, At("base.serial")]  # the zone's serial, where it is known
    zone_sha256: Annotated[Sha256, At("base.zone_sha256"), Of(lambda given: given.plan.observed.digest())]  # of it all
    seq: Annotated[Seq | None, At("base.seq")]  # the newest entry of the log, where there is one
    changes: Annotated[tuple[Change, ...], Of("plan.changes")]  # what would change, by name and type
    drift: Annotated[tuple[Drift, ...], Of("plan.drift")]  # what was changed outside the log, and is left alone
    held: Annotated[tuple[Held, ...], Of("plan.held")]  # endpoints that are left as they were applied last
    refusals: Annotated[tuple[GuardRefusal, ...], Of("plan.refusals")]  # why nothing would be applied
    notes: Annotated[tuple[Note, ...], Of("plan.notes")]  # what stops nothing and is worth knowing
    warnings: tuple[str, ...]  # what is still to be done about the log itself: break-glass that is not settled
    unmanaged: Annotated[Natural, Of("plan.unmanaged")]  # RRsets in the zone that no contract owns
    digest: Annotated[Sha256, Of(lambda given: given.plan.digest())]  # of zone, base.zone_sha256 and changes


@dataclass(frozen=True, slots=True)
class Proposal(JsonReport):
    """A plan and what it is based on."""

    FORM = PlanDocument
    plan: Plan
    commit: str
    dirty: bool
    source: Source
    serial: int | None
    seq: int | None  # of the log's newest entry
    limits: Limits  # that the plan was made under
    overrides: tuple[Override, ...] = ()  # given, and in the trailers of the commits
    warnings: tuple[str, ...] = ()  # about the log itself: break-glass that is not settled yet
    merged_into: str | None = None  # the commit that this was planned as merged into


_GUARD = "readiness"
_CLOCKS_APART = timedelta(minutes=5)


def candidates(changes: Iterable[Change], contract: FindContract) -> tuple[Candidate, ...]:
    """The targets that endpoints move to, by contract path."""
    moving = {change.contract for change in changes if change.cutover and change.after is not None and change.writes}
    return tuple(Candidate.of(found) for path in sorted(moving) if (found := contract(path)) is not None)


def attested(report: ReadinessReport, since: datetime | None, minutes: int, now: datetime) -> ReadinessReport:
    """The report, with a recent attestation in place of an unknown readiness.

    Args:
        report: The outcome of the probes.
        since: The time of the publisher's attestation.
        minutes: How old that may be; 0: it never counts.
        now: The time of this run.
    """
    if report.verdict != "unknown" or since is None or not minutes:
        return report
    fresh = now - timedelta(minutes=minutes) <= since <= now + _CLOCKS_APART
    return replace(report, attested=since) if fresh else report


def guarded(plan: Plan, reports: Iterable[ReadinessReport], limits: Limits, overrides: Sequence[Override]) -> Plan:
    """The plan with what these reports mean for it."""
    refusals: list[GuardRefusal] = []
    notes: list[Note] = []
    for report in reports:
        if report.verdict == "ready":
            continue
        if _passes(report, limits) or limits.lifted(_GUARD, report.name, overrides):
            notes.append(Note(report.name, _reason(report)))
        else:
            refusals.append(
                limits.without_forbidden_hint(GuardRefusal.overridable(_GUARD, report.name, _reason(report)))
            )
    return replace(plan, refusals=(*plan.refusals, *refusals), notes=(*plan.notes, *notes))


def _passes(report: ReadinessReport, limits: Limits) -> bool:
    if report.verdict == "unknown":
        return report.attested is not None or limits.readiness_unknown == "warn"
    return report.verdict == "not-probed"


def _reason(report: ReadinessReport) -> str:
    name, target = report.name, " ".join(report.target)
    match report.verdict:
        case "not-probed":
            return f"its new target {target} is not probed: {report.reason}"
        case "unknown" if report.attested is not None:
            attested_at = f"attested by its publisher at {time_text(report.attested)}"
            return f"taken for ready at {target} ({attested_at}; probes inconclusive: {report.why})"
        case "unknown":
            return f"whether {name} is ready at {target} is not known: {report.why}"
        case _:
            return f"{name} is not ready at {target}: {report.why}"
