"""Roll-backs, holds, servers that caught up: our audit and script/audit.sh pass what is true, and nothing else."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hyops_gitops.core.zone import RRset
from hyops_gitops.log.entries import Intent, Result, Unchanged
from hyops_gitops.log.holds import hold_of
from hyops_gitops.log.log import zone_after_intent
from hyops_gitops.log.parts import ZoneDigests
from hyops_gitops.plan.plan import Change, Held, plan_digest
from hyops_gitops.plan.state import after_changes, taken_back
from tests.support.book import ZONE, Book, audit_script
from tests.support.forks import HEAD, forked, offline_audit, problem_codes, store

Make = Callable[[], Path]
NAME, CONTRACT = f"first.prod.{ZONE}", "endpoints/prod/first.yaml"
FORWARD = HEAD + 1


def rolled_back(
    book: Book,
    root: Path,
    *,
    of: int = FORWARD,
    held: bool = True,
    change: Callable[[Change], Change] = lambda one: one,
) -> Book:
    """`first` moved, and moved back."""
    copy = forked(book, root, HEAD)
    copy.world.contract("first", "10.0.0.3")
    copy.world.commit("Move first")
    copy.apply()
    forward = copy.head.entries[FORWARD - 1].body
    assert isinstance(forward, Intent)
    changes = tuple(map(change, taken_back(forward.changes, {NAME})))
    contract = next(one for one in copy.validation().contracts if str(one.name) == NAME)
    same = copy.intent()
    observed = copy.head.observed
    intent = replace(
        same,
        merged=(),
        changes=changes,
        plan_sha256=plan_digest(ZONE, observed.digest(), changes),
        held=(Held(NAME, CONTRACT, "moved back"),),
        rollback_of=of,
        holds=(hold_of(contract),) if held else (),
    )
    expected = zone_after_intent(observed, intent)
    after = ZoneDigests.of(expected, after_changes(copy.head.state, changes), None)
    copy.intend(replace(intent, expected=after))
    copy.finish()
    return copy


def judged(copy: Book, signers: Path) -> tuple[set[str], bool, str]:
    """Our codes, and whether the script is content, and what it said."""
    root = store(copy)
    return problem_codes(offline_audit(root)), *audit_script(root, signers)


def test_a_roll_back_and_its_hold_are_sound(book: Book, signers: Path, clone: Make) -> None:
    copy = rolled_back(book, clone())
    copy.world.contract("second", "10.0.0.4")
    copy.world.commit("Something else")
    intent = copy.intent()
    others = tuple(one for one in intent.changes if one.name != NAME)
    assert len(others) < len(intent.changes)  # the contract still asks for the move
    observed = copy.head.observed
    planned = replace(intent, changes=others, held=(Held(NAME, CONTRACT, "held"),))
    expected = ZoneDigests.of(zone_after_intent(observed, planned), after_changes(copy.head.state, others), None)
    copy.intend(replace(planned, expected=expected, plan_sha256=plan_digest(ZONE, observed.digest(), others)))
    copy.finish()
    assert copy.head.state.held_by(NAME) == FORWARD + 2
    codes, fine, said = judged(copy, signers)
    assert (codes, fine) == (set(), True), said


def _elsewhere(one: Change) -> Change:
    return replace(one, after=RRset.of(one.name, one.type, 60, ["10.0.0.66"]))


@pytest.mark.parametrize(
    "untrue", [{"change": _elsewhere}, {"held": False}, {"of": 14}, {"of": HEAD}, {"of": FORWARD + 2}],
    ids=["another target", "not held", "another intent", "no intent", "itself"],
)  # fmt: skip
def test_what_is_no_roll_back_is_refused(untrue: dict[str, object], book: Book, signers: Path, clone: Make) -> None:
    codes, fine, said = judged(rolled_back(book, clone(), **untrue), signers)  # type: ignore[arg-type]  # by name
    assert ("rollback" in codes, fine) == (True, False), said


@pytest.mark.parametrize("lie", [False, True])
def test_who_caught_up_showed_the_anchor(lie: bool, book: Book, signers: Path, clone: Make) -> None:
    copy = forked(book, clone(), HEAD)
    result = copy.head.entries[-1].body
    assert isinstance(result, Result)
    (server,) = result.servers
    late = replace(server, role="secondary", name="late", after_ms=9000, answers=() if lie else server.answers)
    copy.add(Unchanged(*copy.references(), caught_up=(late,)))
    codes, fine, said = judged(copy, signers)
    assert (codes, fine) == ({"not-converged"} if lie else set(), not lie), said
