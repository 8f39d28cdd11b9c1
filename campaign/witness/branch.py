"""The evidence branch, read from git as anybody could: JSON files at documented paths."""

import hashlib
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from campaign.witness.zone import Difference, Key, Records, rdata

SEGMENT_NUMBERS = 1000  # entry 3 of the segment that entry 12 imports is 12003 here
_WRITES = ("create", "replace", "delete")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry."""

    seq: int
    type: str
    sha256: str
    predicate: dict[str, Any]
    above: int = 0  # what its number, and those that it names, are counted from: of a segment not 0

    @property
    def place(self) -> int:
        """The number of the log's entry that has it, or brought it in."""
        return self.above // SEGMENT_NUMBERS or self.seq


@dataclass(frozen=True, slots=True)
class Outcome:
    """An intent, and what its result says."""

    seq: int  # of the intent
    outcome: str  # of the result: applied, failed, refused; open where there is none
    changed: Difference  # what it says it writes
    before: str  # digest of the zone before
    expected: str  # and afterwards, by the intent
    after: str  # and by the result
    accepted: float  # when the primary accepted it; 0 where that is not known
    converged: Mapping[str, int]  # milliseconds after which a server had it, for each that had
    pid: int = 0  # of the process that wrote the intent


def read_entries(repository: Path, ref: str, zone: str) -> list[Entry]:
    """Every entry of the branch, in order; those of a break-glass segment ahead of the one that imports it."""
    log = _entries_in(repository, ref, f"log/{zone}/")
    return [entry for last in log for entry in (*_imported(repository, ref, last), last)]


def _imported(repository: Path, ref: str, entry: Entry) -> list[Entry]:
    if entry.type != "reconcile" or "zone" not in entry.predicate:  # one without is a review
        return []
    above = entry.seq * SEGMENT_NUMBERS
    found = _entries_in(repository, ref, f"segments/{entry.predicate['segment']}/")
    return [replace(each, seq=above + each.seq, above=above) for each in found]


def _entries_in(repository: Path, ref: str, folder: str) -> list[Entry]:
    listed = _git(repository, "ls-tree", "-r", ref, folder).decode().splitlines()
    blobs = [line.split("\t")[0].split(" ")[2] for line in listed if line.endswith(".json")]
    return sorted((_entry(data) for data in _contents(repository, blobs)), key=lambda entry: entry.seq)


def outcomes(entries: list[Entry]) -> list[Outcome]:
    """Every intent with its result, in order."""
    results = {entry.above + entry.predicate["intent"]["seq"]: entry for entry in entries if entry.type == "result"}
    return [_outcome(entry, results.get(entry.seq)) for entry in entries if entry.type == "intent"]


def recorded_drifts(entries: list[Entry]) -> list[tuple[int, Difference]]:
    """What the log says that others changed."""
    return [
        (
            entry.seq,
            {
                (one["name"], one["type"]): (_side(one, "recorded"), _side(one, "observed"))
                for one in entry.predicate["differences"]
            },
        )
        for entry in entries
        if entry.type == "drift"
    ]


def head_of(repository: Path, ref: str) -> str:
    """The commit that a reference names."""
    return _git(repository, "rev-parse", "--verify", "-q", ref).decode().strip()


def descends(repository: Path, old: str, new: str) -> bool:
    """Whether nothing of an old head is gone from a new one."""
    done = subprocess.run(
        ["git", "-C", repository, "merge-base", "--is-ancestor", old, new], capture_output=True, check=False
    )
    return done.returncode == 0


def _outcome(intent: Entry, result: Entry | None) -> Outcome:
    said = result.predicate if result else {}
    zone, restore = intent.predicate["zone"], intent.predicate.get("restore")
    changed: dict[Key, tuple[Records | None, Records | None]] = {
        (one["name"], one["type"]): (_side(one, "before"), _side(one, "after"))
        for one in intent.predicate["plan"]["changes"]
        if one["action"] in _WRITES
    }
    for one in restore["differences"] if restore else []:
        changed[one["name"], one["type"]] = (_side(one, "observed"), _side(one, "recorded"))
    return Outcome(
        seq=intent.seq,
        outcome=str(said.get("outcome", "open")),
        changed=changed,
        before=zone["before"]["whole"],
        expected=zone["expected"]["whole"],
        after=said["zone"]["after"]["whole"] if said else zone["expected"]["whole"],
        accepted=_seconds(said.get("accepted")),
        converged={
            server["name"]: server["after_ms"]
            for server in said.get("servers", [])
            if server["verdict"] == "converged" and server["after_ms"] is not None
        },
        pid=intent.predicate["lease"]["pid"],
    )


def _seconds(text: str | None) -> float:
    """The end of the second that a time names; 0 for none."""
    return datetime.fromisoformat(text).timestamp() + 1 if text else 0.0


def _side(listed: dict[str, Any], moment: str) -> Records | None:
    values = tuple(sorted(rdata(listed["type"], value) for value in listed[moment]))
    return (int(listed["ttl"][moment]), values) if values else None


def _entry(data: bytes) -> Entry:
    predicate = json.loads(data)["predicate"]
    return Entry(int(predicate["seq"]), predicate["type"], hashlib.sha256(data).hexdigest(), predicate)


def _contents(repository: Path, blobs: list[str]) -> list[bytes]:
    """The contents of objects, by one program."""
    asked = "".join(f"{blob}\n" for blob in blobs).encode()
    data, found = _git(repository, "cat-file", "--batch", stdin=asked), []
    for _ in blobs:
        head, _, data = data.partition(b"\n")
        size = int(head.split(b" ")[2])
        found.append(data[:size])
        data = data[size + 1 :]
    return found


def _git(repository: Path, *words: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(["git", "-C", repository, *words], input=stdin, capture_output=True, check=True).stdout
