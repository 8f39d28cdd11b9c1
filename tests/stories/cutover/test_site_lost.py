"""Failover while the lost site's secondary is cut off: done all the same, said, and made good later."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hyops_gitops.apply.receipt import Receipt
from hyops_gitops.core.errors import UsageError
from hyops_gitops.lab.model import LabServer
from hyops_gitops.lab.zones import wait_until
from hyops_gitops.log.entries import Unchanged
from hyops_gitops.observe.find_status import look
from hyops_gitops.observe.status import Status
from tests.stories.cutover.conftest import MakeWorld
from tests.support.audits import audited
from tests.support.endpoints import endpoint, intents, results
from tests.support.world import World

pytestmark = pytest.mark.authority


@contextmanager
def cut_off(server: LabServer) -> Iterator[None]:
    """A server that says nothing."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def verdicts(world: World) -> dict[str, tuple[str, bool]]:
    """Verdict and whether nobody waited for it, by server, of the newest result."""
    return {one.name: (one.verdict, one.lost) for one in results(world)[-1].servers}


def status(world: World) -> Status:
    return look(None, world.wiring())


def test_a_lost_site_is_named_silent_and_not_waited_for_and_its_return_is_recorded(
    make_world: MakeWorld, sites: dict[str, str], port: int
) -> None:
    world = make_world(convergence={"timeout_s": 30, "require": ["primary", "secondaries"]})
    assert world.lab is not None
    (secondary,) = world.lab.secondaries
    del world.environ["HYOPS_SECONDARY_URLS"]  # NOTIFY does the work
    endpoint(world, "pg", sites["onprem"], port, ttl=1)
    world.commit()
    assert world.apply().outcome == "applied"
    world.edit_authority('"timeout_s": 30', '"timeout_s": 2')  # for a server that says nothing, which is not worth more
    world.commit("Wait for less")
    with cut_off(secondary):
        endpoint(world, "pg", sites["gcp"], port, ttl=1)
        world.commit("Move pg")
        receipt = world.apply()
        assert (receipt.outcome, receipt.exit_code) == ("unconfirmed", 5)
        assert verdicts(world)[secondary.name] == ("silent", False)
        assert world.apply().exit_code == 5

        endpoint(world, "web", sites["gcp"], port, ttl=1)
        world.commit("Add web\n\nHyops-Site-Lost: onprem\nHyops-Kind: incident\nHyops-Reason: the room is flooded")
        receipt = world.apply()
        assert (receipt.outcome, receipt.exit_code) == ("applied", 0)
        assert verdicts(world)[secondary.name] == ("silent", True)
        assert verdicts(world)["primary"] == ("converged", False)
        assert intents(world)[-1].sites_lost == ("onprem",)

        endpoint(world, "pg", sites["onprem"], port, ttl=1)
        world.commit("Move pg back")
        receipt = world.apply(sites_lost=("onprem",))
        assert (receipt.exit_code, receipt.retire[0].after) == (0, None)
        assert [(one.report.verdict, one.report.target) for one in results(world)[-1].services] == [
            ("ready", (sites["onprem"],))
        ]
        assert [moment.after_ms for moment in receipt.timeline if moment.name == secondary.name] == [None]
        assert world.apply().caught_up == ()
        lost = world.types()
        assert status(world).notes == ()
    newest = results(world)[-1].intent_seq
    caught_up = f"secondary {secondary.name} shows the anchor of entry {newest}; the next apply proves it"
    wait_until(lambda: status(world).notes == (caught_up,), 60, "what the secondary was told meanwhile")
    receipt = apply_until_caught_up(world)
    assert (receipt.outcome, receipt.exit_code) == ("nothing", 0)
    assert world.types() == [*lost, "unchanged"]
    unchanged = world.bodies()[-1]
    assert isinstance(unchanged, Unchanged)
    assert [(one.role, one.name, one.verdict) for one in unchanged.caught_up] == [
        ("secondary", secondary.name, "converged")
    ]
    assert [(one.name, one.after is not None) for one in unchanged.retire] == [(world.name("pg"), True)]
    assert world.apply().caught_up == ()
    assert status(world).notes == ()
    audited(world)


def test_without_a_required_server_left_the_others_have_to_show_it(
    make_world: MakeWorld, sites: dict[str, str], port: int
) -> None:
    world = make_world(convergence={"timeout_s": 2, "require": ["secondaries"]})
    assert world.lab is not None
    with cut_off(world.lab.secondaries[0]):
        endpoint(world, "pg", sites["gcp"], port)
        world.commit()
        assert world.apply(sites_lost=("onprem",)).outcome == "applied"
        assert verdicts(world)["primary"] == ("converged", False)
    audited(world)


def apply_until_caught_up(world: World) -> Receipt:
    """The apply that sees it: the secondary works off what it was told meanwhile."""
    deadline = time.monotonic() + 60
    while not (receipt := world.apply()).caught_up:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return receipt


def test_a_site_that_is_none_is_no_site_to_lose(world: World) -> None:
    with world.nothing_written(), pytest.raises(UsageError, match="onprm") as caught:
        world.apply(sites_lost=("onprm",))
    assert caught.value.code == "unknown-site"
