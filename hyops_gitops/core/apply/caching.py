"""What a cache may still answer for a name after it was changed, and until when.

A resolver that gives an old answer within that answer's TTL does what it should (RFC 1034 section 3.6; RFC 2308 for
answers that say there is nothing). One that gives it for longer does not.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from hyops_gitops.core.apply.retirement import stopped_serving
from hyops_gitops.core.evidence.log import Applied
from hyops_gitops.core.zone import RRset

_ROUNDING = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What one change replaced at one name."""

    records: Mapping[str, RRset | None]  # by type; None: there was nothing
    until: datetime | None  # when the last cache has forgotten it; None: nobody saw when the last server let go of it

    def explains(self, rrtype: str, found: RRset | None, now: datetime) -> bool:
        """Whether this is why a cache gives that answer at that time."""
        if rrtype not in self.records or (self.until is not None and now > self.until + _ROUNDING):
            return False
        before = self.records[rrtype]
        return (before.rdata if before else None) == (found.rdata if found else None)


def earlier_answers(name: str, applied: Iterable[Applied], negative_ttl: int | None) -> tuple[Earlier, ...]:
    """What the changes of a name replaced, newest first.

    Args:
        name: The name.
        applied: The intents recorded as applied that speak of it, oldest first.
        negative_ttl: For how long its zone lets caches remember that there is nothing; None: not known.
    """
    found: list[Earlier] = []
    caught_up: datetime | None = None  # by when whoever was behind then has been seen to have caught up
    for one in reversed(list(applied)):
        stopped = stopped_serving(one.result.accepted, one.result.servers) or caught_up
        caught_up = stopped or caught_up
        records = {change.type: change.before for change in one.intent.changes if change.name == name and change.writes}
        ttls = [negative_ttl if before is None else before.ttl for before in records.values()]
        known = [ttl for ttl in ttls if ttl is not None]
        # Of several records at the name the longest counts: a cached CNAME hides the other types for as long.
        until = stopped + timedelta(seconds=max(known)) if stopped and known and len(known) == len(ttls) else None
        found.append(Earlier(records, until))
    return tuple(found)
