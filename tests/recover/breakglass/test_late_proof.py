"""What break-glass changed and no server was seen to serve: no run ends with 0 until it is, in the segment or after."""

from pathlib import Path

import pytest

from hyops_gitops.lab.model import Lab
from hyops_gitops.lab.zones import create_zone, wait_until
from hyops_gitops.log.entries import Unchanged
from hyops_gitops.recover.breakglass import Cutover
from tests.support.audits import audited
from tests.support.outage import Outage

pytestmark = pytest.mark.authority


def test_no_run_ends_with_0_until_the_change_is_proved(small_lab: Lab, tmp_path: Path) -> None:
    create_zone(small_lab, zone := "glass-proof.internal")
    convergence = {"timeout_s": 2, "require": ["primary", "secondaries"]}
    outage = Outage.make(tmp_path / "world", zone, small_lab, convergence=convergence)
    world = outage.world
    with world.without_transfers():
        outage.forge_down()
        assert outage.break_glass(Cutover("first.prod", "gcp")).receipt.exit_code == 5
        receipt = outage.break_glass(None).receipt
        assert (receipt.outcome, receipt.exit_code, len(outage.entries())) == ("unconfirmed", 5, 2)
        segment = outage.segment()
        outage.forge_up()
        outage.bring_in(segment)
        receipt = world.apply()
        assert (receipt.exit_code, f"intent 1 of break-glass segment {segment.name}" in receipt.reason) == (5, True)

    def proved() -> bool:
        world.primary.notify()
        return world.apply().exit_code == 0

    wait_until(proved, 60, "the transfer")
    (body,) = [one for one in world.bodies() if isinstance(one, Unchanged) and one.segment_caught_up]
    assert [(one.role, one.verdict) for one in body.segment_caught_up] == [("secondary", "converged")]
    assert [(one.name, one.after is not None) for one in body.retire] == [(world.name("first"), True)]
    assert body.caught_up == ()
    types = world.types()
    assert (world.apply().exit_code, world.types()) == (0, types)
    audited(world)
