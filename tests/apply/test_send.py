"""After the intent: replies lost and replies late, servers that fail, remotes that go away, appliers that race."""

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from hyops_gitops.apply.receipt import Receipt
from hyops_gitops.apply.send import ensure_lock
from hyops_gitops.core.errors import HyopsError, OutsideFailure, ReplyLost, ServerRefused, Unconfirmed
from hyops_gitops.core.events import Event, ServerSeen, Step
from hyops_gitops.log.entries import Result
from hyops_gitops.log.workspace import Workspace
from tests.support.clone import CLOSED
from tests.support.faults import LOST, FakeClock, Primary, fail_first, with_primary
from tests.support.world import MakeWorld, World

pytestmark = [pytest.mark.authority, pytest.mark.every_backend]


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """A world with nothing applied yet, but with the lock row: what is counted here are updates."""
    world = make_world()
    ensure_lock(world.primary, world.zone, None)
    return world


FAILED = ReplyLost("PowerDNS failed (500)", code="powerdns-server-error")
NOT_SENT = OutsideFailure("connection refused", code="powerdns-unreachable")
FOR_EVER = 1000


def result_of(world: World) -> Result:
    """The newest entry, which has to be a result."""
    body = world.bodies()[-1]
    assert isinstance(body, Result)
    return body


def test_a_reply_lost_after_the_server_stored_it(world: World) -> None:
    primary, before = Primary(after=fail_first(1, LOST)), world.serial()
    receipt = world.apply(swap=with_primary(primary))
    assert (receipt.outcome, result_of(world).outcome) == ("applied", "applied")
    assert (len(primary.patches), world.serial()) == (1, before + 1)


def test_a_request_lost_before_the_server_saw_it(world: World) -> None:
    primary, before = Primary(before=fail_first(1, LOST)), world.serial()
    assert world.apply(swap=with_primary(primary)).outcome == "applied"
    assert (len(primary.patches), world.serial()) == (2, before + 1)


@pytest.mark.one_backend
def test_a_connection_refused_once(world: World) -> None:
    primary = Primary(before=fail_first(1, NOT_SENT))
    assert world.apply(swap=with_primary(primary)).outcome == "applied"


@pytest.mark.one_backend
def test_a_server_that_fails_and_recovers(world: World) -> None:
    primary, before = Primary(before=fail_first(3, FAILED)), world.serial()
    assert world.apply(swap=with_primary(primary)).outcome == "applied"
    assert (len(primary.patches), world.serial()) == (4, before + 1)


def test_a_server_that_fails_every_update_but_the_settling_one(world: World) -> None:
    primary = Primary(before=fail_first(5, FAILED))
    receipt = world.apply(swap=with_primary(primary))
    assert (receipt.outcome, receipt.exit_code) == ("failed", 4)
    assert (result_of(world).outcome, "500" in result_of(world).reason) == ("failed", True)
    assert world.at("first") == {}


def test_a_late_copy_of_an_update_given_up_is_refused_by_the_server_itself(world: World) -> None:
    primary = Primary(before=fail_first(5, FAILED))
    world.apply(swap=with_primary(primary))
    claim = world.primary.rrsets_at([f"_2._hyops-gitops.{world.zone}"])
    assert [rrset.type for rrset in claim] == ["CNAME"]
    serial = world.serial()
    with pytest.raises(ServerRefused, match="422"):
        world.primary.patch(*primary.patches[0])
    assert (world.at("first"), world.serial()) == ({}, serial)


def test_a_late_copy_of_an_update_superseded_is_refused_too(world: World) -> None:
    primary = Primary()
    world.apply(swap=primary.swap)
    world.contract("first", "10.0.0.9")
    world.commit()
    world.apply()
    with pytest.raises(ServerRefused, match="422"):
        world.primary.patch(*primary.patches[0])
    assert world.at("first") == {"A": (60, ("10.0.0.9",))}


@pytest.mark.one_backend
def test_after_a_failure_the_next_apply_goes_on(world: World) -> None:
    world.apply(swap=with_primary(Primary(before=fail_first(5, FAILED))))
    assert world.apply().outcome == "applied"
    assert world.types() == ["genesis", "intent", "result", "intent", "result"]


@pytest.mark.one_backend
def test_a_server_that_fails_for_ever_leaves_the_intent_open(world: World) -> None:
    primary = Primary(before=fail_first(FOR_EVER, FAILED))
    with pytest.raises(Unconfirmed) as caught:
        world.apply(swap=with_primary(primary))
    assert (caught.value.code, caught.value.exit_code) == ("outcome-unknown", 5)
    assert world.types() == ["genesis", "intent"]


@pytest.mark.one_backend
def test_a_server_that_is_gone_for_ever_was_never_sent_anything(world: World) -> None:
    receipt = world.apply(swap=with_primary(Primary(before=fail_first(FOR_EVER, NOT_SENT))))
    assert (receipt.outcome, receipt.exit_code, result_of(world).outcome) == ("failed", 4, "failed")


@pytest.mark.one_backend
def test_an_update_that_the_server_refuses_whole(world: World) -> None:
    refusal = ServerRefused("refused (422)", code="powerdns-refused")
    receipt = world.apply(swap=with_primary(Primary(before=fail_first(FOR_EVER, refusal))))
    assert (receipt.outcome, receipt.exit_code, result_of(world).outcome) == ("failed", 4, "failed")


def on_intent(action: Callable[[], object]) -> Callable[[Workspace], Workspace]:
    """Do something once the intent is in the log and the PATCH is next."""

    def swap(ports: Workspace) -> Workspace:
        def on_event(event: Event) -> None:
            if isinstance(event, Step) and event.text.startswith("intent"):
                action()

        return ports.replaced(on_event=on_event)

    return swap


def test_a_record_that_changes_between_plan_and_update(world: World) -> None:
    receipt = world.apply(swap=on_intent(lambda: world.foreign("first", "A", "10.9.9.9")))
    assert (receipt.outcome, receipt.exit_code, result_of(world).outcome) == ("refused", 3, "refused")
    assert world.name("first") in receipt.reason
    assert world.at("first") == {"A": (60, ("10.9.9.9",))}


def test_a_record_elsewhere_that_changes_between_plan_and_update(world: World) -> None:
    receipt = world.apply(swap=on_intent(lambda: world.foreign("stranger", "A", "10.9.9.9")))
    assert receipt.outcome == "applied"
    assert world.apply().outcome == "nothing"
    assert world.types() == ["genesis", "intent", "result", "drift"]
    assert world.evidence(f"zones/{world.zone}.zone").decode() == world.records().text()


@pytest.mark.one_backend
def test_a_lease_that_runs_out_before_the_update(make_world: MakeWorld) -> None:
    world, clock = make_world(lease_s=60), FakeClock()
    before = world.serial()
    receipt = world.apply(swap=lambda ports: on_intent(lambda: clock.sleep(61))(clock.swap(ports)))
    assert (receipt.outcome, result_of(world).outcome, world.serial()) == ("refused", "refused", before)


@pytest.mark.one_backend
def test_a_log_that_went_on_without_the_intent(world: World) -> None:
    before = world.serial()
    receipt = world.apply(swap=lambda ports: FakeClock().swap(on_intent(lambda: world.rewrite_evidence({}))(ports)))
    assert (receipt.outcome, receipt.exit_code, world.serial()) == ("refused", 3, before)


@pytest.mark.one_backend
def test_a_result_that_cannot_be_pushed_leaves_the_intent_open(world: World) -> None:
    remote = world.remote
    assert remote is not None
    away = remote.with_name("away.git")

    def cut_off(_number: int) -> None:
        shutil.move(remote, away)

    primary = Primary(after=cut_off)
    with pytest.raises(Unconfirmed) as caught:
        world.apply(swap=with_primary(primary))
    shutil.move(away, remote)
    assert (caught.value.code, caught.value.exit_code) == ("result-not-recorded", 5)
    assert world.types() == ["genesis", "intent"]
    assert world.at("first") == {"A": (60, ("10.0.0.1",))}


def apply_until_seen(world: World, servers: int) -> Receipt:
    """An apply whose time is up when so many servers were seen to converge, however long they take."""
    clock, seen = FakeClock(), 0

    def on_event(event: Event) -> None:
        nonlocal seen
        seen += isinstance(event, ServerSeen) and event.report.verdict == "converged"
        if seen == servers:
            clock.sleep(3600)

    return world.apply(swap=clock.swap, on_event=on_event)


def silent_secondary(make_world: MakeWorld) -> World:
    """A world one of whose secondaries does not answer."""
    world = make_world(convergence={"timeout_s": 60, "require": ["primary", "secondaries"]})
    assert world.lab is not None
    world.edit_authority(f'"dns": "{world.lab.secondaries[1].dns}"', f'"dns": "{CLOSED}"')
    world.commit("One secondary is elsewhere")
    return world


@pytest.mark.one_backend
def test_a_secondary_that_is_silent_is_not_confirmed_but_recorded(make_world: MakeWorld) -> None:
    world = silent_secondary(make_world)
    receipt = apply_until_seen(world, 2)
    assert (receipt.outcome, receipt.exit_code) == ("unconfirmed", 5)
    assert [server.verdict for server in receipt.servers] == ["converged", "converged", "silent"]
    assert (result_of(world).outcome, result_of(world).converged) == ("applied", False)


@pytest.mark.one_backend
def test_a_silent_secondary_leaves_the_next_apply_unconfirmed_but_lets_it_run(make_world: MakeWorld) -> None:
    world = silent_secondary(make_world)
    apply_until_seen(world, 2)
    assert world.apply().outcome == "unconfirmed"
    world.contract("first", "10.0.0.9")
    world.commit()
    apply_until_seen(world, 2)
    assert world.at("first")["A"][1] == ("10.0.0.9",)


@pytest.mark.one_backend
def test_a_secondary_that_stays_behind_is_stale(make_world: MakeWorld) -> None:
    world = make_world(convergence={"timeout_s": 60, "require": ["primary", "secondaries"]})
    world.put_zone({"kind": "Native"}, secondary=1)  # takes no transfer any more
    receipt = apply_until_seen(world, 2)
    assert receipt.outcome == "unconfirmed"
    assert [server.verdict for server in receipt.servers] == ["converged", "converged", "stale"]


@pytest.mark.one_backend
def test_a_move_that_a_server_has_not_made_says_no_time_to_retire(make_world: MakeWorld) -> None:
    world = silent_secondary(make_world)
    apply_until_seen(world, 2)
    world.contract("first", "10.0.0.9")
    world.commit()
    assert [one.after for one in apply_until_seen(world, 2).retire] == [None]


@pytest.mark.one_backend
def test_a_secondary_that_nobody_requires_may_be_silent(make_world: MakeWorld) -> None:
    world = make_world(convergence={"timeout_s": 2, "require": ["primary"]})
    assert world.lab is not None
    world.edit_authority(f'"dns": "{world.lab.secondaries[1].dns}"', f'"dns": "{CLOSED}"')
    world.commit("One secondary is elsewhere")
    assert world.apply().outcome == "applied"


def attempt(world: World, swap: Callable[[Workspace], Workspace]) -> Receipt | HyopsError:
    try:
        return world.apply(swap=swap)
    except HyopsError as error:
        return error


def test_two_appliers_at_once(world: World) -> None:
    other = world.clone(world.root.parent / "other")
    both_have_read = threading.Barrier(2, timeout=60)
    arrived: set[int] = set()

    def swap(ports: Workspace) -> Workspace:
        def on_event(event: Event) -> None:
            me = threading.get_ident()
            if isinstance(event, Step) and event.text.startswith("reading the zone") and me not in arrived:
                arrived.add(me)
                both_have_read.wait()

        return ports.replaced(on_event=on_event)

    with ThreadPoolExecutor(max_workers=2) as pool:
        outcomes = list(pool.map(lambda one: attempt(one, swap), (world, other)))
    receipts = [one for one in outcomes if isinstance(one, Receipt)]
    errors = [one for one in outcomes if isinstance(one, HyopsError)]
    assert "applied" in [receipt.outcome for receipt in receipts]
    assert {receipt.outcome for receipt in receipts} <= {"applied", "nothing"}
    assert all(error.exit_code == 3 and error.code in ("race", "open-intent") for error in errors)
    assert world.types() == ["genesis", "intent", "result"]
    assert world.cli("evidence", "verify").exit == 0


def test_a_foreign_edit_that_reaches_no_name_of_ours_stays(world: World) -> None:
    world.apply()
    foreign = world.foreign("stranger", "A", "10.9.9.9")
    world.contract("first", "10.0.0.9")
    world.commit()
    assert world.apply().outcome == "applied"
    assert world.primary.rrsets_at([foreign.name]) == (foreign,)
