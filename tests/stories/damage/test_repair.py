"""`drift --repair`: damage that stands there already is shown, mended and recorded."""

import subprocess

import pytest

from hyops_gitops.core.damage import DamageKind
from hyops_gitops.core.markers import anchor_name, claim_name, protocol_name
from hyops_gitops.log.entries import Intent, Result
from tests.stories.damage.conftest import on_each_database
from tests.support.repository import ROOT
from tests.support.rows import Rows
from tests.support.world import Ran, World

pytestmark = pytest.mark.authority
SCRIPT = ROOT / "script" / "audit.sh"


def _repair(world: World, *options: str) -> Ran:
    return world.cli("drift", "--repair", "--yes", *options)


def _names(world: World) -> dict[tuple[str, str], int]:
    """How many rows there are at each key."""
    return {rrset.key: len(rrset.rows) for rrset in world.primary.rrsets() if rrset.type != "NS"}


def _whole_again(world: World) -> None:
    """Apply, drift, status and every audit say that all is right, and it is."""
    assert set(_names(world).values()) == {1}
    receipt = world.apply()
    assert (receipt.outcome, receipt.exit_code) == ("nothing", 0)
    world.git("fetch", "-q", "origin", "evidence")
    for command in (["drift", "--live"], ["status"], ["evidence", "verify"], ["audit"], ["audit", "--live"]):
        ran = world.cli(*command)
        assert ran.exit == 0, (command, ran.out, ran.err)
    signers = world.root / "authority" / "allowed_signers"
    done = subprocess.run([str(SCRIPT), str(world.root), str(signers)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@on_each_database
def test_every_kind_of_damage_is_mended_by_one_patch_and_recorded(world: World, rows: Rows) -> None:
    first, text = world.name("first"), world.name("text")
    serial = world.serial()
    rows.insert(world.zone, first, "A", "10.0.0.1")
    rows.insert(world.zone, first, "CNAME", world.name("other"))
    rows.insert(world.zone, text, "TXT", '"a text"')
    rows.soa(world.zone, serial + 40)
    count = len(world.entries())
    ran = _repair(world)
    assert ran.exit == 0, ran.err
    assert f"repaired 3 names of {world.zone}; serial {serial + 41}" in ran.out
    assert f"cname-beside: {first} has a CNAME beside other records" in ran.err
    assert f"  goes   CNAME {world.name('other')}. (TTL 60)" in ran.err
    assert "  why    it is what was applied last, of endpoints/prod/first.yaml" in ran.err
    _drift, intent, result = (entry.body for entry in world.entries()[count:])
    assert isinstance(intent, Intent)
    assert {one.kind for one in intent.repair} == {
        DamageKind.EQUAL_RECORDS,
        DamageKind.CNAME_BESIDE,
        DamageKind.SEVERAL_SOA,
    }
    assert [(one.action.value, one.type) for one in intent.changes] == [("delete", "CNAME")]
    assert isinstance(result, Result)
    assert (result.outcome, result.converged, result.damage) == ("applied", True, ())
    assert rows.content(world.zone, first, "A") == ["10.0.0.1"]
    assert world.serial() == serial + 41
    _whole_again(world)


@on_each_database
def test_a_serial_that_was_served_is_never_gone_back_to(world: World, rows: Rows) -> None:
    serial = world.serial()
    rows.soa(world.zone, serial - 2)  # listed last, so an ordinary update would count on from it
    assert _repair(world).exit == 0
    assert world.serial() == serial + 1
    _whole_again(world)


def test_equal_records_leave_no_trace_but_the_intent_that_names_them(world: World, rows: Rows) -> None:
    rows.insert(world.zone, world.name("first"), "A", "10.0.0.1")
    before = world.records().digest()
    count = len(world.entries())
    assert _repair(world).exit == 0
    intent, _ = (entry.body for entry in world.entries()[count:])
    assert isinstance(intent, Intent)
    assert (intent.changes, [one.name for one in intent.repair]) == ((), [world.name("first")])
    assert world.records().digest() == before
    _whole_again(world)


@on_each_database
def test_a_broken_fence_is_closed_again(world: World, rows: Rows) -> None:
    """A claim beside its tombstone, of an intent that is over, and two anchors."""
    world.contract("first", "10.0.0.2")
    world.commit("Move first")
    world.apply()
    older = next(entry.seq for entry in world.entries() if isinstance(entry.body, Intent))
    mark = claim_name(world.zone, older)
    rows.insert(world.zone, mark, "TXT", '"v=hyops1 intent=sha256:' + "0" * 64 + '"')
    anchor = rows.content(world.zone, anchor_name(world.zone), "TXT")[0]
    rows.insert(world.zone, anchor_name(world.zone), "TXT", anchor)
    assert _repair(world).exit == 0
    assert rows.content(world.zone, mark, "TXT") == []
    assert len(rows.content(world.zone, mark, "CNAME")) == 1
    assert len(rows.content(world.zone, anchor_name(world.zone), "TXT")) == 1
    _whole_again(world)


def test_a_turn_that_two_took_tells_again_what_the_log_says(world: World, rows: Rows) -> None:
    seq = next(entry.seq for entry in world.entries() if isinstance(entry.body, Intent))
    turn = next(one.name for one in world.primary.rrsets() if one.name.startswith(f"_{seq}-after-"))
    rows.insert(world.zone, turn, "CNAME", anchor_name(world.zone))
    rows.insert(
        world.zone, protocol_name(world.zone), "TXT", rows.content(world.zone, protocol_name(world.zone), "TXT")[0]
    )
    assert _repair(world).exit == 0
    assert rows.content(world.zone, turn, "CNAME") == [claim_name(world.zone, seq)]
    assert len(rows.content(world.zone, protocol_name(world.zone), "TXT")) == 1
    _whole_again(world)


def test_of_other_peoples_records_nothing_goes_without_a_choice(world: World, rows: Rows) -> None:
    mail = world.name("mail")
    rows.insert(world.zone, mail, "CNAME", world.name("other"))
    count = len(world.entries())
    ran = _repair(world)
    assert ran.exit == 1
    assert f"left   no contract owns it: choose, --keep {mail}=CNAME or --keep {mail}=MX" in ran.err
    assert len(world.entries()) == count
    assert _repair(world, "--keep", f"{mail}=MX").exit == 0
    assert rows.content(world.zone, mail, "CNAME") == []
    assert len(rows.content(world.zone, mail, "MX")) == 1
    _whole_again(world)


def test_of_two_cnames_the_one_applied_last_stays(world: World, rows: Rows) -> None:
    world.contract("alias", world.name("first"))
    world.commit("Add alias")
    world.apply()
    rows.insert(world.zone, world.name("alias"), "CNAME", world.name("other"))
    assert _repair(world).exit == 0
    assert rows.content(world.zone, world.name("alias"), "CNAME") == [world.name("first")]
    _whole_again(world)


def test_two_cnames_of_others_are_their_owners_to_mend(world: World, rows: Rows) -> None:
    for target in ("x", "y"):
        rows.insert(world.zone, world.name("away"), "CNAME", world.name(target))
    ran = _repair(world)
    assert ran.exit == 1
    assert "its owner has to write the right record" in ran.err


def test_nothing_is_written_without_a_yes(world: World, rows: Rows) -> None:
    rows.insert(world.zone, world.name("first"), "A", "10.0.0.1")
    ran = world.cli("drift", "--repair", "--format", "json")
    assert (ran.exit, ran.document()["code"]) == (2, "not-confirmed")
    assert len(rows.content(world.zone, world.name("first"), "A")) == 2


def test_a_zone_without_damage_is_left_alone(world: World) -> None:
    serial, count = world.serial(), len(world.entries())
    ran = _repair(world)
    assert ran.exit == 0
    assert f"nothing to do: no rows of {world.zone} contradict each other" in ran.out
    assert (world.serial(), len(world.entries())) == (serial, count)


def test_disabled_records_survive_a_repair(world: World, rows: Rows) -> None:
    text = world.name("text")
    rows.insert(world.zone, text, "TXT", '"a text"')
    rows.insert(world.zone, text, "TXT", '"not served"', disabled=True)
    assert _repair(world).exit == 0
    (found,) = world.primary.rrsets_at([text])
    assert (found.rows, found.disabled) == (('"a text"',), ('"not served"',))
