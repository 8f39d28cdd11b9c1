"""The log in lines: LOG.md, and subjects of commits.

Both come of one `LogLine`, so that `git log` and LOG.md tell the same. Their form is part of `log_views.FORM`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice

from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.fields import time_text
from hyops_gitops.core.people import MergedCommit, approved_by, asked_by
from hyops_gitops.log.admin_entries import Gap, Genesis, Reconcile, TrustChange
from hyops_gitops.log.entries import AuthorityChange, Intent, Refusal, Result, Unchanged, ZoneDrift
from hyops_gitops.log.envelope import ENTRIES_PER_FOLDER, Entry, EntryList
from hyops_gitops.log.parts import Restore
from hyops_gitops.plan.plan import Change, summarise

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
        """The line of LOG.md, as its columns."""
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
    """The subject of an entry's commit.

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
            return f"refused by {', '.join(sorted({refusal.guard for refusal in refusals}))}"
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
    """Text escaped for a line of Markdown, in ASCII."""
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
        ("compromised", [key.key.split(" ")[-1][-12:] for key in body.compromised]),
    )
    return "keys: " + "; ".join(f"{word} {', '.join(names)}" for word, names in parts if names)


def _some(texts: Sequence[str], separator: str) -> str:
    more = len(texts) - _SHOWN
    return separator.join([*texts[:_SHOWN], *([f"and {more} more"] if more > 0 else [])])


FORM = 1
LOG_PAGE = "LOG.md"
LINES = 200
_COLUMNS = "| seq | time | what | old -> new | who asked | who approved | outcome |\n|---|---|---|---|---|---|---|\n"
_FOLDER_COLUMNS = "| seq | time | type | what |\n|---|---|---|---|\n"


def folder_page(zone: str, seq: int) -> str:
    """The path of the README in an entry's folder."""
    return f"log/{zone}/{seq // ENTRIES_PER_FOLDER:04d}/README.md"


def log_page(zone: str, entries: Sequence[Entry]) -> bytes:
    """LOG.md: the newest 200 changes, one line each, newest first."""
    return _log_page(zone, entries, len(entries))


def folder_readme(zone: str, entries: Sequence[Entry], seq: int) -> bytes:
    """The README of an entry's folder after that entry."""
    rows = (_folder_row(entry, entries) for entry in entries[_first_in_folder(seq) - 1 : seq])
    return _folder_title(zone, seq) + "".join(rows).encode()


def whole_pages(zone: str, entries: Sequence[Entry], seq: int) -> dict[str, bytes]:
    """LOG.md, and the README of its folder, after the newest entry."""
    return {LOG_PAGE: log_page(zone, entries), folder_page(zone, seq): folder_readme(zone, entries, seq)}


def pages_after(zone: str, entries: EntryList, seq: int, before: Mapping[str, bytes]) -> dict[str, bytes]:
    """LOG.md and the README of its folder after an entry.

    Args:
        zone: Whose log it is.
        entries: The entries, this one among them.
        seq: Which it is.
        before: The same as the entry before left them, so that only its own lines are made; else they are made whole.
    """
    readme_path = folder_page(zone, seq)
    old_readme, old_title = before.get(readme_path, b""), _folder_title(zone, seq - 1)
    if _first_in_folder(seq) < seq and old_readme.startswith(old_title):
        readme_now = (
            _folder_title(zone, seq) + old_readme[len(old_title) :] + _folder_row(entries[seq - 1], entries).encode()
        )
    else:
        readme_now = folder_readme(zone, entries, seq)
    page = _spliced_log_page(zone, entries, seq, before.get(LOG_PAGE, b"")) or _log_page(zone, entries, seq)
    return {LOG_PAGE: page, readme_path: readme_now}


def _spliced_log_page(zone: str, entries: EntryList, seq: int, before: bytes) -> bytes | None:
    """LOG.md after an entry, from what it was; None: impossible."""
    title = _log_title(zone)
    if seq < 2 or not before.startswith(title):  # noqa: PLR2004 - genesis has nothing before it
        return None
    old = before[len(title) :].decode().split("\n")[:-1]
    gone = 0
    if entries.outline(seq - 1).type == "intent" and isinstance(last := entries[seq - 2].body, Intent):
        gone = len(last.changes) + (last.restore is not None)
    lines = islice(lines_of(entries[seq - 1], entries), LINES)
    rows = [*(line.row() for line in lines), *(f"{line}\n" for line in old[gone:])][:LINES]
    if len(rows) < LINES <= len(old):
        return None  # older lines than it shows come into view again
    return title + "".join(rows).encode()


def _log_page(zone: str, entries: Sequence[Entry], seq: int) -> bytes:
    lines = islice(_newest_first(entries, seq), LINES)
    return _log_title(zone) + "".join(line.row() for line in lines).encode()


def _log_title(zone: str) -> bytes:
    return f"# The log of {escaped(zone)}: the newest {LINES} changes\n\n{_COLUMNS}".encode()


def _first_in_folder(seq: int) -> int:
    return max(1, seq // ENTRIES_PER_FOLDER * ENTRIES_PER_FOLDER)


def _folder_title(zone: str, seq: int) -> bytes:
    title = f"# Entries {_first_in_folder(seq)} to {seq} of the log of {escaped(zone)}\n\n"
    return (title + _FOLDER_COLUMNS).encode()


def _folder_row(entry: Entry, entries: Sequence[Entry]) -> str:
    return row(str(entry.seq), time_text(entry.envelope.time), entry.type, in_words(entry, entries))


def _newest_first(entries: Sequence[Entry], seq: int) -> Iterator[LogLine]:
    """Every line; an intent's only while it is the newest."""
    for number in range(seq, 0, -1):
        entry = entries[number - 1]
        if not isinstance(entry.body, Intent) or number == seq:
            yield from lines_of(entry, entries)


_README_TEXT = (
    """\
# The log of {zone}

This branch is written only by the applier. Each entry says what was about to be done to the zone `{zone}`, or
"""
    "what came of it; it is signed, "  # verbatim: a page of the log
    """\
and chained to the one before it. The contracts themselves are on the main branch.

- `log/{zone}/0000/000001.json`: the entries, numbered from 1, a hundred a folder: one line of canonical JSON each (an
  in-toto Statement v1), with its OpenSSH signature beside it (`.sig`, namespace `hyops-gitops`)
- `zones/{zone}.zone`: the whole zone as last observed; `sha256sum` of it is the subject digest of the newest entry
- `state/{zone}.zone`: the records under contract as last applied, each line with its contract

## Verify an entry

`S` is `authority/allowed_signers` of the main branch, and `E` an entry such as `log/{zone}/0000/000002`:

    P=$(jq -r .predicate.signer.principal $E.json)
    T=$(jq -r .predicate.time $E.json | tr -d :T-)
    ssh-keygen -Y verify -f $S -I "$P" -n hyops-gitops -O verify-time=$T -s $E.json.sig < $E.json
    jq -cS . $E.json | cmp - $E.json

`predicate.prev.entry` and `predicate.prev.sig` are the `sha256sum` of the entry before and of its `.sig`; entry 1 has
zeros, and the SHA-256 that `evidence.genesis` in `authority/{zone}.yaml` pins on the main branch.
`predicate.files` holds the `sha256sum` of this file and of the files under `zones/` and `state/` as they stood after
the entry. `hyops-gitops evidence verify` checks all of it.
"""
)


def readme(zone: str) -> bytes:
    """The README of one zone's log."""
    return _README_TEXT.format(zone=zone).encode()
