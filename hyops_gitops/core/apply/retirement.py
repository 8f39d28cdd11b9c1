"""When the old target of a moved endpoint may be switched off: once no cache can hold a record that names it.

For every TTL the name was ever served with, a cache may hold it until the last authority server stopped serving it,
plus that TTL (RFC 1034 section 3.6: a TTL bounds how long a record may be cached). The latest moment counts. While
any authority server still serves the old record, or does not answer, it is unknown.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hyops_gitops.core.evidence.entry_parts import Retirement, ServerReport
from hyops_gitops.core.evidence.log import Applied
from hyops_gitops.core.plan.plan import Change, Note


def retirements(
    changes: Sequence[Change],
    accepted: datetime,
    servers: Iterable[ServerReport],
    past: Callable[[str], Iterable[Applied]],
    left: Callable[[str], Iterable[tuple[datetime, int]]] = lambda _: (),
) -> tuple[Retirement, ...]:
    """One retirement for each name whose target moved.

    Args:
        changes: What was applied.
        accepted: When the primary accepted it.
        servers: What every server answered in the end.
        past: Every earlier applied intent that speaks of a name.
        left: When records of a name were seen to be gone that no apply took away, and their TTLs.
    """
    names = sorted({change.name for change in changes if change.cutover and change.before is not None})
    if not names:
        return ()
    stopped = stopped_serving(accepted, servers)
    if stopped is None:
        return tuple(Retirement(name, None) for name in names)
    return tuple(
        Retirement(name, max((*_expiries(name, changes, stopped, past(name)), *_expired(left(name))))) for name in names
    )


def judged(server: ServerReport, retire: Sequence[Retirement], now: datetime) -> ServerReport:
    """The report; of a resolver that still has what no cache may hold any more it says so."""
    ends = [one.after for one in retire]
    over = bool(ends) and all(one is not None and now > one for one in ends)
    return replace(server, overdue=over and server.role == "resolver" and server.verdict == "stale")


def ttl_notes(changes: Iterable[Change], longest: int) -> Iterator[Note]:
    """What is to be said of moves whose old target clients keep for longer than the policy wants."""
    ttls: dict[str, int] = {}
    for change in changes:
        if change.cutover and change.before is not None and change.writes:
            ttls[change.name] = max(change.before.ttl, ttls.get(change.name, 0))
    for name, ttl in sorted(ttls.items()):
        if ttl > longest:
            message = (
                f"clients may keep the old target for {ttl} s: its TTL is above policy.cutover_ttl_max, {longest} s"
            )
            yield Note(name, message)


def cached_until(name: str, past: Iterable[Applied], now: datetime) -> tuple[datetime, int] | None:
    """Until when a cache may hold what a name was served with before what it is served with now, and that TTL."""
    found = [
        (_expiry(stopped_serving(applied.result.accepted, applied.result.servers) or now, change), change.before.ttl)
        for applied in past
        for change in applied.intent.changes
        if change.name == name and change.before is not None
    ]
    return max(found, default=None)


def _expiries(name: str, changes: Sequence[Change], stopped: datetime, past: Iterable[Applied]) -> Iterator[datetime]:
    """Until when a cache may hold each record that the name ever had."""
    yield from (_expiry(stopped, change) for change in changes if change.name == name)
    for applied in past:
        # A server that was behind then has caught up by now at the latest: it serves today's change.
        when = stopped_serving(applied.result.accepted, applied.result.servers) or stopped
        yield from (_expiry(when, change) for change in applied.intent.changes if change.name == name)


def stopped_serving(accepted: datetime | None, servers: Iterable[ServerReport]) -> datetime | None:
    """When the last authority server went over to an update, rounded up to whole seconds; None while one has not."""
    authorities = [server for server in servers if server.role != "resolver"]
    delays = [server.after_ms for server in authorities if server.after_ms is not None]
    if accepted is None or len(delays) < len(authorities):
        return None
    latest = accepted + timedelta(milliseconds=max(delays, default=0))
    return latest.replace(microsecond=0) + timedelta(seconds=1)


def _expired(left: Iterable[tuple[datetime, int]]) -> Iterator[datetime]:
    return (seen + timedelta(seconds=ttl) for seen, ttl in left)


def _expiry(when: datetime, change: Change) -> datetime:
    return when + timedelta(seconds=change.before.ttl if change.before else 0)
