"""What caches may hold of the records that were replaced.

A cache may hold a record until the last authority server stopped serving it, plus its TTL (RFC 1034 section 3.6).
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from hyops_gitops.core.server_report import ServerReport
from hyops_gitops.log.entries import Intent, Result, ZoneDrift


class CacheMemory(NamedTuple):
    """What caches may hold of one name."""

    until: datetime | None = None  # of records that every server was seen to stop serving
    unseen: int = 0  # the longest TTL of those that a server was not seen to stop serving

    def end(self, stopped: datetime) -> datetime:
        """When all is forgotten if servers let go of it by then."""
        return max(stopped + timedelta(seconds=self.unseen), self.until or stopped)

    def joined(self, other: "CacheMemory") -> "CacheMemory":
        """What caches may hold of both."""
        return CacheMemory(max(filter(None, (self.until, other.until)), default=None), max(self.unseen, other.unseen))


NOTHING_REMEMBERED = CacheMemory()


def stopped_serving(accepted: datetime | None, servers: Iterable[ServerReport]) -> datetime | None:
    """When the last authority server served an update; None: not yet."""
    authorities = [server for server in servers if server.role != "resolver"]
    delays = [server.after_ms for server in authorities if server.after_ms is not None]
    if accepted is None or len(delays) < len(authorities):
        return None
    return rounded_up(accepted + timedelta(milliseconds=max(delays, default=0)))


def rounded_up(moment: datetime) -> datetime:
    """The next whole second."""
    return moment.replace(microsecond=0) + timedelta(seconds=1)


def after_result(intent: Intent, result: Result) -> Iterator[tuple[str, CacheMemory]]:
    """What an applied intent leaves in caches, by name."""
    stopped = stopped_serving(result.accepted, result.servers)
    for change in intent.changes:
        if change.before is not None:
            ttl = change.before.ttl
            until = stopped + timedelta(seconds=ttl) if stopped else None
            yield change.name, CacheMemory(until, 0 if stopped else ttl)


def after_drift(drift: ZoneDrift, found: datetime) -> Iterator[tuple[str, CacheMemory]]:
    """What another writer's changes leave in caches, by name."""
    for difference in drift.differences:
        if difference.recorded is not None:
            yield difference.name, CacheMemory(found + timedelta(seconds=difference.recorded.ttl))


def remembered_at(
    moment: datetime, before: Mapping[str, CacheMemory], more: Iterable[tuple[str, CacheMemory]]
) -> Mapping[str, CacheMemory]:
    """What caches may hold at a moment, by name."""
    found = dict(before)
    for name, remembered in more:
        found[name] = found.get(name, NOTHING_REMEMBERED).joined(remembered)
    return {name: kept for name, kept in found.items() if kept.unseen or (kept.until and kept.until > moment)}
