"""The receipt of an apply: outcome, servers, services, deleted names."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Annotated, Literal, assert_never

from hyops_gitops.core.codec import JsonObject, JsonReport
from hyops_gitops.core.damage import Damage
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import Exit
from hyops_gitops.core.fields import ALWAYS, At, Natural, Of
from hyops_gitops.core.readiness import ReadinessReport
from hyops_gitops.core.server_report import ServerOutcome, ServerReport
from hyops_gitops.log.envelope import EntryRef
from hyops_gitops.log.parts import Retirement
from hyops_gitops.log.timeline import Moment, ServiceReport
from hyops_gitops.plan.plan import Change, Drift, GuardRefusal, Held, Note, Plan, written_by_name


@dataclass(frozen=True, slots=True)
class GoneFrom(JsonObject):
    """A deleted name on one server, in the end."""

    role: str  # primary, secondary or resolver
    name: str  # its name in the authority file
    gone: bool | None  # whether the name is gone; null: not observed
    instead: tuple[str, ...]  # what it answers all the same: a wildcard's records


@dataclass(frozen=True, slots=True)
class Departure(JsonObject):
    """One deleted name."""

    name: str  # its DNS name
    servers: tuple[GoneFrom, ...]  # on each server


def departures(changes: Iterable[Change], servers: Sequence[ServerReport]) -> tuple[Departure, ...]:
    """The names of which nothing of ours is left."""
    return tuple(
        Departure(name, tuple(_gone_from(of_name, server) for server in servers))
        for name, of_name in sorted(written_by_name(changes).items())
        if all(change.after is None for change in of_name)
    )


def _gone_from(changes: Sequence[Change], server: ServerReport) -> GoneFrom:
    before = {change.type: change.before.rdata for change in changes if change.before}
    given = {
        rrtype: rdata
        for name, rrtype, rcode, _, rdata in server.answers
        if name == changes[0].name and rrtype in before and rcode in ("NOERROR", "NXDOMAIN")
    }
    if given.keys() != before.keys():
        return GoneFrom(server.role, server.name, None, ())
    left = {rrtype: rdata for rrtype, rdata in given.items() if rdata}
    gone = all(rdata != before[rrtype] for rrtype, rdata in left.items())
    return GoneFrom(server.role, server.name, gone, tuple(value for rdata in left.values() for value in rdata))


Outcome = Literal["applied", "nothing", "refused", "failed", "unconfirmed", "rolled-back"]


@dataclass(frozen=True, slots=True)
class RollBack(JsonObject):
    """The names moved back and held after a move, or why not."""

    names: tuple[str, ...]  # their DNS names
    outcome: str  # of the roll-back's own intent; refused where there is none
    reason: str  # why they were moved back, or why not
    intent: EntryRef | None  # its intent in the log
    result: EntryRef | None  # its result in the log
    servers: Annotated[tuple[ServerOutcome, ...], ALWAYS] = ()  # each server in the end
    services: Annotated[tuple[ServiceReport, ...], ALWAYS] = ()  # whether what was moved back answers


class ReceiptDocument:
    """The outcome of an apply, hyops-apply/1."""

    FORMAT = "hyops-apply/1"
    outcome: Outcome  # rolled-back: applied, and taken back for what did not answer; unconfirmed: applied, not proved
    reason: str  # why it is not simply applied; else empty
    zone: Annotated[str, Of("plan.zone")]  # the zone, without final dot
    commit: str  # the contracts' commit
    serial_before: Annotated[Natural | None, At("serial.before")]  # the zone's serial before the update
    serial_after: Annotated[Natural | None, At("serial.after")]  # the zone's serial after the update
    intent: EntryRef | None  # the intent in the log
    result: EntryRef | None  # the result in the log
    head: EntryRef | None  # the newest entry of the log
    servers: tuple[ServerOutcome, ...]  # each server in the end
    changes: Annotated[tuple[Change, ...], Of("plan.changes")]  # what was to change, by name and type
    drift: Annotated[tuple[Drift, ...], Of("plan.drift")]  # what was changed outside the log, and is left alone
    held: Annotated[tuple[Held, ...], Of("plan.held")]  # endpoints that are left as they were applied last
    refusals: Annotated[tuple[GuardRefusal, ...], Of("plan.refusals")]  # why nothing was applied
    notes: Annotated[tuple[Note, ...], Of("plan.notes")]  # what stops nothing and is worth knowing
    readiness: tuple[ReadinessReport, ...]  # of the targets that endpoints move to
    services: tuple[ServiceReport, ...]  # whether what moved answers through its name
    timeline: tuple[Moment, ...]  # how the change spread, in order
    retire: tuple[Retirement, ...]  # old targets of moved endpoints
    deleted: Annotated[tuple[Departure, ...], Of("departures")]  # the names that were deleted
    rollback: RollBack | None  # what was moved back
    caught_up: tuple[ServerOutcome, ...]  # servers that an earlier apply had to leave behind
    damage: tuple[Damage, ...]  # rows of the zone that contradict each other
    unproved: tuple[ServerOutcome, ...]  # required servers not seen to serve what an earlier apply changed
    timings_ms: Mapping[str, int]  # how long each step took


@dataclass(frozen=True, slots=True)
class Receipt(JsonReport):
    """The outcome of one apply, whatever it was."""

    FORM = ReceiptDocument
    outcome: Outcome
    commit: str
    plan: Plan
    reason: str = ""
    readiness: tuple[ReadinessReport, ...] = ()
    serial_before: int | None = None
    serial_after: int | None = None
    intent: EntryRef | None = None
    result: EntryRef | None = None
    head: EntryRef | None = None
    servers: tuple[ServerReport, ...] = ()
    services: tuple[ServiceReport, ...] = ()
    retire: tuple[Retirement, ...] = ()
    timeline: tuple[Moment, ...] = ()
    rollback: RollBack | None = None
    caught_up: tuple[ServerReport, ...] = ()  # servers that an earlier apply had to leave behind
    damage: tuple[Damage, ...] = ()  # rows of the zone that contradict each other
    unproved: tuple[ServerReport, ...] = ()  # required servers not seen to serve what an earlier apply changed
    timings_ms: Mapping[str, int] = field(default_factory=dict)

    @property
    def exit_code(self) -> Exit:
        """The exit code of the process."""
        match self.outcome:
            case "applied" | "nothing":
                return Exit.OK
            case "refused":
                return Exit.REFUSED
            case "failed":
                return Exit.OUTSIDE
            case "unconfirmed" | "rolled-back":
                return Exit.UNCONFIRMED
            case _:
                assert_never(self.outcome)

    @property
    def departures(self) -> tuple[Departure, ...]:
        """The names that were deleted; none where nothing was sent."""
        return departures(self.plan.changes, self.servers) if self.servers else ()
