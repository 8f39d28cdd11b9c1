"""What a freeze stops of a plan, and for how long."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hyops_gitops.core.authority import Freeze
from hyops_gitops.core.contract import Contract, Target, TargetType
from hyops_gitops.core.declaration import Trailer
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.guards import Override
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.zone import RRset, Zone
from hyops_gitops.plan.freezes import coming_freezes, frozen, kinds_of
from hyops_gitops.plan.limits import Limits
from hyops_gitops.plan.plan import Plan
from hyops_gitops.plan.planning import Inputs, make_plan
from tests.support.plans import LOOSE, guards
from tests.support.strategies import APEX, contract_of, managed_of

NOW = datetime(2026, 12, 24, 3, 0, tzinfo=UTC)
AUTHORITY = f"authority/{APEX}.yaml"
A = f"a.prod.{APEX}"


def window(start_h: float = -1, end_h: float = 1, *, reason: str = "why", **more: tuple[str, ...]) -> Freeze:
    fields = {"environments": (), "passes": ("incident",), **more}
    return Freeze(NOW + timedelta(hours=start_h), NOW + timedelta(hours=end_h), reason, **fields)


def at(service: str, address: str, env: str = "prod") -> Contract:
    return contract_of(service, Target(TargetType.HOST, (address,), 1), 60, env)


def planned(
    before: list[Contract], after: list[Contract], *texts: str, live: Zone | None = None
) -> tuple[Plan, ManagedSet, tuple[Override, ...]]:
    applied, overrides = managed_of(tuple(before)), tuple(map(Override.parse, texts))
    zone = Zone.of(APEX, applied.zone.rrsets.values()) if live is None else live
    return make_plan(Inputs(applied, tuple(after), {}, zone, LOOSE, overrides)), applied, overrides


def stopped(
    before: list[Contract],
    after: list[Contract],
    *freezes: Freeze,
    overrides: tuple[str, ...] = (),
    kind: str | None = None,
    live: Zone | None = None,
    limits: Limits = LOOSE,
    now: datetime = NOW,
) -> Plan:
    plan, applied, given = planned(before, after, *overrides, live=live)
    return frozen(plan, applied, replace(limits, freezes=freezes), given, lambda _: kind, now)


MOVED = [at("a", "10.0.0.1")], [at("a", "10.0.0.2")]


def test_a_change_is_refused_until_the_window_ends() -> None:
    (refusal,) = stopped(*MOVED, window(reason="year's end")).refusals
    assert (refusal.guard, refusal.name) == ("freeze", A)
    assert refusal.message == f"{A} will be refused until 2026-12-24T04:00:00Z, by a freeze: year's end"
    lift = f"--override freeze:{A}='REASON'"
    assert refusal.hint == f"apply again after that (kinds that pass: incident); if this is right: {lift}"


@pytest.mark.parametrize(
    ("moment", "expected"),
    [(-3601, []), (-3600, ["freeze"]), (3599, ["freeze"]), (3600, [])],
    ids=["before", "its first second", "its last", "its end"],
)
def test_a_window_begins_with_its_first_second_and_ends_before_its_end(moment: int, expected: list[str]) -> None:
    assert guards(stopped(*MOVED, window(), now=NOW + timedelta(seconds=moment))) == expected


def test_creating_and_deleting_are_changes() -> None:
    both = stopped([at("a", "10.0.0.1")], [at("b", "10.0.0.1")], window())
    assert [refusal.name for refusal in both.refusals] == [A, f"b.prod.{APEX}"]


def test_other_environments_and_kinds_that_pass_are_not_stopped() -> None:
    assert guards(stopped(*MOVED, window(environments=("dev", "shared")))) == []
    assert guards(stopped(*MOVED, window(environments=("prod",)))) == ["freeze"]
    assert guards(stopped(*MOVED, window(), kind="incident")) == []
    assert guards(stopped(*MOVED, window(), kind="maintenance")) == ["freeze"]
    assert guards(stopped(*MOVED, window(passes=()), kind="incident")) == ["freeze"]


def test_what_writes_no_dns_passes() -> None:
    there = Zone.of(APEX, (rrset for contract in MOVED[1] for rrset in contract.rrsets()))
    assert [change.action for change in stopped([], MOVED[1], window(), live=there).changes] == ["adopt"]
    assert guards(stopped([], MOVED[1], window(), live=there)) == []
    assert guards(stopped(*MOVED, window(), live=there)) == []
    gone = stopped(
        [*MOVED[0], at("b", "10.0.0.1")], [at("b", "10.0.0.1")], window(), live=managed_of((at("b", "10.0.0.1"),)).zone
    )
    assert ([change.action for change in gone.changes], guards(gone)) == (["forget"], [])


def test_what_brings_the_recorded_records_back_passes_and_what_changes_them_as_well_does_not() -> None:
    live = Zone.of(APEX, [RRset.of(A, "A", 60, ("10.0.0.9",))])
    drift = f"drift:{A}=somebody's hand"
    mended = stopped(MOVED[0], MOVED[0], window(), overrides=(drift,), live=live)
    assert ([change.action for change in mended.changes], guards(mended)) == (["replace"], [])
    assert guards(stopped(*MOVED, window(), overrides=(drift,), live=live)) == ["freeze"]


def test_a_zone_that_went_back_may_be_brought_to_what_was_applied_last() -> None:
    older, applied = (managed_of(tuple(contracts)) for contracts in MOVED)
    plan = make_plan(
        Inputs(older, tuple(MOVED[1]), {}, Zone.of(APEX, older.zone.rrsets.values()), LOOSE, applied=applied)
    )
    limits = replace(LOOSE, freezes=(window(),))
    assert (
        [change.action for change in plan.changes],
        guards(frozen(plan, applied, limits, (), lambda _: None, NOW)),
    ) == (
        ["replace"],
        [],
    )


def test_an_override_lifts_it_for_one_name() -> None:
    both = [at("a", "10.0.0.1"), at("b", "10.0.0.1")], [at("a", "10.0.0.2"), at("b", "10.0.0.2")]
    left = stopped(*both, window(), overrides=(f"freeze:{A}=the board agreed",))
    assert [refusal.name for refusal in left.refusals] == [f"b.prod.{APEX}"]
    forbidden = stopped(*MOVED, window(), overrides=(f"freeze:{A}=x",), limits=replace(LOOSE, overridable=frozenset()))
    assert [refusal.hint for refusal in forbidden.refusals] == [
        "policy.overridable does not list freeze, so nothing lifts it"
    ]


def test_windows_that_overlap_or_follow_each_other_are_one() -> None:
    chain = window(1, 3, reason="c"), window(-2, 0.5, reason="a"), window(-1, 1, reason="b"), window(4, 9, reason="d")
    (refusal,) = stopped(*MOVED, *chain).refusals
    assert refusal.message == f"{A} will be refused until 2026-12-24T06:00:00Z, by a freeze: a; b"
    passing = stopped(*MOVED, window(), window(passes=("drill",))).refusals[0]
    assert "kinds that pass" not in passing.hint


def test_a_window_of_the_last_applied_policy_counts_like_one_of_this() -> None:
    limits = replace(LOOSE, freezes=(window(),)).stricter(replace(LOOSE, freezes=(window(), window(5, 6))))
    assert limits.freezes == (window(), window(5, 6))


def test_windows_that_begin_soon_are_noted_where_they_would_stop_something() -> None:
    plan, applied, _ = planned(*MOVED)
    soon, later = window(48, 72, reason="the audit"), window(24 * 8, 24 * 9)
    limits = replace(LOOSE, freezes=(soon, later, window(2, 3, environments=("dev",)), window()))
    (note,) = coming_freezes(plan, applied, limits, lambda _: None, NOW)
    when = "from 2026-12-26T03:00:00Z until 2026-12-27T03:00:00Z"
    assert note.message == f"will be refused {when}, by a freeze (the audit): changes of 1 name"
    assert coming_freezes(plan, applied, limits, lambda _: "incident", NOW) == ()


def commit(name: str, *paths: str, kind: str = "", arrived_with: str | None = None) -> CommitInfo:
    trailers = (Trailer(name, "Hyops-Kind", kind),) if kind else ()
    return CommitInfo(name, name, "Ann", NOW, paths, trailers=trailers, arrived_with=arrived_with)


def test_the_kind_of_a_change_is_that_of_the_newest_commit_that_made_it() -> None:
    kind_of = kinds_of([commit("1", "a", kind="incident"), commit("2", "a", "b"), commit("3", "b", kind="drill")], "x")
    assert (kind_of("a"), kind_of("b"), kind_of("c")) == (None, "drill", None)


def test_what_no_commit_changed_follows_from_the_authority_file() -> None:
    kind_of = kinds_of([commit("1", AUTHORITY, kind="incident"), commit("2", "a")], AUTHORITY)
    assert (kind_of("a"), kind_of("b")) == (None, "incident")


def test_a_branch_that_main_was_fast_forwarded_to_has_one_kind() -> None:
    branch = commit("1", "a", arrived_with="3"), commit("2", kind="incident", arrived_with="3"), commit("3")
    assert kinds_of(branch, AUTHORITY)("a") == "incident"
