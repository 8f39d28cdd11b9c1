"""A log that brought in a break-glass segment, and each fault alone in one that is right in every other way."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hyops_gitops.core.guards import Override
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.admin_entries import Reconcile, TrustChange
from hyops_gitops.log.chain import Problem
from hyops_gitops.log.entries import ZoneDrift
from hyops_gitops.log.envelope import encode, entry_path
from hyops_gitops.log.log import state_path
from hyops_gitops.log.parts import Hold, Retirement, TrustedKey
from hyops_gitops.log.segment import START_ZONE, entry_file, segment_path
from hyops_gitops.plan.plan import Drift
from tests.support.paper import BREAKGLASS, COMMIT, HASH, OPS, ZONE, Paper, a, change, sign

SEGMENT = "0123456789ab"
HELD = (Hold(f"b.{ZONE}", HASH),)


ONE = Zone.of(ZONE, [a("a", "10.0.0.1")])


def at(seq: int) -> str:
    return entry_path(ZONE, seq)


def file(name: str) -> str:
    return segment_path(SEGMENT, name)


def trusting() -> Paper:
    """Genesis, one change, and the key of `ops` trusted for break-glass: entries 1 to 4."""
    log = Paper.started().intend(change("a", None, "10.0.0.1")).finish()
    return log.add(TrustChange(COMMIT, (TrustedKey("ops", OPS, (BREAKGLASS,)),), (), (), "on call"))


def moved(log: Paper) -> Paper:
    """A segment on a log that moves `a` and makes `b`: entries 1 to 4 of its own."""
    own = log.breakglass()
    own.intend(change("a", "10.0.0.1", "10.0.0.2")).finish()
    return own.intend(change("b", None, "10.0.0.3"), holds=HELD).finish()


def brought_in() -> Paper:
    """A log with a segment, and one change after it."""
    log = trusting()
    return log.reconcile(moved(log), holds=HELD).intend(change("c", None, "10.0.0.4")).finish()


def test_a_segment_that_is_right_is_brought_in() -> None:
    log = brought_in()
    reading = log.read()
    assert reading.ok, reading.problems
    assert reading.log is not None
    assert reading.log.segments[SEGMENT] == moved(trusting()).entries
    assert reading.log.state == log.state
    assert reading.log.state.held_by(f"b.{ZONE}") == 5
    assert {name: rrset.rdata for (name, _), rrset in reading.log.observed.rrsets.items()} == {
        f"a.{ZONE}": ("10.0.0.2",), f"b.{ZONE}": ("10.0.0.3",), f"c.{ZONE}": ("10.0.0.4",)
    }  # fmt: skip


@pytest.mark.parametrize("known", [4, 5, 6, 7])
def test_a_segment_is_known_where_verification_is_continued(known: int) -> None:
    log = brought_in()
    reading = log.read(checkpoint=log.checkpoint(known, log.trees[known - 1][1]))
    assert reading.ok, reading.problems
    assert reading.log is not None
    assert reading.log.segments[SEGMENT] == moved(trusting()).entries


def test_a_name_that_a_segment_moved_waits_as_its_result_says() -> None:
    log, name = trusting(), f"a.{ZONE}"
    own = log.breakglass().intend(change("a", "10.0.0.1", "10.0.0.2"))
    own.finish(retire=(Retirement(name, None, "a secondary is silent"),))
    read = log.reconcile(own).read()
    assert read.ok, read.problems
    assert read.log is not None
    assert read.log.ledger.retiring == {name: (5, 2)}


def test_a_segment_without_a_change_moves_no_anchor() -> None:
    log = trusting()
    own = log.breakglass().intend(change("b", None, "10.0.0.3")).finish(outcome="failed")
    read = log.reconcile(own).read()
    assert read.ok, read.problems
    assert read.log is not None
    assert read.log.anchor == Anchor(2, log.entries[1].sha256)


def test_a_review_names_the_segment_as_it_was_brought_in() -> None:
    log = brought_in()
    body = log.entries[4].body
    assert isinstance(body, Reconcile)
    assert log.add(replace(body, imported=None, review="bob")).problems() == []


# --- its files


@pytest.mark.parametrize("name", [START_ZONE, entry_file(1), f"{entry_file(2)}.sig", entry_file(4)])
def test_a_file_of_a_segment_that_is_missing_is_named(name: str) -> None:
    log = brought_in()
    del log.files[file(name)]
    assert ("path", file(name)) in log.problems() or ("segment", at(5)) in log.problems()


@pytest.mark.parametrize("name", ["note.txt", f"{entry_file(5)}.sig", "deep/note.txt"])
def test_what_belongs_to_no_segment_is_refused(name: str) -> None:
    log = brought_in()
    log.files[file(name)] = b"x"
    assert ("path", file(name)) in log.problems()


@pytest.mark.parametrize("seq", [5, 6])
@pytest.mark.parametrize("known", [0, 7])
def test_a_segment_holds_no_more_entries_than_the_log_says(seq: int, known: int) -> None:
    log = brought_in()
    log.files[file(entry_file(seq))] = b"x"
    message = f"segment {SEGMENT} holds 5 entries, the log says 4"
    assert Problem("segment", at(5), message) in log.read(checkpoint=log.checkpoint(known) if known else None).problems


@pytest.mark.parametrize("seq", [1, 2, 3, 4])
def test_an_entry_of_a_segment_that_was_changed_is_found(seq: int) -> None:
    log = brought_in()
    name = file(entry_file(seq))
    log.files[name] = log.files[name].replace(b'"tool":"paper"', b'"tool":"other"')
    assert ("signature", f"{name}.sig") in log.problems()


def test_the_zone_that_a_segment_found_is_the_one_it_starts_from() -> None:
    log = brought_in()
    log.files[file(START_ZONE)] = b""
    assert ("continuity", file(entry_file(1))) in log.problems()


@pytest.mark.parametrize("seq", [1, 4])
def test_a_signature_of_something_else_is_refused(seq: int) -> None:
    log = brought_in()
    log.files[f"{file(entry_file(seq))}.sig"] = sign(b"other", OPS, BREAKGLASS)
    assert ("signature", f"{file(entry_file(seq))}.sig") in log.problems()


@pytest.mark.parametrize("known", [5, 7])
def test_the_log_pins_where_a_segment_ends_wherever_verification_is_continued(known: int) -> None:
    log = brought_in()
    log.files[file(entry_file(4))] += b" "
    checkpoint = log.checkpoint(known, log.trees[known - 1][1])
    message = f"segment {SEGMENT} does not end as the log says"
    assert Problem("segment", at(5), message) in log.read(checkpoint=checkpoint).problems


@pytest.mark.parametrize("seq", [1, 2, 4])
@pytest.mark.parametrize("damage", [lambda data: data + b" ", lambda data: data[:-9], lambda data: data + data])
def test_a_segment_that_cannot_be_read_is_a_problem_and_no_error(seq: int, damage: Callable[[bytes], bytes]) -> None:
    log = brought_in()
    log.files[file(entry_file(seq))] = damage(log.files[file(entry_file(seq))])
    assert ("not-canonical", file(entry_file(seq))) in log.problems()


# --- who wrote it, and what the log says of it


def test_a_segment_is_written_by_a_key_that_counted_when_it_was_brought_in() -> None:
    log = Paper.started().intend(change("a", None, "10.0.0.1")).finish()
    log.reconcile(moved(log), holds=HELD)
    why = "the key is not trusted by genesis or a trust entry before this one"
    assert {(one.code, one.message) for one in log.read().problems} == {("trust", why)}
    later = log.add(TrustChange(COMMIT, (TrustedKey("ops", OPS, (BREAKGLASS,)),), (), (), "on call"))
    assert {code for code, _ in later.problems()} == {"trust"}


def test_a_lifted_guard_lets_another_key_in_and_no_other_guard_does() -> None:
    for guard, codes in (("segment-trust", []), ("drift", ["trust"] * 4)):
        log = Paper.started().intend(change("a", None, "10.0.0.1")).finish()
        log.reconcile(moved(log), holds=HELD, overrides=(Override(guard, None, "known", "option"),))
        assert [code for code, _ in log.problems()] == codes


def _claims(**fields: Any) -> Callable[[Paper], Paper]:
    def write(log: Paper) -> Paper:
        right = Paper(dict(log.files), log.entries.__class__(log.entries.blobs(4)), log.sig, log.zone, log.state)
        body = right.reconcile(moved(right), holds=HELD).head.body
        assert isinstance(body, Reconcile)
        assert body.imported is not None
        log.files |= {path: data for path, data in right.files.items() if path.startswith("segments/")}
        return log.add(
            replace(body, imported=replace(body.imported, **fields)), zone=right.zone, state=right.state
        )  # fmt: skip

    return write


@pytest.mark.parametrize(
    ("fields", "fact"),
    [
        ({"operators": ("ada",)}, "operators"),
        ({"witnesses": ("bob",)}, "witnesses"),
        ({"anchor": None}, "last applied intent"),
        ({"changes": ()}, "changes"),
    ],
)
def test_what_the_log_says_of_a_segment_is_what_it_holds(fields: dict[str, Any], fact: str) -> None:
    log = _claims(**fields)(trusting())
    message = f"its {fact} is not what segment {SEGMENT} holds"
    assert Problem("segment", at(5), message) in log.read().problems


def test_the_managed_set_is_the_sum_of_what_a_segment_applied_too() -> None:
    log = trusting()
    log.reconcile(moved(log), holds=HELD)
    key = (f"b.{ZONE}", "A")
    for wrong in (
        log.trees[3][1],
        log.state.with_entries({key: replace(log.state.entries[key], held=None)}),
        log.state.with_entries({key: replace(log.state.entries[key], held=4)}),
    ):
        again = trusting()
        body = log.head.body
        again.files |= {path: data for path, data in log.files.items() if path.startswith("segments/")}
        again.add(body, zone=log.zone, state=wrong)
        assert again.problems() == [("state", state_path(ZONE))]


# --- where it starts


def test_a_segment_continues_the_newest_change_of_the_log() -> None:
    log = trusting()
    own = moved(log)
    log.intend(change("c", None, "10.0.0.4")).finish()
    message = "the segment starts from entry 2 but the log ends with entry 5: they conflict"
    assert Problem("fork", file(entry_file(1)), message) in log.reconcile(own, start=ONE).read().problems


def test_a_segment_may_find_a_zone_whose_drift_is_recorded_before_it() -> None:
    log = trusting()
    found = log.zone.with_rrsets([a("x", "10.9.9.9")])
    own = log.breakglass(start=found)
    own.intend(change("a", "10.0.0.1", "10.0.0.2")).finish()
    drift = (Drift(f"x.{ZONE}", "A", None, a("x", "10.9.9.9"), ""),)
    log.add(ZoneDrift(COMMIT, log.digests(), log.digests(found), drift), zone=found)
    assert log.reconcile(own).problems() == []


def test_an_entry_of_a_segment_is_none_of_the_log() -> None:
    log = trusting()
    own = moved(log)
    envelope = replace(own.entries[0].envelope, seq=5, prev_entry=log.head.sha256, prev_sig=log.sig)
    data = encode(envelope, own.entries[0].body)
    log.files |= {at(5): data, f"{at(5)}.sig": sign(data, OPS, BREAKGLASS)}
    found = log.problems()
    assert ("form", at(5)) in found
    assert ("signature", f"{at(5)}.sig") in found
