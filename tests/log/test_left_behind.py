"""What outlives a change: answers in caches, deleted names, late updates of appliers that slept, earlier moves."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from hyops_gitops.apply.receipt import GoneFrom, departures
from hyops_gitops.core.markers import RESERVED_CLAIMS, Anchor, reserved_numbers
from hyops_gitops.core.server_report import RecordedAnswer, ServerReport, ServerVerdict
from hyops_gitops.core.zone import RRset
from hyops_gitops.log.holds import moves_of
from hyops_gitops.log.log import Landing
from hyops_gitops.observe.answers import earlier_answers
from hyops_gitops.plan.assertions import LastMove
from tests.support.paper import START, ZONE, Paper, a, change

NOW = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)
NAME = f"a.{ZONE}"
SECOND = timedelta(seconds=1)


def server(role: str = "primary", after_ms: int | None = 0, *answers: RecordedAnswer,
           ) -> ServerReport:  # fmt: skip
    verdict: ServerVerdict = "converged" if after_ms is not None else "stale"
    return ServerReport(role, role, "127.0.0.1:53", verdict, after_ms, answers)


def applied(at: datetime, *changes: object, after_ms: int | None = 0) -> Landing:
    """An earlier apply, as far as caches go."""
    result = SimpleNamespace(accepted=at, servers=(server(after_ms=after_ms),))
    return cast(Landing, SimpleNamespace(intent=SimpleNamespace(changes=changes), result=result))


# --- caches


def test_a_cache_may_give_what_was_replaced_until_its_ttl_is_over() -> None:
    (earlier,) = earlier_answers(NAME, [applied(NOW, change("a", "10.0.0.1", "10.0.0.2"))], None)
    end = NOW + SECOND + timedelta(seconds=60)
    assert earlier.until == end
    old = RRset.of(NAME, "A", 5, ["10.0.0.1"])
    assert earlier.explains("A", old, end + SECOND)
    assert not earlier.explains("A", old, end + 2 * SECOND)
    assert not earlier.explains("A", a("a", "10.0.0.2"), NOW)
    assert not earlier.explains("A", None, NOW)
    assert not earlier.explains("AAAA", None, NOW)


def test_that_there_was_nothing_is_remembered_for_as_long_as_the_zone_says() -> None:
    created = applied(NOW, change("a", None, "10.0.0.2"))
    (earlier,) = earlier_answers(NAME, [created], 900)
    assert earlier.until == NOW + SECOND + timedelta(seconds=900)
    assert earlier.explains("A", None, NOW)
    assert not earlier.explains("A", a("a", "10.0.0.2"), NOW)
    (unknown,) = earlier_answers(NAME, [created], None)
    assert unknown.until is None
    assert unknown.explains("A", None, NOW + timedelta(days=9))


def test_of_several_records_of_a_name_the_longest_counts_and_other_names_do_not() -> None:
    long = RRset.of(NAME, "AAAA", 3600, ["fd00::1"])
    both = (
        change("a", "10.0.0.1", "10.0.0.2"),
        other_type(long),
        change("b", "10.0.0.9", None),
    )
    (earlier,) = earlier_answers(NAME, [applied(NOW, *both)], None)
    assert (earlier.until, set(earlier.records)) == (NOW + SECOND + timedelta(seconds=3600), {"A", "AAAA"})
    (mixed,) = earlier_answers(NAME, [applied(NOW, both[0], other_type(None))], None)
    assert mixed.until is None  # for how long nothing is remembered is not known


def other_type(before: RRset | None) -> object:
    """A change of the name's AAAA."""
    return SimpleNamespace(type="AAAA", name=NAME, before=before, writes=True)


def test_who_was_behind_then_caught_up_with_the_next_apply_at_the_latest() -> None:
    first = applied(NOW - timedelta(days=1), change("a", "10.0.0.1", "10.0.0.2"), after_ms=None)
    then = applied(NOW, change("a", "10.0.0.2", "10.0.0.3"))
    newest, older = earlier_answers(NAME, [first, then], None)
    assert (newest.until, older.until) == (NOW + SECOND + timedelta(seconds=60),) * 2
    behind = applied(NOW, change("a", "10.0.0.2", "10.0.0.3"), after_ms=None)
    assert [one.until for one in earlier_answers(NAME, [first, behind], None)] == [None, None]


# --- deleted names

GONE = change("gone", "10.0.0.8", None)


@pytest.mark.parametrize(
    ("answers", "gone", "instead"),
    [
        ([(f"gone.{ZONE}", "A", "NXDOMAIN", None, ())], True, ()),
        ([(f"gone.{ZONE}", "A", "NOERROR", None, ())], True, ()),
        ([(f"gone.{ZONE}", "A", "NOERROR", 60, ("10.0.0.9",))], True, ("10.0.0.9",)),
        ([(f"gone.{ZONE}", "A", "NOERROR", 60, ("10.0.0.8",))], False, ("10.0.0.8",)),
        ([(f"gone.{ZONE}", "A", "SERVFAIL", None, ())], None, ()),
        ([(f"other.{ZONE}", "A", "NXDOMAIN", None, ())], None, ()),
        ([(f"gone.{ZONE}", "TXT", "NXDOMAIN", None, ())], None, ()),
        ([], None, ()),
    ],
)
def test_a_deleted_name_is_gone_where_that_was_seen(
    answers: list[tuple[str, str, str, int | None, tuple[str, ...]]], gone: bool | None, instead: tuple[str, ...]
) -> None:
    (departure,) = departures(
        [GONE, change("a", "10.0.0.1", "10.0.0.2")],
        [server("primary", 0, *(RecordedAnswer(*answer) for answer in answers))],
    )
    assert (departure.name, departure.servers) == (GONE.name, (GoneFrom("primary", "primary", gone, instead),))


def test_a_name_that_changes_its_type_is_not_deleted() -> None:
    swapped = SimpleNamespace(name=GONE.name, type="CNAME", before=None, after=object(), writes=True)
    assert departures([GONE, swapped], [server()]) == ()  # type: ignore[list-item]


# --- the fence of break-glass


@pytest.mark.parametrize(
    ("anchored", "head", "open_intent", "expected"),
    [
        (0, 1, None, {*range(1, 9), *range(2, 10)}),
        (40, 42, None, {*range(41, 49), *range(43, 51)}),
        (40, 42, 41, {*range(41, 51)}),
        (50, 42, 41, {41, *range(51, 59)}),
    ],
)
def test_numbers_that_an_applier_asleep_may_have_are_closed(
    anchored: int, head: int, open_intent: int | None, expected: set[int]
) -> None:
    assert RESERVED_CLAIMS == 8
    assert reserved_numbers(anchored, head, open_intent) == tuple(sorted(expected))


def test_an_anchor_says_whose_entry_it_is() -> None:
    assert str(Anchor(7, "a" * 64)) == "entry 7"
    assert str(Anchor(7, "a" * 64, "ab" * 6)) == f"entry 7 of break-glass segment {'ab' * 6}"


# --- earlier moves


def test_the_last_move_is_the_newest_cutover_that_reached_the_zone() -> None:
    log = Paper.started().intend(change("a", None, "10.0.0.1")).finish()
    log.intend(change("a", "10.0.0.1", "10.0.0.2"), change("b", None, "10.0.0.5")).finish()
    log.intend(change("b", "10.0.0.5", "10.0.0.6")).finish()
    log.intend(change("a", "10.0.0.2", "10.0.0.3")).finish(outcome="failed")
    read = log.read().log
    assert read is not None
    moves = moves_of(read, NOW)
    assert moves is not None
    assert moves.last(NAME) == LastMove(START, frozenset({("A", ("10.0.0.1",))}))
    assert moves.last(f"b.{ZONE}") == LastMove(START, frozenset({("A", ("10.0.0.5",))}))
    assert moves.last(f"c.{ZONE}") is None
    assert moves_of(None, NOW) is None
