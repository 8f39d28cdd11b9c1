"""Keys, single entries and the history of a name as text."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from hyops_gitops.core.fields import time_text
from hyops_gitops.core.findings import printable
from hyops_gitops.core.table import Block, Cell, Tone, table
from hyops_gitops.log.chain import Problem

if TYPE_CHECKING:  # an apply prints neither
    from hyops_gitops.log.history import NameChange
    from hyops_gitops.log.keys import KeyRow


def problem_lines(problems: Iterable[Problem]) -> list[str]:
    """A line each: `log/z/0000/000002.json: chain: prev.entry is not ...`."""
    return [f"{printable(problem.where)}: {problem.code}: {printable(problem.message)}" for problem in problems]


def keys_text(rows: "Sequence[KeyRow]") -> str:
    """A block for each key."""
    return "\n".join(line for row in rows for line in _key_lines(row)) or "no key is listed"


def _key_lines(row: "KeyRow") -> Iterator[str]:
    recovery = ", recovery key" if row.recovery else ""
    yield f"{printable(row.principal)} {row.fingerprint}: {row.status}{recovery}"
    yield f"  namespaces {'any' if row.namespaces is None else ' '.join(row.namespaces)}"
    since = time_text(row.valid_after) if row.valid_after else "always"
    until = time_text(row.valid_before) if row.valid_before else "further notice"
    yield f"  valid      from {since} until {until}"
    if row.trusted_by is not None:
        yield f"  trusted    since entry {row.trusted_by}"
    if row.retired_by is not None:
        yield f"  retired    by entry {row.retired_by}"
    if row.last_good_seq is not None:
        yield f"  stolen     after entry {row.last_good_seq}"
    if row.added_by is not None:
        yield f"  added      by commit {row.added_by[:12]}"
    if row.ended_by is not None:
        yield f"  ended      by commit {row.ended_by[:12]}"
    if row.first_use is not None:
        yield f"  used       from entry {row.first_use} to {row.last_use}"


def history_text(name: str, changes: "Sequence[NameChange]") -> str:
    """A block for each change, oldest first."""
    return "\n".join([name, *(line for change in changes for line in _change_lines(change))])


def history_blocks(name: str, changes: "Sequence[NameChange]") -> Iterator[Block]:
    """What `history_text` says, as a table."""
    yield Cell(name, "heading")
    columns = ("entry", "time", "change", "from", "to", "outcome", "asked by", "approved by")
    yield from table(columns, map(_change_row, changes))


def _change_row(change: "NameChange") -> tuple[str | Cell, ...]:
    what = f"{change.action} {change.type}" if change.type else "nothing was done"
    old, new = (printable(" ".join(values)) or "nothing" if change.type else "" for values in (change.old, change.new))
    approved = ", ".join(map(printable, change.approved)) or ("no record" if change.asked else "")
    tone: Tone = "doubtful" if change.outcome == "open" else "bad"
    if change.outcome == "applied":
        tone = "bad" if change.converged is False else "good"
    reason = f": {printable(change.reason)}" if change.reason else ""
    time = time_text(change.time).replace("T", " ")  # so that it can be broken there
    asked = ", ".join(map(printable, change.asked))
    return str(change.seq), time, what, old, new, Cell(f"{_outcome(change)}{reason}", tone), asked, approved


def _outcome(change: "NameChange") -> str:
    served = {True: ", served everywhere it must be", False: ", not served everywhere it must be", None: ""}
    outcome = "found, made outside the log" if change.outcome == "found" else change.outcome
    return f"{outcome}{served[change.converged]}"


def _change_lines(change: "NameChange") -> Iterator[str]:
    old, new = (printable(" ".join(values)) or "nothing" for values in (change.old, change.new))
    what = f"{change.action} {change.type}: {old} -> {new}" if change.type else "nothing was done"
    yield f"{change.seq:>6}  {time_text(change.time)}  {what}"
    yield f"        {_outcome(change)}{': ' if change.reason else ''}{printable(change.reason)}"
    if change.asked:
        approved = ", ".join(map(printable, change.approved)) or "no record"
        yield f"        asked by {', '.join(map(printable, change.asked))}; approved by {approved}"


def entry_text(seq: int, sha256: str, content: bytes, problems: Sequence[Problem]) -> str:
    """One entry, indented, and whether the log it stands in verifies."""
    shown = json.dumps(json.loads(content), indent=2)  # of ASCII alone, so nothing in it can move the cursor
    state = f"the log verifies; entry {seq}:{sha256}"
    return "\n".join([shown, *problem_lines(problems), "the log does NOT verify" if problems else state])
