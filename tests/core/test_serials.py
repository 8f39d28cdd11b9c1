"""What the next write makes of a zone's serial, from the header alone."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyops_gitops.core.exchange import ZoneHeader
from hyops_gitops.core.serials import SERIALS, forecast_serial, is_newer

NOW = datetime(2026, 11, 29, 15, 0, tzinfo=UTC)  # a Sunday
AT = int(NOW.timestamp())
WEEK = AT - AT % (7 * 86400)  # the Thursday before
WEEKS = WEEK // (7 * 86400)
TODAY, THURSDAY = 2026112901, 2026112601


def header(api: str, edit: str = "", serial: int = 1, served: int | None = None) -> ZoneHeader:
    return ZoneHeader("master", serial, serial if served is None else served, api, (), None, soa_edit=edit)


@pytest.mark.parametrize(
    ("api", "edit", "serial", "served", "stored"),
    [
        ("INCREASE", "", 7, 7, 8),
        ("increase", "", SERIALS - 1, SERIALS - 1, 0),
        ("DEFAULT", "", TODAY + 300, TODAY + 300, TODAY + 301),
        ("DEFAULT", "", SERIALS - 1, SERIALS - 1, 0),
        ("SOA-EDIT-INCREASE", "", 7, 7, 8),
        ("SOA-EDIT-INCREASE", "NONE", 7, 7, 8),
        ("SOA-EDIT-INCREASE", "INCREMENT-WEEKS", 7, 7 + WEEKS, 7 + WEEKS),
        ("SOA-EDIT-INCREASE", "EPOCH", AT + 9999, AT, AT + 10000),
        ("INCREASE", "INCREMENT-WEEKS", 7, 7 + WEEKS, 8),
        ("INCREASE", "", 7, 7 + WEEKS, 8),  # a default of pdns.conf
        ("INCREASE", "INCEPTION-EPOCH", WEEK + 5, WEEK + 5, WEEK + 6),
        ("INCREASE", "INCEPTION-INCREMENT", THURSDAY + 3, THURSDAY + 4, THURSDAY + 4),
        ("INCREASE", "EPOCH", 7, AT, 8),
        ("INCREASE", "nonsense", 7, 7, 8),
    ],
)
def test_a_write_that_secondaries_learn_of(api: str, edit: str, serial: int, served: int, stored: int) -> None:
    forecast = forecast_serial(header(api, edit, serial, served), NOW)
    assert (forecast.moves, forecast.stored) == (True, frozenset({stored}))


@pytest.mark.parametrize(
    ("api", "edit", "serial", "served"),
    [
        ("", "", 7, 7),
        ("OFF", "", 7, 7),
        ("off", "INCREMENT-WEEKS", 7, 7 + WEEKS),
        ("NONSENSE", "", 7, 7),
        ("SOA-EDIT", "", 7, 7),
        ("SOA-EDIT", "NONE", 7, 7),
        ("soa-edit", "INCEPTION-EPOCH", WEEK + 5, WEEK + 5),
        ("EPOCH", "", TODAY, TODAY),
        ("epoch", "", AT + 200, AT + 200),
        ("SOA-EDIT", "EPOCH", TODAY, AT),  # the zone's own goes back, though what is served does not
        ("INCREASE", "INCEPTION-EPOCH", 7, WEEK),
        ("INCREASE", "", 7, WEEK),  # a default of pdns.conf
        ("INCREASE", "INCEPTION-INCREMENT", 7, THURSDAY),
        ("INCREASE", "INCEPTION-INCREMENT", THURSDAY - 1, THURSDAY + 1),  # 00 and 01 are both served as 02
        ("INCREASE", "INCEPTION-INCREMENT", THURSDAY + 298, THURSDAY + 299),  # 99 of the third day: counting ends
    ],
)
def test_a_write_that_secondaries_do_not_learn_of(api: str, edit: str, serial: int, served: int) -> None:
    assert forecast_serial(header(api, edit, serial, served), NOW).moves is False


@pytest.mark.parametrize(
    ("api", "edit", "serial", "served"),
    [
        ("EPOCH", "", AT - 30, AT - 30),  # the server's clock may be behind ours
        ("INCREASE", "", 7, 99),  # nothing that is known makes 99 of 7
        ("INCREASE", "", THURSDAY + 299, THURSDAY + 300),  # more than one default, or none
    ],
)
def test_a_write_of_which_the_header_does_not_tell(api: str, edit: str, serial: int, served: int) -> None:
    assert forecast_serial(header(api, edit, serial, served), NOW).moves is None


def test_the_time_zone_of_the_server_is_not_known() -> None:
    assert forecast_serial(header("DEFAULT"), NOW).stored == {2026112901, 2026113001}  # +12 and more: tomorrow
    assert forecast_serial(header("EPOCH"), NOW).stored == set(range(AT - 120, AT + 121))


def test_counting_from_the_week_goes_on_over_the_end_of_a_year() -> None:
    thursday = datetime(2026, 12, 31, 12, 0, tzinfo=UTC)
    assert forecast_serial(header("INCREASE", "INCEPTION-INCREMENT", 2027010298, 2027010299), thursday).moves is True


@given(
    st.sampled_from(["INCREASE", "DEFAULT", "SOA-EDIT-INCREASE"]),
    st.integers(0, SERIALS - 1),
    st.dates(date(2024, 1, 1), date(2100, 1, 1)),
)
def test_without_an_edit_these_always_move_it(api: str, serial: int, day: date) -> None:
    forecast = forecast_serial(header(api, "", serial), datetime(day.year, day.month, day.day, tzinfo=UTC))
    assert forecast.moves is True


@given(st.integers(0, SERIALS - 1), st.integers(0, SERIALS - 1))
def test_at_most_one_of_two_serials_is_newer(one: int, other: int) -> None:
    assert not (is_newer(one, other) and is_newer(other, one))
    assert is_newer((one + 1) % SERIALS, one)
