"""An audit as a table for people, and as CSV with one line a change."""

import csv
import io
from collections.abc import Iterable, Iterator

from hyops_gitops.audit.audit import Audit, ChangeRow, PopulationRow
from hyops_gitops.core.findings import printable
from hyops_gitops.core.json_fields import time_text
from hyops_gitops.core.text import counted
from hyops_gitops.core.zone import RRset
from hyops_gitops.log.text import problem_lines

_CSV_COLUMNS = (
    *("seq", "time", "action", "name", "type", "before", "after", "ttl", "contract", "commit"),
    *("asked", "approved", "signer", "outcome", "converged", "result_seq", "result_time"),
)
_FORMULA = ("=", "+", "-", "@")


def audit_text(audit: Audit) -> str:
    """Problems, what could not be seen, exceptions, the population, the verdict."""
    lines = [f"audit of {audit.zone} at {audit.commit[:12]}"] if audit.zone else []
    lines += [f"checked: {one}" for one in audit.checked]
    lines += _section("merged changes", map(_population_line, audit.population))
    notices = (
        f"{one.kind}{f' (entry {one.seq})' if one.seq else ''}: {printable(one.message)}" for one in audit.exceptions
    )
    lines += _section("exceptions", notices)
    for title, problems in (("cannot conclude", audit.inconclusive), ("problems", audit.problems)):
        lines += _section(title, problem_lines(problems))
    return "\n".join([*lines, _verdict(audit)])


def _verdict(audit: Audit) -> str:
    if audit.problems:
        return f"FAILED: {counted(len(audit.problems), 'problem')}"
    if audit.inconclusive:
        return f"CANNOT CONCLUDE: {counted(len(audit.inconclusive), 'thing')} could not be looked at"
    head = f"{audit.head[0]}:{audit.head[1]}" if audit.head else "none"
    entries = counted(audit.entries, "entry", "entries")
    return f"OK: {entries}, {counted(len(audit.exceptions), 'exception')} to look at; head {head}"


def _section(title: str, lines: Iterable[str]) -> list[str]:
    found = list(lines)
    return [f"{title} ({len(found)}):", *(f"  {line}" for line in found)] if found else []


def _population_line(row: PopulationRow) -> str:
    by = f" by entry {row.seq}" if row.seq else ""
    waits = "" if row.waiting_s is None else f", waiting for {_duration(row.waiting_s)}"
    approved = ", ".join(row.approved_by) or "nobody"
    return (
        f"{row.commit[:12]} {time_text(row.time)} {row.disposition}{by}{waits}: {printable(row.title)} "
        f"(asked {printable(row.author)}, approved {printable(approved)})"
    )


def _duration(seconds: int) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def audit_csv(audit: Audit) -> str:
    """One line a change, with a header; no cell that a spreadsheet would calculate."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_CSV_COLUMNS)
    writer.writerows([_cell(value) for value in _cells(row)] for row in audit.changes)
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
