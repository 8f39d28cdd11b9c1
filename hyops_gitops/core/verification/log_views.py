"""The branch's pages for people: LOG.md and one README per folder of entries.

Both follow from the entries alone and are never read back: verification makes them anew and compares every byte. Their
form, and that of commits' subjects, has a number, `FORM`, that each entry carries; changing a byte of what is written
here or in `core.verification.log_lines` needs a new one.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

from hyops_gitops.core.evidence.entries import Intent
from hyops_gitops.core.evidence.envelope import ENTRIES_PER_FOLDER, Entry
from hyops_gitops.core.json_fields import time_text
from hyops_gitops.core.verification.log_lines import LogLine, escaped, in_words, lines_of, row

FORM = 1
LOG_PAGE = "LOG.md"
LINES = 200
_COLUMNS = "| seq | time | what | old -> new | who asked | who approved | outcome |\n|---|---|---|---|---|---|---|\n"
_FOLDER_COLUMNS = "| seq | time | type | what |\n|---|---|---|---|\n"


def folder_page(zone: str, seq: int) -> str:
    """The path of the README of the folder that an entry is in."""
    return f"log/{zone}/{seq // ENTRIES_PER_FOLDER:04d}/README.md"


def log_page(zone: str, entries: Sequence[Entry]) -> bytes:
    """LOG.md: the newest 200 changes, one line each, newest first."""
    lines = islice(_newest_first(entries), LINES)
    title = f"# The log of {escaped(zone)}: the newest {LINES} changes\n\n"
    return (title + _COLUMNS + "".join(line.row() for line in lines)).encode()


def folder_readme(zone: str, entries: Sequence[Entry], seq: int) -> bytes:
    """The README of the folder that entry `seq` is in, as it stands after that entry."""
    first = max(1, seq // ENTRIES_PER_FOLDER * ENTRIES_PER_FOLDER)
    title = f"# Entries {first} to {seq} of the log of {escaped(zone)}\n\n"
    rows = (
        row(str(entry.seq), time_text(entry.envelope.time), entry.type, in_words(entry, entries))
        for entry in entries[first - 1 : seq]
    )
    return (title + _FOLDER_COLUMNS + "".join(rows)).encode()


def _newest_first(entries: Sequence[Entry]) -> Iterator[LogLine]:
    """Every line; of an intent only while it is the newest entry, as its result has the same."""
    for entry in reversed(entries):
        if not isinstance(entry.body, Intent) or entry is entries[-1]:
            yield from lines_of(entry, entries)
