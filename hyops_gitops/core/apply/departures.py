"""What became of names that an apply deleted: on which servers they are gone, and what a wildcard answers instead."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hyops_gitops.core.evidence.entry_parts import ServerReport
from hyops_gitops.core.plan.plan import Change, written_by_name


@dataclass(frozen=True, slots=True)
class GoneFrom:
    """What one server said of a deleted name in the end."""

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
    """One for each name of which nothing of ours is left; a name that only changes its type is not deleted."""
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
