"""The planner's table and what it makes of each verdict, one small zone a test."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyops_gitops.core.contract import Alias, Contract, Target, TargetType
from hyops_gitops.core.guards import Override, overridable_guards
from hyops_gitops.core.managed import ManagedRRset, ManagedSet
from hyops_gitops.core.zone import RRset, Zone
from hyops_gitops.plan.desired import Unread, leads_to
from hyops_gitops.plan.limits import Limits
from hyops_gitops.plan.plan import Action, Change, Drift, Held, Note, Plan
from hyops_gitops.plan.planning import Inputs, Verdict, make_plan, verdict
from hyops_gitops.plan.text import plan_lines
from tests.support.strategies import APEX, contract_of, managed_of

NAME = f"s.prod.{APEX}"
LOOSE = Limits(1000, 1000, 100, 1000, "warn", frozenset(overridable_guards()))


def a(*addresses: str, ttl: int = 60) -> RRset:
    return RRset.of(NAME, "A", ttl, addresses)


ONE, TWO, THREE = a("10.0.0.1"), a("10.0.0.2"), a("10.0.0.3")


def host(*addresses: str, service: str = "s") -> Contract:
    return contract_of(service, Target(TargetType.HOST, addresses, 1), 60)


def plan(
    before: list[Contract],
    after: list[Contract],
    observed: list[RRset],
    *overrides: str,
    held: tuple[str, ...] = (),
    limits: Limits = LOOSE,
) -> Plan:
    given = tuple(Override.parse(text) for text in overrides)
    why = dict.fromkeys(held, "it is held")
    zone = Zone.of(APEX, observed)
    return make_plan(Inputs(managed_of(tuple(before)), tuple(after), why, zone, limits, given))


def done(made: Plan) -> list[tuple[Action, str, str]]:
    return [(change.action, change.name, change.type) for change in made.changes]


def refused(made: Plan) -> list[tuple[str, str | None]]:
    return [(one.guard, one.name) for one in made.refusals]


@pytest.mark.parametrize(
    ("recorded", "desired", "observed", "expected"),
    [
        (None, None, None, Verdict.NOTHING),
        (None, None, ONE, Verdict.UNMANAGED),
        (ONE, ONE, ONE, Verdict.NOTHING),
        (None, ONE, ONE, Verdict.ADOPT),
        (TWO, ONE, ONE, Verdict.ADOPT),
        (ONE, None, None, Verdict.FORGET),
        (None, ONE, None, Verdict.CHANGE),
        (ONE, TWO, ONE, Verdict.CHANGE),
        (ONE, None, ONE, Verdict.CHANGE),
        (ONE, ONE, TWO, Verdict.DRIFT),
        (ONE, ONE, None, Verdict.DRIFT),
        (None, ONE, TWO, Verdict.FOREIGN),
        (ONE, TWO, THREE, Verdict.CONFLICT),
        (ONE, TWO, None, Verdict.CONFLICT),
        (ONE, None, TWO, Verdict.CONFLICT),
        (ONE, a("10.0.0.1", ttl=61), ONE, Verdict.CHANGE),
    ],
)
def test_the_table(recorded: RRset | None, desired: RRset | None, observed: RRset | None, expected: Verdict) -> None:
    assert verdict(recorded, desired, observed) is expected


@pytest.mark.parametrize(
    ("before", "after", "observed", "expected"),
    [
        ([], [host("10.0.0.1")], [], Action.CREATE),
        ([], [host("10.0.0.1")], [ONE], Action.ADOPT),
        ([host("10.0.0.1")], [host("10.0.0.2")], [ONE], Action.REPLACE),
        ([host("10.0.0.1")], [host("10.0.0.9", service="t")], [ONE], Action.DELETE),
        ([host("10.0.0.1")], [host("10.0.0.9", service="t")], [], Action.FORGET),
    ],
)
def test_what_is_done(before: list[Contract], after: list[Contract], observed: list[RRset], expected: Action) -> None:
    made = plan(before, after, observed)
    assert made.refusals == ()
    assert (expected, NAME, "A") in done(made)


def test_drift_is_left_alone_and_told() -> None:
    made = plan([host("10.0.0.1")], [host("10.0.0.1")], [TWO])
    assert (done(made), refused(made)) == ([], [])
    assert made.drift == (Drift(NAME, "A", ONE, TWO, host("10.0.0.1").path),)


def test_overridden_drift_is_mended_for_its_name_alone() -> None:
    contracts = [host("10.0.0.1"), host("10.0.0.1", service="t")]
    other = RRset.of(f"t.prod.{APEX}", "A", 60, ["10.0.0.2"])
    made = plan(contracts, contracts, [TWO, other], f"drift:{NAME}=mend")
    assert done(made) == [(Action.REPLACE, NAME, "A")]
    assert [one.name for one in made.drift] == [other.name]


@pytest.mark.parametrize(
    ("before", "guard", "observed"),
    [([host("10.0.0.1")], "drift", THREE), ([], "foreign", THREE)],
)
def test_what_nobody_approved_is_refused_unless_overridden(before: list[Contract], guard: str, observed: RRset) -> None:
    after = [host("10.0.0.2")]
    assert refused(plan(before, after, [observed])) == [(guard, NAME)]
    other = "foreign" if guard == "drift" else "drift"
    assert refused(plan(before, after, [observed], f"{other}:{NAME}=no")) == [(guard, NAME)]
    assert refused(plan(before, after, [observed], f"{guard}:t.prod.{APEX}=no")) == [(guard, NAME)]
    made = plan(before, after, [observed], f"{guard}:{NAME}=yes")
    assert (refused(made), done(made)) == ([], [(Action.REPLACE, NAME, "A")])


def test_one_refusal_does_not_hide_another() -> None:
    made = plan([host("10.0.0.1")], [host("10.0.0.2"), host("10.0.0.2", service="t")],
                [THREE, RRset.of(f"t.prod.{APEX}", "A", 60, ["10.0.0.9"])])  # fmt: skip
    assert refused(made) == [("drift", NAME), ("foreign", f"t.prod.{APEX}")]


@pytest.mark.parametrize("rrtype", ["AAAA", "ALIAS", "LUA", "SVCB", "HTTPS"])
def test_a_conflicting_neighbour_of_a_change_is_foreign_and_of_a_name_at_rest_drift(rrtype: str) -> None:
    rdata = {"AAAA": "fd00::9", "LUA": "A \"ifportup(443, {'10.0.0.9'})\"", "ALIAS": "x.example."}
    beside = RRset.of(NAME, rrtype, 60, [rdata.get(rrtype, "1 x.example.")])
    moved = plan([host("10.0.0.1")], [host("10.0.0.2")], [ONE, beside])
    assert refused(moved) == [("foreign", NAME)]
    resting = plan([host("10.0.0.1")], [host("10.0.0.1")], [ONE, beside])
    assert (refused(resting), [one.type for one in resting.drift]) == ([], [rrtype])
    cleared = plan([host("10.0.0.1")], [host("10.0.0.1")], [ONE, beside], f"drift:{NAME}=clear")
    assert done(cleared) == [(Action.DELETE, NAME, rrtype)]


def test_a_neighbour_of_a_refused_name_is_foreign_too_and_each_override_lifts_its_own() -> None:
    beside = RRset.of(NAME, "AAAA", 60, ["fd00::9"])
    before, after = [host("10.0.0.1")], [host("10.0.0.2")]
    assert refused(plan(before, after, [THREE, beside])) == [("drift", NAME), ("foreign", NAME)]
    made = plan(before, after, [ONE, beside], f"foreign:{NAME}=ours")
    assert [(one.action, one.type, one.cutover) for one in made.changes] == [
        (Action.REPLACE, "A", True),
        (Action.DELETE, "AAAA", False),
    ]


def test_a_refusal_says_all_three_sides() -> None:
    gone = plan([host("10.0.0.1")], [host("10.0.0.2")], [])
    assert [one.message for one in gone.refusals] == [
        f"{NAME} A: approved 10.0.0.1 (TTL 60) -> 10.0.0.2 (TTL 60), live is nothing"
    ]
    otherwise = plan([host("10.0.0.1")], [host("10.0.0.2")], [THREE])
    assert [one.message for one in otherwise.refusals] == [
        f"{NAME} A: approved 10.0.0.1 (TTL 60) -> 10.0.0.2 (TTL 60), live is 10.0.0.3 (TTL 60)"
    ]
    switched_off = RRset.of(NAME, "A", 60, [], disabled=["10.0.0.3"])
    found = plan([], [host("10.0.0.2")], [switched_off])
    assert [one.message for one in found.refusals] == [
        f"{NAME} already has a A that no contract owns: nothing served (disabled: 10.0.0.3, which a write would remove)"
    ]


def test_an_alias_moves_with_its_endpoint_and_a_rename_moves_nothing() -> None:
    old, alias = f"old.prod.{APEX}", contract_of("s", Target(TargetType.HOST, ("10.0.0.1",), 1), 60)

    def with_alias(address: str) -> ManagedSet:
        target = RRset.of(old, "CNAME", 60, [f"{NAME}."])
        return ManagedSet.of(APEX, (ManagedRRset(a(address), alias.path), ManagedRRset(target, alias.path)))

    renamed = ManagedSet.of(APEX, [ManagedRRset(RRset.of(old, "A", 60, ["10.0.0.1"]), "endpoints/prod/old.yaml")])
    here, there = with_alias("10.0.0.1"), with_alias("10.0.0.2")
    assert target_of(old, renamed) == target_of(old, here) == {"10.0.0.1"}
    assert target_of(old, there) == {"10.0.0.2"}
    plain = contract_of("s", Target(TargetType.DNS, ("x.example",), 1), 60)
    other = contract_of("s", Target(TargetType.DNS, ("y.example",), 1), 60)
    assert target_of(NAME, managed_of((plain,))) != target_of(NAME, managed_of((other,)))


def target_of(name: str, managed: ManagedSet) -> frozenset[str]:
    return leads_to(name, managed.entries.at, APEX)


def test_text_beside_an_address_is_nobodys_business_but_beside_a_cname_it_is() -> None:
    text = RRset.of(NAME, "TXT", 60, ['"x"'])
    alias = contract_of("s", Target(TargetType.DNS, ("x.example",), 1), 60)
    assert refused(plan([host("10.0.0.1")], [host("10.0.0.2")], [ONE, text])) == []
    assert refused(plan([host("10.0.0.1")], [alias], [ONE, text])) == [("foreign", NAME)]
    resting = plan([alias], [alias], [*managed_of((alias,)).zone.rrsets.values(), text])
    assert (refused(resting), resting.drift) == ([], ())


def test_deleting_a_name_asks_nobody_about_its_neighbours() -> None:
    made = plan([host("10.0.0.1")], [host("10.0.0.9", service="t")], [ONE, RRset.of(NAME, "AAAA", 60, ["fd00::9"])])
    assert refused(made) == []
    assert (Action.DELETE, NAME, "A") in done(made)


def test_a_held_contract_keeps_what_was_applied_last() -> None:
    made = plan([host("10.0.0.1")], [host("10.0.0.2")], [ONE], held=(host("10.0.0.1").path,))
    assert (done(made), refused(made)) == ([], [])
    assert [(one.name, one.reason) for one in made.held] == [(NAME, "it is held")]


def test_a_tree_whose_only_contract_is_held_is_not_empty() -> None:
    made = plan([host("10.0.0.1")], [], [ONE], held=(host("10.0.0.1").path,))
    assert (done(made), refused(made)) == ([], [])


def test_only_what_is_neither_ours_nor_touched_is_unmanaged() -> None:
    text = RRset.of(NAME, "TXT", 60, ['"x"'])
    assert plan([host("10.0.0.1")], [host("10.0.0.1")], [ONE, text]).unmanaged == 1
    assert plan([], [host("10.0.0.1")], [ONE, text]).unmanaged == 1  # the address is adopted


_RRSETS = st.builds(
    lambda label, rrtype, text: RRset.of(f"{label}.{APEX}", rrtype, 60, [text if rrtype == "A" else f'"{text}"']),
    st.sampled_from("abcdef"),
    st.sampled_from(["A", "TXT"]),
    st.sampled_from(["10.0.0.1", "10.0.0.2"]),
)


@given(st.lists(_RRSETS, max_size=8), st.lists(_RRSETS, max_size=8))
def test_what_is_unmanaged_is_counted_alike_where_contracts_were_not_read(
    ours: list[RRset], others: list[RRset]
) -> None:
    recorded = ManagedSet.of(
        APEX, (ManagedRRset(rrset, "endpoints/prod/s.yaml") for rrset in ours if rrset.type == "A")
    )
    observed = Zone.of(APEX, (*others, *(rrset for rrset in ours if rrset.rdata == ("10.0.0.1",))))
    whole = Inputs(recorded, (), {}, observed, LOOSE)
    lines = replace(
        whole,
        recorded=ManagedSet.parse(APEX, recorded.data),
        observed=Zone.parse(APEX, observed.data),
        unread=Unread(lambda _: None, frozenset(), there=True),
    )
    expected = len([key for key in observed.rrsets if key not in recorded.entries])
    assert make_plan(lines).unmanaged == make_plan(replace(lines, unread=None)).unmanaged == expected


@pytest.mark.parametrize("rrtype", ["NS", "DNAME"])
@pytest.mark.parametrize(("owner", "guards"), [(f"prod.{APEX}", ["occluded"]), (f"other.{APEX}", []), (APEX, [])])
def test_only_a_cut_above_a_name_hides_it(rrtype: str, owner: str, guards: list[str]) -> None:
    cut = RRset.of(owner, rrtype, 60, ["x.example."])
    expected = ["occluded"] if rrtype == "DNAME" and owner == APEX else guards
    assert [guard for guard, _ in refused(plan([], [host("10.0.0.1")], [cut]))] == expected
    assert refused(plan([host("10.0.0.1")], [host("10.0.0.9", service="t")], [ONE])) == []


def test_no_other_record_above_a_name_is_a_cut() -> None:
    assert refused(plan([], [host("10.0.0.1")], [RRset.of(f"prod.{APEX}", "TXT", 60, ['"x"'])])) == []


@pytest.mark.parametrize(("rrtype", "called"), [("NS", "delegation"), ("DNAME", "DNAME")])
def test_a_cut_is_called_what_it_is(rrtype: str, called: str) -> None:
    (refusal,) = plan([], [host("10.0.0.1")], [RRset.of(f"prod.{APEX}", rrtype, 60, ["x.example."])]).refusals
    assert refusal.message == f"{NAME} is below the {called} at prod.{APEX}: its records would never be served"
    assert (refusal.name, refusal.hint) == (NAME, f"remove the {called} at prod.{APEX}, or rename the endpoint")


def test_what_is_deleted_below_a_cut_is_forgotten_since_no_server_could_show_it_gone() -> None:
    cut, other = RRset.of(f"prod.{APEX}", "NS", 60, ["x.example."]), host("10.0.0.9", service="t")
    made = plan([host("10.0.0.1"), other], [other], [ONE, cut, *other.rrsets()])

    assert (done(made), refused(made)) == ([(Action.FORGET, NAME, "A")], [])
    assert [note.name for note in made.notes] == [NAME]
    assert made.expected_zone().rrsets[ONE.key] == ONE
    assert f"x {NAME} A stays unseen below a cut: forgotten" in plan_lines(made)


@pytest.mark.parametrize(
    ("zone", "expected"), [(f"prod.{APEX}", Action.FORGET), ("corp.example", Action.DELETE), (NAME, Action.DELETE)]
)
def test_a_zone_of_the_repository_is_a_cut_too(zone: str, expected: Action) -> None:
    """A server that has both answers from the child, whether the parent delegates or not."""
    inputs = Inputs(managed_of((host("10.0.0.1"),)), (host("10.0.0.9", service="t"),), {}, Zone.of(APEX, [ONE]), LOOSE)
    made = make_plan(replace(inputs, other_zones=(zone,)))

    assert expected in [change.action for change in made.changes if change.name == NAME]


def test_a_move_is_a_cutover_and_a_new_ttl_or_a_first_target_is_not() -> None:
    slower = contract_of("s", Target(TargetType.HOST, ("10.0.0.1",), 1), 90)
    for before, after, expected in (
        ([host("10.0.0.1")], [host("10.0.0.2")], True),
        ([host("10.0.0.1")], [slower], False),
        ([], [host("10.0.0.1")], False),
    ):
        (change,) = plan(before, after, list(managed_of(tuple(before)).zone.rrsets.values())).changes
        assert change.cutover is expected


def test_a_move_found_done_is_a_cutover_and_a_forgotten_name_is_none() -> None:
    (adopted,) = plan([host("10.0.0.1")], [host("10.0.0.2")], [TWO]).changes
    assert (adopted.action, adopted.cutover) == (Action.ADOPT, True)
    swapped = contract_of("s", Target(TargetType.DNS, ("x.example",), 1), 60)
    made = plan([host("10.0.0.1")], [swapped], [])
    assert [(one.action, one.cutover) for one in made.changes if one.type == "A"] == [(Action.FORGET, False)]


def test_what_a_zone_went_back_to_and_is_wanted_is_adopted() -> None:
    """The log has TWO as applied last; a copy brought ONE back, which is what the contract asks for by now."""
    applied, zone = managed_of((host("10.0.0.2"),)), Zone.of(APEX, [ONE])
    rebased = managed_of((host("10.0.0.1"),))
    inputs = Inputs(rebased, (host("10.0.0.1"),), {}, zone, LOOSE, applied=applied)
    held = replace(inputs, held={host("10.0.0.1").path: "it is held"})

    assert done(make_plan(inputs)) == [(Action.ADOPT, ONE.name, "A")]
    assert done(make_plan(replace(inputs, applied=None))) == done(make_plan(held)) == []


def test_what_was_applied_last_and_is_wanted_still_is_not_adopted_again() -> None:
    ours = managed_of((host("10.0.0.1"),))
    inputs = Inputs(ours, (host("10.0.0.1"),), {}, Zone.of(APEX, [ONE]), LOOSE, applied=ours)
    assert done(make_plan(inputs)) == []


def test_what_a_zone_went_back_to_and_is_wanted_no_more_is_deleted() -> None:
    inputs = Inputs(managed_of((host("10.0.0.1"),)), (), {}, Zone.of(APEX, [ONE]), LOOSE,
                    (Override.parse("empty-tree=all gone"),), applied=managed_of(()))  # fmt: skip
    assert done(make_plan(inputs)) == [(Action.DELETE, NAME, "A")]


def test_a_plan_names_the_zones_that_it_was_made_of() -> None:
    recorded, observed = managed_of((host("10.0.0.1"),)), Zone.of(APEX, [ONE])
    made = make_plan(Inputs(recorded, (host("10.0.0.2"),), {}, observed, LOOSE))
    assert (made.zone, made.recorded, made.observed) == (APEX, recorded, observed)
    assert made.expected_zone() == Zone.of(APEX, [TWO])


# --- neighbours


BESIDE = RRset.of(NAME, "AAAA", 60, ["fd00::9"])


def test_a_foreign_neighbour_is_named_with_what_it_holds() -> None:
    (refusal,) = plan([host("10.0.0.1")], [host("10.0.0.2")], [ONE, BESIDE]).refusals
    assert refusal.message == f"{NAME} also has a AAAA that no contract owns: fd00::9 (TTL 60)"


def test_a_neighbour_of_a_name_at_rest_is_drift_of_its_contract() -> None:
    made = plan([host("10.0.0.1")], [host("10.0.0.1")], [ONE, BESIDE])
    assert made.drift == (Drift(NAME, "AAAA", None, BESIDE, host("10.0.0.1").path),)


def test_a_neighbour_that_is_cleared_is_deleted_as_it_was_found() -> None:
    made = plan([host("10.0.0.1")], [host("10.0.0.1")], [ONE, BESIDE], f"drift:{NAME}=clear")
    path = host("10.0.0.1").path
    assert made.changes == (Change(Action.DELETE, NAME, "AAAA", BESIDE, None, path, cutover=False),)
    assert made.expected_zone() == Zone.of(APEX, [ONE])


def test_a_neighbour_that_serves_nothing_is_in_nobodys_way() -> None:
    disabled = RRset.of(NAME, "AAAA", 60, [], disabled=["fd00::9"])
    assert refused(plan([host("10.0.0.1")], [host("10.0.0.2")], [ONE, disabled])) == []


def test_a_neighbour_is_foreign_where_one_of_two_types_changes() -> None:
    before, after = [host("10.0.0.1", "fd00::1")], [host("10.0.0.1", "fd00::2")]
    ours = [ONE, RRset.of(NAME, "AAAA", 60, ["fd00::1"]), RRset.of(NAME, "HTTPS", 60, ["1 x.example."])]
    assert refused(plan(before, after, ours)) == [("foreign", NAME)]


# --- aliases


def renamed(address: str) -> Contract:
    """The endpoint `s` called `t` from now on, its old name an alias."""
    return replace(host(address, service="t"), aliases=(Alias(NAME, date(2027, 1, 1)),))


@pytest.mark.parametrize(("address", "moves"), [("10.0.0.1", False), ("10.0.0.2", True)])
def test_a_name_that_becomes_an_alias_moves_where_its_endpoint_leads_elsewhere(address: str, moves: bool) -> None:
    made = plan([host("10.0.0.1")], [renamed(address)], [ONE])
    assert [(one.action, one.name, one.type, one.cutover) for one in made.changes] == [
        (Action.DELETE, NAME, "A", moves),
        (Action.CREATE, NAME, "CNAME", moves),
        (Action.CREATE, f"t.prod.{APEX}", "A", False),
    ]


@pytest.mark.parametrize(("address", "moves"), [("10.0.0.1", False), ("10.0.0.2", True)])
def test_an_alias_that_becomes_an_endpoint_again_moves_where_it_leads_elsewhere(address: str, moves: bool) -> None:
    before = renamed("10.0.0.1")
    made = plan([before], [host(address)], list(managed_of((before,)).zone.rrsets.values()))
    assert [(one.action, one.type, one.cutover) for one in made.changes if one.name == NAME] == [
        (Action.CREATE, "A", moves),
        (Action.DELETE, "CNAME", moves),
    ]


# --- contracts that were not read


def unread(observed: list[RRset], *, touched: tuple[str, ...] = (), there: bool = True) -> Plan:
    """A plan of which no contract was read but the one of `t`, which is new."""
    left = Unread(lambda _: host("10.0.0.1"), frozenset(touched), there=there)
    contracts = (host("10.0.0.9", service="t"),) if there else ()
    return make_plan(
        Inputs(managed_of((host("10.0.0.1"),)), contracts, {}, Zone.of(APEX, observed), LOOSE, unread=left)
    )


def test_a_contract_that_was_not_read_asks_for_what_is_recorded() -> None:
    assert done(unread([ONE])) == [(Action.CREATE, f"t.prod.{APEX}", "A")]
    assert [one.name for one in unread([TWO]).drift] == [NAME]


def test_a_contract_that_is_gone_asks_for_nothing() -> None:
    made = unread([ONE], touched=(host("10.0.0.1").path,))
    assert done(made) == [(Action.DELETE, NAME, "A"), (Action.CREATE, f"t.prod.{APEX}", "A")]


@pytest.mark.parametrize(("there", "guards"), [(True, []), (False, [("empty-tree", None)])])
def test_a_tree_is_not_empty_where_contracts_were_not_read(there: bool, guards: list[tuple[str, None]]) -> None:
    inputs = Inputs(managed_of((host("10.0.0.1"),)), (), {}, Zone.of(APEX, [ONE]), LOOSE,
                    unread=Unread(lambda _: None, frozenset(), there=there))  # fmt: skip
    assert refused(make_plan(inputs)) == guards


# --- promises and holds


ENFORCING = replace(LOOSE, cutover_required="enforce")


def promised(limits: Limits, *overrides: str, source: str | None = None) -> Plan:
    before, after = host("10.0.0.1"), replace(host("10.0.0.2"), source=source)
    given = tuple(Override.parse(text) for text in overrides)
    zone, stable = Zone.of(APEX, [ONE]), frozenset({after.path})
    return make_plan(Inputs(managed_of((before,)), (after,), {}, zone, limits, given, stable))


@pytest.mark.parametrize(
    ("source", "said"), [(None, "endpoints/prod/s.yaml"), ("platform/postgresql", "platform/postgresql")]
)
def test_a_broken_promise_names_who_gave_it(source: str | None, said: str) -> None:
    message = f"{NAME} moves although {said} promised a stable target"
    assert promised(LOOSE, source=source).notes == (Note(NAME, f"{message} (endpoint_cutover_required: false)"),)
    assert [one.message for one in promised(ENFORCING, source=source).refusals] == [message]


def test_a_promise_may_be_broken_by_the_override_of_its_name_alone() -> None:
    assert refused(promised(ENFORCING, f"cutover-required:{NAME}=known")) == []
    assert refused(promised(ENFORCING, f"cutover-required:t.prod.{APEX}=known")) == [("cutover-required", NAME)]


def test_each_name_of_a_held_contract_is_held_once() -> None:
    both, other = (
        replace(host("10.0.0.1", "fd00::1"), aliases=(Alias(f"old.prod.{APEX}", date(2027, 1, 1)),)),
        host("10.0.0.1", service="a"),
    )
    found = list(managed_of((both, other)).zone.rrsets.values())
    made = plan([both, other], [both, other], found, held=(both.path, other.path))
    assert made.held == (
        Held(f"a.prod.{APEX}", other.path, "it is held"),
        Held(f"old.prod.{APEX}", both.path, "it is held"),
        Held(NAME, both.path, "it is held"),
    )


def test_a_hint_is_left_out_where_the_policy_allows_no_override() -> None:
    closed = replace(LOOSE, overridable=frozenset())
    (refusal,) = plan([], [host("10.0.0.1")], [TWO], limits=closed).refusals
    assert refusal.hint == "policy.overridable does not list foreign, so nothing lifts it"


# --- wildcards


WILDCARD = RRset.of(f"*.prod.{APEX}", "A", 60, ["10.9.9.9"])
TEXT = RRset.of(NAME, "TXT", 60, ['"x"'])
OTHER = RRset.of(f"t.prod.{APEX}", "A", 60, ["10.0.0.9"])


def notes(before: list[Contract], after: list[Contract], observed: list[RRset]) -> tuple[Note, ...]:
    return plan(before, after, observed).notes


def test_a_new_name_hides_a_wildcard() -> None:
    hidden = Note(NAME, f"it is no longer answered by the wildcard *.prod.{APEX}")
    assert notes([], [host("10.0.0.1")], [WILDCARD]) == (hidden,)
    assert notes([], [host("10.0.0.1")], [OTHER]) == ()


def test_a_deleted_name_uncovers_a_wildcard() -> None:
    uncovered = Note(NAME, f"it is answered by the wildcard *.prod.{APEX} from now on")
    other = host("10.0.0.9", service="t")
    assert notes([host("10.0.0.1"), other], [other], [WILDCARD, ONE, OTHER]) == (uncovered,)


def test_a_name_that_stays_in_the_zone_neither_hides_nor_uncovers_one() -> None:
    other = host("10.0.0.9", service="t")
    assert notes([host("10.0.0.1"), other], [other], [WILDCARD, ONE, TEXT, OTHER]) == ()
    assert notes([other], [host("10.0.0.1"), other], [WILDCARD, TEXT, OTHER]) == ()
    assert notes([host("10.0.0.1")], [host("10.0.0.2")], [WILDCARD, ONE]) == ()
    swapped = contract_of("s", Target(TargetType.DNS, ("x.example",), 1), 60)
    assert notes([host("10.0.0.1")], [swapped], [WILDCARD, ONE]) == ()


def test_an_empty_non_terminal_hides_and_uncovers_a_wildcard() -> None:
    above, dev = (
        RRset.of(f"*.{APEX}", "A", 60, ["10.9.9.9"]),
        contract_of("d", Target(TargetType.HOST, ("10.0.0.5",), 1), 60, env="dev"),
    )
    hidden = Note(NAME, f"a name below prod.{APEX} is no longer answered by the wildcard *.{APEX}")
    assert notes([], [host("10.0.0.1")], [above]) == (hidden,)
    uncovered = Note(NAME, f"a name below prod.{APEX} is answered by the wildcard *.{APEX} from now on")
    live = [above, ONE, *managed_of((dev,)).zone.rrsets.values()]
    assert notes([host("10.0.0.1"), dev], [dev], live) == (uncovered,)
