"""The log in lines: what an entry says, as a line of LOG.md and as the subject of the entry's commit.

Both come of one `LogLine`, so that `git log` and LOG.md tell the same. Their form is part of `log_views.FORM`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from hyops_gitops.core.evidence.custody_entries import Gap, Genesis, Reconcile, TrustChange
from hyops_gitops.core.evidence.entries import AuthorityChange, Intent, Refusal, Result, Unchanged, ZoneDrift
from hyops_gitops.core.evidence.entry_parts import MergedCommit, Restore, approved_by, asked_by
from hyops_gitops.core.evidence.envelope import Entry
from hyops_gitops.core.json_fields import time_text
from hyops_gitops.core.plan.plan import Change
from hyops_gitops.core.plan.summary import summarise

_ESCAPED = re.compile(r"[^ -~]|[\\`*_{}\[\]()<#!|~&@]")
_SHOWN = 3  # changes or people in a subject
_CELL = 160  # characters of one cell of a subject, before they are escaped


@dataclass(frozen=True, slots=True)
class LogLine:
    """One change, or one entry that is none."""

    seq: int  # the intent's where there is one
    time: datetime
    what: tuple[str, str]  # what, and old -> new
    merged: tuple[MergedCommit, ...]
    outcome: str

    def row(self) -> str:
        """The line of LOG.md: seq, time, what, old -> new, who asked, who approved, outcome."""
        people = (", ".join(asked_by(self.merged)), ", ".join(approved_by(self.merged)))
        return row(str(self.seq), time_text(self.time), *self.what, *people, self.outcome)


def lines_of(entry: Entry, entries: Sequence[Entry]) -> Iterator[LogLine]:
    """What one entry says, a line each change."""
    match entry.body:
        case Result(intent_seq=seq):
            yield from _intent_lines(entries[seq - 1], entry, _outcome(entry.body))
        case Intent():
            yield from _intent_lines(entry, entry, "intended")
        case Refusal(merged=merged):
            yield LogLine(entry.seq, entry.envelope.time, (in_words(entry, entries), ""), merged, "refused")
        case Unchanged(merged=merged):
            yield LogLine(entry.seq, entry.envelope.time, (in_words(entry, entries), ""), merged, "nothing to do")
        case _:
            yield LogLine(entry.seq, entry.envelope.time, (in_words(entry, entries), ""), (), "recorded")


def subject(entry: Entry, entries: Sequence[Entry]) -> str:
    """The subject of an entry's commit: its line in LOG.md, under the entry's own number.

    Several changes share one subject, which shows the first of them. It is bounded: cells are cut, escapes aside.
    """
    lines = list(lines_of(entry, entries)) or [LogLine(entry.seq, entry.envelope.time, ("", ""), (), "")]
    first = lines[0]
    whats, values = _some([line.what[0] for line in lines], "; "), _some([line.what[1] for line in lines], "; ")
    people = (_some(asked_by(first.merged), ", "), _some(approved_by(first.merged), ", "))
    cells = (f"{entry.seq:06d}", time_text(first.time), whats, values, *people, first.outcome)
    return _joined(cell if len(cell) <= _CELL else f"{cell[: _CELL - 3]}..." for cell in cells)


def in_words(entry: Entry, entries: Sequence[Entry]) -> str:
    """What an entry says, without its number, time and people."""
    match entry.body:
        case Intent():
            return f"intent {_intended(entry.body)}"
        case Result():
            intent = entries[entry.body.intent_seq - 1].body
            return f"{_outcome(entry.body)} {_intended(intent) if isinstance(intent, Intent) else ''}".rstrip()
        case Refusal(refusals=refusals):
            return f"refused by {', '.join(sorted({one.guard for one in refusals}))}"
        case Unchanged(contracts=contracts):
            return f"unchanged by {contracts.commit[:12]}"
        case ZoneDrift(differences=differences, restored=restored):
            return f"drift of {len(differences)} RRsets{', zone restored' if restored else ''}"
        case AuthorityChange(commit=commit):
            return f"authority changed by {commit[:12]}"
        case _:
            return _custody_in_words(entry.body, entry.envelope.zone)


def row(*cells: str) -> str:
    """A row of a Markdown table."""
    return f"| {_joined(cells)} |\n"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, on its line and without links; all but printable ASCII as U+...."""
    return _ESCAPED.sub(_escape, text).replace("://", ":\\/\\/")


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    return f"\\{char}" if " " <= char <= "~" else f"U+{ord(char):04X}"


def _joined(cells: Iterable[str]) -> str:
    return " | ".join(map(escaped, cells))


def _custody_in_words(body: Genesis | TrustChange | Gap | Reconcile, zone: str) -> str:
    match body:
        case Genesis():
            return f"genesis of the log of {zone}"
        case TrustChange():
            return _trust(body)
        case Gap(acknowledges=None, missing=missing):
            return f"gap: entries {missing[0]} to {missing[1]} are missing" if missing else "gap"
        case Gap(acknowledges=seq):
            return f"entry {seq} acknowledged"
        case Reconcile(segment=segment):
            return f"reconciled break-glass segment {segment}"


def _intended(intent: Intent) -> str:
    return summarise(intent.changes) if intent.restore is None else _restored(intent.restore)[0]


def _restored(restore: Restore) -> tuple[str, str]:
    return f"zone restored from entry {restore.from_seq}", f"{len(restore.differences)} RRsets brought back"


def _intent_lines(intended: Entry, entry: Entry, outcome: str) -> Iterator[LogLine]:
    if isinstance(intended.body, Intent):
        if intended.body.restore is not None:
            yield LogLine(intended.seq, entry.envelope.time, _restored(intended.body.restore), (), outcome)
        for change in intended.body.changes:
            yield LogLine(intended.seq, entry.envelope.time, _change(change), intended.body.merged, outcome)


def _change(change: Change) -> tuple[str, str]:
    before = " ".join(change.before.rdata) if change.before else "nothing"
    after = " ".join(change.after.rdata) if change.after else "nothing"
    return f"{change.action.value} {change.name} {change.type}", f"{before} -> {after}"


def _outcome(result: Result) -> str:
    recovered = ", found out later" if result.recovered else ""
    if result.outcome == "applied" and not result.converged:
        return f"applied, not converged{recovered}"
    return f"{result.outcome}{recovered}"


def _trust(body: TrustChange) -> str:
    parts = (
        ("trusts", [key.principal for key in body.trust]),
        ("retires", [key.principal for key in body.retire]),
        ("compromised", [one.key.split(" ")[-1][-12:] for one in body.compromised]),
    )
    return "keys: " + "; ".join(f"{word} {', '.join(names)}" for word, names in parts if names)


def _some(texts: Sequence[str], separator: str) -> str:
    more = len(texts) - _SHOWN
    return separator.join([*texts[:_SHOWN], *([f"and {more} more"] if more > 0 else [])])
