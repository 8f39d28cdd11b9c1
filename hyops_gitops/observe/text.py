"""Drift, status and checks as text."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hyops_gitops.core.fields import time_text
from hyops_gitops.core.findings import printable
from hyops_gitops.core.managed import OWN_TYPES
from hyops_gitops.core.people import MergedCommit
from hyops_gitops.core.table import Block, Cell, Tone, table
from hyops_gitops.core.text import counted, first_few
from hyops_gitops.core.zone import RRset, in_words
from hyops_gitops.observe.drift import Difference, DriftCase
from hyops_gitops.observe.status import NameStatus, ServerAnswer, Since, Status, rdata_of, ttl_of

if TYPE_CHECKING:  # each command needs one of them
    from hyops_gitops.observe.doctor import Checkup
    from hyops_gitops.observe.find_drift import DriftReport

_SHOWN = 20


def drift_text(report: "DriftReport") -> str:
    """A block for each case, the actions, and what was not seen."""
    lines = [line for case in report.cases for line in _case(case)]
    if report.retransferred:
        lines.append(f"secondary {report.retransferred} was brought up to date and holds what it should")
    if report.recorded_seq:
        lines.append(f"recorded as entry {report.recorded_seq}")
    lines += [f"not seen: {printable(reason)}" for reason in report.unseen]
    return "\n".join([*lines, _summary(report)])


def _summary(report: "DriftReport") -> str:
    drift = sum(case.counts for case in report.cases)
    notes = len(report.cases) - drift
    found = counted(drift, "case of drift", "cases of drift") if drift else "no drift"
    noted = f", {counted(notes, 'note')}" if notes else ""
    seen = ", ".join(f"{view.where} by {view.source}" for view in report.views) or "no server"
    return f"{report.zone}: {found}{noted}; looked at {seen}, against entry {report.seq}"


def _case(case: DriftCase) -> Iterator[str]:
    yield f"{case.kind.value if case.counts else f'note, {case.kind.value}'}: {printable(case.message)}"
    expected, found = case.sides
    for difference in case.differences[:_SHOWN]:
        yield from _difference(difference, expected, found)
    if len(case.differences) > _SHOWN:
        yield f"  and {len(case.differences) - _SHOWN} more"
    if case.owner:
        yield f"  owner: {printable(case.owner)}"
    yield f"  hint: {printable(case.hint)}"


def _difference(difference: Difference, expected: str, found: str) -> Iterator[str]:
    width = max(len(expected), len(found))
    yield f"  {difference.name} {difference.type}"
    yield f"    {expected:<{width}}  {_records(difference.expected)}"
    yield f"    {found:<{width}}  {_records(difference.found)}"


def _records(rrset: RRset | None) -> str:
    return printable(in_words(rrset))


_COMMITS_SHOWN = 3


def status_text(status: Status, *, whole: bool) -> str:
    """A block or a line for each name, notes, warnings, gaps.

    Args:
        status: What was found.
        whole: A block for every name.
    """
    blocks = ["\n".join(_block(name)) if _in_full(name, whole=whole) else _line(name) for name in status.names]
    return "\n".join([*(blocks or ["no endpoint is known"]), *(remark.text for remark in _remarks(status))])


def status_blocks(status: Status, *, whole: bool) -> Iterator[Block]:
    """What `status_text` says, as tables: names that agree first."""
    if not status.names:
        yield Cell("no endpoint is known")
    brief = [name for name in status.names if not _in_full(name, whole=whole)]
    yield from table(("name", "as intended", "on servers", "since"), map(_row, brief))
    for name in status.names:
        if _in_full(name, whole=whole):
            agrees = name.agrees
            yield Cell(f"{name.name}: {'as intended' if agrees else 'DIFFERS'}", "good" if agrees else "bad")
            yield from table(("of", "records", "server", "remark"), _rows(name))
    yield from _remarks(status)


def _remarks(status: Status) -> Iterator[Cell]:
    yield from (Cell(asked, "faint") for asked in _asked(status))
    yield from (Cell(f"note: {printable(note)}") for note in status.notes)
    yield from (Cell(f"warning: {printable(warning)}", "doubtful") for warning in status.warnings)
    yield from (Cell(f"not seen: {printable(reason)}", "doubtful") for reason in status.unseen)


def _in_full(name: NameStatus, *, whole: bool) -> bool:
    return whole or not name.agrees or _is_caching(name)


def _asked(status: Status) -> Iterator[str]:
    """What each server was asked for."""
    by_name = [f"{server.label} ({server.address})" for server in status.servers if server.asked == "names"]
    if by_name:
        too = "; servers of the zone for its SOA and anchor too"
        yield f"asked: {', '.join(by_name)} for {', '.join(OWN_TYPES)} of each name{too}"
    for server in status.servers:
        if server.asked == "transfer":
            yield f"asked: {server.label} ({server.address}) for one transfer of its zone, not what its caches answer"
    if status.api_asked:
        yield "asked: the primary's API for rows that contradict each other"


def _is_caching(name: NameStatus) -> bool:
    return any(answer.verdict == "caching" for answer in name.answers)


def _row(name: NameStatus) -> tuple[str | Cell, ...]:
    seen, asked = _as_intended(name), len(name.answers)
    servers = Cell(f"{seen} of {asked}", "good" if seen == asked else "doubtful")
    return name.name, _listed(name.intended or ()), servers, _since_cell(name)


def _rows(name: NameStatus) -> Iterator[tuple[str | Cell, ...]]:
    yield "intended", _intended(name), "", ""
    if name.held:
        yield "held", "", "", Cell(printable(name.held), "doubtful")
    if name.recorded is not None:
        waits = name.recorded_differs and not name.held
        mark = [_since_cell(name)] if name.since else []
        mark += ["not applied yet"] if waits else []
        yield "recorded", _listed(name.recorded), "", Cell("; ".join(mark), "bad" if waits else "plain")
    for answer in name.answers:
        tone = _TONES.get(answer.verdict, "doubtful")
        yield answer.role, Cell(_shown(answer), tone), f"{answer.name}, {answer.address}", Cell(_remark(answer), tone)


_TONES: dict[str, Tone] = {"as intended": "good", "differs": "bad"}


def _since_cell(name: NameStatus) -> str:
    """The time with a space, so that it can be broken there."""
    return _since(name.since).removeprefix("since ").replace("T", " ", 1) if name.since else ""


def _as_intended(name: NameStatus) -> int:
    """The number of servers that answer so."""
    return sum(answer.verdict == "as intended" for answer in name.answers)


def _line(name: NameStatus) -> str:
    seen = _as_intended(name)
    since = f", {_since(name.since)}" if name.since else ""
    return f"{name.name}: as intended, {_listed(name.intended or ())}, on {seen} of {len(name.answers)} servers{since}"


def _block(name: NameStatus) -> Iterator[str]:
    yield f"{name.name}: {'as intended' if name.agrees else 'DIFFERS'}"
    yield f"  intended   {_intended(name)}"
    if name.held:
        yield f"  held       {printable(name.held)}"
    if name.recorded is not None:
        since = f", {_since(name.since)}" if name.since else ""
        mark = "  <- not applied yet" if name.recorded_differs and not name.held else ""
        yield f"  recorded   {_listed(name.recorded)}{since}{mark}"
    yield from map(_answer, name.answers)


def _intended(name: NameStatus) -> str:
    return "unknown: its contract is invalid" if name.intended is None else _listed(name.intended)


def _answer(answer: ServerAnswer) -> str:
    remark = _remark(answer)
    mark = f"  <- {remark}" if remark else ""
    return f"  {answer.role:<10} {_shown(answer)} ({answer.name}, {answer.address}){mark}"


def _shown(answer: ServerAnswer) -> str:
    unseen = {"silent": "silent", "inconclusive": "cannot conclude"}
    return unseen.get(answer.verdict) or _listed(answer.records)


def _remark(answer: ServerAnswer) -> str:
    match answer.verdict:
        case "differs":
            return f"differs{': ' if answer.note else ''}{answer.note}"
        case "inconclusive":
            return answer.note
        case "caching":
            left = "until its TTL has run out" if answer.left_s is None else f"for {answer.left_s} s at most"
            return f"still cached, {left}"
    return ""


def _since(since: Since) -> str:
    who = f" (break-glass segment {since.segment} of {since.operator})" if since.segment else _by(since.merged)
    return f"since {time_text(since.time)} by entry {since.seq}{who}"


def _by(merged: tuple[MergedCommit, ...]) -> str:
    if not merged:
        return ""
    newest = [_change(commit) for commit in reversed(merged)]
    return f" ({first_few(newest, _COMMITS_SHOWN, '; ')})"


def _change(commit: MergedCommit) -> str:
    which = f"pull request {commit.pull_request}" if commit.pull_request else commit.commit[:12]
    return printable(f"{which} of {commit.author.name}: {commit.title}")


def _listed(records: tuple[RRset, ...]) -> str:
    values = " ".join(map(printable, rdata_of(records)))
    return f"{values} (TTL {ttl_of(records)})" if values else "nothing"


def checkup_text(checkup: "Checkup") -> str:
    """A line for each check, with remedies, and the outcome."""
    return "\n".join(_lines(checkup))


def _lines(checkup: "Checkup") -> Iterator[str]:
    width = max(len(check.id) for check in checkup.checks)
    for check in checkup.checks:
        yield f"{check.state:<8}  {check.id:<{width}}  {printable(check.seen)}"
        if check.remedy:
            yield f"{'':<8}  {'':<{width}}  -> {printable(check.remedy)}"
    failed, unknown = checkup.count("fail"), checkup.count("unknown")
    if checkup.ok and checkup.offline:
        yield f"{checkup.zone}: nothing on this machine is in the way of an apply; servers and remote were not asked"
    elif checkup.ok:
        yield f"{checkup.zone}: ready for an apply"
    else:
        yield f"{checkup.zone}: {failed} failed, {unknown} cannot be seen from here"
        if unknown:
            yield "confirm a manual check with --attest CHECK='who, when'"
