"""The receipt of an apply: outcome, servers, services, deleted names."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, assert_never

from hyops_gitops.core.damage import Damage
from hyops_gitops.core.errors import Exit
from hyops_gitops.core.readiness import ReadinessReport
from hyops_gitops.core.server_report import ServerReport
from hyops_gitops.log.envelope import EntryRef
from hyops_gitops.log.parts import Retirement
from hyops_gitops.log.timeline import Moment, ServiceReport
from hyops_gitops.plan.plan import Change, Plan, written_by_name


@dataclass(frozen=True, slots=True)
class GoneFrom:
    """A deleted name on one server, in the end."""

    role: str
    name: str
    gone: bool | None  # None: it was not seen
    instead: tuple[str, ...]  # what it answers all the same: a wildcard's records

    def to_json(self) -> dict[str, object]:
        """The shape used in receipts."""
        return {"role": self.role, "name": self.name, "gone": self.gone, "instead": list(self.instead)}


@dataclass(frozen=True, slots=True)
class Departure:
    """One deleted name."""

    name: str
    servers: tuple[GoneFrom, ...]

    def to_json(self) -> dict[str, object]:
        """The shape used in receipts."""
        return {"name": self.name, "servers": [server.to_json() for server in self.servers]}


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
class RollBack:
    """The names moved back and held after a move, or why not."""

    names: tuple[str, ...]
    outcome: str  # of the roll-back's own intent; "refused" where there is none
    reason: str
    intent: EntryRef | None
    result: EntryRef | None
    servers: tuple[ServerReport, ...] = ()
    services: tuple[ServiceReport, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The shape used in receipts."""
        return {
            "names": list(self.names),
            "outcome": self.outcome,
            "reason": self.reason,
            "intent": self.intent.to_json() if self.intent else None,
            "result": self.result.to_json() if self.result else None,
            "servers": [_without_answers(server) for server in self.servers],
            "services": [service.to_json() for service in self.services],
        }


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome of one apply, whatever it was."""

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

    def to_json(self) -> dict[str, object]:
        """`hyops-apply/1`."""
        return {
            "format": "hyops-apply/1",
            "outcome": self.outcome,
            "reason": self.reason,
            "zone": self.plan.zone,
            "commit": self.commit,
            "serial": {"before": self.serial_before, "after": self.serial_after},
            "intent": self.intent.to_json() if self.intent else None,
            "result": self.result.to_json() if self.result else None,
            "head": self.head.to_json() if self.head else None,
            "servers": [_without_answers(server) for server in self.servers],
            "changes": [change.to_json() for change in self.plan.changes],
            "drift": [drift.to_json() for drift in self.plan.drift],
            "held": [held.to_json() for held in self.plan.held],
            "refusals": [refusal.to_json() for refusal in self.plan.refusals],
            "notes": [note.to_json() for note in self.plan.notes],
            "readiness": [report.to_json() for report in self.readiness],
            "services": [service.to_json() for service in self.services],
            "timeline": [moment.to_json() for moment in self.timeline],
            "retire": [retirement.to_json() for retirement in self.retire],
            "deleted": [departure.to_json() for departure in self.departures],
            "rollback": self.rollback.to_json() if self.rollback else None,
            "caught_up": [_without_answers(server) for server in self.caught_up],
            "damage": [damage.to_json() for damage in self.damage],
            "unproved": [_without_answers(server) for server in self.unproved],
            "timings_ms": dict(self.timings_ms),
        }


def _without_answers(server: ServerReport) -> dict[str, object]:
    return {key: value for key, value in server.to_json().items() if key != "answers"}
