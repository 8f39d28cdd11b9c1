"""Continuity at one entry: what brings an earlier zone back, and what a segment changed."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from hyops_gitops.core.zone import Zone
from hyops_gitops.log.admin_entries import Reconcile
from hyops_gitops.log.chain import check_zone
from hyops_gitops.log.entries import Intent, ZoneDrift
from hyops_gitops.log.envelope import EntryList
from hyops_gitops.log.ledger import Ledger
from hyops_gitops.log.parts import Lease, Restore
from tests.golden.values import ADOPTED
from tests.support.paper import AUTHORITY, COMMIT, CONTRACTS, HASH, ZONE, Paper, a, change

EMPTY = Zone.of(ZONE, ())


def wrong_at_the_end(log: Paper) -> list[tuple[str, str]]:
    """What continuity finds at the newest entry."""
    before = EntryList(log.entries.blobs(len(log.entries) - 1))
    return list(check_zone(Ledger().after(before), log.entries, log.head))


# --- what brings an earlier zone back


def lost(*, accepted: bool = False) -> Paper:
    """The zone of entry 3 as it was lost, or emptied by hand, in entry 4."""
    log = Paper.started().intend(change("a", None, "10.0.0.1")).finish()
    gone = ZoneDrift(COMMIT, log.digests(), log.digests(EMPTY), (), restored=not accepted)
    return log.add(gone, zone=EMPTY)


def restored(log: Paper, *, of: int, zone: Zone | None = None, changes: int = 0) -> Paper:
    """An intent to bring back the zone of entry `of`: that of entry 3, or another."""
    brought = zone or Zone.of(ZONE, [a("a", "10.0.0.1")])
    restore = Restore(of, created=True, serial=12, serials=(), differences=())
    made = (change("b", None, "10.0.0.2"),) * changes
    expected = log.digests(brought)
    return log.add(
        Intent(CONTRACTS, AUTHORITY, (), log.digests(), expected, HASH, made, (), (), (), Lease(60, "b", 1),
               restore=restore)
    )  # fmt: skip


def test_the_zone_of_the_newest_result_is_brought_back() -> None:
    assert wrong_at_the_end(restored(lost(), of=3)) == []


def test_the_zone_of_genesis_is_brought_back_where_nothing_was_applied() -> None:
    assert wrong_at_the_end(restored(Paper.started(), of=1, zone=EMPTY)) == []


@pytest.mark.parametrize("number", [0, 5, 6])
def test_the_zone_of_an_entry_that_is_not_before_it_is_not_brought_back(number: int) -> None:
    message = f"it restores the zone of entry {number}, which is not before it"
    assert wrong_at_the_end(restored(lost(), of=number)) == [("restore", message)]


def test_a_zone_is_not_brought_back_and_changed_in_one() -> None:
    message = "it restores the zone and changes it in one"
    assert wrong_at_the_end(restored(lost(), of=3, changes=1)) == [("restore", message)]


@pytest.mark.parametrize(
    ("number", "zone"), [(2, None), (4, None), (3, EMPTY), (3, Zone.of(ZONE, [a("x", "10.9.9.9")]))]
)
def test_no_zone_is_brought_back_but_that_of_the_entry_it_names(number: int, zone: Zone | None) -> None:
    message = f"what it brings back is not the zone of entry {number}"
    assert wrong_at_the_end(restored(lost(), of=number, zone=zone)) == [("restore", message)]


@pytest.mark.parametrize(
    ("log", "number", "zone"),
    [(lambda: lost(accepted=True), 3, None), (lost, 2, EMPTY)],
    ids=["a change that was accepted", "a change that was applied"],
)
def test_a_zone_that_was_changed_since_is_not_brought_back(
    log: Callable[[], Paper], number: int, zone: Zone | None
) -> None:
    message = f"the zone was changed after entry {number}, whose zone it brings back"
    assert wrong_at_the_end(restored(log(), of=number, zone=zone)) == [("restore", message)]


# --- what a segment changed


@pytest.mark.parametrize(
    ("start", "end", "left"),
    [("found", "end", "end"), ("other", "end", "end"), ("found", "end", "found"), ("found", "end", "other")],
)
def test_a_segment_leads_from_the_zone_before_to_the_one_after(start: str, end: str, left: str) -> None:
    log = Paper.started().intend(change("a", None, "10.0.0.1")).finish()
    zones = {"found": log.zone, "end": EMPTY, "other": Zone.of(ZONE, [a("x", "10.9.9.9")])}
    imported = replace(ADOPTED, before=log.digests(zones[start]), after=log.digests(zones[end]))
    log.add(Reconcile("s1", 2, HASH, "", imported), zone=zones[left])
    wrong = [("continuity", "the segment does not lead from the zone before to the one after")]
    assert wrong_at_the_end(log) == ([] if (start, left) == ("found", end) else wrong)


def test_a_review_of_a_segment_changes_no_zone() -> None:
    log = Paper.started().intend(change("a", None, "10.0.0.1")).finish()
    log.add(Reconcile("s1", 2, HASH, "bob"), zone=EMPTY)
    assert wrong_at_the_end(log) == [("continuity", "the zone changed without an intent, result or drift entry")]
