"""Damage from before: apply, status, doctor and audit name it, and an apply builds nothing on it."""

import pytest

from hyops_gitops.core.damage import CAUSE, REPAIR, SETTINGS, DamageKind
from hyops_gitops.core.errors import Refused
from hyops_gitops.core.events import Event, Warned
from hyops_gitops.core.markers import anchor_name
from hyops_gitops.log.entries import Refusal, ZoneDrift
from hyops_gitops.observe.find_drift import DriftRequest, look_for_drift
from tests.support.rows import Rows
from tests.support.world import World

pytestmark = pytest.mark.authority


def _double(world: World, rows: Rows) -> str:
    """`first.prod A` twice; what is said of it."""
    rows.insert(world.zone, world.name("first"), "A", "10.0.0.1")
    _move_serial(world)
    return f"{world.name('first')} holds equal records more than once: A 10.0.0.1, 10.0.0.1 ({CAUSE})"


def _move_serial(world: World) -> None:
    """As the writers do whose rows these are; rows alone would be left to `drift` (tests/apply/test_look.py)."""
    world.foreign("mail", "MX", "10 mail.example.com.")


def test_an_apply_refuses_to_build_on_damage_of_ours_and_records_that(world: World, rows: Rows) -> None:
    said = _double(world, rows)
    world.contract("second", "10.0.0.2")
    world.commit("Add second")
    with pytest.raises(Refused) as error:
        world.apply()
    assert (error.value.guard, error.value.exit_code, error.value.message) == ("damaged", 3, said)
    assert error.value.hint.startswith(f"repair it: {REPAIR}; prevent it: {SETTINGS}")
    body = world.entries()[-1].body
    assert isinstance(body, Refusal)
    assert body.refusals[0].guard == "damaged"


def test_two_soa_stop_an_apply_because_the_next_serial_may_go_back(world: World, rows: Rows) -> None:
    rows.soa(world.zone, world.serial() + 40)
    with pytest.raises(Refused) as error:
        world.apply()
    assert error.value.guard == "damaged"
    assert "has 2 SOA records" in error.value.message


def test_two_anchors_are_damage_and_not_another_log(world: World, rows: Rows) -> None:
    (older,) = world.primary.rrsets_at([anchor_name(world.zone)])[0].rdata
    seq = int(older.split("seq=")[1].split(" ")[0])
    rows.insert(world.zone, anchor_name(world.zone), "TXT", older.replace(f"seq={seq}", "seq=1"))
    with pytest.raises(Refused) as error:
        world.apply()
    assert (error.value.guard, error.value.exit_code) == ("damaged", 3)


def test_damage_at_names_of_others_is_said_and_does_not_stop_an_apply(world: World, rows: Rows) -> None:
    rows.insert(world.zone, world.name("text"), "TXT", '"a text"')
    _move_serial(world)
    world.contract("second", "10.0.0.2")
    world.commit("Add second")
    events: list[Event] = []
    receipt = world.apply(on_event=events.append)
    assert (receipt.outcome, receipt.exit_code) == ("applied", 0)
    assert any(isinstance(one, Warned) and world.name("text") in one.text and REPAIR in one.text for one in events)


def test_an_override_goes_on_with_the_zone_as_it_is(world: World, rows: Rows) -> None:
    _double(world, rows)
    world.edit_authority('"ttl":', '"overridable": ["damaged"], "ttl":')
    world.commit("Let damaged be lifted")
    world.apply("damaged=an outage waits for this")
    world.contract("second", "10.0.0.2")
    world.commit("Add second")
    assert world.apply("damaged=an outage waits for this").outcome == "applied"


def test_status_names_damage_by_the_api_and_without_a_key_by_the_log(world: World, rows: Rows) -> None:
    said = _double(world, rows)
    ran = world.cli("status", "first.prod", "--format", "json")
    assert ran.exit == 1
    document = ran.document()
    assert document["warnings"] == [f"{said}; repair it: `{REPAIR}`"]
    assert [one["kind"] for one in document["damage"]] == ["equal-records"]  # type: ignore[attr-defined]
    assert world.cli("status", POWERDNS_API_KEY="").exit == 0  # DNS does not show it
    assert world.cli("drift", "--record").exit == 1
    body = world.entries()[-1].body
    assert isinstance(body, ZoneDrift)
    assert [one.kind for one in body.damage] == [DamageKind.EQUAL_RECORDS]
    world.git("fetch", "-q", "origin", "evidence")
    ran = world.cli("status", POWERDNS_API_KEY="")
    assert ran.exit == 1
    assert f"{said}, as entry {len(world.entries())} recorded it; repair it: `{REPAIR}`" in ran.out
    assert world.cli("drift", "--record").exit == 1
    assert world.entries()[-1].body is not None
    assert len([one for one in world.entries() if isinstance(one.body, ZoneDrift) and one.body.damage]) == 1


def test_doctor_fails_on_damage_and_names_the_settings(world: World, rows: Rows) -> None:
    said = _double(world, rows)
    checks = world.cli("doctor", "--format", "json").document()["checks"]
    assert isinstance(checks, list)
    found = {one["check"]: one for one in checks}["rows"]
    assert (found["state"], found["seen"]) == ("fail", said)
    assert found["remedy"] == f"{REPAIR}; prevent it: {SETTINGS}"


def test_a_live_audit_fails_on_damage(world: World, rows: Rows) -> None:
    world.git("fetch", "-q", "origin", "evidence")
    assert world.cli("audit", "--live").exit == 0
    said = _double(world, rows)
    ran = world.cli("audit", "--live")
    assert ran.exit == 1
    assert said in ran.out


def test_a_copy_of_damage_is_not_held_against_the_secondary(world: World, rows: Rows) -> None:
    rows.insert(world.zone, world.name("first"), "CNAME", world.name("other"))
    world.primary.patch(
        [], [world.primary.rrsets_at([world.name("text")])[0]]
    )  # moves the serial, so it is transferred
    report = look_for_drift(DriftRequest("api"), world.wiring())
    assert {one.where for one in report.cases} == {"primary"}
