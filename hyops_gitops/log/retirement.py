"""When the old target of a moved endpoint may be switched off.

It may once no cache can hold a record that names it.

For every TTL the name was ever served with, a cache may hold it until the last authority server stopped serving it,
plus that TTL (RFC 1034 section 3.6: a TTL bounds how long a record may be cached). The latest moment counts. It is
unknown while any authority server still serves the old record or does not say, and while any listed resolver is seen
to give it: a cache may be set to raise TTLs, or to serve stale answers (RFC 8767), so that no sum of TTLs bounds
what it holds.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime, timedelta

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.exchange import is_conclusive
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.server_report import Server, ServerReport
from hyops_gitops.core.servers import OLD_ANSWER_S, is_shared
from hyops_gitops.core.zone import Key
from hyops_gitops.log.admin_entries import Reconcile
from hyops_gitops.log.caches import CacheMemory, rounded_up, stopped_serving
from hyops_gitops.log.entries import Intent, Result, Unchanged
from hyops_gitops.log.envelope import EntryList
from hyops_gitops.log.log import Landing, Log, applied_of
from hyops_gitops.log.parts import Retirement
from hyops_gitops.plan.plan import Change, Note
from hyops_gitops.plan.state import brought_back

Observed = tuple[str, int | None, tuple[str, ...]]  # rcode, TTL, rdata


def observed(server: ServerReport) -> Mapping[Key, Observed]:
    """What a server answered, by name and type."""
    return {(name, rrtype): (rcode, ttl, rdata) for name, rrtype, rcode, ttl, rdata in server.answers}


def meets(change: Change, answer: Observed | None, *, authoritative: bool) -> bool:
    """Whether an answer shows the change; a cache may count TTLs down."""
    if answer is None or not is_conclusive(answer[0]):
        return False
    _, ttl, rdata = answer
    if change.after is None:
        return change.before is None or rdata != change.before.rdata
    return rdata == change.after.rdata and (ttl == change.after.ttl or not authoritative)


def holds_old(resolver: ServerReport, changes: Collection[Change]) -> bool:
    """Whether a resolver gave another answer than these changes left."""
    if resolver.verdict != "stale":
        return False
    given = observed(resolver)
    seen = [(change, given[change.key]) for change in changes if change.key in given]
    if not seen:
        return True  # it is stale, and what it gave for this name is not on record
    return any(is_conclusive(answer[0]) and not meets(change, answer, authoritative=False) for change, answer in seen)


# The TTL of what a cache gives although it is stale, as RFC 8767 section 4 recommends it.
STALE_TTL = timedelta(seconds=30)


def retirements(
    changes: Sequence[Change],
    accepted: datetime,
    servers: Sequence[ServerReport],
    remembered: Callable[[str], CacheMemory],
) -> tuple[Retirement, ...]:
    """One retirement for each name whose target moved.

    Args:
        changes: What was applied.
        accepted: When the primary accepted it.
        servers: What every server answered in the end.
        remembered: What caches may hold of a name from before.
    """
    names = sorted({change.name for change in changes if change.cutover and change.before is not None})
    if not names:
        return ()
    stopped = seen_to_stop(accepted, servers)
    if stopped is None:
        why = _why_not_stopped(servers)
        return tuple(Retirement(name, None, why) for name in names)
    gone = max(
        (stopped, *(_moment(accepted, server) for server in servers if server.role == "resolver" and server.after_ms))
    )
    found = []
    for name in names:
        end = max((remembered(name).end(stopped), *_expiries(name, changes, stopped)))
        old = holders([change for change in changes if change.name == name], servers)
        found.append(Retirement(name, None, why_held(old), end) if old else Retirement(name, max(end, gone)))
    return tuple(found)


def holders(changes: Collection[Change], servers: Iterable[ServerReport]) -> tuple[ServerReport, ...]:
    """The resolvers that were seen to give another answer."""
    return tuple(server for server in servers if server.role == "resolver" and holds_old(server, changes))


def why_held(resolvers: Iterable[ServerReport]) -> str:
    """Why the TTLs bound nothing."""
    return f"{', '.join(resolver.called for resolver in resolvers)} still gives the old answer"


def _why_not_stopped(servers: Iterable[ServerReport]) -> str:
    late = [server.state for server in servers if server.role != "resolver" and server.verdict != "converged"]
    return f"{', '.join(late)} and may still serve the old answer" if late else "no authority server was asked"


def judged(server: ServerReport, retire: Sequence[Retirement], now: datetime) -> ServerReport:
    """The report, marked overdue where no cache may hold such an answer."""
    ends = [retirement.after or retirement.not_before for retirement in retire]
    over = bool(ends) and all(end is not None and now > end for end in ends)
    return replace(server, overdue=over and server.role == "resolver" and server.verdict == "stale")


def ttl_notes(changes: Iterable[Change], longest: int) -> Iterator[Note]:
    """Notes on moves whose old target clients keep too long."""
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


def cached_until(name: str, past: Iterable[Landing], now: datetime) -> tuple[datetime, int] | None:
    """The end of a name's earlier records in caches, with TTL."""
    found = [
        (_expiry(stopped_serving(applied.result.accepted, applied.result.servers) or now, change), change.before.ttl)
        for applied in past
        for change in applied.intent.changes
        if change.name == name and change.before is not None
    ]
    return max(found, default=None)


def _expiries(name: str, changes: Sequence[Change], stopped: datetime) -> Iterator[datetime]:
    """Until when a cache may hold each replaced record."""
    return (_expiry(stopped, change) for change in changes if change.name == name)


def _last_end(log: Log, opened: "OpenRetirement", stopped: datetime) -> datetime:
    """When every cache forgets a name's old records, by the whole log."""
    found = [*_expiries(opened.name, opened.changes, stopped)]
    for applied in log.applied_to(opened.name):
        # A server that was behind then has caught up by now at the latest: it serves today's change.
        when = stopped_serving(applied.result.accepted, applied.result.servers) or stopped
        found += _expiries(opened.name, applied.intent.changes, when)
    return max((*found, *(seen + timedelta(seconds=ttl) for seen, ttl in log.left(opened.name))))


def seen_to_stop(accepted: datetime, servers: Sequence[ServerReport]) -> datetime | None:
    """As `stopped_serving`, and None where no authority server was asked."""
    return stopped_serving(accepted, servers) if any(server.role != "resolver" for server in servers) else None


def _moment(accepted: datetime, server: ServerReport) -> datetime:
    return rounded_up(accepted + timedelta(milliseconds=server.after_ms or 0))


def _expiry(when: datetime, change: Change) -> datetime:
    return when + timedelta(seconds=change.before.ttl if change.before else 0)


def after_caches(retire: Iterable[Retirement], authority: Authority) -> tuple[Retirement, ...]:
    """The same, later by what servers on the primary's database cache.

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


# --- what later runs see


@dataclass(frozen=True, slots=True)
class LastChange:
    """The intent that changed the zone last, also of a reconciled segment."""

    applied: Landing  # in outline
    entries: EntryList  # that it is among
    state: ManagedSet  # as it is now
    late: Mapping[Server, ServerReport] = field(default_factory=dict)  # by what was recorded since
    sites_lost: frozenset[str] = frozenset()  # declared with it, or by a commit recorded since
    segment: str | None = None  # which a reconcile entry brought in

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes that servers are to show."""
        intent = self.entries[self.seq - 1].body
        if not isinstance(intent, Intent):
            return ()
        if intent.restore is not None:
            return tuple(brought_back(intent.restore.differences, self.state))
        return intent.changes

    @property
    def seq(self) -> int:
        """Its number in its record."""
        return self.applied.intent_entry.seq

    @property
    def called(self) -> str:
        """How a message names it."""
        return f"intent {self.seq}" + (f" of break-glass segment {self.segment}" if self.segment else "")

    @property
    def anchor(self) -> Anchor:
        """What its servers show."""
        return self.applied.intent_entry.anchor

    @property
    def accepted(self) -> datetime:
        """When the primary accepted it, or was known to have."""
        return _accepted(self.applied)

    @property
    def servers(self) -> tuple[ServerReport, ...]:
        """The newest report of every server."""
        found = {server.key: server for server in self.applied.result.servers} | dict(self.late)
        return tuple(found.values())

    @property
    def behind(self) -> tuple[ServerReport, ...]:
        """The servers that were asked, and not seen to serve it."""
        return tuple(server for server in self.servers if server.verdict != "converged")


def last_change(log: Log) -> LastChange | None:
    """The newest change of the zone; None before the first."""
    anchor = log.ledger.anchor
    if anchor is None:
        return last_change(log.base) if log.base is not None else None
    late: dict[Server, ServerReport] = {}
    lost: set[str] = set()
    for body in (log.entries[seq - 1].body for seq in log.ledger.reports):
        if isinstance(body, Unchanged):
            late |= {report.key: report for report in (*body.caught_up, *body.segment_caught_up)}
            lost |= {site for merged in body.merged for site in merged.declared.sites_lost}
    if anchor.segment is None or (log.segment is not None and log.segment.id == anchor.segment):
        own, applied, segment = log.entries, log.last_applied, None
    else:
        own, segment = log.segments[anchor.segment], anchor.segment
        applied = next(applied_of(own, own[anchor.seq - 1]), None)
    if applied is None:
        return None
    declared = {site for merged in applied.intent.merged for site in merged.declared.sites_lost}
    sites = frozenset({*applied.intent.sites_lost, *declared, *lost})
    return LastChange(applied, own, log.state, late, sites, segment)


def _accepted(applied: Landing) -> datetime:
    return applied.result.accepted or applied.result_entry.envelope.time


@dataclass(frozen=True, slots=True)
class OpenRetirement:
    """A moved name whose retirement is unknown."""

    move: Landing
    at: int  # the entry of the log that says so
    changes: tuple[Change, ...]  # of this name in it; after: as it is now
    held_by: tuple[ServerReport, ...]  # the resolvers that were last seen to give the old answer

    @property
    def name(self) -> str:
        return self.changes[0].name


def open_retirements(log: Log) -> tuple[OpenRetirement, ...]:
    """The names whose newest retirement is not known, by name."""
    found = ((name, at, _move(log, at, number)) for name, (at, number) in sorted(log.ledger.retiring.items()))
    return tuple(_opened(log, name, at, move) for name, at, move in found if move is not None)


def _move(log: Log, at: int, number: int) -> Landing | None:
    """The move of a result, of the log or of a segment."""
    body = log.entries[at - 1].body
    entries = log.segments[body.segment] if isinstance(body, Reconcile) else log.entries
    result = entries[number - 1].body
    return next(applied_of(entries, entries[result.intent_seq - 1]), None) if isinstance(result, Result) else None


def _opened(log: Log, name: str, at: int, move: Landing) -> OpenRetirement:
    changes = [change for change in move.intent.changes if change.name == name]
    now = tuple(replace(change, after=log.state.rrset(change.key)) for change in changes)
    return OpenRetirement(move, at, now, holders(changes, move.result.servers))


def known_now(
    log: Log,
    last: LastChange,
    opened: OpenRetirement,
    listed: Collection[Server],
    over: Collection[Server],
    now: datetime,
) -> Retirement | None:
    """The retirement time of an old target, where known.

    Args:
        log: The log.
        last: The newest change, and who serves it.
        opened: The name.
        listed: The servers that the authority file lists today.
        over: Those that were seen by this run to have let go of every old answer.
        now: The time.
    """
    stopped = _stopped_since(log, last, opened, listed)
    if stopped is None:
        return None
    held_by = [server.key for server in opened.held_by if server.key in listed]
    if not set(over).issuperset(held_by):
        return None
    end = _last_end(log, opened, stopped)
    return Retirement(opened.name, max(end, now.replace(microsecond=0) + STALE_TTL) if held_by else end)


def _stopped_since(log: Log, last: LastChange, opened: OpenRetirement, listed: Collection[Server]) -> datetime | None:
    """When all authority servers were first seen to serve a move."""
    applied = (opened.move, *log.applied_after(opened.at))
    seen = [(_accepted(each), each.result.servers) for each in applied]
    for accepted, servers in (*seen, (last.accepted, last.servers)):
        if stopped := seen_to_stop(accepted, [server for server in servers if server.key in listed]):
            return stopped
    return None
