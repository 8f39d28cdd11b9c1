"""Durations, medians, and how long each target served."""

from datetime import UTC, datetime, timedelta

import pytest

from hyops_gitops.report.figures import (
    WIDTH,
    Scale,
    ServerTimes,
    duration_text,
    lanes,
    ms_text,
    server_times,
    tenure_bars,
)
from tests.golden import values
from tests.support.reported import CLOUD, ONPREM, ORDERS, POSTGRES, SEARCH, facts_about, story


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3661, "1 h 1 min"), (86400 * 3 + 7200 + 5, "3 d 2 h"), (86401, "1 d")],
)
def test_a_duration_has_its_two_largest_units(seconds: int, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("ms", "text"), [(None, ""), (0, "0 ms"), (999, "999 ms"), (1000, "1 s"), (2540, "2.5 s"), (250_000, "4 min 10 s")]
)
def test_milliseconds_in_words(ms: int | None, text: str) -> None:
    assert ms_text(ms) == text


def test_each_target_of_a_name_with_how_it_came() -> None:
    facts = facts_about(story().log())
    found = [(tenure.rdata, tenure.how, tenure.until is None) for tenure in facts.tenures.of[ORDERS]]
    assert found == [
        ((ONPREM[ORDERS],), "applied", False),
        ((CLOUD[ORDERS],), "applied", False),
        (("10.9.9.9",), "outside the log", False),
        ((ONPREM[ORDERS],), "applied", True),
    ]


def test_a_segment_moves_a_name_when_it_ended() -> None:
    facts = facts_about(story().log())
    assert [tenure.how for tenure in facts.tenures.of[POSTGRES]] == ["applied", "applied", "break-glass", "break-glass"]


def test_targets_follow_one_another_without_a_gap() -> None:
    facts = facts_about(story().log())
    for tenures in facts.tenures.of.values():
        assert [tenure.until for tenure in tenures[:-1]] == [tenure.since for tenure in tenures[1:]]


def test_bars_lie_side_by_side_within_the_picture() -> None:
    log = story().log()
    bars = tenure_bars(facts_about(log).tenures.of[SEARCH], log.head.envelope.time)
    assert [bar.tone for bar in bars] == [0, 1, 0]
    assert all(bar.x >= 0 and bar.x + bar.width <= WIDTH + 2 for bar in bars)
    assert [bar.x for bar in bars] == sorted(bar.x for bar in bars)


def test_a_name_without_a_target_has_no_bars() -> None:
    assert tenure_bars((), values.START) == ()


def test_a_server_that_was_not_seen_is_counted_apart() -> None:
    results = [(values.START, values.result(2, values.sha("a")))]
    primary, secondary, resolver = server_times(results)
    assert [times.label for times in (primary, secondary, resolver)] == [
        "primary",
        "secondary onprem",
        "resolver clients",
    ]
    assert (primary.median, primary.worst, primary.missing) == (12, 12, 0)
    assert (secondary.median, secondary.worst, secondary.missing) == (None, None, 1)


def test_a_change_that_was_not_applied_has_no_times() -> None:
    assert server_times([(values.START, values.result(2, values.sha("a"), bare=True))]) == ()


def test_median_and_worst() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    times = ServerTimes("resolver", "clients", [(at + timedelta(days=day), 10**day) for day in range(4)])
    assert (times.median, times.worst) == (10, 1000)
    scale = Scale.of([times])
    assert scale is not None
    assert [text for _, text in scale.ticks()] == ["10 ms", "100 ms", "1 s"]
    assert [column.worst for column in scale.columns(times)] == [1, 16, 32, 48]


def test_nothing_measured_has_no_scale() -> None:
    assert Scale.of([ServerTimes("primary", "primary")]) is None


def test_a_lane_for_each_server_and_service() -> None:
    found = [(lane.label, lane.after_ms, lane.x, lane.good) for lane in lanes(values.result(2, values.sha("a")))]
    assert found == [
        ("primary", 12, 62, True),
        ("secondary onprem", None, WIDTH, False),
        ("resolver clients", None, WIDTH, False),
        (values.NAME, 111, WIDTH - 20, True),
        (values.SECOND, None, WIDTH, False),
    ]
