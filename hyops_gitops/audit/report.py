"""The audit report: values, rows from the log, text, CSV."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal

from hyops_gitops.core.codec import JsonObject, JsonReport
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import Exit
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.fields import Flat, time_text
from hyops_gitops.core.findings import printable
from hyops_gitops.core.people import MergedCommit, approved_by, asked_by
from hyops_gitops.core.text import counted
from hyops_gitops.core.zone import RRset
from hyops_gitops.log.admin_entries import Reconcile
from hyops_gitops.log.chain import Problem
from hyops_gitops.log.entries import Intent, Refusal, Unchanged
from hyops_gitops.log.envelope import Entry, EntryRef
from hyops_gitops.log.log import Log
from hyops_gitops.log.text import problem_lines
from hyops_gitops.plan.plan import Change


@dataclass(frozen=True, slots=True)
class Notice(JsonObject):
    """An event for an auditor to review, not a failure."""

    kind: str  # open-intent, gap, segment, override, refusal, recovered, drift, held, outside-commit, ...
    seq: int | None
    time: datetime | None
    message: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A possible problem that could not be decided."""

    problem: Problem


Remark = Problem | Notice | Unknown
Disposition = Literal["applied", "unchanged", "refused", "failed", "intended", "not applied"]


@dataclass(frozen=True, slots=True)
class PopulationRow(JsonObject):
    """A first-parent commit that touches contracts or authority, and its disposition."""

    commit: str
    time: datetime
    title: str
    author: str
    approved_by: tuple[str, ...]
    disposition: Disposition
    seq: int | None  # of the intent, unchanged or refusal entry
    waiting_s: int | None  # since when it waits to be applied


@dataclass(frozen=True, slots=True)
class ChangeRow(JsonObject):
    """A changed RRset with its outcome: a line of the CSV."""

    seq: int
    time: datetime
    change: Annotated[Change, Flat()]
    commit: str  # "" for what break-glass changed
    asked: tuple[str, ...]
    approved: tuple[str, ...]
    signer: str
    outcome: str  # applied, failed, refused, open, break-glass
    converged: bool | None
    result_seq: int | None
    result_time: datetime | None


@dataclass(frozen=True, slots=True)
class Period:
    """The time range of the listing; verification ignores it."""

    since: datetime | None = None
    until: datetime | None = None

    def includes(self, time: datetime | None) -> bool:
        """Whether to list an item of this time, or without one."""
        if time is None:
            return True
        return (self.since is None or time >= self.since) and (self.until is None or time < self.until)


ALWAYS = Period()


class AuditDocument:
    """The result of an audit, hyops-audit/1."""

    FORMAT = "hyops-audit/1"
    zone: str
    commit: str
    ok: bool
    conclusive: bool
    entries: int
    head: EntryRef | None
    problems: tuple[Problem, ...]
    inconclusive: tuple[Problem, ...]
    exceptions: tuple[Notice, ...]
    population: tuple[PopulationRow, ...]
    changes: tuple[ChangeRow, ...]
    checked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Audit(JsonReport):
    FORM = AuditDocument
    zone: str
    commit: str  # of the contracts' branch
    entries: int
    head: EntryRef | None  # None: nothing verifies
    problems: tuple[Problem, ...]
    inconclusive: tuple[Problem, ...]  # checks that could not be made
    exceptions: tuple[Notice, ...] = ()
    population: tuple[PopulationRow, ...] = ()
    changes: tuple[ChangeRow, ...] = ()
    checked: tuple[str, ...] = ()  # descriptions of the checks made

    @property
    def ok(self) -> bool:
        """Whether there are no problems."""
        return not self.problems

    @property
    def conclusive(self) -> bool:
        """Whether every check could be made."""
        return not self.inconclusive

    @property
    def passed(self) -> bool:
        """Whether every check was made without a problem."""
        return self.ok and self.conclusive

    @property
    def exit_code(self) -> Exit:
        """1: problems. 4: no problems, but some checks could not be made."""
        if not self.ok:
            return Exit.NO
        return Exit.OK if self.conclusive else Exit.OUTSIDE

    def listed(self, period: Period) -> "Audit":
        """The same verdict with the rows of this period only."""
        return replace(
            self,
            exceptions=tuple(row for row in self.exceptions if period.includes(row.time)),
            population=tuple(row for row in self.population if period.includes(row.time)),
            changes=tuple(row for row in self.changes if period.includes(row.time)),
        )


_CSV_COLUMNS = (
    *("seq", "time", "action", "name", "type", "before", "after", "ttl", "contract", "commit"),
    *("asked", "approved", "signer", "outcome", "converged", "result_seq", "result_time"),
)
_FORMULA = ("=", "+", "-", "@")


def audit_text(audit: Audit) -> str:
    """The checks, the merged changes, the exceptions, the problems, the verdict."""
    lines = [f"audit of {audit.zone} at {audit.commit[:12]}"] if audit.zone else []
    lines += [f"checked: {check}" for check in audit.checked]
    lines += _section("merged changes", map(_population_line, audit.population))
    notices = (
        f"{notice.kind}{f' (entry {notice.seq})' if notice.seq else ''}: {printable(notice.message)}"
        for notice in audit.exceptions
    )
    lines += _section("exceptions", notices)
    for title, problems in (("cannot conclude", audit.inconclusive), ("problems", audit.problems)):
        lines += _section(title, problem_lines(problems))
    return "\n".join([*lines, _verdict(audit)])


def _verdict(audit: Audit) -> str:
    if audit.problems:
        return f"FAILED: {counted(len(audit.problems), 'problem')}"
    if audit.inconclusive:
        return f"CANNOT CONCLUDE: {counted(len(audit.inconclusive), 'check')} could not be made"
    entries = counted(audit.entries, "entry", "entries")
    return f"OK: {entries}, {counted(len(audit.exceptions), 'exception')} to review; head {audit.head or 'none'}"


def _section(title: str, lines: Iterable[str]) -> list[str]:
    found = list(lines)
    return [f"{title} ({len(found)}):", *(f"  {line}" for line in found)] if found else []


def _population_line(row: PopulationRow) -> str:
    by = f" by entry {row.seq}" if row.seq else ""
    waits = "" if row.waiting_s is None else f", waiting for {_duration(row.waiting_s)}"
    approved = ", ".join(row.approved_by) or "none"
    return (
        f"{row.commit[:12]} {time_text(row.time)} {row.disposition}{by}{waits}: {printable(row.title)} "
        f"(asked {printable(row.author)}, approved {printable(approved)})"
    )


def _duration(seconds: int) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def changes_csv(rows: Iterable[ChangeRow]) -> str:
    """One line a change, with a header, without formulas."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_CSV_COLUMNS)
    writer.writerows([_cell(value) for value in _cells(row)] for row in rows)
    return buffer.getvalue()


def _cells(row: ChangeRow) -> Iterator[str]:
    change = row.change
    yield from (str(row.seq), time_text(row.time), change.action.value, change.name, change.type)
    yield from (_rdata(change.before), _rdata(change.after), str(change.after.ttl) if change.after else "")
    yield from (change.contract, row.commit, ", ".join(row.asked), ", ".join(row.approved), row.signer, row.outcome)
    yield "" if row.converged is None else str(row.converged).lower()
    yield "" if row.result_seq is None else str(row.result_seq)
    yield time_text(row.result_time) if row.result_time else ""


def _rdata(rrset: RRset | None) -> str:
    return " ".join(rrset.rdata) if rrset else ""


def _cell(text: str) -> str:
    safe = printable(text)
    return f"'{safe}" if safe.startswith(_FORMULA) else safe


def change_rows(log: Log) -> Iterator[ChangeRow]:
    """A row for each changed RRset of intents and segments."""
    for entry in log.entries:
        intent = entry.body
        if isinstance(intent, Reconcile):
            yield from _segment_rows(log, entry, intent)
        if not isinstance(intent, Intent):
            continue
        result, end = log.end_of(entry) or (None, None)
        for change in intent.changes:
            yield ChangeRow(
                seq=entry.seq,
                time=entry.envelope.time,
                change=change,
                commit=intent.contracts.commit,
                asked=asked_by(intent.merged),
                approved=approved_by(intent.merged),
                signer=entry.envelope.principal,
                outcome=result.outcome if result else "open",
                converged=result.converged if result else None,
                result_seq=end.seq if end else None,
                result_time=end.envelope.time if end else None,
            )


def _segment_rows(log: Log, entry: Entry, body: Reconcile) -> Iterator[ChangeRow]:
    """The changes of a segment, with its operators and reviewers."""
    imported = body.imported
    if imported is None:
        return
    reviews = [other.review for _, other in log.reconciles if other.segment == body.segment and other.review]
    for change in imported.changes:
        yield ChangeRow(
            seq=entry.seq,
            time=imported.ended,
            change=change,
            commit="",
            asked=imported.operators,
            approved=tuple(reviews),
            signer=entry.envelope.principal,
            outcome="break-glass",
            converged=None,
            result_seq=entry.seq,
            result_time=entry.envelope.time,
        )


_DONE = ("applied", "unchanged")


def dispositions(log: Log) -> Mapping[str, tuple[Disposition, int, MergedCommit]]:
    """The disposition of each named commit; an apply counts most."""
    found: dict[str, tuple[Disposition, int, MergedCommit]] = {}
    for entry in log.entries:
        body = entry.body
        if not isinstance(body, Intent | Unchanged | Refusal):
            continue
        disposition = _disposition(log, entry, body)
        for merged in body.merged:
            earlier = found.get(merged.commit)
            if disposition in _DONE or earlier is None or earlier[0] not in _DONE:
                found[merged.commit] = (disposition, entry.seq, merged)
    return found


def _disposition(log: Log, entry: Entry, body: Intent | Unchanged | Refusal) -> Disposition:
    match body:
        case Unchanged():
            return "unchanged"
        case Refusal():
            return "refused"
        case Intent():
            end = log.end_of(entry)
            return "intended" if end is None else end[0].outcome


def population_rows(
    commits: Sequence[CommitInfo], log: Log, now: datetime, *, settled: bool
) -> tuple[PopulationRow, ...]:
    """Every merged commit with its disposition.

    Args:
        commits: The first-parent commits that touch contracts or authority, oldest first.
        log: The verified log.
        now: For the time that a commit has been waiting.
        settled: Whether the branch's contracts are, as files, those recorded last: then nothing waits.
    """
    known = dispositions(log)
    return tuple(_row(commit, known.get(commit.id), now, settled=settled) for commit in commits)


def _row(
    commit: CommitInfo, known: tuple[Disposition, int, MergedCommit] | None, now: datetime, *, settled: bool
) -> PopulationRow:
    if known is None:
        disposition: Disposition = "unchanged" if settled else "not applied"
        seq, author, approved = None, commit.merged_author or commit.author, commit.approved_by
    else:
        disposition, seq, merged = known
        author, approved = merged.author.name, tuple(approval.by.name for approval in merged.approvals)
    waiting = max(0, int((now - commit.time).total_seconds())) if disposition not in _DONE else None
    return PopulationRow(commit.id, commit.time, commit.subject, author, tuple(approved), disposition, seq, waiting)
