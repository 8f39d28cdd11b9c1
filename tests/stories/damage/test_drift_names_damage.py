"""Rows that contradict each other are named as what they are."""

import pytest

from hyops_gitops.core.damage import CAUSE
from hyops_gitops.observe.drift import DriftKind
from hyops_gitops.observe.find_drift import DriftReport, DriftRequest, look_for_drift
from tests.stories.damage.conftest import on_each_database
from tests.support.rows import Rows
from tests.support.world import World

pytestmark = pytest.mark.authority


@pytest.fixture
def world(looked_at: World) -> World:
    """One for all: nothing is written but rows, which are taken back."""
    return looked_at


def _drift(world: World) -> DriftReport:
    return look_for_drift(DriftRequest("api"), world.wiring())


def _named(report: DriftReport) -> list[tuple[str, str, str]]:
    return [(one.where, one.name or "", one.damage.kind.value) for one in report.cases if one.damage]


def test_nothing_is_damaged_in_a_zone_of_one_writer(world: World) -> None:
    assert _drift(world).cases == ()


@on_each_database
def test_equal_records_of_ours_are_named_with_their_rows_and_the_cause(world: World, rows: Rows) -> None:
    rows.insert(world.zone, world.name("first"), "A", "10.0.0.1")
    report = _drift(world)
    assert report.exit_code == 1
    (case,) = report.cases
    assert case.message == (
        f"{world.name('first')} holds equal records more than once: A 10.0.0.1, 10.0.0.1; "
        "the cause is a second writer on a database without isolation"
    )
    assert case.hint.startswith("hyops-gitops drift --repair; prevent it: PostgreSQL: ")


def test_equal_records_of_others_are_named_too(world: World, rows: Rows) -> None:
    rows.insert(world.zone, world.name("text"), "TXT", '"a text"')
    assert _named(_drift(world)) == [("primary", world.name("text"), "equal-records")]


@on_each_database
def test_two_soa_are_named_with_their_serials(world: World, rows: Rows) -> None:
    serial = world.serial()
    rows.soa(world.zone, serial + 7)
    report = _drift(world)
    assert _named(report) == [("primary", world.zone, "several-soa")]
    assert f"has 2 SOA records, serials {serial}, {serial + 7}" in report.cases[0].message


def test_two_equal_soa_are_named(world: World, rows: Rows) -> None:
    rows.soa(world.zone, world.serial())
    assert _named(_drift(world)) == [("primary", world.zone, "several-soa")]


@on_each_database
def test_a_cname_beside_ours_is_one_case_and_no_edit_of_anybody(world: World, rows: Rows) -> None:
    rows.insert(world.zone, world.name("first"), "CNAME", world.name("other"))
    report = _drift(world)
    assert _named(report) == [("primary", world.name("first"), "cname-beside")]
    assert len(report.cases) == 1
    (difference,) = report.cases[0].differences
    assert (difference.type, difference.expected) == ("CNAME", None)


def test_a_cname_beside_a_record_of_others_is_named(world: World, rows: Rows) -> None:
    rows.insert(world.zone, world.name("mail"), "CNAME", world.name("other"))
    assert _named(_drift(world)) == [("primary", world.name("mail"), "cname-beside")]


def test_two_cnames_at_one_name_are_named(world: World, rows: Rows) -> None:
    for target in ("one", "two"):
        rows.insert(world.zone, world.name("alias"), "CNAME", world.name(target))
    assert _named(_drift(world)) == [("primary", world.name("alias"), "several-records")]


def test_a_disabled_record_beside_an_equal_one_contradicts_nothing(world: World, rows: Rows) -> None:
    rows.insert(world.zone, world.name("text"), "TXT", '"a text"', disabled=True)
    rows.insert(world.zone, world.name("first"), "CNAME", world.name("other"), disabled=True)
    assert _named(_drift(world)) == []


def test_a_change_under_the_serial_of_another_is_no_edit_of_the_secondary(world: World, rows: Rows) -> None:
    """Two writers got one serial: the secondary had transferred the zone when the second one's row was stored."""
    rows.insert(world.zone, world.name("late"), "TXT", '"written by another"')
    behind = next(one for one in _drift(world).cases if one.where != "primary")
    assert behind.kind is DriftKind.SECONDARY_BEHIND
    assert f"the primary took two changes under one serial ({CAUSE}): 1 RRset differs" in behind.message
