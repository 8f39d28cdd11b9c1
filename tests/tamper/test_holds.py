"""Names that are said to be held: the audit derives them anew, from the log and the contracts at each commit."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hyops_gitops.core.guards import Override
from hyops_gitops.log.admin_entries import Gap, MissingEntries, Reconcile
from hyops_gitops.log.log import placed
from hyops_gitops.log.parts import Hold, ZoneDigests
from hyops_gitops.log.reconciling import reconciliation
from hyops_gitops.plan.plan import Held, plan_digest, zone_after
from hyops_gitops.plan.state import after_changes
from tests.support.book import ZONE, Book
from tests.support.forks import HEAD, forked, offline_audit, store
from tests.support.segments import SEGMENT, Breakglass, read

NAME, CONTRACT = f"first.prod.{ZONE}", "endpoints/prod/first.yaml"
Holds = Callable[[tuple[Hold, ...]], tuple[Hold, ...]]


def brought_in(copy: Book, holds: Holds = lambda due: due) -> None:
    """Alice moved `first` away from what its contract says, and it is held there."""
    glass = Breakglass.on(copy).move("10.0.0.2")
    segment = read(copy, glass.files).segment
    assert segment is not None
    contracts, commit = copy.validation().contracts, copy.references()[0].commit
    taken = reconciliation(segment, copy.head, commit, contracts=contracts, review="", reason="", overrides=())
    copy.store.trees.append({**copy.files, **{f"segments/{SEGMENT}/{name}": one for name, one in glass.files.items()}})
    adopted = taken.entry.imported
    assert adopted is not None
    entry = replace(taken.entry, review="other@tests", imported=replace(adopted, holds=holds(adopted.holds)))
    marks = placed(holds(adopted.holds), copy.head.head.seq + 1)
    copy.add(entry, observed=taken.observed, state=after_changes(copy.head.state, segment.changes(), marks))


def applied(copy: Book, *, move: bool, held: tuple[str, ...] = (), overrides: tuple[Override, ...] = ()) -> None:
    """An apply of an unrelated change, which moves `first` to what its contract says, or does not."""
    copy.world.contract("second", "10.0.0.4")
    copy.world.commit("Something else")
    intent = copy.intent()
    changes = tuple(one for one in intent.changes if move or one.name != NAME)
    observed, state = copy.head.observed, copy.head.state
    copy.intend(
        replace(
            intent,
            changes=changes,
            plan_sha256=plan_digest(ZONE, observed.digest(), changes),
            expected=ZoneDigests.of(zone_after(observed, changes), after_changes(state, changes), None),
            held=tuple(Held(name, CONTRACT, "held") for name in held),
            overrides=overrides,
        )
    )
    copy.finish()


def kept(copy: Book) -> None:
    brought_in(copy)
    applied(copy, move=False, held=(NAME,))
    copy.world.contract("first", "10.0.0.2")  # the pull request that adopts it
    copy.world.commit("Adopt")
    copy.unchanged()


def lifted(copy: Book) -> None:
    brought_in(copy)
    applied(copy, move=True, overrides=(Override("held", NAME, "it is mended", "option"),))


def moved(copy: Book) -> None:
    brought_in(copy)
    applied(copy, move=True)


def moved_and_listed(copy: Book) -> None:
    brought_in(copy)
    applied(copy, move=True, held=(NAME,))


def made_up(copy: Book) -> None:
    """`second` is what was merged, and an applier that does not want it calls it held."""
    copy.world.contract("second", "10.0.0.4")
    copy.world.commit("Something else")
    copy.world.contract("api", "10.0.0.9")
    copy.world.commit("Move api")
    intent = copy.intent()
    changes = tuple(one for one in intent.changes if one.name.startswith("api."))
    observed, name = copy.head.observed, f"second.prod.{ZONE}"
    expected = ZoneDigests.of(zone_after(observed, changes), after_changes(copy.head.state, changes), None)
    digest = plan_digest(ZONE, observed.digest(), changes)
    held = (Held(name, "endpoints/prod/second.yaml", "held"),)
    copy.intend(replace(intent, changes=changes, plan_sha256=digest, expected=expected, held=held))
    copy.finish()


def left_out(copy: Book) -> None:
    brought_in(copy, lambda _: ())


def of_another_contract(copy: Book) -> None:
    brought_in(copy, lambda due: tuple(replace(one, contract_sha256="ab" * 32) for one in due))


def placed_ahead(copy: Book) -> None:
    """An ordinary intent that has a name held, for a contract that is still to come."""
    copy.world.contract("first", "10.0.0.3")
    copy.world.commit("Move first")
    copy.intend(replace(copy.intent(), holds=(Hold(NAME, "ab" * 32),)))
    copy.finish()


def said_unchanged(copy: Book) -> None:
    copy.world.contract("first", "10.0.0.3")
    copy.world.commit("Move first")
    copy.unchanged()


def unchanged_after_a_gap(copy: Book) -> None:
    """What the lost entries applied is in the zone, and nobody can tell; the next change takes it over."""
    copy.world.contract("first", "10.0.0.3")
    copy.world.commit("Move first")
    copy.add(Gap("the forge lost it", MissingEntries(HEAD + 2, HEAD + 2), "ab" * 32))
    copy.unchanged()


CASES: dict[str, tuple[Callable[[Book], None], set[str]]] = {
    "it stays until its contract changes": (kept, set()),
    "somebody lifted it": (lifted, set()),
    "a later plan moved it": (moved, {"held"}),
    "a later plan moved it and lists it as held": (moved_and_listed, {"held"}),
    "nothing holds what is listed as held": (made_up, {"held", "plan-not-contract"}),
    "the hold of what a segment moved is left out": (left_out, {"held"}),
    "the hold is of another contract": (of_another_contract, {"held"}),
    "a hold without a roll-back": (placed_ahead, {"held"}),
    "contracts that ask for something are called unchanged": (said_unchanged, {"plan-not-contract"}),
    "they are, and what lost entries applied is not known": (unchanged_after_a_gap, {"gap"}),
}


@pytest.mark.parametrize("name", CASES)
def test_holds_are_derived_anew(name: str, book: Book, clone: Callable[[], Path]) -> None:
    build, expected = CASES[name]
    copy = forked(book, clone(), HEAD)
    build(copy)
    found = offline_audit(store(copy))
    said = [f"{one.code} {one.where}: {one.message}" for one in found.problems]
    assert {one.code for one in found.problems} - {"review"} == expected, said
    assert found.inconclusive == ()


def test_an_entry_of_before_says_nothing_of_the_contracts(book: Book, clone: Callable[[], Path]) -> None:
    """Reconcile entries had no `commit`: then the holds cannot be derived, and stand."""
    copy = forked(book, clone(), HEAD)
    brought_in(copy, lambda _: ())
    body = copy.head.head.body
    assert isinstance(body, Reconcile)
    assert body.imported is not None
    again = forked(book, copy.world.root, HEAD)
    again.store.trees.append(copy.store.trees[-2])
    old = replace(body, imported=replace(body.imported, commit=None))
    again.add(old, observed=copy.head.observed, state=copy.head.state)
    assert {one.code for one in offline_audit(store(again)).problems} <= {"review"}
