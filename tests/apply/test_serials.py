"""A write that secondaries would not learn of is refused before anything is written, and the remedy works."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hyops_gitops.core.errors import Refused
from hyops_gitops.core.events import Event, Warned
from tests.support.faults import Primary
from tests.support.world import World

pytestmark = pytest.mark.authority

DATE_SERIAL = int(f"{datetime.now(UTC):%Y%m%d}05")
REMEDY = re.compile(r"pdnsutil set-meta \S+ SOA-EDIT-API ([A-Z-]+)")


@pytest.mark.parametrize(
    ("settings", "serial", "guard", "remedy"),
    [
        ({"soa_edit_api": "OFF"}, 7, "soa-edit-api", "INCREASE"),
        ({"soa_edit_api": ""}, 7, "soa-edit-api", "INCREASE"),
        ({"soa_edit_api": "INCREMENT"}, 7, "soa-edit-api", "INCREASE"),
        ({"soa_edit_api": "SOA-EDIT"}, 7, "soa-edit-api", "INCREASE"),
        ({"soa_edit_api": "EPOCH"}, DATE_SERIAL, "soa-edit-api", "INCREASE"),
        ({"soa_edit_api": "epoch"}, DATE_SERIAL, "soa-edit-api", "INCREASE"),
        ({"soa_edit_api": "INCREASE", "soa_edit": "INCEPTION-EPOCH"}, 7, "served-serial", "SOA-EDIT-INCREASE"),
        ({"soa_edit_api": "SOA-EDIT", "soa_edit": "INCEPTION-EPOCH"}, 7, "served-serial", "SOA-EDIT-INCREASE"),
        ({"soa_edit_api": "INCREASE", "soa_edit": "INCEPTION-INCREMENT"}, 7, "served-serial", "SOA-EDIT-INCREASE"),
    ],
)
def test_a_write_that_does_not_move_the_served_serial(
    served: World, settings: Mapping[str, object], serial: int, guard: str, remedy: str
) -> None:
    served.set_serial(serial)
    served.put_zone(settings)
    with served.nothing_written(), pytest.raises(Refused) as caught:
        served.apply()
    assert (caught.value.guard, caught.value.exit_code) == (guard, 3)
    found = REMEDY.search(caught.value.hint)
    assert found is not None
    assert found[1] == remedy
    served.put_zone({"soa_edit_api": remedy})
    receipt = served.apply()
    assert (receipt.outcome, receipt.exit_code) == ("applied", 0)


@pytest.mark.parametrize(
    "settings",
    [
        {"soa_edit_api": "INCREASE", "soa_edit": "INCREMENT-WEEKS"},
        {"soa_edit_api": "DEFAULT", "soa_edit": "INCEPTION-INCREMENT"},
        {"soa_edit_api": "SOA-EDIT-INCREASE", "soa_edit": "INCEPTION-EPOCH"},
        {"soa_edit_api": "soa-edit", "soa_edit": "increment-weeks"},
        {"soa_edit_api": "EPOCH"},
    ],
)
def test_a_write_that_moves_the_served_serial_arrives(served: World, settings: Mapping[str, object]) -> None:
    served.put_zone(settings)
    receipt = served.apply()
    assert (receipt.outcome, receipt.exit_code) == ("applied", 0)
    assert served.cli("drift").exit == 0


def test_what_the_header_does_not_tell_is_seen_after_the_write(served: World) -> None:
    events: list[Event] = []
    primary = Primary(header=lambda header: replace(header, edited_serial=header.serial + 123_456, soa_edit=""))
    served.apply(swap=primary.swap, on_event=events.append)
    assert not [event for event in events if isinstance(event, Warned)]

    still = Primary(header=lambda header: replace(header, edited_serial=99, soa_edit=""))
    served.contract("first", "10.0.0.2")
    served.commit()
    served.apply(swap=still.swap, on_event=events.append)
    (warned,) = [event.text for event in events if isinstance(event, Warned)]
    assert f"the served serial of {served.zone} did not move" in warned
    assert "drift --retransfer" in warned
