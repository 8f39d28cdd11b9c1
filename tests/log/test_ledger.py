"""The ledger: continued from any place it is what it is from the first entry on, and says what the entries say."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hyops_gitops.core.damage import Damage, DamageKind
from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.server_report import ServerReport
from hyops_gitops.log.admin_entries import Gap, Reconcile, StolenKey, TrustChange
from hyops_gitops.log.caches import CacheMemory
from hyops_gitops.log.entries import Refusal, ZoneDrift
from hyops_gitops.log.envelope import EntryList
from hyops_gitops.log.ledger import DamageLeft, Ledger
from hyops_gitops.log.parts import RecordedRefusal, Retirement
from hyops_gitops.plan.plan import Drift
from tests.golden.values import ADOPTED
from tests.log.test_verify_log import TRUST_BOB, UNCHANGED, long_log
from tests.support.paper import ADA, AUTHORITY, BOB, COMMIT, CONTRACTS, HASH, MAIN, START, ZONE, Paper, a, change

NS1 = ServerReport("secondary", "ns1", "127.0.0.1:53", "converged", 5)


def fold(log: Paper) -> Ledger:
    return Ledger().after(log.entries)


def stored(ledger: Ledger) -> Ledger:
    return Ledger.from_json(json.loads(json.dumps(ledger.to_json())))


@pytest.mark.parametrize("known", range(1, 14))
def test_a_stored_ledger_is_continued(known: int) -> None:
    log = long_log()
    first = Ledger().after(EntryList(log.entries.blobs(known)))
    assert stored(first) == first
    assert stored(first).after(log.entries) == fold(log)


def test_what_is_open_applied_and_recorded() -> None:
    log = Paper.started()
    assert (fold(log).open_intent, fold(log).applied, fold(log).has_baseline) == (None, None, False)
    log.intend(change("a", None, "10.0.0.1"))
    assert (fold(log).open_intent, fold(log).has_baseline) == (2, True)
    log.finish()
    ledger = fold(log)
    assert (ledger.open_intent, ledger.applied, ledger.recorded, ledger.left_by) == (None, (2, 3), 2, 3)
    assert ledger.anchor is not None
    assert (ledger.anchor.seq, ledger.anchor.sha256) == (2, log.entries[1].sha256)
    log.intend(change("a", "10.0.0.1", "10.0.0.2")).finish(outcome="failed").add(UNCHANGED)
    ledger = fold(log)
    assert (ledger.open_intent, ledger.applied, ledger.recorded, ledger.reports) == (None, (2, 3), 6, ())
    report = ServerReport("secondary", "ns1", "127.0.0.1:53", "converged", 5)
    assert fold(log.add(replace(UNCHANGED, caught_up=(report,)))).reports == (7,)
    assert fold(log.intend(change("b", None, "10.0.0.3")).finish()).reports == ()


def test_a_name_waits_until_its_retirement_is_known() -> None:
    name = f"a.{ZONE}"
    log = Paper.started().intend(change("a", None, "10.0.0.1")).finish()
    log.intend(change("a", "10.0.0.1", "10.0.0.2")).finish(retire=(Retirement(name, None, "silent"),))
    assert fold(log).retiring == {name: (5, 5)}
    log.intend(change("a", "10.0.0.2", "10.0.0.3")).finish(retire=(Retirement(name, START),))
    assert fold(log).retiring == {}


def test_a_name_waits_no_longer_once_an_unchanged_entry_says_when() -> None:
    name = f"a.{ZONE}"
    log = Paper.started().intend(change("a", "10.0.0.1", "10.0.0.2")).finish(retire=(Retirement(name, None, "silent"),))
    assert fold(log.add(UNCHANGED)).retiring == {name: (3, 3)}
    assert fold(log.add(replace(UNCHANGED, retire=(Retirement(name, START),)))).retiring == {}


def test_servers_that_caught_up_with_a_segment_are_reported() -> None:
    log = Paper.started().intend(change("a", None, "10.0.0.1")).finish()
    assert fold(log.add(replace(UNCHANGED, segment_caught_up=(NS1,)))).reports == (4,)


def test_what_a_stolen_key_signed_is_in_doubt_wherever_the_fold_was_continued() -> None:
    log = Paper.started().add(TRUST_BOB).add(UNCHANGED).add(UNCHANGED, by="bob", key=BOB).add(UNCHANGED)
    stolen = TrustChange(COMMIT, (), (), (StolenKey(ADA, 2),), "stolen")
    log.add(stolen, by="bob", key=BOB).add(Gap("looked", acknowledges=3), by="bob", key=BOB)
    assert fold(log).doubtful == (3, 5)
    assert fold(log).gaps == (7,)
    assert fold(log.add(UNCHANGED, key=ADA, namespace=MAIN)).doubtful == (3, 5, 8)


def test_drift_counts_until_something_is_applied() -> None:
    log = Paper.started().intend(change("a", None, "10.0.0.1")).finish()
    digests = log.digests()
    ledger = fold(log.add(ZoneDrift(COMMIT, digests, digests, ())))
    assert (ledger.drift, ledger.left_by, ledger.went_back) == (4, 4, ())
    ledger = fold(log.add(ZoneDrift(COMMIT, digests, digests, (), restored=True)))
    assert (ledger.drift, ledger.left_by, ledger.went_back) == (
        5,
        4,
        (5,),
    )  # a zone that went back is not as it was meant
    ledger = fold(log.intend(change("a", "10.0.0.1", "10.0.0.2")).finish(outcome="failed"))
    assert (ledger.drift, ledger.left_by, ledger.went_back) == (5, 4, (5,))
    ledger = fold(log.intend(change("a", "10.0.0.1", "10.0.0.2")).finish())
    assert (ledger.drift, ledger.left_by, ledger.went_back) == (None, 9, ())


def test_what_drift_removed_may_be_held_by_caches_from_when_it_was_found() -> None:
    log, name = Paper.started().intend(change("a", None, "10.0.0.1")).finish(), f"a.{ZONE}"
    gone = Drift(name, "A", a("a", "10.0.0.1"), None, "endpoints/prod/a.yaml")
    log.add(ZoneDrift(COMMIT, log.digests(), log.digests(), (gone,)))
    assert fold(log).remembered == {name: CacheMemory(log.head.envelope.time + timedelta(seconds=60))}


def test_a_refusal_is_known_until_the_next_result_or_merge_without_changes() -> None:
    refusal = Refusal(CONTRACTS, AUTHORITY, (), (RecordedRefusal("drift", None, "why"),), (), ())
    log = Paper.started().add(refusal)
    assert fold(log).refusal == 2
    assert fold(log.add(UNCHANGED)).refusal is None
    assert fold(log.add(refusal)).refusal == 4
    assert fold(log.intend(change("a", None, "10.0.0.1"))).refusal == 4
    assert fold(log.finish(outcome="failed")).refusal is None


def test_damage_is_left_until_each_of_its_names_is_rewritten() -> None:
    twice = tuple(Damage(DamageKind.EQUAL_RECORDS, f"{name}.{ZONE}", ()) for name in ("b", "a", "b"))
    log = Paper.started().intend(change("a", None, "10.0.0.1")).finish(damage=twice)
    assert fold(log).damage == DamageLeft(3, (f"a.{ZONE}", f"b.{ZONE}"))
    assert fold(log.intend(change("c", None, "10.0.0.1")).finish()).damage == DamageLeft(3, (f"a.{ZONE}", f"b.{ZONE}"))
    assert fold(log.intend(change("a", "10.0.0.1", "10.0.0.2")).finish()).damage == DamageLeft(3, (f"b.{ZONE}",))
    assert stored(fold(log)) == fold(log)
    assert fold(log.intend(change("b", None, "10.0.0.2")).finish()).damage is None
    digests = log.digests()
    assert fold(log.add(ZoneDrift(COMMIT, digests, digests, (), damage=twice[:1]))).damage == DamageLeft(
        10, (f"b.{ZONE}",)
    )
    assert fold(log.add(ZoneDrift(COMMIT, digests, digests, ()))).damage == DamageLeft(10, (f"b.{ZONE}",))


def test_the_serial_is_that_of_the_newest_result() -> None:
    log = Paper.started().intend(change("a", None, "10.0.0.1"))
    log.finish(after=replace(log.digests(log.after(change("a", None, "10.0.0.1"))), serial=7))
    assert fold(log).serial == 7
    log.intend(change("b", None, "10.0.0.1")).finish(outcome="failed", after=replace(log.digests(), serial=9))
    assert fold(log).serial == 9


def test_a_segment_that_was_brought_in_moves_the_anchor_and_ends_what_went_back() -> None:
    log = Paper.started().intend(change("a", None, "10.0.0.1")).finish().add(replace(UNCHANGED, caught_up=(NS1,)))
    log.add(ZoneDrift(COMMIT, log.digests(), log.digests(), (), restored=True))
    left = fold(log)
    reviewed = fold(log.add(Reconcile("s1", 2, HASH, "bob")))
    assert (reviewed.reconciles, reviewed.anchor, reviewed.went_back) == ((6,), left.anchor, (5,))
    nothing = fold(log.add(Reconcile("s1", 2, HASH, "", replace(ADOPTED, anchor=None))))
    assert (nothing.reconciles, nothing.anchor, nothing.went_back, nothing.left_by) == ((6, 7), left.anchor, (), 7)
    assert nothing.reports == (4,)
    adopted = fold(log.add(Reconcile("s1", 2, HASH, "", replace(ADOPTED, anchor=Anchor(2, HASH, "s1")))))
    assert (adopted.anchor, adopted.reports) == (Anchor(2, HASH, "s1"), ())


def test_a_segment_brings_its_own_names_that_wait() -> None:
    moved, known = f"a.{ZONE}", f"b.{ZONE}"
    log = Paper.started()
    brought = log.add(Reconcile("s1", 5, HASH, "", ADOPTED))
    assert (fold(brought).has_baseline, fold(brought).retiring) == (True, {})
    segment = (
        Paper.started().intend(change("a", "10.0.0.1", "10.0.0.2")).finish(retire=(Retirement(moved, None, "silent"),))
    )
    segment.intend(change("b", "10.0.0.1", "10.0.0.2")).finish(retire=(Retirement(known, START),))
    ledger = Ledger().after(brought.entries, {"s1": segment.entries, "s2": long_log().entries})
    assert ledger.retiring == {moved: (2, 3)}
    assert stored(ledger) == ledger


def test_a_segment_brings_what_caches_may_hold_of_what_it_applied() -> None:
    served: dict[str, Any] = {"accepted": START + timedelta(minutes=5), "servers": (NS1,)}
    own = Paper.started().intend(change("a", "10.0.0.1", "10.0.0.2")).finish(**served)
    own.intend(change("b", "10.0.0.1", "10.0.0.2")).finish(outcome="failed", **served)
    log = Paper.started().add(Reconcile("s1", 5, HASH, "", ADOPTED))
    until = START + timedelta(minutes=5, seconds=1 + 60)  # when the secondary served it, and the TTL
    assert Ledger().after(log.entries, {"s1": own.entries}).remembered == {f"a.{ZONE}": CacheMemory(until)}


def test_what_is_wrong_with_a_stored_ledger_is_said() -> None:
    whole = fold(long_log()).to_json()
    assert isinstance(whole, dict)
    version = whole["version"]
    for damage, message in (
        ({"version": 0}, rf"^expected a ledger of version {version}, got 0$"),
        ({"count": 1}, r"^a stored ledger names an entry that it does not hold$"),
    ):
        with pytest.raises(InvalidData, match=message) as caught:
            Ledger.from_json({**whole, **damage})
        assert caught.value.code == "bad-entry"
    with pytest.raises(InvalidData, match=r"kept\.ledger"):
        Ledger.from_json(7, "kept.ledger")


def test_what_says_which_keys_count_and_what_the_thief_signed() -> None:
    log = Paper.started().add(TRUST_BOB).add(UNCHANGED).add(UNCHANGED, by="bob", key=BOB).add(UNCHANGED)
    assert fold(log).trust == (1, 2)
    log.add(TrustChange(COMMIT, (), (), (StolenKey(ADA, 4),), "stolen"), by="bob", key=BOB)
    assert (fold(log).trust, fold(log).doubtful) == ((1, 2, 6), (5,))
    log.add(TrustChange(COMMIT, (), (), (StolenKey(ADA, 9),), "later than that"), by="bob", key=BOB)
    assert (fold(log).stolen, fold(log).doubtful) == ({ADA: 4}, (5,))  # no later word clears an entry


@pytest.mark.parametrize(
    "damage",
    [
        {"version": 0},
        {"damage": {"entry": 99, "names": ["a"]}},
        {"recorded": 0},
        {"count": 0},
        {"open_intent": 99},
        {"applied": [1]},
        {"anchor": {}},
        {"trust": "x"},
        {"retiring": []},
        {"damage": 7},
        {"stolen": {"k": None}},
        {"remembered": {"k": {"until": "yesterday"}}},
    ],
)
def test_what_is_no_stored_ledger_is_refused(damage: dict[str, object]) -> None:
    values: list[object] = [None, [], {}, {**fold(long_log()).to_json(), **damage}]
    for value in values:
        with pytest.raises(InvalidData):
            Ledger.from_json(value)
