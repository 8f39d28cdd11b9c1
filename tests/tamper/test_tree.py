"""Damage that the tree alone shows: our verifier and script/audit.sh say no, and ours says why."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.admin_entries import Gap, StolenKey, TrustChange
from hyops_gitops.log.entries import Intent, Result, Unchanged, ZoneDrift
from hyops_gitops.log.envelope import entry_path
from hyops_gitops.log.parts import Lease, Restore, ZoneDigests
from hyops_gitops.plan.plan import plan_digest
from hyops_gitops.plan.state import differences_between
from tests.support.book import (
    START,
    ZONE,
    Book,
    Files,
    StepClock,
    audit_script,
    codes,
    public,
    write_tree,
)
from tests.support.clone import run

Damage = Callable[[Book, Book], Files]
HEAD = 15


def at(seq: int) -> str:
    return entry_path(ZONE, seq)


def _edit(path: str, old: bytes, new: bytes) -> Damage:
    def damage(book: Book, _: Book) -> Files:
        files = book.files
        assert old in files[path]
        return {**files, path: files[path].replace(old, new, 1)}

    return damage


def _reformatted(book: Book, _: Book) -> Files:
    return {**book.files, at(3): json.dumps(json.loads(book.files[at(3)]), indent=1).encode()}


def _duplicate_key(book: Book, _: Book) -> Files:
    return {**book.files, at(3): book.files[at(3)].replace(b'{"_type"', b'{"_type":"x","_type"', 1)}


def _rehashed(book: Book, _: Book) -> Files:
    """Edited, and every hash after it made to fit, without a key."""
    files, before = book.files, None
    for seq in range(7, HEAD + 1):
        data = files[at(seq)].replace(b"10.0.0.2", b"10.0.0.3")
        if before is not None:
            document = json.loads(data)
            document["predicate"]["prev"]["entry"] = before
            data = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
        files[at(seq)] = data
        before = sha256_hex(data)
    return files


def _without(*seqs: int) -> Damage:
    def damage(book: Book, _: Book) -> Files:
        gone = {path for seq in seqs for path in (at(seq), f"{at(seq)}.sig")}
        return {path: data for path, data in book.files.items() if path not in gone}

    return damage


def _renumbered(book: Book, _: Book) -> Files:
    files = _without(6)(book, book)
    for seq in range(7, HEAD + 1):
        for end in ("", ".sig"):
            files[f"{at(seq - 1)}{end}"] = files.pop(f"{at(seq)}{end}")
    return files


def _reordered(book: Book, _: Book) -> Files:
    files = book.files
    for end in ("", ".sig"):
        one, other = f"{at(5)}{end}", f"{at(6)}{end}"
        files[one], files[other] = files[other], files[one]
    return files


def _resigned(book: Book, _: Book) -> Files:
    signature = book.writer("other@tests").author.own.signer.sign(book.files[at(7)], "hyops-gitops")
    return {**book.files, f"{at(7)}.sig": signature}


def _appended(principal: str, namespace: str = "hyops-gitops", *, backdated: bool = False) -> Damage:
    """An entry more, chained rightly, by somebody who may not."""

    def damage(book: Book, _: Book) -> Files:
        copy = book.copy(HEAD)
        if backdated:
            copy.clock = StepClock(START)
        copy.add(Unchanged(*book.references()), principal, namespace=namespace)
        return copy.files

    return damage


def _replayed(book: Book, _: Book) -> Files:
    return {**book.files, at(16): book.files[at(4)], f"{at(16)}.sig": book.files[f"{at(4)}.sig"]}


def _from_other_log(book: Book, stranger: Book) -> Files:
    return {**book.files, at(15): stranger.files[at(15)], f"{at(15)}.sig": stranger.files[f"{at(15)}.sig"]}


def _other_log(_: Book, stranger: Book) -> Files:
    return stranger.files


def _tail_dropped(book: Book, _: Book) -> Files:
    return _without(14, 15)(book, book)


def _hidden_intent(book: Book, _: Book) -> Files:
    """An intent, and later another, as if the first had never been sent."""
    copy = book.copy(11)
    copy.intend(book.intent())
    copy.unchanged()
    return copy.files


def _moved_zone(book: Book, _: Book) -> Files:
    """The zone changed between two entries, without a word."""
    copy = book.copy(11)
    zone = copy.head.observed.without([(f"txt.{ZONE}", "TXT")])
    copy.add(Unchanged(*copy.references()), observed=zone)
    return copy.files


def _lying_intent(book: Book, _: Book) -> Files:
    """A result that leaves another zone than its intent expected."""
    copy = book.copy(14)
    copy.finish()
    copy.store.trees.pop()
    copy = copy.copy(14)
    intent = copy.head.head.body
    assert isinstance(intent, Intent)
    body = book.head.head.body
    assert isinstance(body, Result)
    copy.add(replace(body, after=intent.before), observed=copy.head.observed)
    return copy.files


def _lying_result(book: Book, _: Book) -> Files:
    copy = book.copy(14)
    copy.finish(lie=True)
    return copy.files


def _restored(*, of: int, lie: bool = False, drift: bool = True) -> Damage:
    """A primary that lost the zone, and a restore that says it brings back the zone of entry `of`."""

    def damage(book: Book, _: Book) -> Files:
        copy = book.copy(HEAD)
        log, nothing = copy.head, Zone.of(ZONE, ())
        lost = tuple(differences_between(log.observed, nothing, log.state))
        before, after = ZoneDigests.of(log.observed, log.state, 9), ZoneDigests.of(nothing, log.state, None)
        copy.add(ZoneDrift("0" * 40, before, after, lost, restored=drift), observed=nothing)
        contracts, authority, _commits = copy.references()
        wanted = log.observed.without([(f"txt.{ZONE}", "TXT")]) if lie else log.observed
        copy.intend(
            Intent(
                contracts=contracts,
                authority=authority,
                merged=(),
                before=after,
                expected=ZoneDigests.of(wanted, log.state, None),
                plan_sha256=plan_digest(ZONE, nothing.digest(), ()),
                changes=(),
                drift=(),
                held=(),
                overrides=(),
                lease=Lease(120, "boot", 1),
                restore=Restore(of, created=True, serial=12, serials=(("onprem", 9),), differences=lost),
            )
        )
        return copy.files

    return damage


def _stolen(book: Book, _: Book) -> Files:
    copy = book.copy(HEAD)
    key = public(book.keys["other@tests"])
    copy.add(Unchanged(*copy.references()), "other@tests")
    copy.add(TrustChange(copy.world.git("rev-parse", "HEAD"), (), (), (StolenKey(key, 14),), "stolen"))
    return copy.files


def _trust_by_stranger(book: Book, _: Book) -> Files:
    copy = book.copy(HEAD)
    copy.add(
        TrustChange(copy.world.git("rev-parse", "HEAD"), (), (), (), "mine"), "observer@tests", namespace="observer"
    )
    return copy.files


def _swap(old: bytes, new: bytes) -> Damage:
    """The newest entry with other bytes, and a right signature of them."""

    def damage(book: Book, _: Book) -> Files:
        data = book.files[at(HEAD)]
        assert old in data
        data = data.replace(old, new, 1)
        signature = book.writer().author.own.signer.sign(data, "hyops-gitops")
        return {**book.files, at(HEAD): data, f"{at(HEAD)}.sig": signature}

    return damage


def _clock_back(book: Book, _: Book) -> Files:
    return _swap(b'"time":"2026', b'"time":"2025')(book, book)


def _files(change: Callable[[Files], Files]) -> Damage:
    return lambda book, _: change(book.files)


def _loosened(loosen: Callable[[bytes], bytes]) -> Damage:
    """Other bytes that ssh-keygen takes for the same signature."""
    return _files(lambda files: {**files, "LOG.md.sig": loosen(files["LOG.md.sig"])})


CASES: dict[str, tuple[Damage, str]] = {
    "01 edit": (_edit(at(7), b"10.0.0.2", b"10.0.0.9"), "signature"),
    "02 reformat": (_reformatted, "not-canonical"),
    "03 crlf": (_edit(at(3), b"\n", b"\r\n"), "not-canonical"),
    "04 duplicate key": (_duplicate_key, "not-canonical"),
    "05 edit and re-hash": (_rehashed, "signature"),
    "06 delete": (_without(6), "path"),
    "07 delete and renumber": (_renumbered, "chain"),
    "08 reorder": (_reordered, "chain"),
    "09 strip signature": (_files(lambda f: {p: d for p, d in f.items() if p != f"{at(7)}.sig"}), "path"),
    "09 empty signature": (_files(lambda f: {**f, f"{at(7)}.sig": b""}), "signature"),
    "10 forge with own key": (_appended("mallory@tests"), "signer"),
    "13 replay in the same log": (_replayed, "chain"),
    "14 replay from another log": (_from_other_log, "chain"),
    "14 another log": (_other_log, "signer"),
    "15 key of another role": (_appended("observer@tests"), "signer"),
    "15 namespace of another role": (_appended("observer@tests", "observer"), "signature"),
    "15 recovery key outside trust": (_appended("recovery@tests", "hyops-gitops-trust"), "signature"),
    "15 trust by an observer": (_trust_by_stranger, "signature"),
    "16 retired key": (_appended("retired@tests"), "trust"),
    "17 retired key, back-dated": (_appended("retired@tests", backdated=True), "trust"),
    "18 re-sign by another key": (_resigned, "signature"),
    "19 drop the tail": (_tail_dropped, "files"),
    "24 zone changed between entries": (_moved_zone, "continuity"),
    "26 result leaves another zone": (_lying_intent, "continuity"),
    "27 hidden intent": (_hidden_intent, "pairs"),
    "restore of another zone": (_restored(of=HEAD, lie=True), "restore"),
    "restore of an older zone": (_restored(of=3), "restore"),
    "restore of what is not there yet": (_restored(of=HEAD + 5), "restore"),
    "restore over a change that was accepted": (_restored(of=HEAD, drift=False), "restore"),
    "33 stray file": (_files(lambda f: {**f, f"log/{ZONE}/0000/note.txt": b"x"}), "path"),
    "33 stray folder": (_files(lambda f: {**f, "log/other.internal/0000/000001.json": b"x"}), "path"),
    "34 zone file": (_edit(f"zones/{ZONE}.zone", b"10.0.0.1", b"10.0.0.9"), "files"),
    "34 state file": (_edit(f"state/{ZONE}.zone", b"10.0.0.1", b"10.0.0.9"), "files"),
    "34 state file without a line": (_files(lambda f: {**f, f"state/{ZONE}.zone": b""}), "state"),
    "page LOG.md": (_edit("LOG.md", b"applied", b"refused"), "files"),
    "page README.md": (_edit("README.md", b"verify", b"v3rify"), "files"),
    "page of a folder": (_edit(f"log/{ZONE}/0000/README.md", b"intent", b"int3nt"), "files"),
    "signature of a page": (_files(lambda f: {**f, "LOG.md.sig": f["README.md"]}), "signature"),
    "clock set back": (_clock_back, "time"),
    "stolen key": (_stolen, "compromised"),
    "unknown type": (_swap(b'"type":"result"', b'"type":"resulf"'), "unknown-type"),
    "unknown version": (_swap(b"/evidence/v1", b"/evidence/v2"), "unknown-type"),
    "unknown form": (_swap(b'"form":1', b'"form":2'), "unknown-form"),
    "float": (_swap(b'"seq":15', b'"seq":15.5'), "not-canonical"),
    "empty log": (lambda _, __: {"README.md": b"x"}, "path"),
    "loose armour 1": (_loosened(lambda sig: sig + b"after the end\n"), "signature"),
    "loose armour 2": (_loosened(lambda sig: sig.replace(b"\n", b"\r\n")), "signature"),
    "loose armour 3": (_loosened(lambda sig: sig.replace(b"AAAAC3", b"AAAAC\n3", 1)), "signature"),
}


@pytest.mark.parametrize("name", CASES)
def test_tree_is_refused_by_both(name: str, book: Book, stranger: Book, signers: Path, tmp_path: Path) -> None:
    damage, expected = CASES[name]
    files = damage(book, stranger)
    found = codes(files, book)
    if expected == "files" and name == "34 state file":
        found |= {"files"} if "state" in found else set()
    assert expected in found
    fine, said = audit_script(write_tree(files, tmp_path / "tree"), signers, "--genesis", book.genesis)
    assert not fine, said


@pytest.mark.parametrize("upto", [1, 3, 13, HEAD])
def test_whole_logs_pass_both(upto: int, book: Book, signers: Path, tmp_path: Path) -> None:
    files = book.store.trees[upto - 1]
    assert codes(files, book) == set()
    fine, said = audit_script(write_tree(files, tmp_path / "tree"), signers, "--genesis", book.genesis)
    assert fine, said


def test_a_true_restore_passes_both(book: Book, signers: Path, tmp_path: Path) -> None:
    files = _restored(of=HEAD)(book, book)
    assert codes(files, book) == set()
    fine, said = audit_script(write_tree(files, tmp_path / "tree"), signers, "--genesis", book.genesis)
    assert fine, said


def test_open_intent_at_the_head_passes_and_is_said(book: Book, signers: Path, tmp_path: Path) -> None:
    files = book.store.trees[13]
    assert codes(files, book) == set()
    fine, said = audit_script(write_tree(files, tmp_path / "tree"), signers, "--genesis", book.genesis)
    assert fine
    assert "intent 14 has no result yet" in said


def test_carefully_dropped_tail_is_missed_by_the_tree_alone(book: Book, signers: Path, tmp_path: Path) -> None:
    files, seen = book.store.trees[12], f"{HEAD}:{book.head.head.sha256}"
    assert codes(files, book) == set()
    assert codes(files, book, seen) == {"seen"}
    tree = write_tree(files, tmp_path / "tree")
    assert audit_script(tree, signers, "--genesis", book.genesis)[0]
    assert not audit_script(tree, signers, "--genesis", book.genesis, "--seen", seen)[0]


def test_rewritten_last_change_is_missed_by_the_tree_alone(book: Book, signers: Path, tmp_path: Path) -> None:
    copy = book.copy(13)
    copy.intend()
    copy.finish()
    seen = f"{HEAD}:{book.head.head.sha256}"
    assert codes(copy.files, book) == set()
    assert codes(copy.files, book, seen) == {"seen"}
    tree = write_tree(copy.files, tmp_path / "tree")
    assert audit_script(tree, signers, "--genesis", book.genesis)[0]
    assert not audit_script(tree, signers, "--genesis", book.genesis, "--seen", seen)[0]


def test_entries_dropped_after_the_last_applied_intent_are_missed_by_the_tree_alone(
    book: Book, signers: Path, tmp_path: Path
) -> None:
    longer = book.copy(HEAD)
    longer.unchanged()
    seen = f"{HEAD + 1}:{longer.head.head.sha256}"
    assert longer.head.last_applied == book.head.last_applied  # so the anchor in the zone tells nothing either
    assert codes(book.files, book) == set()
    assert codes(book.files, book, seen) == {"seen"}
    tree = write_tree(book.files, tmp_path / "tree")
    assert audit_script(tree, signers, "--genesis", book.genesis)[0]
    assert not audit_script(tree, signers, "--genesis", book.genesis, "--seen", seen)[0]


def test_own_key_in_allowed_signers_does_not_help(book: Book, tmp_path: Path) -> None:
    lines = book.world.read("authority/allowed_signers")
    lines += f'mallory@tests namespaces="hyops-gitops" {public(book.keys["mallory@tests"])}\n'
    files = _appended("mallory@tests")(book, book)
    assert "trust" in codes(files, book, signers=lines.encode())
    own = tmp_path / "own"
    own.write_text(lines)
    assert not audit_script(write_tree(files, tmp_path / "tree"), own, "--genesis", book.genesis)[0]


def test_an_old_allowed_signers_put_back_breaks_later_entries(book: Book, tmp_path: Path) -> None:
    old = book.world.git("show", "HEAD~3:authority/allowed_signers") + "\n"
    assert "second@tests" not in old
    assert "signer" in codes(book.files, book, signers=old.encode())
    file = tmp_path / "old"
    file.write_text(old)
    assert not audit_script(write_tree(book.files, tmp_path / "tree"), file, "--genesis", book.genesis)[0]


def test_acknowledging_needs_a_key_that_was_not_stolen(book: Book, signers: Path, tmp_path: Path) -> None:
    copy = book.copy(HEAD)
    copy.add(Unchanged(*copy.references()), "other@tests")
    key = public(book.keys["other@tests"])
    copy.add(TrustChange(copy.world.git("rev-parse", "HEAD"), (), (), (StolenKey(key, 14),), "stolen"))
    copy.add(Gap("looked into", acknowledges=16))
    assert codes(copy.files, book) == set()
    fine, said = audit_script(write_tree(copy.files, tmp_path / "tree"), signers, "--genesis", book.genesis)
    assert fine, said


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bit_is_found(book: Book, data: st.DataObject) -> None:
    files = book.files
    path = data.draw(st.sampled_from(sorted(files)))
    position = data.draw(st.integers(0, 8 * len(files[path]) - 1))
    assert codes({**files, path: _flipped(files[path], position)}, book)


def _flipped(content: bytes, position: int) -> bytes:
    changed = bytearray(content)
    changed[position // 8] ^= 1 << position % 8
    return bytes(changed)


def test_any_flipped_bit_is_found_by_the_script(book: Book, signers: Path, tmp_path: Path) -> None:
    files = book.files
    tree = write_tree(files, tmp_path / "tree")
    for number, path in enumerate(sorted(files)[:: max(1, len(files) // 12)]):
        position = (number * 7919 + 13) % (8 * len(files[path]))
        (tree / path).write_bytes(_flipped(files[path], position))
        assert not audit_script(tree, signers, "--genesis", book.genesis)[0], (path, position)
        (tree / path).write_bytes(files[path])
    unused = files["LOG.md.sig"].rindex(b"=\n")
    for position in (8 * (unused - 1), 8 * (unused - 2), 8 * 40 + 1):
        (tree / "LOG.md.sig").write_bytes(_flipped(files["LOG.md.sig"], position))
        assert not audit_script(tree, signers, "--genesis", book.genesis)[0], position


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seqs=st.sets(st.integers(1, HEAD), min_size=1))
def test_any_dropped_entries_are_found(book: Book, seqs: set[int]) -> None:
    assert codes(_without(*seqs)(book, book), book)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(one=st.integers(1, HEAD), other=st.integers(1, HEAD))
def test_any_two_exchanged_or_repeated_entries_are_found(book: Book, one: int, other: int) -> None:
    files = book.files
    if one != other:
        assert codes({**files, at(one): files[at(other)]}, book)
        swapped = {at(one): files[at(other)], at(other): files[at(one)]}
        assert codes({**files, **swapped}, book)


def test_time_zone_of_the_auditor_does_not_matter(
    book: Book, signers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert codes(book.files, book) == set()
    assert audit_script(write_tree(book.files, tmp_path / "tree"), signers, "--genesis", book.genesis)[0]


@pytest.mark.parametrize("missing", ["jq", "ssh-keygen", "sha256sum"])
def test_missing_tool_cannot_conclude(missing: str, book: Book, signers: Path, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for folder in (Path("/usr/bin"), Path("/bin")):
        for tool in folder.iterdir():
            if tool.name != missing and not (tools / tool.name).exists():
                (tools / tool.name).symlink_to(tool)
    tree = write_tree(book.files, tmp_path / "tree")
    fine, said = audit_script(tree, signers, "--genesis", book.genesis, env={"PATH": str(tools)})
    assert not fine
    assert f"{missing} is not installed" in said
    assert said.endswith("CANNOT CONCLUDE\n")


def test_nothing_pinned_cannot_conclude(book: Book, signers: Path, tmp_path: Path) -> None:
    fine, said = audit_script(write_tree(book.files, tmp_path / "tree"), signers)
    assert not fine
    assert said.endswith("CANNOT CONCLUDE\n")


def test_unreadable_signers_cannot_conclude(book: Book, tmp_path: Path) -> None:
    tree = write_tree(book.files, tmp_path / "tree")
    for missing in (tmp_path / "none", tmp_path / "no" / "folder"):
        assert audit_script(tree, missing, "--genesis", book.genesis)[1].endswith("CANNOT CONCLUDE\n")


def test_link_is_no_file(book: Book, signers: Path, tmp_path: Path) -> None:
    tree = write_tree(book.files, tmp_path / "tree")
    run("mv", tree / at(7), tmp_path / "elsewhere")
    (tree / at(7)).symlink_to(tmp_path / "elsewhere")
    assert not audit_script(tree, signers, "--genesis", book.genesis)[0]
