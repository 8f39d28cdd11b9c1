"""What is known of who serves the newest change of a zone: its result, and what later runs have seen since."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.server_report import Server, ServerReport
from hyops_gitops.log.admin_entries import Reconcile
from hyops_gitops.log.entries import Result, Unchanged
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
    anchor = log.ledger.anchor
    if anchor is None:
        return last_change(log.base) if log.base is not None else None
    late: dict[Server, ServerReport] = {}
    lost: set[str] = set()
    for body in (log.entries[seq - 1].body for seq in log.ledger.unchanged):
        if isinstance(body, Unchanged):
            late |= {report.key: report for report in (*body.caught_up, *body.segment_caught_up)}
            lost |= {site for merged in body.merged for site in merged.declared.sites_lost}
    if anchor.segment is None or (log.segment is not None and log.segment.id == anchor.segment):
        return _found(log, log.last_applied, late, lost)
    own = log.segments[anchor.segment]
    return _found(log, next(applied_of(own, own[anchor.seq - 1]), None), late, lost, anchor.segment)


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
    at: int  # the entry of the log that says so
    changes: tuple[Change, ...]  # of this name in it; after: as it is now
    held_by: tuple[ServerReport, ...]  # the resolvers that were last seen to give the old answer

    @property
    def name(self) -> str:
        """Which."""
        return self.changes[0].name


def open_retirements(log: Log) -> tuple[OpenRetirement, ...]:
    """The names whose newest retirement is not known, by name."""
    found = ((name, at, _move(log, at, number)) for name, (at, number) in sorted(log.ledger.retiring.items()))
    return tuple(_opened(log, name, at, move) for name, at, move in found if move is not None)


def _move(log: Log, at: int, number: int) -> Applied | None:
    """The move that a result is of: one of the log, or of the segment that its entry brought in."""
    body = log.entries[at - 1].body
    entries = log.segments[body.segment] if isinstance(body, Reconcile) else log.entries
    result = entries[number - 1].body
    return next(applied_of(entries, entries[result.intent_seq - 1]), None) if isinstance(result, Result) else None


def _opened(log: Log, name: str, at: int, move: Applied) -> OpenRetirement:
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
    """When an old target may be switched off, where that can be said by now.

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
    held_by = [one.key for one in opened.held_by if one.key in listed]
    if not set(over).issuperset(held_by):
        return None
    end = last_end(opened.name, opened.changes, stopped, log.applied_to(opened.name), log.left(opened.name))
    return Retirement(opened.name, max(end, now.replace(microsecond=0) + STALE_TTL) if held_by else end)


def _stopped_since(log: Log, last: LastChange, opened: OpenRetirement, listed: Collection[Server]) -> datetime | None:
    """When the authority servers were first all seen to serve a move, or what came after it."""
    applied = (opened.move, *log.applied_after(opened.at))
    seen = [(_accepted(each), each.result.servers) for each in applied]
    for accepted, servers in (*seen, (last.accepted, last.servers)):
        if stopped := seen_to_stop(accepted, [one for one in servers if one.key in listed]):
            return stopped
    return None
