"""The forecast of the serial against what a real server makes of it, for every word that it knows."""

import itertools
import json
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import pytest

from hyops_gitops.adapters.powerdns.http import PowerDnsHttp
from hyops_gitops.adapters.powerdns.zone_api import PowerDnsWriter
from hyops_gitops.core.serials import SERIALS, forecast_serial, is_newer
from hyops_gitops.core.zone import RRset
from hyops_gitops.lab.model import BACKENDS, Lab
from hyops_gitops.lab.zones import served_serial

pytestmark = pytest.mark.authority

ZONES = "/api/v1/servers/localhost/zones"
_WEEK_S = 7 * 86400
_numbers = itertools.count(1)
# The words of SOA-EDIT-API, of SOA-EDIT, the serial before, and whether secondaries learn of the next write.
TABLE = [
    ("", "", "small", False),
    ("OFF", "", "small", False),
    ("off", "INCREMENT-WEEKS", "small", False),
    ("NONSENSE", "", "small", False),
    ("INCREASE", "", "small", True),
    ("increase", "", "date", True),
    ("INCREASE", "", "largest", True),
    ("INCREASE", "NONSENSE", "small", True),
    ("INCREASE", "NONE", "small", True),
    ("INCREASE", "INCREMENT-WEEKS", "small", True),
    ("INCREASE", "increment-weeks", "date", True),
    ("INCREASE", "INCEPTION-EPOCH", "small", False),
    ("INCREASE", "INCEPTION-EPOCH", "past", True),
    ("INCREASE", "INCEPTION-INCREMENT", "small", False),
    ("INCREASE", "INCEPTION-INCREMENT", "week 00", False),
    ("INCREASE", "INCEPTION-INCREMENT", "week 02", True),
    ("INCREASE", "INCEPTION-INCREMENT", "week last", False),
    ("INCREASE", "INCEPTION-INCREMENT", "largest date", True),
    ("INCREASE", "EPOCH", "small", True),
    ("DEFAULT", "", "small", True),
    ("DEFAULT", "", "date", True),
    ("default", "", "largest date", True),
    ("DEFAULT", "", "largest", True),
    ("DEFAULT", "INCEPTION-INCREMENT", "date", True),
    ("DEFAULT", "INCEPTION-INCREMENT", "small", True),
    ("DEFAULT", "INCEPTION-EPOCH", "small", True),
    ("EPOCH", "", "small", True),
    ("EPOCH", "", "past", True),
    ("EPOCH", "", "now", None),
    ("EPOCH", "", "date", False),
    ("epoch", "", "ahead", False),
    ("EPOCH", "", "largest", True),
    ("EPOCH", "INCREMENT-WEEKS", "past", True),
    ("EPOCH", "INCEPTION-EPOCH", "small", True),
    ("SOA-EDIT", "", "small", False),
    ("SOA-EDIT", "NONE", "small", False),
    ("SOA-EDIT", "NONSENSE", "small", False),
    ("SOA-EDIT", "INCREMENT-WEEKS", "small", True),
    ("SOA-EDIT", "INCEPTION-EPOCH", "past", False),
    ("SOA-EDIT", "INCEPTION-EPOCH", "small", False),
    ("soa-edit", "inception-increment", "week 02", True),
    ("SOA-EDIT", "INCEPTION-INCREMENT", "small", True),
    ("SOA-EDIT", "INCEPTION-INCREMENT", "largest date", False),
    ("SOA-EDIT", "EPOCH", "date", False),
    ("SOA-EDIT", "EPOCH", "past", True),
    ("SOA-EDIT-INCREASE", "", "small", True),
    ("SOA-EDIT-INCREASE", "NONE", "date", True),
    ("SOA-EDIT-INCREASE", "INCREMENT-WEEKS", "small", True),
    ("SOA-EDIT-INCREASE", "INCEPTION-EPOCH", "past", True),
    ("SOA-EDIT-INCREASE", "INCEPTION-EPOCH", "small", True),
    ("SOA-EDIT-INCREASE", "inception-increment", "week 02", True),
    ("SOA-EDIT-INCREASE", "INCEPTION-INCREMENT", "week last", False),
    ("soa-edit-increase", "EPOCH", "ahead", True),
]
# PowerDNS counts; a storage only keeps the serial and the two words, or has neither.
KEPT = [
    ("", "", "small", False),
    ("INCREASE", "INCREMENT-WEEKS", "small", True),
    ("DEFAULT", "", "largest date", True),
    ("EPOCH", "INCEPTION-EPOCH", "small", True),
    ("SOA-EDIT-INCREASE", "INCEPTION-INCREMENT", "week last", False),
]


def serial_of(words: str) -> int:
    """A serial by what it is to the server's clock."""
    now = int(time.time())
    week = datetime.fromtimestamp(now - now % _WEEK_S, UTC).date()
    serials = {
        "small": 1,
        "past": now - 1000,
        "now": now,
        "ahead": now + 100_000,
        "date": numbered(datetime.now(UTC).date(), 7),
        "largest date": numbered(date(2029, 12, 31), 99),
        "week 00": numbered(week, 0),
        "week 02": numbered(week, 2),
        "week last": numbered(week + timedelta(days=2), 99),
        "largest": SERIALS - 1,
    }
    return serials[words]


def numbered(day: date, number: int) -> int:
    return int(f"{day:%Y%m%d}{number:02d}")


def put(lab: Lab, zone: str, soa_edit_api: str, soa_edit: str, serial: int) -> PowerDnsWriter:
    """A zone of its own with this serial and these settings, on the primary alone."""
    http = PowerDnsHttp(lab.primary.api_url, lab.api_key, None, 10.0)
    soa = f"ns1.{zone}. hostmaster.{zone}. {serial} 10800 3600 604800 300"
    sets = [
        {"name": f"{zone}.", "type": kind, "ttl": 60, "records": [{"content": content, "disabled": False}]}
        for kind, content in (("SOA", soa), ("NS", f"ns1.{zone}."))
    ]
    fields: Mapping[str, object] = {
        "name": f"{zone}.",
        "kind": "Master",
        "soa_edit_api": "",
        "soa_edit": soa_edit,
        "rrsets": sets,
    }
    reply = http.exchange("POST", ZONES, {}, json.dumps(fields).encode())
    assert reply.status == 201, reply.body
    reply = http.exchange("PUT", f"{ZONES}/{zone}.", {}, json.dumps({"soa_edit_api": soa_edit_api}).encode())
    assert reply.status == 204, reply.body
    return PowerDnsWriter(lab.primary.api_url, "localhost", zone, lab.api_key)


@pytest.mark.parametrize(("api", "edit", "before", "moves"), TABLE)
def test_the_serial_that_a_write_leaves(lab: Lab, api: str, edit: str, before: str, moves: bool | None) -> None:
    check_forecast(lab, api, edit, before, moves)


@pytest.mark.parametrize("lab", BACKENDS[1:], indirect=True, scope="session")
@pytest.mark.parametrize(("api", "edit", "before", "moves"), KEPT)
def test_another_storage_keeps_what_the_serial_depends_on(
    lab: Lab, api: str, edit: str, before: str, moves: bool | None
) -> None:
    check_forecast(lab, api, edit, before, moves)


def check_forecast(lab: Lab, api: str, edit: str, before: str, moves: bool | None) -> None:
    """Write once, and compare what is stored and served with what was foreseen."""
    zone = f"serials{next(_numbers)}.internal"
    serial = serial_of(before)
    writer = put(lab, zone, api, edit, serial)
    header = writer.header()
    assert (header.serial, header.soa_edit_api, header.soa_edit) == (serial, api, edit)
    forecast = forecast_serial(header, datetime.now(UTC))
    assert forecast.moves is moves
    if edit.upper() == "EPOCH":
        time.sleep(1.1)  # what is served is the time
    writer.patch([], [RRset.of(f"a.{zone}", "A", 60, ["127.0.0.9"])])
    after = writer.header()
    assert after.serial in forecast.stored
    if forecast.stored_moves is not None:
        assert is_newer(after.serial, header.serial) is forecast.stored_moves
    if moves is not None and forecast.stored_moves:
        assert is_newer(after.edited_serial, header.edited_serial) is moves
    if edit.upper() != "EPOCH":
        assert served_serial(lab.primary, zone) == after.edited_serial
