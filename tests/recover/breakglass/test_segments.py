"""A segment verifies as it was written, and each way to damage it has its reason."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from hyops_gitops.core.canonical import canonical_json
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.signers import SignerSet
from hyops_gitops.log.admin_entries import TrustChange
from hyops_gitops.log.parts import TrustedKey
from hyops_gitops.log.verify_segment import Segment, check_base, check_new, check_whole
from tests.support.book import Book, public
from tests.support.segments import SEGMENT, Breakglass, Files, codes, read


def sound(glass: Breakglass) -> Segment:
    reading = read(glass.book, glass.files)
    assert reading.problems == ()
    assert reading.segment is not None
    return reading.segment


def test_segment_is_what_was_written(glass: Breakglass) -> None:
    segment = sound(glass)

    assert segment.operators == ("alice@tests", "bob@tests")
    assert dict(segment.witnesses) == {3: "alice@tests"}
    assert [one.after.rdata for one in segment.changes() if one.after] == [("10.0.0.2",), ("10.0.0.1",)]
    assert segment.start.digest() == segment.end.digest() == glass.book.head.observed.digest()
    assert segment.anchor == Anchor(3, glass.log.entries[2].sha256, SEGMENT)
    assert segment.as_log(glass.book.head) == glass.log
    assert list(check_base(segment, glass.book.head.entries, glass.book.head.ledger)) == []
    assert list(check_new(segment, glass.book.head)) == []
    assert list(check_whole(segment, witness_required=False)) == []


# --- damage


def _edit(name: str, old: bytes, new: bytes) -> Callable[[Breakglass], Files]:
    def damage(glass: Breakglass) -> Files:
        files = glass.files
        assert old in files[name]
        return {**files, name: files[name].replace(old, new)}

    return damage


def _without(*names: str) -> Callable[[Breakglass], Files]:
    return lambda glass: {name: content for name, content in glass.files.items() if name not in names}


def _resigned(glass: Breakglass) -> Files:
    """Alice rewrites where her first intent led, and signs again."""
    files, name = glass.files, "000001.json"
    files[name] = files[name].replace(b"10.0.0.2", b"10.0.0.9")
    key = glass.writer().author.own
    return {**files, f"{name}.sig": key.signer.sign(files[name], "hyops-gitops-breakglass")}


def _signed_as(principal: str, namespace: str) -> Callable[[Breakglass], Files]:
    def damage(glass: Breakglass) -> Files:
        files, name = glass.files, "000004.json"
        key = glass.writer(principal).author.own
        data = json.loads(files[name])
        data["predicate"]["signer"] = {"principal": principal, "key": key.key}
        files[name] = canonical_json(data)
        return {**files, f"{name}.sig": key.signer.sign(files[name], namespace)}

    return damage


def _result_of(seq: int) -> Callable[[Breakglass], Files]:
    """The last entry, rightly signed, is the result of another intent than the open one."""

    def damage(glass: Breakglass) -> Files:
        files, name = glass.files, "000004.json"
        data = json.loads(files[name])
        data["predicate"]["intent"]["seq"] = seq
        files[name] = canonical_json(data)
        key = glass.writer(data["predicate"]["signer"]["principal"]).author.own
        return {**files, f"{name}.sig": key.signer.sign(files[name], "hyops-gitops-breakglass")}

    return damage


def _own_witness(glass: Breakglass) -> Files:
    files = glass.files
    witness = glass.writer("bob@tests").author.own.signer.sign(files["000003.json"], "hyops-gitops-breakglass")
    return {**files, "000003.json.witness.sig": witness}


def _other_zone(glass: Breakglass) -> Files:
    return {**glass.files, "before.zone": b"first.prod.tamper.internal. 60 IN A 10.0.0.3\n"}


DAMAGE: dict[str, tuple[Callable[[Breakglass], Files], str]] = {
    "entry edited": (_edit("000002.json", b'"applied"', b'"failed"'), "signature"),
    "entry reformatted": (_edit("000002.json", b":", b": "), "not-canonical"),
    "entry edited and re-signed by its own author": (_resigned, "chain"),
    "first entries dropped": (_without("000001.json", "000001.json.sig"), "path"),
    "entry in the middle dropped": (_without("000002.json", "000002.json.sig"), "path"),
    "signature dropped": (_without("000002.json.sig"), "path"),
    "witness of somebody else's entry": (lambda glass: {**glass.files, "000001.json.witness.sig": b"x"}, "witness"),
    "operator as witness": (_own_witness, "witness"),
    "zone as it was found edited": (_other_zone, "continuity"),
    "zone as it was found dropped": (_without("before.zone"), "path"),
    "result of an intent that is not there": (_result_of(40), "pairs"),
    "result of an intent that has one": (_result_of(1), "pairs"),
    "stray file": (lambda glass: {**glass.files, "notes.txt": b"x"}, "path"),
    "last entry signed by an applier": (_signed_as("applier@tests", "hyops-gitops-breakglass"), "signer"),
    "last entry signed in the main namespace": (_signed_as("alice@tests", "hyops-gitops"), "signature"),
    "last entry signed by a stranger": (_signed_as("mallory@tests", "hyops-gitops-breakglass"), "signer"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_segment_is_refused(name: str, glass: Breakglass) -> None:
    damage, expected = DAMAGE[name]

    assert expected in codes(read(glass.book, damage(glass)))


def test_nothing_is_built_on_a_result_of_an_intent_that_is_not_there(glass: Breakglass) -> None:
    assert read(glass.book, _result_of(40)(glass)).segment is None


def test_dropped_tail_is_only_found_by_the_anchor(glass: Breakglass) -> None:
    """A segment alone cannot show it; whoever brings it in looks at the zone, and the log pins it from then on."""
    reading = read(glass.book, {name: data for name, data in glass.files.items() if name < "000003"} | {
        "before.zone": glass.files["before.zone"]
    })  # fmt: skip

    assert reading.problems == ()
    assert reading.segment is not None
    assert reading.segment.anchor != glass.log.anchor


# --- against the log


def test_segment_from_another_log_is_named(glass: Breakglass) -> None:
    segment = replace(sound(glass), log="f" * 32)

    assert [one.code for one in check_base(segment, glass.book.head.entries, glass.book.head.ledger)] == ["other-log"]


def test_segment_of_a_log_that_went_on_elsewhere_is_a_fork(glass: Breakglass) -> None:
    segment, older = sound(glass), glass.book.copy(13)

    assert [one.code for one in check_base(segment, older.head.entries, older.head.ledger)] == ["base"]
    older.apply()
    older.unchanged()
    assert [one.code for one in check_base(segment, older.head.entries, older.head.ledger)] == ["fork"]


def test_log_that_went_on_after_the_segment_began_is_a_fork(glass: Breakglass) -> None:
    book = glass.book
    book.apply()  # the same commit again: nothing but anchor and claim would be written, and that is enough

    assert [one.code for one in check_base(sound(glass), book.head.entries, book.head.ledger)] == ["fork"]


def test_open_intent_and_missing_witness_are_said(book: Book) -> None:
    glass = Breakglass.on(book.copy(len(book.head.entries)))
    glass.intend("10.0.0.2")
    segment = sound(glass)

    assert [one.code for one in check_whole(segment, witness_required=True)] == ["open-intent", "witness"]


def test_key_retired_since_is_named(glass: Breakglass) -> None:
    book = glass.book
    alice = TrustedKey("alice@tests", public(book.keys["alice@tests"]), ("hyops-gitops-breakglass",))
    commit = book.world.git("rev-parse", "HEAD")
    retired = book.add(TrustChange(commit, (), (alice,), (), "left"))

    problems = read(book, glass.files).problems
    assert {(one.code, one.message) for one in problems} == {("trust", f"the key was retired by entry {retired.seq}"),
        ("witness", f"the key was retired by entry {retired.seq}")}  # fmt: skip


def test_window_of_the_key_counts_at_the_entry(glass: Breakglass) -> None:
    lines = glass.book.signers.lines.lines
    ended = glass.log.entries[0].envelope.time.replace(year=2020)
    signers = SignerSet(tuple(replace(one, valid_before=ended) for one in lines))

    assert "signer" in codes(read(glass.book, glass.files, signers=signers))
