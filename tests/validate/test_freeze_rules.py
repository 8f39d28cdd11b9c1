"""`policy.freezes` as it is read from an authority file: which moments a window has."""

import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyops_gitops.adapters.yaml.schema import load_schema
from hyops_gitops.core.authority import Freeze
from hyops_gitops.core.declaration import KINDS
from hyops_gitops.validate.validation import Validation
from tests.support.contracts import MINIMAL, validated


def of(window: str) -> Validation:
    return validated({}, MINIMAL + f"policy: {{freezes: [{{{window}}}]}}\n".encode())


def freeze(start: str, end: str, zone: str = "Europe/Berlin", more: str = "") -> Freeze:
    found = of(f'from: "{start}", until: "{end}", time_zone: {zone}, reason: why{more}')
    assert found.authority is not None
    (made,) = found.authority.policy.freezes
    return made


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}Z")


@pytest.fixture
def no_database() -> Iterator[None]:
    """A machine without time zones."""
    zoneinfo.reset_tzpath(to=[])
    zoneinfo.ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath()
    zoneinfo.ZoneInfo.clear_cache()


def test_a_window_is_read_in_its_own_time_zone_by_its_own_summer_time() -> None:
    made = freeze("2026-10-20T18:00", "2026-11-02T08:00")
    assert (made.start, made.end) == (utc("2026-10-20T16:00"), utc("2026-11-02T07:00"))
    assert freeze("2026-12-18T18:00", "2027-01-04T08:00", "America/St_Johns").start == utc("2026-12-18T21:30")
    assert freeze("2026-12-18T18:00", "2027-01-04T08:00", "UTC").start == utc("2026-12-18T18:00")
    assert freeze("2026-12-18T18:00", "2027-01-04T08:00", "Etc/GMT-1").start == utc("2026-12-18T17:00")


def test_where_clocks_show_a_time_twice_or_skip_it_the_longer_window_counts() -> None:
    twice = freeze("2026-10-25T02:30", "2026-10-25T02:45")  # set back at 01:00Z from 03:00 to 02:00
    skipped = freeze("2027-03-28T02:30", "2027-03-28T02:45")  # set forward at 01:00Z from 02:00 to 03:00
    assert (twice.start, twice.end) == (utc("2026-10-25T00:30"), utc("2026-10-25T01:45"))
    assert (skipped.start, skipped.end) == (utc("2027-03-28T00:30"), utc("2027-03-28T01:45"))


def test_a_window_that_ends_before_it_begins_on_the_clock_is_open_all_the_same() -> None:
    made = freeze("2026-10-25T02:45", "2026-10-25T02:15")  # half an hour, over the change of the clocks
    assert made.end - made.start == timedelta(minutes=30)


@given(st.integers(0, 11 * 365 * 24 * 60), st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe"]))
def test_a_window_holds_every_moment_at_which_clocks_show_a_time_in_it(minutes: int, zone: str) -> None:
    shown = (utc("2026-01-01T00:00") + timedelta(minutes=minutes)).astimezone(zoneinfo.ZoneInfo(zone))
    local = shown.replace(tzinfo=None)
    made = freeze(f"{local:%Y-%m-%dT%H:%M}", f"{local + timedelta(minutes=1):%Y-%m-%dT%H:%M}", zone)
    assert made.start <= shown.astimezone(UTC) < made.end


def test_without_environments_and_kinds_it_is_about_all_and_lets_an_incident_pass() -> None:
    made = freeze("2026-12-18T18:00", "2027-01-04T08:00")
    assert made.stops("shared", None)
    assert made.stops("dev", "maintenance")
    assert not made.stops("dev", "incident")


def test_environments_and_kinds_are_those_that_it_names() -> None:
    made = freeze("2026-12-18T18:00", "2027-01-04T08:00", more=", environments: [prod], passes: [maintenance]")
    assert (made.environments, made.passes) == (("prod",), ("maintenance",))
    assert freeze("2026-12-18T18:00", "2027-01-04T08:00", more=", passes: []").stops("prod", "incident")


def test_kinds_of_the_schema_are_those_of_commits() -> None:
    policy = load_schema("authority")["properties"]["policy"]["properties"]  # type: ignore[index]
    passes = policy["freezes"]["items"]["properties"]["passes"]
    assert passes["items"]["enum"] == list(KINDS)
    assert tuple(passes["default"]) == freeze("2026-12-18T18:00", "2027-01-04T08:00").passes


@pytest.mark.usefixtures("no_database")
def test_a_machine_without_time_zones_is_named() -> None:
    window = 'from: "2026-12-18T18:00", until: "2027-01-04T08:00", reason: why, time_zone'
    (found,) = of(f"{window}: Europe/Berlin").findings
    assert found.rule == "authority-freeze"
    assert found.message == "cannot look up 'Europe/Berlin': this machine has no database of time zones"
    assert "tzdata" in found.hint
    assert of(f"{window}: UTC").findings == ()
    assert validated({}).findings == ()
