"""Entries that are signed as they should be and still cannot be, and files that are read when they are asked for."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import pytest

from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.signers import SignerLine, SignerSet
from hyops_gitops.log.admin_entries import Genesis
from hyops_gitops.log.entries import Body, Unchanged
from hyops_gitops.log.envelope import encode, entry_path
from hyops_gitops.log.log import README, state_path, zone_path
from hyops_gitops.log.pages import LOG_PAGE, folder_page
from hyops_gitops.log.parts import TrustedKey
from hyops_gitops.log.verify import BranchFiles, read_log
from tests.log.test_pages import ZONE, entry, intent, result
from tests.support import paper

KEY = "ssh-ed25519 AAAA"
SIGNERS = SignerSet((SignerLine(1, "me", KEY, None, None, None, ""),))


def branch(*bodies: Body) -> Mapping[str, bytes]:
    """A branch of chained entries whose pages are not what follows from them."""
    files = dict.fromkeys((README, zone_path(ZONE), state_path(ZONE)), b"")
    files |= {f"{page}{end}": b"" for page in (LOG_PAGE, folder_page(ZONE, 1)) for end in ("", ".sig")}
    previous = ""
    for seq, body in enumerate((Genesis("a" * 40, (TrustedKey("me", KEY, ()),)), *bodies), 1):
        envelope = entry(seq, body).envelope
        if previous:
            envelope = replace(envelope, prev_entry=previous, prev_sig=sha256_hex(b"sig"))
        data = encode(envelope, body)
        files |= {entry_path(ZONE, seq): data, f"{entry_path(ZONE, seq)}.sig": b"sig"}
        previous = sha256_hex(data)
    return files


@pytest.mark.parametrize("seq", [-1, 0, 1, 2, 3, 4, 2**53 - 1])
def test_a_result_of_what_is_no_open_intent(seq: int) -> None:
    files = branch(intent(), replace(result(), intent_seq=seq))
    reading = read_log(ZONE, "c" * 40, files, signers=SIGNERS, genesis=None, check_signature=lambda *_: True)
    assert [(one.code, one.where) for one in reading.problems] == [("pairs", entry_path(ZONE, 3))]


# --- the files of the branch


class Snapshot:
    """Files in memory, and what was read of them."""

    commit = "c" * 40

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files
        self.reads: list[list[str]] = []

    def paths(self) -> tuple[str, ...]:
        return tuple(self.files)

    def read(self, paths: Collection[str]) -> Mapping[str, bytes]:
        self.reads.append(list(paths))
        return {path: self.files[path] for path in paths}

    def earlier(self, commit: str, paths: Collection[str]) -> Mapping[str, bytes]:  # noqa: ARG002
        return {}

    def unchanged_since(self, commit: str) -> None:  # noqa: ARG002
        return None


def test_files_are_read_at_once_and_each_once() -> None:
    snapshot = Snapshot({"a": b"1", "b": b"2", "c": b"3"})
    files = BranchFiles(snapshot)
    assert (list(files), len(files), "a" in files, "d" in files) == (["a", "b", "c"], 3, True, False)
    assert snapshot.reads == []
    assert files.read(["b", "a"]) == [b"2", b"1"]
    assert (files["a"], files.read(["a", "b"]), files.read(["c", "a"])) == (b"1", [b"1", b"2"], [b"3", b"1"])
    assert snapshot.reads == [["b", "a"], ["c"]]


def test_what_the_branch_does_not_hold_is_not_read() -> None:
    snapshot = Snapshot({"a": b"1"})
    with pytest.raises(KeyError, match="d"):
        BranchFiles(snapshot)["d"]
    assert BranchFiles(snapshot).get("d", b"none") == b"none"
    assert snapshot.reads == []


def test_entries_that_were_verified_before_are_read_at_once_when_they_are_asked_for() -> None:
    log, same = paper.Paper.started(), Unchanged(paper.CONTRACTS, paper.AUTHORITY, ())
    log.add(same).add(same).add(same)
    pages = {path: log.files[path] for path in (LOG_PAGE, folder_page(paper.ZONE, 4))}
    known = replace(log.checkpoint(4), pages=pages)
    log.intend(paper.change("b", None, "10.0.0.2")).finish()
    snapshot = Snapshot(log.files)
    reading = log.read(checkpoint=known, files=BranchFiles(snapshot))
    assert reading.log is not None
    early = {entry_path(paper.ZONE, seq) for seq in (2, 3)}
    assert early.isdisjoint(path for paths in snapshot.reads for path in paths)
    snapshot.reads.clear()
    assert reading.log.entries == log.entries
    assert [set(paths) for paths in snapshot.reads] == [early]
