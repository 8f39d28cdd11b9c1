"""A restore believes no 204 either, and names what another writer leaves."""

import pytest

from hyops_gitops.core.damage import CAUSE
from hyops_gitops.core.markers import anchor_name
from hyops_gitops.core.zone import RRset
from hyops_gitops.log.entries import Result
from tests.support.between import Between
from tests.support.rows import Rows
from tests.support.world import World

pytestmark = pytest.mark.authority


def _go_back(world: World) -> None:
    """As a restored database has it: another target, and no anchor."""
    world.primary.patch([(anchor_name(world.zone), "TXT")], [RRset.of(world.name("first"), "A", 60, ["10.0.0.9"])])


def test_a_restore_that_is_stored_nowhere_has_failed_and_can_be_run_again(world: World, between: Between) -> None:
    _go_back(world)
    between.lies = lambda patch: patch.claims is not None
    ran = world.cli("restore", "--yes", "--format", "json")
    assert (ran.exit, ran.document()["outcome"]) == (4, "failed")
    assert world.at("first") == {"A": (60, ("10.0.0.9",))}
    between.lies = lambda _: False
    ran = world.cli("restore", "--yes", "--format", "json")
    assert (ran.exit, ran.document()["outcome"]) == (0, "restored")
    assert world.at("first") == {"A": (60, ("10.0.0.1",))}
    assert world.cli("evidence", "verify").exit == 0


def test_a_restore_beside_another_writer_is_not_confirmed(world: World, between: Between, rows: Rows) -> None:
    _go_back(world)
    between.then = lambda: rows.insert(world.zone, world.name("first"), "A", "10.0.0.1")
    ran = world.cli("restore", "--yes", "--format", "json")
    assert (ran.exit, ran.document()["outcome"]) == (5, "unconfirmed")
    assert f"holds equal records more than once: A 10.0.0.1, 10.0.0.1 ({CAUSE})" in str(ran.document()["reason"])
    body = world.entries()[-1].body
    assert isinstance(body, Result)
    assert (body.outcome, body.converged) == ("applied", False)
    assert world.cli("drift", "--repair", "--yes").exit == 0
    assert world.apply().exit_code == 0
