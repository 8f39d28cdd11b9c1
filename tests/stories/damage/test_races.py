"""Two writers at the very same moment, on a database that does not keep them apart at its default settings."""

import contextlib
import threading

import pytest

from hyops_gitops.core.damage import find_damage
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.core.zone import RRset
from hyops_gitops.lab.model import Lab
from tests.support.between import Between
from tests.support.world import World

pytestmark = pytest.mark.authority
_TRIES = 60


def _race(world: World, number: int) -> None:
    """Two PATCHes of one new name, of one SOA: each writes an A, or a CNAME."""
    name = world.name(f"race{number}")
    start = threading.Barrier(2)

    def write(rrset: RRset) -> None:
        start.wait()
        with contextlib.suppress(OutsideFailure):  # the database may keep them apart
            world.primary.patch([], [rrset])

    writers = [
        threading.Thread(target=write, args=(RRset.of(name, rrtype, 60, [rdata]),))
        for rrtype, rdata in (("A", "10.0.0.1"), ("CNAME", world.name("first") + "."))
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()


@pytest.mark.parametrize("sql_lab", ["gpgsql", "gmysql"], indirect=True)
def test_what_a_real_race_leaves_is_named_and_mended(world: World, sql_lab: Lab, between: Between) -> None:
    del sql_lab, between
    number = 0
    while not (found := find_damage(world.primary.rrsets())):
        assert number < _TRIES, "two writers were kept apart every time"
        _race(world, number)
        number += 1
    ran = world.cli("drift", "--live", "--format", "json")
    assert ran.exit == 1
    assert all(one.message in ran.out.replace("\\", "") for one in found)
    keep = [f"--keep={one.name}=A" for one in found if one.name.startswith("race")]
    ran = world.cli("drift", "--repair", "--yes", *keep)
    assert ran.exit == 0, ran.err
    assert find_damage(world.primary.rrsets()) == ()
    assert world.apply().exit_code == 0
