"""The branch's pages for people: LOG.md and one README per folder of entries.

Both follow from the entries alone and are never read back: verification makes them anew and compares every byte. Their
form has a number, `FORM`, that each entry carries; changing a byte of what is written here needs a new one.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

from hyops_gitops.core.custody_entries import Gap, Genesis, Reconcile, TrustChange
from hyops_gitops.core.entries import AuthorityChange, Intent, Refusal, Result, Unchanged, ZoneDrift
from hyops_gitops.core.entry_parts import MergedCommit
from hyops_gitops.core.envelope import ENTRIES_PER_FOLDER, Entry
from hyops_gitops.core.json_fields import time_text
from hyops_gitops.core.plan import Change
from hyops_gitops.core.summary import summarise

FORM = 1
LOG_PAGE = "LOG.md"
LINES = 200
_COLUMNS = "| seq | time | what | old -> new | who asked | who approved | outcome |\n|---|---|---|---|---|---|---|\n"
_FOLDER_COLUMNS = "| seq | time | type | what |\n|---|---|---|---|\n"
_SPECIAL = set("\\`*_{}[]()<#!|~&@")


def folder_page(zone: str, seq: int) -> str:
    """The path of the README of the folder that an entry is in."""
    return f"log/{zone}/{seq // ENTRIES_PER_FOLDER:04d}/README.md"


def log_page(zone: str, entries: Sequence[Entry]) -> bytes:
    """LOG.md: the newest 200 changes, one line each, newest first."""
    lines = islice(_lines(entries), LINES)
    title = f"# The log of {_escaped(zone)}: the newest {LINES} changes\n\n"
    return (title + _COLUMNS + "".join(lines)).encode()


def folder_readme(zone: str, entries: Sequence[Entry], seq: int) -> bytes:
    """The README of the folder that entry `seq` is in, as it stands after that entry."""
    first = max(1, seq // ENTRIES_PER_FOLDER * ENTRIES_PER_FOLDER)
    title = f"# Entries {first} to {seq} of the log of {_escaped(zone)}\n\n"
    rows = (
        _row(str(entry.seq), time_text(entry.envelope.time), entry.type, subject(entry, entries))
        for entry in entries[first - 1 : seq]
    )
    return (title + _FOLDER_COLUMNS + "".join(rows)).encode()


def subject(entry: Entry, entries: Sequence[Entry]) -> str:
    """What an entry says in one line; the subject of its commit."""
    match entry.body:
        case Intent(changes=changes):
            return f"intent {summarise(changes)}"
        case Result():
            intent = entries[entry.body.intent_seq - 1].body
            return f"{_outcome(entry.body)} {summarise(intent.changes) if isinstance(intent, Intent) else ''}".rstrip()
        case Refusal(refusals=refusals):
            return f"refused by {', '.join(sorted({one.guard for one in refusals}))}"
        case Unchanged(contracts=contracts):
            return f"unchanged by {contracts.commit[:12]}"
        case ZoneDrift(differences=differences, restored=restored):
            return f"drift of {len(differences)} RRsets{', zone restored' if restored else ''}"
        case AuthorityChange(commit=commit):
            return f"authority changed by {commit[:12]}"
        case _:
            return _custody_subject(entry.body, entry.envelope.zone)


def _custody_subject(body: Genesis | TrustChange | Gap | Reconcile, zone: str) -> str:
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


def _lines(entries: Sequence[Entry]) -> Iterator[str]:
    """Newest first: a line for each change of an intent that has a result or is the newest entry; else one an entry."""
    for entry in reversed(entries):
        match entry.body:
            case Result(intent_seq=seq):
                yield from _intent_lines(entries[seq - 1], entry, _outcome(entry.body))
            case Intent():
                if entry is entries[-1]:
                    yield from _intent_lines(entry, entry, "intended")
            case Refusal(merged=merged):
                yield _line(entry, entry.seq, (subject(entry, entries), ""), merged, "refused")
            case Unchanged(merged=merged):
                yield _line(entry, entry.seq, (subject(entry, entries), ""), merged, "nothing to do")
            case _:
                yield _line(entry, entry.seq, (subject(entry, entries), ""), (), "recorded")


def _intent_lines(intended: Entry, entry: Entry, outcome: str) -> Iterator[str]:
    if isinstance(intended.body, Intent):
        for change in intended.body.changes:
            yield _line(entry, intended.seq, _change(change), intended.body.merged, outcome)


def _line(entry: Entry, seq: int, what: tuple[str, str], merged: Sequence[MergedCommit], outcome: str) -> str:
    return _row(str(seq), time_text(entry.envelope.time), *what, _asked(merged), _approved(merged), outcome)


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


def _asked(merged: Sequence[MergedCommit]) -> str:
    return ", ".join(dict.fromkeys(one.author.name for one in merged))


def _approved(merged: Sequence[MergedCommit]) -> str:
    return ", ".join(dict.fromkeys(approval.by.name for one in merged for approval in one.approvals))


def _row(*cells: str) -> str:
    return "| " + " | ".join(map(_escaped, cells)) + " |\n"


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is, on its line and without links; all but printable ASCII as U+...."""
    safe = "".join(
        f"\\{char}" if char in _SPECIAL else char if " " <= char <= "~" else f"U+{ord(char):04X}" for char in text
    )
    return safe.replace("://", ":\\/\\/")
