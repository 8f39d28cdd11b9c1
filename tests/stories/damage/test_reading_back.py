"""A 204 is not believed: what it stands for is read back as rows."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest

from hyops_gitops.core.damage import SETTINGS, DamageKind
from hyops_gitops.core.errors import OutsideFailure, Refused, Unconfirmed
from hyops_gitops.core.events import Event, Warned
from hyops_gitops.core.markers import anchor_name, claim_name
from hyops_gitops.lab.model import Lab
from hyops_gitops.lab.zones import create_zone
from hyops_gitops.log.entries import Result, ZoneDrift
from hyops_gitops.log.workspace import Workspace
from tests.support.between import Between
from tests.support.proxy import Patch
from tests.support.rows import Rows
from tests.support.world import World

pytestmark = pytest.mark.authority


def _last_result(world: World) -> Result:
    body = world.entries()[-1].body
    assert isinstance(body, Result)
    return body


def _move(world: World, target: str) -> None:
    world.contract("first", target)
    world.commit("Move first")


def test_an_apply_alone_reads_back_a_few_names_and_is_applied(world: World, between: Between) -> None:
    _move(world, "10.0.0.2")
    between.asked.clear()
    receipt = world.apply()
    assert (receipt.outcome, receipt.exit_code, receipt.damage) == ("applied", 0, ())
    assert {world.name("first") + ".", anchor_name(world.zone) + ".", world.zone + "."} <= set(between.asked)
    assert _last_result(world).after_source == "computed"


def _many(world: World) -> None:
    for number in range(20):
        world.contract(f"many{number}", f"10.0.1.{number}")
    world.commit("Many")


def test_an_apply_of_many_names_reads_the_zone_back_whole(world: World, between: Between) -> None:
    _many(world)
    between.asked.clear()
    assert world.apply().exit_code == 0
    assert between.asked == []


def test_what_was_read_back_whole_shows_another_writer_elsewhere(world: World, between: Between) -> None:
    _many(world)

    def write() -> None:
        world.foreign("elsewhere", "A", "10.9.9.9")
        between.whole = 0

    between.then = write
    events: list[Event] = []
    assert world.apply(on_event=events.append).outcome == "applied"
    assert between.whole == 1  # to read back, and to see that another writer was there
    assert any(isinstance(one, Warned) and "another writer changed the zone meanwhile" in one.text for one in events)
    assert _last_result(world).after_source == "computed"
    world.apply()
    drift = next(entry.body for entry in reversed(world.entries()) if isinstance(entry.body, ZoneDrift))
    assert [one.name for one in drift.differences] == [world.name("elsewhere")]


def test_the_first_apply_reads_the_zone_once_after_its_update(between: Between, sql_lab: Lab, tmp_path: Path) -> None:
    """The lock's row moved the serial before: that it was read says that no other writer did."""
    primary = replace(sql_lab.primary, api=between.address)
    create_zone(sql_lab, "damage-first.internal")
    world = World.make(tmp_path, "damage-first.internal", replace(sql_lab, primary=primary))
    _many(world)

    def forget() -> None:
        between.whole = 0

    between.then = forget
    assert world.apply().outcome == "applied"
    assert (between.whole, _last_result(world).after_source) == (1, "read")


def test_a_204_for_what_is_stored_nowhere_is_recorded_as_failed_and_never_lands_later(
    world: World, between: Between
) -> None:
    _move(world, "10.0.0.2")
    between.lies = lambda patch: patch.claims is not None
    events: list[Event] = []
    receipt = world.apply(on_event=events.append)
    assert (receipt.outcome, receipt.exit_code) == ("failed", 4)
    assert receipt.reason == "the primary answered that it stored the update, and holds no claim of it"
    assert any(isinstance(one, Warned) and SETTINGS in one.text for one in events)
    assert _last_result(world).outcome == "failed"
    assert world.at("first") == {"A": (60, ("10.0.0.1",))}
    between.lies = lambda _: False
    lie = next(patch for patch in reversed(between.patches) if patch.claims)
    assert between.replay(lie) == 422
    receipt = world.apply()
    assert (receipt.outcome, receipt.exit_code) == ("applied", 0)
    assert world.at("first") == {"A": (60, ("10.0.0.2",))}
    assert world.cli("evidence", "verify").exit == 0


def test_where_not_even_the_settling_is_stored_the_intent_stays_open(world: World, between: Between) -> None:
    _move(world, "10.0.0.2")
    between.lies = lambda _: True
    with pytest.raises(Unconfirmed) as error:
        world.apply()
    assert (error.value.code, error.value.exit_code) == ("outcome-unknown", 5)
    assert "does not hold that" in error.value.message
    with pytest.raises(OutsideFailure) as again:  # nor does another run take a 204 for settled
        world.apply(recover=len(world.entries()))
    assert (again.value.code, again.value.exit_code) == ("not-settled", 4)
    between.lies = lambda _: False
    receipt = world.apply(recover=len(world.entries()))
    assert (receipt.outcome, receipt.exit_code) == ("applied", 0)
    assert world.at("first") == {"A": (60, ("10.0.0.2",))}


def test_equal_rows_of_another_writer_at_the_same_moment_are_named_and_not_green(
    world: World, between: Between, rows: Rows
) -> None:
    _move(world, "10.0.0.2")
    between.then = lambda: rows.insert(world.zone, world.name("first"), "A", "10.0.0.2")
    receipt = world.apply()
    assert (receipt.outcome, receipt.exit_code) == ("unconfirmed", 5)
    assert receipt.reason == (
        f"the update was accepted, but {world.name('first')} holds equal records more than once: A 10.0.0.2, 10.0.0.2 "
        "(a second writer on a database without isolation); repair it: `hyops-gitops drift --repair`"
    )
    assert [one.kind for one in receipt.damage] == [DamageKind.EQUAL_RECORDS]
    result = _last_result(world)
    assert (result.outcome, [one.kind for one in result.damage]) == ("applied", [DamageKind.EQUAL_RECORDS])
    assert world.cli("evidence", "verify").exit == 0


def test_a_second_soa_after_the_update_is_named(world: World, between: Between, rows: Rows) -> None:
    _move(world, "10.0.0.2")
    serial = world.serial()
    between.then = lambda: rows.soa(world.zone, serial + 1)
    receipt = world.apply()
    assert receipt.exit_code == 5
    assert [one.kind for one in receipt.damage] == [DamageKind.SEVERAL_SOA]


def test_a_claim_beside_a_tombstone_is_named(world: World, between: Between, rows: Rows) -> None:
    _move(world, "10.0.0.2")
    mark = claim_name(world.zone, len(world.entries()) + 1)
    between.then = lambda: rows.insert(world.zone, mark, "CNAME", anchor_name(world.zone))
    receipt = world.apply()
    assert receipt.exit_code == 5
    assert [(one.kind, one.name) for one in receipt.damage] == [(DamageKind.CNAME_BESIDE, mark)]


def test_another_writer_of_the_same_name_is_told_apart_from_damage(world: World, between: Between) -> None:
    _move(world, "10.0.0.2")

    def write() -> None:
        world.foreign("first", "A", "10.0.0.99")

    between.then = write
    receipt = world.apply()
    assert (receipt.outcome, receipt.exit_code, receipt.damage) == ("unconfirmed", 5, ())
    assert f"another writer changed {world.name('first')} A at the same moment" in receipt.reason
    assert _last_result(world).outcome == "applied"  # its own PATCH had landed, as its claim proves


def test_what_cannot_be_read_back_is_applied_where_dns_proves_it(world: World, between: Between) -> None:
    _move(world, "10.0.0.2")

    def away() -> None:
        between.unreadable = True

    between.then = away
    receipt = world.apply()
    assert (receipt.outcome, receipt.exit_code) == ("applied", 0)
    assert _last_result(world).converged


def test_what_cannot_be_read_back_and_no_server_shows_stays_open(world: World, between: Between) -> None:
    world.edit_authority('"timeout_s": 10', '"timeout_s": 2')
    world.commit("Wait less")
    _move(world, "10.0.0.2")

    def lie(patch: Patch) -> bool:
        between.unreadable = patch.claims is not None
        return between.unreadable

    between.lies = lie
    with pytest.raises(Unconfirmed) as error:
        world.apply()
    assert error.value.code == "not-read-back"
    between.lies, between.unreadable = lambda _: False, False
    receipt = world.apply(recover=len(world.entries()))
    assert (receipt.outcome, receipt.exit_code) == ("applied", 0)


class _PowerCut(Exception):
    """Ends an apply after its update was stored."""


def _ends_before_its_proof(ports: Workspace) -> Workspace:
    def ask(*_: object, **__: object) -> NoReturn:
        raise _PowerCut

    return ports.replaced(dns=SimpleNamespace(ask=ask))


def test_what_another_run_finds_to_have_landed_is_read_back_too(world: World, between: Between, rows: Rows) -> None:
    _move(world, "10.0.0.2")
    between.then = lambda: rows.insert(world.zone, world.name("first"), "A", "10.0.0.2")
    with pytest.raises(_PowerCut):
        world.apply(swap=_ends_before_its_proof)
    with pytest.raises(Refused) as error:
        world.apply(recover=len(world.entries()))
    assert error.value.guard == "damaged"
    result = next(entry.body for entry in reversed(world.entries()) if isinstance(entry.body, Result))
    assert (result.outcome, result.recovered) == ("applied", True)
    assert [one.kind for one in result.damage] == [DamageKind.EQUAL_RECORDS]
