"""What is known of who serves the newest change of a zone: its result, and what later runs have seen since."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.server_report import Server, ServerReport
from hyops_gitops.log.admin_entries import Adopted, Reconcile
from hyops_gitops.log.entries import Result, Unchanged
from hyops_gitops.log.envelope import EntryList
from hyops_gitops.log.log import Applied, Log, applied_of
from hyops_gitops.log.parts import Retirement
from hyops_gitops.log.retirement import STALE_TTL, holders, last_end, seen_to_stop
from hyops_gitops.plan.plan import Change
from hyops_gitops.plan.state import brought_back


@dataclass(frozen=True, slots=True)
class LastChange:
    """The intent that the zone was changed by last, be it one of a reconciled break-glass segment."""

    applied: Applied
    changes: tuple[Change, ...]  # that servers are to show
    late: Mapping[Server, ServerReport] = field(default_factory=dict)  # by what was recorded since
    sites_lost: frozenset[str] = frozenset()  # declared with it, or by a commit recorded since
    segment: str | None = None  # which a reconcile entry brought in

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
        """When the primary accepted it; where that is not known, when it was known to have been."""
        return _accepted(self.applied)

    @property
    def servers(self) -> tuple[ServerReport, ...]:
        """The newest report of every server."""
        found = {one.key: one for one in self.applied.result.servers} | dict(self.late)
        return tuple(found.values())

    @property
    def behind(self) -> tuple[ServerReport, ...]:
        """The servers that were asked, and not seen to serve it."""
        return tuple(one for one in self.servers if one.verdict != "converged")


def last_change(log: Log) -> LastChange | None:
    """The newest change of the zone and what is known of it; None before the first."""
    late: dict[Server, ServerReport] = {}
    lost: set[str] = set()
    for entry in reversed(log.entries):
        match entry.body:
            case Unchanged(caught_up=caught_up, segment_caught_up=of_segment, merged=merged):
                late = {one.key: one for one in (*caught_up, *of_segment)} | late
                lost |= {site for one in merged for site in one.declared.sites_lost}
            case Result(outcome="applied"):
                return _found(log, log.last_applied, late, lost)
            case Reconcile(adopted=Adopted(anchor=Anchor() as anchor), segment=segment):
                own = log.segments.get(segment)
                applied = next(applied_of(own, own[anchor.seq - 1]), None) if own else None
                return _found(log, applied, late, lost, segment)
            case _:
                pass
    return last_change(log.base) if log.base is not None else None


def _found(
    log: Log, applied: Applied | None, late: Mapping[Server, ServerReport], lost: set[str], segment: str | None = None
) -> LastChange | None:
    if applied is None:
        return None
    intent = applied.intent
    declared = {site for one in intent.merged for site in one.declared.sites_lost}
    shown = intent.changes
    if intent.restore is not None:
        shown = tuple(brought_back(intent.restore.differences, log.state))
    sites = frozenset({*intent.sites_lost, *declared, *lost})
    return LastChange(applied, shown, late, sites, segment)


def _accepted(applied: Applied) -> datetime:
    return applied.result.accepted or applied.result_entry.envelope.time


@dataclass(frozen=True, slots=True)
class OpenRetirement:
    """A moved name of which nobody could say yet when its old target may be switched off."""

    move: Applied
    changes: tuple[Change, ...]  # of this name in it; after: as it is now
    held_by: tuple[ServerReport, ...]  # the resolvers that were last seen to give the old answer

    @property
    def name(self) -> str:
        """Which."""
        return self.changes[0].name


def open_retirements(log: Log) -> tuple[OpenRetirement, ...]:
    """The names whose newest retirement is not known, by name."""
    records = (log.entries, *log.segments.values())
    names = {
        one.name
        for entries in records
        for entry in entries.retiring_at_an_unknown_time()
        if isinstance(entry.body, Result)
        for one in entry.body.retire
        if one.after is None
    }
    found = ((name, _open_move(log, name)) for name in sorted(names))
    return tuple(_opened(log, name, move) for name, move in found if move is not None)


def _open_move(log: Log, name: str) -> Applied | None:
    """The newest move of a name, where when its old target may go is not known; None where it is."""
    for entry in reversed(list(log.entries.mentioning(name))):
        match entry.body:
            case Unchanged(retire=retire) if _says(retire, name):
                return None
            case Result(retire=retire) if found := _says(retire, name):
                return _open_in(log.entries, found, entry.body)
            case Reconcile(adopted=Adopted(), segment=segment) if segment in log.segments:
                own = log.segments[segment]
                for inner in reversed(list(own.mentioning(name))):
                    if isinstance(inner.body, Result) and (found := _says(inner.body.retire, name)):
                        return _open_in(own, found, inner.body)
            case _:
                pass
    return None


def _says(retire: Sequence[Retirement], name: str) -> Retirement | None:
    return next((one for one in retire if one.name == name), None)


def _open_in(entries: EntryList, found: Retirement, result: Result) -> Applied | None:
    return next(applied_of(entries, entries[result.intent_seq - 1]), None) if found.after is None else None


def _opened(log: Log, name: str, move: Applied) -> OpenRetirement:
    changes = [one for one in move.intent.changes if one.name == name]
    now = tuple(replace(one, after=log.state.rrset(one.key)) for one in changes)
    return OpenRetirement(move, now, holders(changes, move.result.servers))


def known_now(
    log: Log,
    last: LastChange,
    opened: OpenRetirement,
    listed: Collection[Server],
    over: Collection[Server],
    now: datetime,
) -> Retirement | None:
    """When an old target may be switched off, where that can be said by now.

    Args:
        log: The log.
        last: The newest change, and who serves it.
        opened: The name.
        listed: The servers that the authority file lists today.
        over: Those that were seen by this run to have let go of every old answer.
        now: The time.
    """
    stopped = _stopped_since(log, last, opened.move, listed)
    if stopped is None:
        return None
    held_by = [one.key for one in opened.held_by if one.key in listed]
    if not set(over).issuperset(held_by):
        return None
    end = last_end(opened.name, opened.changes, stopped, log.applied_to(opened.name), log.left(opened.name))
    return Retirement(opened.name, max(end, now.replace(microsecond=0) + STALE_TTL) if held_by else end)


def _stopped_since(log: Log, last: LastChange, move: Applied, listed: Collection[Server]) -> datetime | None:
    """When the authority servers were first all seen to serve a move, or what came after it."""
    since = move.result_entry.envelope.time
    later = [one for one in log.applied() if one.result_entry.envelope.time >= since]
    seen = [(_accepted(one), one.result.servers) for one in (move, *reversed(later))]
    for accepted, servers in (*seen, (last.accepted, last.servers)):
        if stopped := seen_to_stop(accepted, [one for one in servers if one.key in listed]):
            return stopped
    return None
