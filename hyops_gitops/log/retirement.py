"""When the old target of a moved endpoint may be switched off: once no cache can hold a record that names it.

For every TTL the name was ever served with, a cache may hold it until the last authority server stopped serving it,
plus that TTL (RFC 1034 section 3.6: a TTL bounds how long a record may be cached). The latest moment counts. It is
unknown while any authority server still serves the old record or does not say, and while any listed resolver is seen
to give it: a cache may be told to raise TTLs, or to go on with stale answers (RFC 8767), so that no sum of TTLs bounds
what it holds.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.exchange import is_conclusive
from hyops_gitops.core.server_report import ServerReport
from hyops_gitops.core.zone import Key
from hyops_gitops.log.log import Applied
from hyops_gitops.log.parts import Retirement
from hyops_gitops.plan.plan import Change, Note

Observed = tuple[str, int | None, tuple[str, ...]]  # rcode, TTL, rdata


def observed(server: ServerReport) -> Mapping[Key, Observed]:
    """What a server answered, by name and type."""
    return {(name, rrtype): (rcode, ttl, rdata) for name, rrtype, rcode, ttl, rdata in server.answers}


def meets(change: Change, answer: Observed | None, *, authoritative: bool) -> bool:
    """Whether an answer shows the change; a cache may count the TTL down, an authority may not."""
    if answer is None or not is_conclusive(answer[0]):
        return False
    _, ttl, rdata = answer
    if change.after is None:
        return change.before is None or rdata != change.before.rdata
    return rdata == change.after.rdata and (ttl == change.after.ttl or not authoritative)


def holds_old(resolver: ServerReport, changes: Collection[Change]) -> bool:
    """Whether a resolver was seen to give something else than these changes, all of one name, have left there."""
    if resolver.verdict != "stale":
        return False
    given = observed(resolver)
    seen = [(change, given[change.key]) for change in changes if change.key in given]
    if not seen:
        return True  # it is stale, and what it gave for this name is not on record
    return any(is_conclusive(one[0]) and not meets(change, one, authoritative=False) for change, one in seen)


# The TTL of what a cache gives although it is stale, as RFC 8767 section 4 recommends it.
STALE_TTL = timedelta(seconds=30)


def retirements(
    changes: Sequence[Change],
    accepted: datetime,
    servers: Sequence[ServerReport],
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
    stopped = seen_to_stop(accepted, servers)
    if stopped is None:
        why = _why_not_stopped(servers)
        return tuple(Retirement(name, None, why) for name in names)
    gone = max((stopped, *(_moment(accepted, one) for one in servers if one.role == "resolver" and one.after_ms)))
    found = []
    for name in names:
        end = last_end(name, changes, stopped, past(name), left(name))
        old = holders([change for change in changes if change.name == name], servers)
        found.append(Retirement(name, None, why_held(old), end) if old else Retirement(name, max(end, gone)))
    return tuple(found)


def last_end(
    name: str,
    changes: Sequence[Change],
    stopped: datetime,
    past: Iterable[Applied],
    left: Iterable[tuple[datetime, int]],
) -> datetime:
    """By when the TTLs make every cache forget what a name was, once every authority server has `stopped`."""
    return max((*_expiries(name, changes, stopped, past), *_expired(left)))


def holders(changes: Collection[Change], servers: Iterable[ServerReport]) -> tuple[ServerReport, ...]:
    """The resolvers that were seen to give something else than these changes, all of one name, have left there."""
    return tuple(one for one in servers if one.role == "resolver" and holds_old(one, changes))


def why_held(resolvers: Iterable[ServerReport]) -> str:
    """Why the TTLs bound nothing."""
    return f"{', '.join(one.called for one in resolvers)} still gives the old answer"


def _why_not_stopped(servers: Iterable[ServerReport]) -> str:
    late = [one.state for one in servers if one.role != "resolver" and one.verdict != "converged"]
    return f"{', '.join(late)} and may still serve the old answer" if late else "no authority server was asked"


def judged(server: ServerReport, retire: Sequence[Retirement], now: datetime) -> ServerReport:
    """The report; of a resolver that still has what no cache may hold any more it says so."""
    ends = [one.after or one.not_before for one in retire]
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


def seen_to_stop(accepted: datetime, servers: Sequence[ServerReport]) -> datetime | None:
    """As `stopped_serving`, and None where no authority server was asked."""
    return stopped_serving(accepted, servers) if any(one.role != "resolver" for one in servers) else None


def stopped_serving(accepted: datetime | None, servers: Iterable[ServerReport]) -> datetime | None:
    """When the last authority server went over to an update, rounded up to whole seconds; None while one has not."""
    authorities = [server for server in servers if server.role != "resolver"]
    delays = [server.after_ms for server in authorities if server.after_ms is not None]
    if accepted is None or len(delays) < len(authorities):
        return None
    return _rounded(accepted + timedelta(milliseconds=max(delays, default=0)))


def _moment(accepted: datetime, server: ServerReport) -> datetime:
    return _rounded(accepted + timedelta(milliseconds=server.after_ms or 0))


def _rounded(moment: datetime) -> datetime:
    """The next whole second."""
    return moment.replace(microsecond=0) + timedelta(seconds=1)


def _expired(left: Iterable[tuple[datetime, int]]) -> Iterator[datetime]:
    return (seen + timedelta(seconds=ttl) for seen, ttl in left)


def _expiry(when: datetime, change: Change) -> datetime:
    return when + timedelta(seconds=change.before.ttl if change.before else 0)


OLD_ANSWER_S = 40
NO_ANSWER_S = 80
NEW_ZONE_S = 300
NEW_ZONE_EXPLAINED = (
    f"PowerDNS reads the list of its zones every {NEW_ZONE_S} s (zone-cache-refresh-interval); a flush by its API "
    "makes the zone known, a restart too"
)
_SETTINGS = "cache-ttl, query-cache-ttl, negquery-cache-ttl"


def is_shared(authority: Authority) -> bool:
    """Whether the secondaries read the primary's database, so that there is nothing to transfer."""
    return authority.policy.replication == "native"


def after_caches(retire: Iterable[Retirement], authority: Authority) -> tuple[Retirement, ...]:
    """The same, later by as long as a server on the primary's database may answer from its caches.

    PowerDNS's packet cache keeps one answer for each shape of a question: what is seen of ours says nothing of others'.
    """
    if not (is_shared(authority) and authority.secondaries):
        return tuple(retire)
    kept = timedelta(seconds=OLD_ANSWER_S)
    return tuple(
        replace(
            due,
            after=due.after + kept if due.after else None,
            not_before=due.not_before + kept if due.not_before else None,
        )
        for due in retire
    )


def caches_explained(zone: str, name: str, *, flushed: bool) -> str:
    """Why a server on the primary's database still answers as before, and what to do."""
    kept = f"up to {OLD_ANSWER_S} s, and that there is none for up to {NO_ANSWER_S} s ({_SETTINGS})"
    if flushed:
        return (
            f"secondary {name} answers as before although its caches were flushed: does it read the primary's "
            "database, and is that database's own replication up to date?"
        )
    return (
        f"secondary {name} reads the primary's database, and its caches keep an answer for {kept}; to have them "
        f"flushed give its api_url and key, or on {name}: pdns_control purge '{zone}$'"
    )


def late_ones(zone: str, servers: Iterable[ServerReport], flushed: Collection[str]) -> Iterator[str]:
    """What is to be said of each server on the primary's database that answers, but not with the change yet.

    Args:
        zone: The zone.
        servers: What every server answered in the end.
        flushed: Names of the secondaries whose caches could be flushed.
    """
    for server in servers:
        if server.role != "secondary" or server.verdict == "converged":
            continue
        if server.verdict == "silent" and "REFUSED" not in server.rcode:
            continue
        if any(rcode == "REFUSED" for _, _, rcode, _, _ in server.answers):
            yield (f"secondary {server.name} does not know {zone}: {NEW_ZONE_EXPLAINED}")
        else:
            yield caches_explained(zone, server.name, flushed=server.name in flushed)
