"""What holds for every plan, whatever else the zone holds: wildcards, empty non-terminals, cuts, disabled records."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from hyops_gitops.core.contract import Contract
from hyops_gitops.core.guards import Override
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.zone import RRset, Zone, served
from hyops_gitops.plan.plan import Action, Plan
from hyops_gitops.plan.planning import CONFLICTING_TYPES, Inputs, Verdict, make_plan, verdict
from hyops_gitops.plan.state import after_changes
from tests.support.strategies import APEX, NO_LIMITS, addresses, contracts, foreign_rrsets, managed_of, ttls, zones

OVERRIDABLE = replace(NO_LIMITS, overridable=frozenset({"drift", "foreign"}))


def plan_of(recorded: ManagedSet, wanted: tuple[Contract, ...], observed: Zone, *overrides: Override) -> Plan:
    return make_plan(Inputs(recorded, wanted, {}, observed, OVERRIDABLE, overrides))


def zone_of(managed: ManagedSet, foreign: list[RRset]) -> Zone:
    return Zone.of(APEX, foreign).with_rrsets(managed.zone.rrsets.values())


@given(contracts(), contracts(), foreign_rrsets(beside=False))
def test_a_plan_gives_what_is_desired_and_leaves_the_rest(
    before: tuple[Contract, ...], after: tuple[Contract, ...], foreign: list[RRset]
) -> None:
    recorded = managed_of(before)
    plan = plan_of(recorded, after, zone_of(recorded, foreign))
    assert plan.refusals == ()
    assert plan.expected_zone().rrsets == zone_of(managed_of(after), foreign).rrsets
    assert after_changes(plan.recorded, plan.changes) == managed_of(after)


@given(contracts(), contracts(), foreign_rrsets(beside=True))
def test_foreign_rrsets_survive_every_plan(
    before: tuple[Contract, ...], after: tuple[Contract, ...], foreign: list[RRset]
) -> None:
    recorded = managed_of(before)
    plan = plan_of(recorded, after, zone_of(recorded, foreign))
    survivors = plan.expected_zone().rrsets
    assert all(survivors[rrset.key] == rrset for rrset in foreign)


@given(contracts(), foreign_rrsets(beside=False))
def test_a_plan_of_equal_zones_is_empty(wanted: tuple[Contract, ...], foreign: list[RRset]) -> None:
    recorded = managed_of(wanted)
    plan = plan_of(recorded, wanted, zone_of(recorded, foreign))
    assert (plan.changes, plan.drift, plan.refusals) == ((), (), ())
    assert plan.expected_zone() == plan.observed


@given(contracts(), contracts(), zones())
def test_whatever_the_zone_holds_the_next_plan_is_empty(
    before: tuple[Contract, ...], after: tuple[Contract, ...], observed: Zone
) -> None:
    plan = plan_of(managed_of(before), after, observed)
    if plan.refusals:
        return
    following = plan_of(after_changes(plan.recorded, plan.changes), after, plan.expected_zone())
    assert (following.changes, following.refusals) == ((), ())


@given(contracts(), contracts(), zones())
def test_with_every_override_our_names_hold_what_contracts_ask_for_and_nothing_in_its_way(
    before: tuple[Contract, ...], after: tuple[Contract, ...], observed: Zone
) -> None:
    ours, wanted = managed_of(before).names() | managed_of(after).names(), managed_of(after).zone
    given_all = [Override(guard, name, "known", "option") for guard in ("drift", "foreign") for name in ours]
    plan = plan_of(managed_of(before), after, observed, *given_all)
    left = plan.expected_zone().rrsets
    assert (plan.drift, plan.refusals) == ((), ())
    assert {key: left[key] for key in left if key[0] in wanted.names() and key[1] in CONFLICTING_TYPES} == wanted.rrsets
    assert not [key for key in left if key[1] != "CNAME" and (key[0], "CNAME") in left]


@given(contracts(), contracts(), zones())
def test_a_plan_names_only_what_contracts_ask_or_asked_for(
    before: tuple[Contract, ...], after: tuple[Contract, ...], observed: Zone
) -> None:
    plan = plan_of(managed_of(before), after, observed)
    ours = managed_of(before).names() | managed_of(after).names()
    assert {change.name for change in plan.changes} <= ours


@given(contracts(), contracts(), zones())
def test_the_apex_is_never_changed(before: tuple[Contract, ...], after: tuple[Contract, ...], observed: Zone) -> None:
    assert all(change.name != APEX for change in plan_of(managed_of(before), after, observed).changes)


@given(contracts(), contracts(), foreign_rrsets())
def test_the_order_of_the_contracts_does_not_matter(
    before: tuple[Contract, ...], after: tuple[Contract, ...], foreign: list[RRset]
) -> None:
    recorded = managed_of(before)
    observed = zone_of(recorded, foreign)
    assert plan_of(recorded, after, observed).digest() == plan_of(recorded, after[::-1], observed).digest()


@given(contracts(), contracts(), zones())
def test_the_changes_say_what_the_zone_holds(
    before: tuple[Contract, ...], after: tuple[Contract, ...], observed: Zone
) -> None:
    for change in plan_of(managed_of(before), after, observed).changes:
        assert change.before == observed.rrsets.get(change.key)
        assert (change.action is Action.CREATE) == (change.before is None and change.after is not None)
        assert change.writes == (change.before != change.after)


sides = st.one_of(
    st.none(),
    st.builds(lambda ttl, address: RRset.of(f"a.{APEX}", "A", ttl, [address]), ttls, addresses),
    st.just(RRset.of(f"a.{APEX}", "A", 60, ["10.0.0.1"])),
    st.just(RRset.of(f"a.{APEX}", "A", 60, ["10.0.0.1"], disabled=["10.0.0.2"])),
)


@given(sides, sides, sides)
def test_the_table_has_one_answer_for_every_three_sides(
    recorded: RRset | None, desired: RRset | None, observed: RRset | None
) -> None:
    what = verdict(recorded, desired, observed)
    if recorded is None and desired is None:
        assert what in (Verdict.NOTHING, Verdict.UNMANAGED)
    elif served(desired) == served(observed):
        assert what in (Verdict.NOTHING, Verdict.ADOPT, Verdict.FORGET)
    elif observed == recorded:
        assert what is Verdict.CHANGE
    elif desired == recorded:
        assert what is Verdict.DRIFT
    else:
        assert what in (Verdict.CONFLICT, Verdict.FOREIGN)


@given(zones())
def test_a_zone_file_reads_back_as_the_zone_that_is_served(zone: Zone) -> None:
    read = Zone.parse(APEX, zone.text())
    assert read.text() == zone.text()
    assert read.digest() == zone.digest()


@given(contracts())
def test_a_state_file_reads_back_as_the_managed_set(wanted: tuple[Contract, ...]) -> None:
    managed = managed_of(wanted)
    assert ManagedSet.parse(APEX, managed.text()) == managed


@given(zones(), zones())
def test_equal_digests_mean_equal_served_zones(one: Zone, other: Zone) -> None:
    assert (one.digest() == other.digest()) == (set(one.lines()) == set(other.lines()))
