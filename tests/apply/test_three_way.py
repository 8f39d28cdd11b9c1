"""The three-way table against the real server: recorded, desired and observed in every combination that differs.

All rows share one zone: they are applied once, edited by hand, asked for anew, refused as a whole, then applied again
with overrides. Each test looks at one row.
"""

from dataclasses import dataclass

import pytest

from hyops_gitops.apply.receipt import Receipt
from hyops_gitops.core.zone import RRset
from hyops_gitops.lab.model import Lab
from hyops_gitops.log.entries import Intent, Result
from tests.support.world import World

pytestmark = pytest.mark.authority

Records = dict[str, tuple[int, tuple[str, ...]]]  # type -> TTL, rdata
# What a row's side may be, as the contract's target and TTL.
SIDES: dict[str, tuple[str, int]] = {
    "X": ("10.0.0.1", 60),
    "Y": ("10.0.0.2", 60),
    "Z": ("10.0.0.3", 60),
    "T": ("10.0.0.1", 120),  # X with another TTL
    "C": ("elsewhere.example", 60),  # a CNAME
    "V": ("fd00::1", 60),  # an AAAA
}
TXT = ("TXT", '"by hand"')


@dataclass(frozen=True)
class Row:
    """One endpoint's three sides, and what has to come of it. A side is a key of SIDES, `-`, or several keys."""

    recorded: str
    desired: str
    observed: str
    actions: tuple[str, ...]  # of its changes in the second apply, as `action TYPE`
    after: str  # its side in the zone then
    override: str = ""  # the guard that has to be lifted first
    state: str = ""  # its side in the managed set then; "" for `after`
    drift: tuple[str, ...] = ()  # types
    cutover: bool = False

    @property
    def service(self) -> str:
        marks = {"-": "n", "+": "p"}
        sides = "-".join("".join(marks.get(one, one.lower()) for one in side) for side in self.sides)
        return f"r-{sides}-{self.override or 'plain'}"

    @property
    def sides(self) -> tuple[str, str, str]:
        return self.recorded, self.desired, self.observed


ROWS = (
    # absent before
    Row("-", "X", "-", ("create A",), "X"),
    Row("-", "C", "-", ("create CNAME",), "C"),
    Row("-", "X", "X", ("adopt A",), "X"),
    Row("-", "X", "Y", ("replace A",), "X", override="foreign"),
    Row("-", "X", "T", ("replace A",), "X", override="foreign"),
    Row("-", "X", "C", ("create A", "delete CNAME"), "X", override="foreign"),
    Row("-", "C", "X", ("create CNAME", "delete A"), "C", override="foreign"),
    Row("-", "X", "V", ("create A", "delete AAAA"), "X", override="foreign"),
    Row("-", "X", "t", ("create A",), "Xt"),
    Row("-", "C", "t", ("create CNAME", "delete TXT"), "C", override="foreign"),
    Row("-", "-", "X", (), "X", state="-"),
    # still wanted as it was
    Row("X", "X", "X", (), "X"),
    Row("X", "X", "Y", (), "Y", state="X", drift=("A",)),
    Row("X", "X", "T", (), "T", state="X", drift=("A",)),
    Row("X", "X", "-", (), "-", state="X", drift=("A",)),
    Row("X", "X", "C", (), "C", state="X", drift=("A", "CNAME")),
    Row("X", "X", "XV", (), "XV", state="X", drift=("AAAA",)),
    Row("X", "X", "Xt", (), "Xt", state="X"),
    Row("X", "X", "Y", ("replace A",), "X", override="drift"),
    Row("X", "X", "T", ("replace A",), "X", override="drift"),
    Row("X", "X", "-", ("create A",), "X", override="drift"),
    Row("X", "X", "XV", ("delete AAAA",), "X", override="drift"),
    # wanted otherwise
    Row("X", "Y", "X", ("replace A",), "Y", cutover=True),
    Row("X", "T", "X", ("replace A",), "T"),
    Row("X", "C", "X", ("create CNAME", "delete A"), "C", cutover=True),
    Row("C", "X", "C", ("create A", "delete CNAME"), "X", cutover=True),
    Row("X", "Y", "Y", ("adopt A",), "Y", cutover=True),
    Row("X", "Y", "Z", ("replace A",), "Y", override="drift", cutover=True),
    Row("X", "Y", "-", ("create A",), "Y", override="drift", cutover=True),
    Row("X", "Y", "T", ("replace A",), "Y", override="drift", cutover=True),
    Row("X", "C", "Z", ("create CNAME", "delete A"), "C", override="drift", cutover=True),
    Row("X", "C", "C", ("adopt CNAME", "forget A"), "C", cutover=True),
    # not wanted any more
    Row("X", "-", "X", ("delete A",), "-"),
    Row("X", "-", "Y", ("delete A",), "-", override="drift"),
    Row("X", "-", "T", ("delete A",), "-", override="drift"),
    Row("X", "-", "-", ("forget A",), "-"),
)
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.service)


def records_of(side: str) -> Records:
    """The RRsets that a side stands for."""
    found: Records = {}
    for letter in side.replace("-", ""):
        if letter == "t":
            found["TXT"] = (60, (TXT[1],))
        else:
            target, ttl = SIDES[letter]
            rrtype = {"C": "CNAME", "V": "AAAA"}.get(letter, "A")
            found[rrtype] = (ttl, (f"{target}." if rrtype == "CNAME" else target,))
    return found


@dataclass(frozen=True)
class Scenario:
    """The world after both applies, and what they said."""

    world: World
    refused: Receipt
    applied: Receipt
    intent: Intent


@pytest.fixture(scope="module")
def scenario(lab: Lab, shared_zone: str, tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    world = World.make(
        tmp_path_factory.mktemp("table"),
        shared_zone,
        lab,
        max_replaces=100,
        max_deletes=100,
        max_cutovers=100,
        max_change_percent=100,
    )
    for row in ROWS:
        write_contract(world, row, row.recorded)
    world.commit("What is recorded")
    assert world.apply().outcome == "applied"
    edit_by_hand(world)
    for row in ROWS:
        write_contract(world, row, row.desired)
    world.commit("What is desired")
    with world.only_a_refusal():
        refused = world.apply()
    overrides = [f"{row.override}:{world.name(row.service)}=row of the table" for row in ROWS if row.override]
    applied = world.apply(*overrides)
    intents = [body for body in world.bodies() if isinstance(body, Intent)]
    return Scenario(world, refused, applied, intents[-1])


def write_contract(world: World, row: Row, side: str) -> None:
    if side != "-":
        target, ttl = SIDES[side]
        world.contract(row.service, target, ttl=ttl)
    elif (world.root / f"endpoints/prod/{row.service}.yaml").exists():
        world.delete_contract(row.service)


def edit_by_hand(world: World) -> None:
    deletes: list[tuple[str, str]] = []
    replaces: list[RRset] = []
    for row in ROWS:
        name, was, becomes = world.name(row.service), records_of(row.recorded), records_of(row.observed)
        deletes += [(name, rrtype) for rrtype in was if rrtype not in becomes]
        replaces += [
            RRset.of(name, rrtype, ttl, rdata)
            for rrtype, (ttl, rdata) in becomes.items()
            if was.get(rrtype) != (ttl, rdata)
        ]
    world.primary.patch(deletes, replaces)


def test_one_refused_rrset_refuses_the_whole_apply(scenario: Scenario) -> None:
    """That nothing was written is checked where it happened, in the fixture."""
    assert (scenario.refused.outcome, scenario.refused.exit_code, scenario.refused.intent) == ("refused", 3, None)


@every_row
def test_exactly_the_rows_that_need_it_are_refused(scenario: Scenario, row: Row) -> None:
    name = scenario.world.name(row.service)
    refusals = [refusal for refusal in scenario.refused.plan.refusals if refusal.name == name]
    drifts = [drift for drift in scenario.refused.plan.drift if drift.name == name]
    wants_override = bool(row.override) and not (row.override == "drift" and row.recorded == row.desired)
    assert {refusal.guard for refusal in refusals} == ({row.override} if wants_override else set())
    assert all(f"--override {row.override}:{name}=" in refusal.hint for refusal in refusals)
    assert bool(drifts) == (row.recorded == row.desired and (bool(row.drift) or row.override == "drift"))


@every_row
def test_the_receipt_says_what_happened_to_the_row(scenario: Scenario, row: Row) -> None:
    name = scenario.world.name(row.service)
    assert scenario.applied.outcome == "applied"
    changes = [change for change in scenario.applied.plan.changes if change.name == name]
    assert sorted(f"{change.action} {change.type}" for change in changes) == sorted(row.actions)
    assert any(change.cutover for change in changes) == row.cutover
    assert tuple(drift.type for drift in scenario.applied.plan.drift if drift.name == name) == row.drift


@every_row
def test_the_zone_holds_what_the_row_asks_for(scenario: Scenario, row: Row) -> None:
    assert scenario.world.at(row.service) == records_of(row.after)


@every_row
def test_the_evidence_says_the_same(scenario: Scenario, row: Row) -> None:
    name = scenario.world.name(row.service)
    recorded = [change for change in scenario.intent.changes if change.name == name]
    assert sorted(f"{change.action} {change.type}" for change in recorded) == sorted(row.actions)
    assert tuple(drift.type for drift in scenario.intent.drift if drift.name == name) == row.drift
    used = [(override.guard, override.reason) for override in scenario.intent.overrides if override.name == name]
    assert used == ([(row.override, "row of the table")] if row.override else [])


@every_row
def test_the_state_file_holds_what_was_applied_last(scenario: Scenario, row: Row) -> None:
    state = scenario.world.evidence(f"state/{scenario.world.zone}.zone").decode().splitlines()
    owner = f"{scenario.world.name(row.service)}."
    wanted = {
        f"{owner} {ttl} IN {rrtype} {value} ; endpoints/prod/{row.service}.yaml"
        for rrtype, (ttl, rdata) in records_of((row.state or row.after).replace("t", "")).items()
        for value in rdata
    }
    assert {line for line in state if line.startswith(f"{owner} ")} == wanted


def test_the_zone_file_is_the_zone(scenario: Scenario) -> None:
    zone_file = scenario.world.evidence(f"zones/{scenario.world.zone}.zone").decode()
    assert zone_file == scenario.world.records().text()


def test_the_next_plan_has_no_change_left(scenario: Scenario) -> None:
    receipt = scenario.world.apply()
    assert (receipt.outcome, receipt.plan.changes) == ("nothing", ())
    assert isinstance(scenario.world.bodies()[-1], Result)
