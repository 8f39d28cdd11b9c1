"""Which commits count between the one applied last and the one to apply, and what each of them changed.

A branch may be merged by fast-forward after main was merged into it. Then the first parent of that merge is the branch,
and main, with what was applied already, is the second. So a step goes on to the parent that descends from the commit
applied last; what lies on the first parents beside it arrived with the merge. docs/adr/0036 says why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Paths = frozenset[str]


@dataclass(frozen=True, slots=True)
class Step:
    """One commit, and what it is compared with."""

    commit: str
    before: str | None  # the parent on main; None: a root
    beside: str | None = None  # the first parent, where that is not the one on main
    arrived_with: str | None = None  # the merge that brought it to main, where main did not go through it


@dataclass(frozen=True, slots=True)
class StepPaths:
    """Watched paths whose content a step has otherwise than other commits."""

    before: Paths  # than the parent that it is compared with
    beside: Paths  # than the first parent, where that is another one
    applied: Paths | None  # than the commit applied last; None: there is none


@dataclass(frozen=True, slots=True)
class Changed:
    """What a step changed, as far as that counts."""

    paths: Paths = frozenset()
    taken_back: Paths = field(default=frozenset())  # those that a later step left as they were applied


def steps_between(parents: Mapping[str, Sequence[str]], applied: str | None, upto: str) -> list[Step]:
    """The steps of main in (applied, upto], oldest first; what arrived with a merge comes right before it.

    Args:
        parents: The commits in (applied, upto], each after its parents.
        applied: A full id; None: from the beginning.
        upto: A full id.
    """
    steps: list[Step] = []
    known: set[str] = set()  # what main had
    for merge in _on_main(parents, applied, upto):
        beside = merge.beside
        arrived: list[Step] = []
        while beside is not None and beside in parents and beside not in known:
            first = next(iter(parents[beside]), None)
            arrived.append(Step(beside, first, arrived_with=merge.commit))
            beside = first
        steps += [*reversed(arrived), merge]
        pending = [merge.commit]
        while pending:
            if (commit := pending.pop()) in parents and commit not in known:
                known.add(commit)
                pending += parents[commit]
    return steps


def _on_main(parents: Mapping[str, Sequence[str]], applied: str | None, upto: str) -> list[Step]:
    """The commits that main pointed at, or may have, oldest first."""
    descending = {applied} if applied else set()
    for commit, of_commit in parents.items():
        if not descending.isdisjoint(of_commit):
            descending.add(commit)
    steps: list[Step] = []
    at: str | None = upto
    while at is not None and at in parents:
        first = next(iter(parents[at]), None)
        before = next((parent for parent in parents[at] if parent in descending), first)
        steps.append(Step(at, before, first if first != before else None))
        at = before
    return steps[::-1]


def what_counts(steps: Sequence[Step], paths: Mapping[str, StepPaths]) -> dict[str, Changed]:
    """What each step changed: what differs from the step before it and from the commit applied last.

    What a merge and the commits that arrived with it changed on main is counted of the latter where they have it so.
    """
    counted = {step.commit: _differs(paths[step.commit]) for step in steps}
    for step in steps:
        if step.beside is not None:
            _share_out(step.commit, steps, paths, counted)
    restored: Paths = frozenset()
    changed: dict[str, Changed] = {}
    for step in reversed(steps):
        of_step = paths[step.commit]
        if of_step.applied is not None and step.arrived_with is None:
            restored |= of_step.before - of_step.applied
        changed[step.commit] = Changed(counted[step.commit], counted[step.commit] & restored)
    return changed


def _differs(paths: StepPaths) -> Paths:
    return paths.before if paths.applied is None else paths.before & paths.applied


def _share_out(merge: str, steps: Sequence[Step], paths: Mapping[str, StepPaths], counted: dict[str, Paths]) -> None:
    """Divide what a merge changed on main between it and the commits that arrived with it."""
    arrived = [step.commit for step in steps if step.arrived_with == merge]
    whole = counted[merge]
    for commit in arrived:
        counted[commit] &= whole
    theirs = frozenset().union(*(counted[commit] for commit in arrived))
    counted[merge] = (whole & paths[merge].beside) | (whole - theirs)
