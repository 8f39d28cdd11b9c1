"""What `plan` and `apply` conclude from the few contracts that changed, against a run over everything."""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.adapters.yaml.schema import check_document
from hyops_gitops.apply.propose import PlanBase, propose, read_past, sort_findings
from hyops_gitops.core.authority import Assertions
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.findings import has_errors
from hyops_gitops.core.guards import Override
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.tree import SourceTree
from hyops_gitops.core.zone import RRset, Zone
from hyops_gitops.log.entries import Intent
from hyops_gitops.log.holds import held_contracts, hold_of
from hyops_gitops.log.parts import AuthorityRef, ContractsRef, Hold
from hyops_gitops.log.workspace import ManagedZone, Revision, Workspace
from hyops_gitops.observe.find_status import _intended
from hyops_gitops.plan.limits import Limits
from hyops_gitops.plan.plan import Change, Plan
from hyops_gitops.plan.state import after_changes, taken_back
from hyops_gitops.validate.validation import MemoryTree, Validation
from tests.support.contracts import AUTHORITY
from tests.support.histories import ENVIRONMENTS, NAMES, ZONE, History, Tree, over_seeds, path_of
from tests.support.site import LONG

EXAMPLES = 1000 if LONG else 60
STEPS = 6
LIMITS = Limits(3, 1, 90, 1, "enforce", frozenset({"drift", "foreign", "held"}))
GROUPS = Assertions({"prod": 1}, 0, (NAMES[:2], NAMES[4:6]))
KINDS = ("keep", "held", "delete", "rename", "another version")


class Silent(MemoryTree):
    """A search over this tree finds nothing."""

    def mentioning(self, texts: Collection[str]) -> frozenset[str]:
        assert texts
        return frozenset()


class Desk(Workspace):
    """A workspace over trees in memory."""

    read = staticmethod(read_document)
    check = staticmethod(check_document)
    history: Any = None

    def __init__(self, rules: str) -> None:
        super().__init__(lambda _: None, None)
        self.rules = rules


Desk.__abstractmethods__ = frozenset()  # nothing else is asked for


class Life:
    """A zone and its log while contracts, people and other writers go on."""

    def __init__(self, seed: int, made: Counter[str], tree: Callable[[Tree], SourceTree]) -> None:
        self.random = Random(seed)  # noqa: S311 - not for secrets
        self.made = made
        self.make_tree = tree
        self.history = History(self.random, mistakes=self.random.random() < 0.5)
        self.trees: dict[str, SourceTree] = {}
        self.recorded: Any = None
        self.seq = 0
        self.reconciles: tuple[int, ...] = ()
        self.holders: dict[int, tuple[Hold, ...]] = {}
        self.state, self.observed = ManagedSet.of(ZONE, ()), Zone.of(ZONE, ())
        self.rules = "1"

    @property
    def log(self) -> Any:
        """As far as it is asked."""
        ledger = SimpleNamespace(recorded=self.seq, reconciles=self.reconciles, gaps=(), doubtful=())
        return SimpleNamespace(
            ledger=ledger, recorded=self.recorded, segment=None, state=self.state, base=None, holder=self._holder
        )

    def _holder(self, number: int) -> Any:
        body: Any = Intent(*[None] * 11, holds=self.holders[number])  # type: ignore[arg-type, misc]
        return SimpleNamespace(body=body)

    def zone(self, tree: SourceTree, *, full: bool) -> ManagedZone:
        """The zone as a command sees it."""
        desk = Desk(self.rules)  # type: ignore[abstract]
        desk.full = full
        desk.history = SimpleNamespace(tree=self.trees.__getitem__)
        return Revision(desk, tree, "0" * 40).zone()

    def live(self) -> None:
        for _ in range(STEPS):
            if self.random.random() < 0.15:
                self.rules += "1"
                self.made["another version"] += 1
            if self.random.random() < 0.3:
                self.drift()
            self.change()

    def change(self) -> None:
        """One commit, planned in both ways, and applied where nothing is in the way."""
        self.history.go_on(self.random.randint(0, 3))
        tree = self.make_tree(self.history.tree)
        validation, plan = self.plan(tree, full=True)
        short, short_plan = self.plan(tree, full=False)
        self.made["steps"] += 1
        self.made["short"] += short.about is not None
        assert (short.authority, has_errors(short.findings)) == (validation.authority, has_errors(validation.findings))
        assert _intended(short, ZONE, self.log).data == _intended(validation, ZONE, self.log).data
        if plan is None or short_plan is None:
            assert plan is short_plan
            self.made["findings"] += 1
            return
        assert document(short_plan) == document(plan)
        assert short.contracts == validation.contracts
        self.made["held"] += bool(plan.held)
        self.made["drift"] += bool(plan.drift)
        self.made["refused"] += bool(plan.refusals)
        if not plan.refusals:
            self.apply(tree, validation, plan)

    def plan(self, tree: SourceTree, *, full: bool) -> tuple[Validation, Plan | None]:
        zone = self.zone(tree, full=full)
        validation = zone.validated(self.log)
        past = None
        if self.recorded is not None:
            past = read_past(self.trees[self.recorded.contracts.commit], validation, read_document, check_document)
        found = sort_findings(validation, past)
        if found.blocking:
            return replace(validation, findings=found.blocking), None
        held = held_contracts(self.log, validation.looked_at, LIMITS, self.overrides)
        limits = replace(LIMITS, assertions=GROUPS) if len(self.history.files) % 2 else LIMITS
        return validation, propose(
            validation,
            limits,
            PlanBase(self.state, self.observed),
            held={**held, **found.held},
            past=past,
            overrides=self.overrides,
        )

    @property
    def overrides(self) -> tuple[Override, ...]:
        guards = [guard for number, guard in enumerate(("drift", "foreign", "held")) if self.seq >> number & 1]
        return tuple(Override(guard, None, "known", "option") for guard in guards)

    def apply(self, tree: SourceTree, validation: Validation, plan: Plan) -> None:
        self.seq += 1
        commit = f"{self.seq:040d}"
        self.trees[commit] = tree
        rules = None if has_errors(validation.findings) else self.rules
        authority = AuthorityRef(sha256_hex(validation.files[AUTHORITY]), outside_commit=False)
        self.recorded = SimpleNamespace(contracts=ContractsRef(commit, "0" * 64, rules), authority=authority)
        self.state, self.observed = after_changes(self.state, plan.changes), plan.expected_zone()
        moved = [change for change in plan.changes if change.cutover and change.after and change.before]
        if moved and self.random.random() < 0.5:
            self.roll_back(validation, plan, moved[0].name)

    def roll_back(self, validation: Validation, plan: Plan, name: str) -> None:
        """Bring a name back and hold it there; another entry records the contracts after that."""
        contract = next((one for one in validation.contracts if str(one.name) == name), None)
        if contract is None:
            return
        back = taken_back(plan.changes, [name])
        self.holders[self.seq] = (hold_of(contract),)
        self.state = after_changes(self.state, back, {name: self.seq})
        written: list[Change] = [change for change in back if change.writes]
        self.observed = self.observed.without(change.key for change in written)
        self.observed = self.observed.with_rrsets(change.after for change in written if change.after)
        self.seq += 1

    def drift(self) -> None:
        """Another writer changes, adds or removes records."""
        name = self.random.choice((*NAMES, f"*.{ENVIRONMENTS[0]}.{ZONE}", f"x.{ZONE}", f"prod.{ZONE}"))
        kind = self.random.choice(("A", "AAAA", "TXT", "NS"))
        rdata = {"A": "10.9.9.9", "AAAA": "fd00::9", "TXT": '"x"', "NS": "ns.example.com."}[kind]
        if self.random.random() < 0.4:
            self.observed = self.observed.without([(name, kind)])
        else:
            self.observed = self.observed.with_rrsets([RRset.of(name, kind, 60, [rdata])])


def document(plan: Plan) -> dict[str, object]:
    """All that a plan says."""
    parts = ("changes", "drift", "held", "refusals", "notes")
    return {
        "digest": plan.digest(),
        "unmanaged": plan.unmanaged,
        **{part: [one.to_json() for one in getattr(plan, part)] for part in parts},
    }


def test_the_short_way_concludes_what_the_full_one_does(record_property: Callable[[str, object], None]) -> None:
    made: Counter[str] = Counter()

    def live(seed: int) -> None:
        life = Life(seed, made, MemoryTree)
        life.live()
        made.update({kind: bool(number) for kind, number in life.history.made.items()})

    # By this seed a name that a held contract has in the state is another's, which did not change since.
    over_seeds(live, made, record_property, examples=EXAMPLES, known=96385)
    assert made["short"] * 4 >= made["steps"]
    assert (made["findings"] + made["refused"]) * 3 >= made["steps"]
    assert min(made[kind] for kind in KINDS) >= (100 if LONG else 5)


def test_a_search_that_finds_nothing_is_found_out() -> None:
    def compare() -> None:
        for seed in range(1000):
            Life(seed, Counter(), Silent).live()

    with pytest.raises(AssertionError):
        compare()


def test_a_contract_that_is_taken_for_unchanged_is_found_out() -> None:
    class Forgetful(MemoryTree):
        """Changes of one file are not seen."""

        def changed(self, other: SourceTree) -> frozenset[str]:
            return super().changed(other) - {path_of(NAMES[0])}

    def compare() -> None:
        for seed in range(1000):
            Life(seed, Counter(), Forgetful).live()

    with pytest.raises(AssertionError):
        compare()
