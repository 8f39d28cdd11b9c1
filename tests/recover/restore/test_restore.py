"""A primary that lost the zone, or went back, comes back from the log: on real servers."""

import json

import pytest

from hyops_gitops.apply.opening import ApplyRequest
from hyops_gitops.core.errors import InvalidData, Refused
from hyops_gitops.core.zone import RRset
from hyops_gitops.log.entries import Intent, Result, ZoneDrift
from hyops_gitops.recover.restore import RestoreRequest, prepare_restore
from hyops_gitops.recover.restore_write import RestoreResult, carry_out_restore
from tests.support.clone import run
from tests.support.keys import ok, verifies
from tests.support.lived import Lived, restore
from tests.support.records import FOREIGN
from tests.support.repository import ROOT
from tests.support.world import World

pytestmark = pytest.mark.every_backend  # for `lived`; `simple` has one


def check(lived: Lived, done: RestoreResult) -> None:
    """Digest equal, secondaries converged, recorded."""
    world, before = lived.world, lived.before
    assert (done.outcome, done.reason) == ("restored", "")
    assert world.records().digest() == before.digest() == lived.secondary().digest()
    assert done.plan is not None
    assert done.plan.zone_sha256 == before.digest()
    assert world.serial() == done.serial_after == done.plan.restore.serial
    assert all((serial or 0) < done.plan.restore.serial for _, serial in done.plan.restore.serials)
    intent, result = world.bodies()[-2:]
    assert isinstance(intent, Intent)
    assert isinstance(result, Result)
    assert intent.restore == done.plan.restore
    assert (result.outcome, result.converged, result.after.whole) == ("applied", True, before.digest())
    assert {one.verdict for one in result.servers} == {"converged"}


def check_next_apply(lived: Lived) -> None:
    """It goes on without an override, and its own change is all that it does."""
    world = lived.world
    world.contract("third", "10.0.0.3")
    world.commit("Third")
    receipt = world.apply()
    assert receipt.outcome == "applied", receipt.reason
    assert [change.name for change in receipt.plan.changes] == [world.name("third")]


def test_an_empty_primary(lived: Lived) -> None:
    lived.lose_zone()
    lived.world.cli("status")  # so that the primary remembers to have refused every name
    done = restore(lived.world)

    assert done.plan is not None
    assert done.plan.restore.created
    assert [type(one) for one in lived.world.bodies()[-3:]] == [ZoneDrift, Intent, Result]
    check(lived, done)
    check_next_apply(lived)


def test_an_older_dump_with_a_lower_serial(lived: Lived) -> None:
    lived.load(lived.old, 2)
    with pytest.raises(Refused) as caught:
        lived.world.apply()
    done = restore(lived.world)

    assert (caught.value.guard, "hyops-gitops restore" in caught.value.hint) == ("restored", True)
    assert done.plan is not None
    assert not done.plan.restore.created
    names = {one.name for one in done.plan.restore.differences}
    assert names == {lived.world.name("first"), lived.world.name("second")}
    check(lived, done)
    check_next_apply(lived)


@pytest.mark.one_backend
def test_other_content_with_an_equal_serial(lived: Lived) -> None:
    """What no secondary would ever notice: nothing to transfer, and everything else than the primary."""
    stray = RRset.of(lived.world.name("stray"), "A", 60, ["10.9.9.9"])
    lived.load([*lived.old, stray], lived.world.serial())
    done = restore(lived.world)

    assert done.plan is not None
    assert lived.world.name("stray") in {one.name for one in done.plan.restore.differences}
    check(lived, done)
    check_next_apply(lived)


@pytest.mark.parametrize(
    ("setting", "afterwards"), [("DEFAULT", "DEFAULT"), ("", "INCREASE"), ("SOA-EDIT", "INCREASE")]
)
def test_whatever_moves_its_serial(simple: Lived, setting: str, afterwards: str) -> None:
    """The sent serial counts under INCREASE alone."""
    simple.load(simple.old, simple.world.serial(), setting)
    check(simple, restore(simple.world))

    assert simple.world.primary.header().soa_edit_api == afterwards
    check_next_apply(simple)


def test_records_of_every_kind_come_back(lived: Lived) -> None:
    world = lived.world
    for service, rrtype, rdata in FOREIGN:
        world.foreign(service, rrtype, rdata)
    world.contract("first", "10.0.0.8")
    world.commit()
    assert world.apply().outcome == "applied"
    before = world.records()
    lived.lose_zone()
    assert restore(world).outcome == "restored"
    assert world.records().digest() == before.digest()
    assert world.cli("audit").exit == 0


def test_the_record_of_it_passes_every_audit(simple: Lived) -> None:
    simple.lose_zone()
    restore(simple.world)
    audited = simple.world.cli("audit", "--format", "json").document()
    script = ROOT / "script" / "audit.sh"
    said = run(script, simple.world.root, simple.world.root / "authority/allowed_signers").decode()

    assert (audited["problems"], audited["inconclusive"]) == ([], [])
    assert '"kind": "restore"' in json.dumps(audited["exceptions"])
    assert said.endswith("OK\n"), said
    assert f"zone restored from entry {len(simple.world.entries()) - 3}" in simple.world.evidence("LOG.md").decode()
    verifies(simple.world)


# --- dying on the way


class Dying:
    """A primary that is never reached again, or only once."""

    def __init__(self, primary: object, *, writes: int) -> None:
        self._primary, self._writes = primary, writes

    def __getattr__(self, name: str) -> object:
        if name in ("patch", "create"):
            self._writes -= 1
            if self._writes < 0:
                raise KeyboardInterrupt
        elif name == "header" and self._writes == 0:
            raise KeyboardInterrupt
        return getattr(self._primary, name)


def die(lived: Lived, *, writes: int) -> int:
    """A restore that ends after its intent, or after the zone is written; the intent's number."""
    ports = lived.world.wiring()
    prepared = prepare_restore(RestoreRequest(ApplyRequest("HEAD", work_tree_matters=False)), ports)
    object.__setattr__(prepared, "primary", Dying(prepared.primary, writes=writes))
    with pytest.raises(KeyboardInterrupt):
        carry_out_restore(prepared, ports)
    return lived.world.entries()[-1].seq


def test_what_a_dead_restore_recorded_is_not_what_comes_back(simple: Lived) -> None:
    """The log's newest zone is the damaged one by then."""
    simple.lose_zone()
    dead = die(simple, writes=0)
    with pytest.raises(Refused) as caught:
        restore(simple.world)
    done = restore(simple.world, recover=dead)

    assert isinstance(simple.world.bodies()[dead - 2], ZoneDrift)
    assert (caught.value.guard, f"--recover {dead}" in caught.value.hint) == ("open-intent", True)
    check(simple, done)
    check_next_apply(simple)
    verifies(simple.world)


def test_an_apply_settles_a_restore_that_died_after_it_wrote(simple: Lived) -> None:
    simple.load(simple.old, 2)
    dead = die(simple, writes=1)
    receipt = simple.world.apply(recover=dead)
    result = simple.world.bodies()[dead]

    assert isinstance(result, Result)
    assert (result.intent_seq, result.outcome, result.recovered) == (dead, "applied", True)
    assert result.after.whole == simple.before.digest() == simple.world.records().digest()
    assert receipt.outcome == "nothing"
    verifies(simple.world)


def test_an_apply_that_died_is_closed_by_what_secondaries_show(simple: Lived) -> None:
    """Its update landed and was transferred; then the primary lost the zone, and nobody wrote a result."""
    world = simple.world
    assert world.remote is not None
    run("git", "-C", world.remote, "update-ref", "refs/heads/evidence", "refs/heads/evidence~1")
    again = world.clone(world.root.parent / "again")
    simple.lose_zone()
    dead = again.entries()[-1].seq
    done = restore(again, recover=dead)
    result = again.bodies()[dead]

    assert isinstance(result, Result)
    assert (result.intent_seq, result.outcome, result.recovered) == (dead, "applied", True)
    check(Lived(again, simple.old, simple.before), done)


# --- what it refuses


def test_the_primary_as_the_log_left_it_is_left_alone(simple: Lived) -> None:
    with simple.world.nothing_written():
        done = restore(simple.world)

    assert (done.outcome, done.plan) == ("nothing", None)


def test_a_primary_that_was_changed_since_is_not_overwritten(simple: Lived) -> None:
    simple.world.foreign("second", "A", "10.9.9.9")
    with simple.world.nothing_written(), pytest.raises(Refused) as caught:
        restore(simple.world)

    assert caught.value.guard == "not-outdated"


def test_a_log_that_is_older_than_a_secondary_does_not_bring_back_less(simple: Lived) -> None:
    world = simple.world
    simple.load(simple.old, 2)
    assert world.remote is not None
    run("git", "-C", world.remote, "update-ref", "refs/heads/evidence", "refs/heads/evidence~2")
    fresh = world.clone(world.root.parent / "fresh")
    with pytest.raises(Refused) as caught:
        restore(fresh)
    done = restore(fresh, "log-gap=the forge lost its disk")

    assert (caught.value.guard, "secondary" in caught.value.message) == ("log-gap", True)
    assert "gap" in fresh.types()
    assert done.outcome == "restored", done.reason
    assert fresh.at("first")["A"][1] == ("10.0.0.1",)
    verifies(fresh)


def test_a_secondary_that_is_silent_is_told_and_outrun(simple: Lived) -> None:
    world, top = simple.world, simple.world.serial()
    assert world.lab is not None
    simple.load(simple.old, 2)
    name, address = world.lab.secondaries[0].name, str(world.lab.secondaries[0].dns)
    (world.root.parent / "dead.yaml").write_text(
        world.read(world.authority_path).replace(address, "127.0.0.1:1").replace('"timeout_s": 10', '"timeout_s": 1')
    )
    ran = world.cli("restore", "--yes", "--authority", world.root.parent / "dead.yaml", "--format", "json")
    plan = ran.document()["plan"]

    assert (ran.exit, ran.document()["outcome"]) == (5, "unconfirmed")  # it is required, and does not answer
    assert isinstance(plan, dict)
    assert plan["silent"] == [name]
    assert plan["serial"] > top + 1000


def test_it_asks_or_wants_yes(simple: Lived) -> None:
    simple.lose_zone()
    before = simple.world.evidence_head()
    ran = simple.world.cli("restore", "--format", "json")

    assert (ran.exit, ran.document()["code"], ran.document()["hint"]) == (2, "not-confirmed", "pass --yes")
    assert "the primary has no such zone" in ran.err
    assert simple.world.evidence_head() == before
    assert ok(simple.world.cli("restore", "--yes", "--format", "json")).document()["outcome"] == "restored"


def test_without_any_applied_change_there_is_nothing_to_bring_back(served: World) -> None:
    with served.nothing_written(), pytest.raises(InvalidData) as caught:
        restore(served)

    assert caught.value.code == "nothing-recorded"
