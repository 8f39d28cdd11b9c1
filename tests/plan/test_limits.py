"""Guards, overrides and caps."""

from dataclasses import replace

import pytest

from hyops_gitops.core.authority import Assertions
from hyops_gitops.core.contract import Contract, Target, TargetType
from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.guards import GUARDS, Override, overridable_guards, override_line
from hyops_gitops.core.zone import RRset, Zone
from hyops_gitops.plan.limits import Limits
from hyops_gitops.plan.plan import GuardRefusal, Plan
from hyops_gitops.plan.planning import Inputs, make_plan
from tests.support.contracts import MINIMAL, validated
from tests.support.plans import LOOSE, guards
from tests.support.strategies import APEX, contract_of, managed_of


def host(service: str, address: str, *, stable: bool = False, **sites: str) -> Contract:
    made = contract_of(service, Target(TargetType.HOST, (address,), 1), 60, stable=stable)
    targets = {site: Target(TargetType.HOST, (value,), 1) for site, value in sites.items()}
    return Contract(**{**{name: getattr(made, name) for name in made.__slots__}, "sites": targets})


def plan(
    before: list[Contract],
    after: list[Contract],
    limits: Limits = LOOSE,
    *overrides: str,
    foreign: tuple[RRset, ...] = (),
    stable: frozenset[str] = frozenset(),
) -> Plan:
    recorded = managed_of(tuple(before))
    observed = Zone.of(APEX, (*recorded.zone.rrsets.values(), *foreign))
    given = tuple(Override.parse(text) for text in overrides)
    return make_plan(Inputs(recorded, tuple(after), {}, observed, limits, given, stable))


def many(number: int, address: str) -> list[Contract]:
    return [host(f"s{index}", address) for index in range(number)]


def limits(**given: int) -> Limits:
    return Limits(
        given.get("max_replaces", 1000),
        given.get("max_deletes", 1000),
        given.get("max_change_percent", 100),
        given.get("max_cutovers", 1000),
        "warn",
        LOOSE.overridable,
    )


def test_replaces_up_to_the_cap() -> None:
    assert guards(plan(many(3, "10.0.0.1"), many(3, "10.0.0.2"), limits(max_replaces=3))) == []


def refused(made: Plan) -> list[tuple[str, str]]:
    return [(one.guard, one.message) for one in made.refusals]


def test_replaces_over_the_cap() -> None:
    made = plan(many(4, "10.0.0.1"), many(4, "10.0.0.2"), limits(max_replaces=3))
    assert refused(made) == [("max-replaces", "4 endpoints would be replaced, policy.max_replaces allows 3")]


def test_deletes_over_the_cap() -> None:
    made = plan(many(4, "10.0.0.1"), many(1, "10.0.0.1"), limits(max_deletes=2))
    assert refused(made) == [("max-deletes", "3 endpoints would be deleted, policy.max_deletes allows 2")]


def test_cutovers_over_the_cap() -> None:
    before, after = (
        [host(f"s{number}", address, onprem="10.0.0.1", gcp="10.0.0.2") for number in range(2)]
        for address in ("10.0.0.1", "10.0.0.2")
    )
    said = "2 endpoints would move between their sites, policy.max_cutovers allows 1"
    assert refused(plan(before, after, limits(max_cutovers=1))) == [("max-cutovers", said)]
    assert guards(plan(before, after, limits(max_cutovers=2))) == []


@pytest.mark.parametrize(
    ("managed", "percent", "refuses"),
    [(9, 0, False), (10, 0, True), (10, 9, True), (10, 10, False), (11, 9, True), (12, 9, False)],
)
def test_one_change_of_so_many_records_is_within_so_many_percent(managed: int, percent: int, refuses: bool) -> None:
    after = [*many(1, "10.0.0.2"), *many(managed, "10.0.0.1")[1:]]
    made = plan(many(managed, "10.0.0.1"), after, limits(max_change_percent=percent))
    assert guards(made) == (["max-change-percent"] if refuses else [])


def test_moves_between_sites_count_against_no_share() -> None:
    before, after = (
        [host(f"s{number}", address, onprem="10.0.0.1", gcp="10.0.0.2") for number in range(10)]
        for address in ("10.0.0.1", "10.0.0.2")
    )
    assert guards(plan(before, after, limits(max_change_percent=0))) == []


def test_what_is_deleted_and_what_is_replaced_count_together_against_the_share() -> None:
    after = [*many(1, "10.0.0.2"), *many(9, "10.0.0.1")[1:]]
    (refusal,) = plan(many(10, "10.0.0.1"), after, limits(max_change_percent=19)).refusals
    assert refusal.message.startswith("2 of 10 managed RRsets (20 %) would change")


def test_a_share_up_to_the_cap_is_allowed_and_said_where_it_is_over() -> None:
    after = [*many(3, "10.0.0.2"), *many(10, "10.0.0.1")[3:]]
    assert guards(plan(many(10, "10.0.0.1"), after, limits(max_change_percent=30))) == []
    (refusal,) = plan(many(10, "10.0.0.1"), after, limits(max_change_percent=29)).refusals
    assert refusal.message == "3 of 10 managed RRsets (30 %) would change, policy.max_change_percent allows 29 %"


def test_a_site_that_is_left_for_an_address_that_is_no_site_is_a_rewrite() -> None:
    before, after = [host("s", "10.0.0.1", onprem="10.0.0.1")], [host("s", "10.0.0.2", onprem="10.0.0.1")]
    tight = limits(max_replaces=0, max_cutovers=0)
    assert guards(plan(before, after, tight)) == ["max-replaces"]
    assert guards(plan(after, before, tight)) == ["max-replaces"]
    known = [host("s", "10.0.0.2", onprem="10.0.0.1", gcp="10.0.0.2")]
    assert guards(plan(before, known, tight)) == ["max-cutovers"]


def test_a_name_that_loses_one_of_two_types_is_no_deleted_endpoint() -> None:
    both = contract_of("s", Target(TargetType.HOST, ("10.0.0.1", "fd00::1"), 1), 60)
    tight = limits(max_deletes=0, max_replaces=1)
    assert guards(plan([both], [host("s", "10.0.0.1")], tight)) == []
    assert guards(plan([both], [host("t", "10.0.0.1")], tight)) == ["max-deletes"]
    swapped = contract_of("s", Target(TargetType.DNS, ("x.example",), 1), 60)
    assert guards(plan([both], [swapped], tight)) == []  # three changes, one replace


def test_what_stays_at_a_site_or_begins_there_is_no_move_between_sites() -> None:
    tight = limits(max_replaces=0, max_cutovers=0)
    at_home = [host("s", "10.0.0.1", onprem="10.0.0.1")]
    assert guards(plan([], at_home, tight)) == []
    slower = [replace(at_home[0], ttl=90)]
    assert guards(plan(at_home, slower, tight)) == ["max-replaces"]


def test_an_endpoint_that_gains_an_address_beside_a_new_one_is_replaced() -> None:
    both = contract_of("s", Target(TargetType.HOST, ("10.0.0.2", "fd00::1"), 1), 60)
    assert guards(plan([host("s", "10.0.0.1")], [both], limits(max_replaces=0))) == ["max-replaces"]


def test_a_held_name_that_is_mended_is_no_deleted_endpoint() -> None:
    before, live = host("s", "10.0.0.1"), RRset.of(f"s.prod.{APEX}", "A", 60, ["10.0.0.2"])
    inputs = Inputs(managed_of((before,)), (), {before.path: "invalid"}, Zone.of(APEX, [live]), limits(max_deletes=0),
                    (Override.parse(f"drift:s.prod.{APEX}=mend"),))  # fmt: skip
    made = make_plan(inputs)
    assert (guards(made), len(made.changes)) == ([], 1)


def test_adopting_and_forgetting_count_against_no_cap() -> None:
    tight = limits(max_deletes=0, max_replaces=0, max_cutovers=0)
    found = [rrset for one in many(3, "10.0.0.2") for rrset in one.rrsets()]
    made = make_plan(Inputs(managed_of(tuple(many(3, "10.0.0.1"))), tuple(many(3, "10.0.0.2")), {},
                            Zone.of(APEX, found), tight))  # fmt: skip
    assert guards(made) == []
    assert len(made.changes) == 3


def test_a_share_of_few_records_means_nothing() -> None:
    assert guards(plan(many(9, "10.0.0.1"), many(9, "10.0.0.2"), limits(max_change_percent=1))) == []


def test_a_share_of_many_records_does() -> None:
    made = plan(many(10, "10.0.0.1"), many(10, "10.0.0.2"), limits(max_change_percent=99))
    said = "10 of 10 managed RRsets (100 %) would change, policy.max_change_percent allows 99 %"
    assert refused(made) == [("max-change-percent", said)]


def test_creating_counts_against_no_cap() -> None:
    strict = limits(max_replaces=0, max_deletes=0, max_change_percent=0, max_cutovers=0)
    assert guards(plan(many(10, "10.0.0.1"), many(30, "10.0.0.1"), strict)) == []


def test_a_swap_of_type_is_one_replace() -> None:
    before = [host("s", "10.0.0.1")]
    after = [contract_of("s", Target(TargetType.DNS, ("a.example",), 1), 60)]
    assert guards(plan(before, after, limits(max_replaces=1, max_deletes=0))) == []


def test_a_move_between_sites_counts_as_a_cutover_only() -> None:
    before = [host("s", "10.0.0.1", onprem="10.0.0.1", gcp="10.0.0.2")]
    after = [host("s", "10.0.0.2", onprem="10.0.0.1", gcp="10.0.0.2")]
    assert guards(plan(before, after, limits(max_replaces=0))) == []
    assert guards(plan(before, after, limits(max_cutovers=0))) == ["max-cutovers"]


def test_a_target_that_is_no_site_counts_as_a_replace() -> None:
    before = [host("s", "10.0.0.9")]
    after = [host("s", "10.0.0.2", onprem="10.0.0.1", gcp="10.0.0.2")]
    assert guards(plan(before, after, limits(max_replaces=0, max_cutovers=0))) == ["max-replaces"]


def test_an_empty_tree_is_refused_at_any_size() -> None:
    message = "there is no contract at all: every managed record would be deleted"
    assert refused(plan([host("s", "10.0.0.1")], [])) == [("empty-tree", message)]


@pytest.mark.parametrize("guard", ["max-replaces", "max-deletes", "max-change-percent", "empty-tree"])
def test_the_override_that_a_refusal_prints_lifts_it(guard: str) -> None:
    before, after = many(12, "10.0.0.1"), [] if guard == "empty-tree" else [host("s0", "10.0.0.2")]
    tight = {
        "max-replaces": limits(max_replaces=0),
        "max-deletes": limits(max_deletes=0),
        "max-change-percent": limits(max_change_percent=0),
    }.get(guard, LOOSE)
    refusal = next(one for one in plan(before, after, tight).refusals if one.guard == guard)
    line = refusal.hint.split("--override ")[1].replace("'REASON'", "because")
    assert guards(plan(before, after, tight, line)) == []


def test_a_name_below_a_delegation_cannot_be_overridden() -> None:
    cut = RRset.of(f"prod.{APEX}", "NS", 60, ["ns.example."])
    assert guards(plan([], [host("s", "10.0.0.1")], foreign=(cut,))) == ["occluded"]


def test_a_broken_promise_warns_or_refuses_as_the_policy_says() -> None:
    before, after = [host("s", "10.0.0.1", stable=True)], [host("s", "10.0.0.2", stable=True)]
    promised = frozenset({after[0].path})
    assert [note.name for note in plan(before, after, stable=promised).notes] == [f"s.prod.{APEX}"]
    enforcing = Limits(1000, 1000, 100, 1000, "enforce", LOOSE.overridable)
    assert guards(plan(before, after, enforcing, stable=promised)) == ["cutover-required"]


def test_no_promise_is_broken_by_another_ttl_or_by_who_promised_nothing() -> None:
    before, after = [host("s", "10.0.0.1", stable=True)], [host("s", "10.0.0.2", stable=True)]
    enforcing = replace(LOOSE, cutover_required="enforce")
    assert guards(plan(before, after, enforcing, stable=frozenset({"endpoints/prod/t.yaml"}))) == []
    slower = contract_of("s", Target(TargetType.HOST, ("10.0.0.1",), 1), 90, stable=True)
    assert guards(plan(before, [slower], enforcing, stable=frozenset({slower.path}))) == []


def test_the_limits_are_those_of_the_policy() -> None:
    policy = """\
policy:
  max_replaces: 1
  max_deletes: 2
  max_change_percent: 3
  max_cutovers: 4
  cutover_required: enforce
  overridable: [drift]
  separation_of_duties: "off"
  readiness_unknown: warn
  readiness_attested_minutes: 5
  assertions: {max_environment_cutovers: {prod: 6}}
"""
    authority = validated({}, MINIMAL + policy.encode()).authority
    assert authority is not None
    assert Limits.of(authority.policy) == Limits(
        1, 2, 3, 4, "enforce", frozenset({"drift"}), "off", "warn", 5, Assertions({"prod": 6})
    )


def test_the_stricter_of_two_policies_asserts_what_both_assert() -> None:
    one = replace(LOOSE, assertions=Assertions({"prod": 3, "dev": 9}, 30, (("a", "b"),)))
    other = replace(LOOSE, readiness_unknown="warn", assertions=Assertions({"prod": 5, "shared": 1}, 10, (("a", "c"),)))
    assert one.stricter(other) == other.stricter(one)
    assert one.stricter(other).assertions == Assertions(
        {"prod": 3, "dev": 9, "shared": 1}, 30, (("a", "b"), ("a", "c"))
    )


def test_the_stricter_of_two_policies_in_every_field() -> None:
    loose = Limits(9, 9, 9, 9, "warn", frozenset({"drift", "held"}), "off", "warn", 60)
    tight = Limits(1, 1, 1, 1, "enforce", frozenset({"drift"}), "enforce", "refuse", 0)
    assert loose.stricter(tight) == tight.stricter(loose) == tight
    assert loose.stricter(loose) == loose
    warning = replace(loose, separation_of_duties="warn")
    assert loose.stricter(warning).separation_of_duties == "warn"
    assert warning.stricter(tight).separation_of_duties == "enforce"


def test_the_stricter_of_two_policies() -> None:
    one = Limits(1, 9, 1, 9, "warn", frozenset({"drift", "foreign"}))
    other = Limits(9, 1, 9, 1, "enforce", frozenset({"drift", "history"}))
    assert one.stricter(other) == other.stricter(one) == Limits(1, 1, 1, 1, "enforce", frozenset({"drift"}))


@pytest.mark.parametrize("guard", sorted(GUARDS))
def test_every_guard_can_be_overridden_or_says_that_it_cannot(guard: str) -> None:
    name = "a.z.internal" if GUARDS[guard].per_name else None
    line = override_line(guard, name).removeprefix("--override ").replace("'REASON'", "because it is so")
    if guard in overridable_guards():
        assert Override.parse(line) == Override(guard, name, "because it is so", "option")
    else:
        with pytest.raises(UsageError, match="no override"):
            Override.parse(line)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("drift", "no guard is called 'drift'|has no reason"),
        ("drift:a.z.internal", "has no reason"),
        ("drift:a.z.internal= ", "has no reason"),
        ("drift=because", "needs a DNS name"),
        ("drift:=because", "needs a DNS name"),
        ("max-deletes:a.z.internal=because", "takes no DNS name"),
        ("all=because", "no guard is called 'all'"),
        ("=because", "no guard is called ''"),
    ],
)
def test_what_is_no_override_is_wrong_usage(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        Override.parse(text)
    assert caught.value.code == "bad-override"
    if "DNS name" in said:
        assert caught.value.hint == ("write drift:NAME=REASON" if "needs" in said else "write max-deletes=REASON")
    else:
        assert caught.value.hint


def test_an_override_lifts_its_own_guard_and_name_where_the_policy_lists_it() -> None:
    used = (Override.parse("drift:a.z.internal=x"), Override.parse("max-deletes=y"))
    lifted = [("drift", "a.z.internal"), ("max-deletes", None)]
    asked = [*lifted, ("drift", "b.z.internal"), ("foreign", "a.z.internal"), ("max-replaces", None), ("drift", None)]
    assert [one for one in asked if LOOSE.lifted(*one, used)] == lifted
    assert not any(replace(LOOSE, overridable=frozenset({"held"})).lifted(*one, used) for one in asked)


def test_no_hint_at_an_override_that_the_policy_does_not_allow() -> None:
    refusal = plan(many(4, "10.0.0.1"), many(4, "10.0.0.2"), limits(max_replaces=3)).refusals[0]
    assert LOOSE.without_forbidden_hint(refusal) == refusal
    closed = replace(LOOSE, overridable=frozenset())
    assert "nothing lifts it" in closed.without_forbidden_hint(refusal).hint
    occluded = GuardRefusal("occluded", "a.z.internal", "x", "rename the endpoint")
    assert closed.without_forbidden_hint(occluded) == occluded


def test_a_reason_may_hold_anything() -> None:
    assert Override.parse("drift:A.Z.internal.= a=b: c ").reason == "a=b: c"
    assert Override.parse("drift:A.Z.internal.=x").name == "a.z.internal"
