"""What readiness means for an apply."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hyops_gitops.core.contract import Target, TargetType
from hyops_gitops.core.guards import Override
from hyops_gitops.core.readiness import ProbeReport, ProbeVerdict, ReadinessReport
from hyops_gitops.core.zone import RRset, Zone
from hyops_gitops.plan.limits import Limits, attested, candidates, guarded
from hyops_gitops.plan.plan import Action, Change, GuardRefusal, Note, Plan
from tests.support.strategies import APEX, contract_of, managed_of

NAME = f"pg.prod.{APEX}"
NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
PLAN = Plan(APEX, Zone.of(APEX, ()), managed_of(()), ())
REFUSING = Limits(1, 1, 1, 1, "warn", frozenset({"readiness"}))
WARNING = Limits(1, 1, 1, 1, "warn", frozenset({"readiness"}), readiness_unknown="warn")


def report(verdict: ProbeVerdict) -> ReadinessReport:
    return ReadinessReport(NAME, ("10.0.0.1",), verdict, (ProbeReport("tcp", "10.0.0.1", 1, verdict, "says so"),))


def judged(one: ReadinessReport, limits: Limits, *overrides: str) -> tuple[int, int]:
    """How many refusals and notes it comes to."""
    plan = guarded(PLAN, [one], limits, [Override.parse(text) for text in overrides])
    assert {refusal.guard for refusal in plan.refusals} <= {"readiness"}
    return len(plan.refusals), len(plan.notes)


@pytest.mark.parametrize(
    ("verdict", "limits", "expected"),
    [
        ("ready", REFUSING, (0, 0)),
        ("not-ready", REFUSING, (1, 0)),
        ("not-ready", WARNING, (1, 0)),
        ("unknown", REFUSING, (1, 0)),
        ("unknown", WARNING, (0, 1)),
    ],
)
def test_what_each_verdict_does(verdict: ProbeVerdict, limits: Limits, expected: tuple[int, int]) -> None:
    assert judged(report(verdict), limits) == expected


def test_an_override_lifts_it_for_its_name_only() -> None:
    assert judged(report("not-ready"), REFUSING, f"readiness:{NAME}=known") == (0, 1)
    assert judged(report("not-ready"), REFUSING, f"readiness:other.prod.{APEX}=known") == (1, 0)


def test_a_policy_that_lists_no_such_guard_cannot_be_overridden() -> None:
    plan = guarded(PLAN, [report("not-ready")], Limits(1, 1, 1, 1, "warn", frozenset()), [])
    assert plan.refusals[0].hint == "policy.overridable does not list readiness, so nothing lifts it"


def test_what_is_not_probed_is_spoken_of() -> None:
    assert judged(ReadinessReport(NAME, ("10.0.0.1",), "not-probed", reason="batch"), REFUSING) == (0, 1)


@pytest.mark.parametrize(("age", "counts"), [(0, True), (60, True), (61, False), (-5, True), (-6, False)])
def test_a_publishers_word_stands_for_an_unknown_readiness_while_it_is_fresh(age: int, *, counts: bool) -> None:
    said = NOW - timedelta(minutes=age)
    vouched = attested(report("unknown"), said, 60, NOW)
    assert vouched.attested == (said if counts else None)
    assert judged(vouched, REFUSING) == ((0, 1) if counts else (1, 0))


def test_a_publishers_word_does_not_count_against_what_probes_saw() -> None:
    assert attested(report("not-ready"), NOW, 60, NOW).attested is None


@pytest.mark.parametrize("seconds", [-1, 0, 1, 299])
def test_a_policy_of_no_minutes_takes_nobodys_word_not_even_of_this_second(seconds: int) -> None:
    assert attested(report("unknown"), NOW + timedelta(seconds=seconds), 0, NOW).attested is None


def test_what_moves_is_probed_and_nothing_else() -> None:
    one = contract_of("pg", Target(TargetType.HOST, ("10.0.0.2",), 5432), 60)
    known = {one.path: one}
    before, now = RRset.of(NAME, "A", 60, ["10.0.0.1"]), RRset.of(NAME, "A", 60, ["10.0.0.2"])
    move = Change(Action.REPLACE, NAME, "A", before, now, one.path, cutover=True)
    assert [candidate.name for candidate in candidates([move, replace(move, type="AAAA")], known.get)] == [NAME]
    for other in (
        replace(move, cutover=False),
        replace(move, action=Action.ADOPT),
        replace(move, action=Action.DELETE, after=None),
        replace(move, contract="endpoints/prod/gone.yaml"),
    ):
        assert candidates([other], known.get) == ()


def test_what_a_plan_says_already_stays_beside_what_readiness_adds() -> None:
    already = replace(PLAN, refusals=(GuardRefusal("drift", NAME, "x", ""),), notes=(Note(NAME, "y"),))
    refused = guarded(already, [report("not-ready")], REFUSING, [])
    assert [one.guard for one in refused.refusals] == ["drift", "readiness"]
    noted = guarded(already, [report("unknown")], WARNING, [])
    assert noted.notes[0].message == "y"
    assert len(noted.notes) == 2


def test_each_verdict_is_said_of_its_name_and_target() -> None:
    two = replace(report("unknown"), target=("10.0.0.1", "10.0.0.2"))
    why = two.why
    reports = [
        report("ready"),
        ReadinessReport(NAME, ("10.0.0.1",), "not-probed", reason="batch"),
        replace(two, attested=NOW),
        two,
        report("not-ready"),
    ]
    plan = guarded(PLAN, reports, REFUSING, [])

    assert plan.notes == (
        Note(NAME, "its new target 10.0.0.1 is not probed: batch"),
        Note(
            NAME,
            "taken for ready at 10.0.0.1 10.0.0.2 "
            f"(attested by its publisher at 2026-03-01T03:00:00Z; probes inconclusive: {why})",
        ),
    )
    assert [(refusal.name, refusal.message) for refusal in plan.refusals] == [
        (NAME, f"whether {NAME} is ready at 10.0.0.1 10.0.0.2 is not known: {why}"),
        (NAME, f"{NAME} is not ready at 10.0.0.1: {report('not-ready').why}"),
    ]
