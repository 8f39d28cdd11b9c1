"""Merges in a freeze: what waits, what passes, and what is written down."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hyops_gitops.core.errors import Refused
from hyops_gitops.core.guards import Override
from hyops_gitops.log.entries import Intent
from tests.support.faults import FakeClock, Primary
from tests.support.world import MakeWorld, Swap, World

pytestmark = pytest.mark.authority


def window(**more: object) -> dict[str, object]:
    """From an hour ago for two hours, of prod."""
    start, end = (f"{datetime.now(UTC) + timedelta(hours=hours):%Y-%m-%dT%H:%M}" for hours in (-1, 1))
    return {"from": start, "until": end, "time_zone": "UTC", "reason": "year's end", "environments": ["prod"], **more}


def later(clock: float, server: float) -> Swap:
    """Hours later, by this machine's clock and by the API's."""
    api = Primary(header=lambda header: replace(header, server_time=datetime.now(UTC) + timedelta(hours=server)))
    return lambda ports: FakeClock(timedelta(hours=clock)).swap(api.swap(ports))


def test_a_merge_waits_for_the_end_and_is_applied_by_the_first_run_after_it(make_world: MakeWorld) -> None:
    world = make_world(freezes=[window()])
    with world.only_a_refusal():
        receipt = world.apply()
    with world.nothing_written():
        again = world.apply()
    planned = world.cli("plan", "--exit-code")

    assert (receipt.exit_code, again.exit_code, planned.exit) == (3, 3, 3)
    assert [(refusal.guard, refusal.name) for refusal in receipt.plan.refusals] == [("freeze", world.name("first"))]
    assert f"refused (freeze): {receipt.plan.refusals[0].message}\n" in planned.out
    assert world.apply(swap=later(2, 2)).outcome == "applied"


def test_a_clock_that_is_ahead_opens_no_window_early(make_world: MakeWorld) -> None:
    world = make_world(freezes=[window()])
    with world.nothing_written(), pytest.raises(Refused) as caught:
        world.apply(swap=later(2, 0))
    assert caught.value.guard == "clock"


@pytest.fixture
def frozen(make_world: MakeWorld) -> World:
    """A world with `first` moved by an incident, while prod is frozen."""
    world = make_world(freezes=[window()])
    world.contract("first", "10.0.0.2")
    world.commit("Move first\n\nHyops-Kind: incident")
    assert world.apply().outcome == "applied"
    return world


def test_nothing_to_do_is_no_refusal_and_a_drift_may_be_mended(frozen: World) -> None:
    assert frozen.apply().exit_code == 0
    frozen.foreign("first", "A", "10.0.0.99")
    assert frozen.apply(f"drift:{frozen.name('first')}=somebody's hand").outcome == "applied"
    assert frozen.at("first") == {"A": (60, ("10.0.0.2",))}


def test_a_commit_lifts_it_for_one_name_with_a_reason_that_the_log_has(frozen: World) -> None:
    frozen.contract("first", "10.0.0.3")
    frozen.contract("second", "10.0.0.4", env="dev")
    name = frozen.name("first")
    frozen.commit(f"Move first\n\nHyops-Override: freeze:{name}=the board agreed")
    receipt = frozen.apply()
    intent = next(body for body in reversed(frozen.bodies()) if isinstance(body, Intent))
    audited = frozen.cli("audit", "--offline")

    assert receipt.outcome == "applied"
    assert intent.overrides == (Override("freeze", name, "the board agreed", "trailer"),)
    assert f"freeze:{name}: the board agreed" in audited.out
    assert "policy.overridable did not allow" not in audited.out


def test_a_rehearsed_failover_is_refused_unless_its_kind_passes(frozen: World) -> None:
    sites = {"onprem": "10.0.0.2", "gcp": "10.0.1.2"}
    nothing = [{"type": "none", "reason": "a test"}]
    frozen.contract("first", "10.0.0.2", sites=sites, endpoint_readiness=nothing)
    frozen.commit("Name the sites")
    failover = ("failover", "--from", "onprem", "--to", "gcp", "--check", "--kind")

    assert [frozen.cli(*failover, kind).exit for kind in ("maintenance", "incident")] == [3, 0]
