"""Assertions about the zone after a whole change."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from hyops_gitops.core.authority import Assertions
from hyops_gitops.core.contract import Alias, Contract, Target, TargetType
from hyops_gitops.core.guards import Override
from hyops_gitops.core.zone import Zone
from hyops_gitops.plan.assertions import LastMove, Moves, Sides
from hyops_gitops.plan.plan import Plan
from hyops_gitops.plan.planning import Inputs, make_plan
from tests.support.plans import LOOSE, guards
from tests.support.strategies import APEX, contract_of, managed_of

ONPREM, GCP = "10.0.0.1", "10.0.0.2"
NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)


def name(service: str, env: str = "prod") -> str:
    return f"{service}.{env}.{APEX}"


def at(service: str, address: str, env: str = "prod", *, sites: bool = True) -> Contract:
    made = contract_of(service, Target(TargetType.HOST, (address,), 1), 60, env)
    places = {"onprem": ONPREM, "gcp": GCP} if sites else {}
    return replace(made, sites={site: Target(TargetType.HOST, (value,), 1) for site, value in places.items()})


def plan(
    before: list[Contract],
    after: list[Contract],
    assertions: Assertions,
    *overrides: str,
    last: Mapping[str, LastMove] | None = None,
    held: Mapping[str, str] | None = None,
) -> Plan:
    recorded = managed_of(tuple(before))
    given = tuple(Override.parse(text) for text in overrides)
    moves = Moves(NOW, (last or {}).get)
    limits = replace(LOOSE, assertions=assertions)
    zone = Zone.of(APEX, recorded.zone.rrsets.values())
    return make_plan(Inputs(recorded, tuple(after), held or {}, zone, limits, given, moves=moves))


def moved(*services: str, to: str, env: str = "prod") -> list[Contract]:
    return [at(service, to, env) for service in services]


def test_so_many_endpoints_of_an_environment_may_move() -> None:
    two, three = ("a", "b"), ("a", "b", "c")
    most = Assertions({"prod": 2, "dev": 0})
    assert guards(plan(moved(*two, to=ONPREM), moved(*two, to=GCP), most)) == []
    assert guards(plan(moved(*three, to=ONPREM), moved(*three, to=GCP), most)) == ["max-environment-cutovers"]
    lifted = plan(moved(*three, to=ONPREM), moved(*three, to=GCP), most, "max-environment-cutovers=a drill")
    assert guards(lifted) == []
    dev = plan(moved("a", to=ONPREM, env="dev"), moved("a", to=GCP, env="dev"), most)
    assert [refusal.guard for refusal in dev.refusals] == ["max-environment-cutovers"]


def test_creating_deleting_and_ttls_are_no_moves() -> None:
    most = Assertions({"prod": 0})
    assert guards(plan([at("a", ONPREM)], [replace(at("a", ONPREM), ttl=30), at("b", GCP)], most)) == []
    assert guards(plan([at("a", ONPREM), at("b", GCP)], [at("a", ONPREM)], most)) == []


def sides(address: str) -> Sides:
    return frozenset({("A", (address,))})


@pytest.mark.parametrize(
    ("minutes_ago", "was_before", "expected"),
    [(10, "10.0.0.9", ["anti-flap"]), (31, "10.0.0.9", []), (10, GCP, [])],
    ids=["too soon", "long ago", "back to where it was"],
)
def test_an_endpoint_does_not_move_to_and_fro(minutes_ago: int, was_before: str, expected: list[str]) -> None:
    last = {name("a"): LastMove(NOW - timedelta(minutes=minutes_ago), sides(was_before))}
    rule = Assertions(anti_flap_minutes=30)
    assert guards(plan([at("a", ONPREM)], [at("a", GCP)], rule, last=last)) == expected
    lifted = plan([at("a", ONPREM)], [at("a", GCP)], rule, f"anti-flap:{name('a')}=it must", last=last)
    assert guards(lifted) == []


TOGETHER = Assertions(move_together=((name("a"), name("b")),))


def test_what_belongs_together_ends_up_at_one_site() -> None:
    both = moved("a", "b", to=ONPREM)
    assert guards(plan(both, moved("a", "b", to=GCP), TOGETHER)) == []
    left = plan(both, [at("a", GCP), at("b", ONPREM)], TOGETHER)
    assert [(one.guard, one.name) for one in left.refusals] == [("move-together", name("b"))]
    assert f"--override move-together:{name('b')}='REASON'" in left.refusals[0].hint
    lifted = plan(both, [at("a", GCP), at("b", ONPREM)], TOGETHER, f"move-together:{name('b')}=it follows")
    assert guards(lifted) == []


def test_one_that_follows_to_where_the_other_is_already_is_right() -> None:
    assert guards(plan([at("a", ONPREM), at("b", GCP)], [at("a", GCP), at("b", GCP)], TOGETHER)) == []


def test_the_state_after_the_change_counts_not_the_contract() -> None:
    held = {"endpoints/prod/b.yaml": "held"}
    made = plan(moved("a", "b", to=ONPREM), moved("a", "b", to=GCP), TOGETHER, held=held)
    assert [(one.guard, one.name) for one in made.refusals] == [("move-together", name("b"))]


def test_where_sites_are_not_known_all_have_to_move() -> None:
    before = [at("a", ONPREM, sites=False), at("b", "10.0.0.7", sites=False)]
    both = [at("a", GCP, sites=False), at("b", "10.0.0.8", sites=False)]
    assert guards(plan(before, both, TOGETHER)) == []
    assert guards(plan(before, [both[0], before[1]], TOGETHER)) == ["move-together"]


def test_a_group_with_somebody_unknown_protects_all_the_same() -> None:
    assert guards(plan([at("a", ONPREM)], [at("a", GCP)], TOGETHER)) == ["move-together"]


@pytest.mark.parametrize(("follower", "expected"), [(GCP, []), (ONPREM, [name("b")])])
def test_an_old_name_kept_as_alias_stands_for_the_endpoint_that_keeps_it(follower: str, expected: list[str]) -> None:
    renamed = replace(at("c", GCP), aliases=(Alias(name("a"), date(2027, 1, 1)),))
    made = plan(moved("a", "b", to=ONPREM), [renamed, at("b", follower)], TOGETHER)
    assert [one.name for one in made.refusals if one.guard == "move-together"] == expected


def test_nothing_is_asserted_while_nothing_of_a_group_moves() -> None:
    assert guards(plan([at("a", ONPREM), at("b", GCP)], [at("a", ONPREM), at("b", GCP)], TOGETHER)) == []


def test_the_window_ends_at_its_last_minute_and_each_name_has_its_own() -> None:
    rule = Assertions(anti_flap_minutes=30)
    before, after = moved("a", "b", "c", to=ONPREM), moved("a", "b", "c", to=GCP)
    last = {
        name("a"): LastMove(NOW - timedelta(minutes=30), sides("10.0.0.9")),
        name("c"): LastMove(NOW - timedelta(minutes=29, seconds=59), sides("10.0.0.9")),
    }
    (refusal,) = plan(before, after, rule, last=last).refusals
    assert (refusal.guard, refusal.name) == ("anti-flap", name("c"))
    assert refusal.message == f"{name('c')} moved at 2026-03-01T02:30:01Z, less than 30 minutes ago"
    assert guards(plan(before, after, Assertions(), last=last)) == []


def test_where_what_belongs_together_would_be_is_named() -> None:
    both = moved("a", "b", to=ONPREM)

    def messages(after: list[Contract], before: list[Contract] = both) -> list[str]:
        return [refusal.message for refusal in plan(before, after, TOGETHER).refusals]

    together = f"while {name('a')}, which it belongs together with, moves"
    assert messages([at("a", GCP), at("b", ONPREM)]) == [f"{name('b')} would be at onprem {together} to gcp"]
    assert messages([at("a", GCP)], [at("a", ONPREM)]) == [f"{name('b')} has no contract {together} to gcp"]
    nowhere = [at("a", "10.0.0.7"), at("b", ONPREM)]
    assert messages(nowhere) == [f"{name('b')} would stay where it is {together}"]
    apart = [at("a", GCP, sites=False), at("b", ONPREM)]
    assert messages(apart, [at("a", ONPREM, sites=False), at("b", ONPREM)]) == [
        f"{name('b')} would stay where it is {together}"
    ]
    elsewhere = [at("a", GCP), at("b", "10.0.0.7")]
    assert messages(elsewhere, [at("a", ONPREM), at("b", "10.0.0.7")]) == [
        f"{name('b')} would stay where it is {together} to gcp"
    ]
