"""A secondary that is behind under an equal serial: the cause is the primary's serial, not an edit there."""

import pytest

from hyops_gitops.core.zone import RRset
from tests.support.drifts import drift, on_secondary, only
from tests.support.world import World

pytestmark = pytest.mark.authority


def test_a_serial_that_writes_do_not_move_is_named_as_the_cause(world: World) -> None:
    world.put_zone({"soa_edit_api": "SOA-EDIT"})
    world.foreign("mail", "MX", "20 mail.example.com.")
    note, case = drift(world).cases
    assert (note.kind.value, case.kind.value) == ("foreign", "secondary-behind")
    assert "soa_edit_api is SOA-EDIT, and SOA-EDIT, which is not set, leaves it" in case.message
    assert "edit on the secondary" not in case.message
    assert case.hint.startswith(f"pdnsutil set-meta {world.zone} SOA-EDIT-API INCREASE; then bring it up: ")


def test_an_older_zone_under_the_same_serial_is_no_edit_on_the_secondary(world: World) -> None:
    """The setting that kept the serial still is gone by the time of the look, and by DNS it is never seen."""
    serial = world.serial()
    world.contract("first", "10.0.0.2")
    world.commit()
    with world.without_transfers():
        world.apply(wait=False, watch=False)
        world.set_serial(serial)
        world.put_zone({"soa_edit_api": "INCREASE"})
        case = only(drift(world), "secondary-behind")
        by_dns = only(drift(world, "dns"), "secondary-behind")
    for one in (case, by_dns):
        assert f"has the primary's serial {serial} and the zone as entry 2 left it" in one.message
        assert "its serial did not move forward" in one.message


def test_an_edit_that_may_be_on_either_side_is_said_so(world: World) -> None:
    on_secondary(world).patch([], [RRset.of(world.name("first"), "A", 60, ["10.66.6.6"])])
    case = only(drift(world), "secondary-edited")
    assert "an edit on the secondary itself, or on the primary without a new serial" in case.message
