"""Commits of main since the one applied last: people, trailers, changed paths.

A branch may be merged by fast-forward after main was merged into it. Then the first parent of that merge is the branch,
and main, with what was applied already, is the second. So a step continues at the parent that descends from the commit
applied last; what lies on the first parents beside it arrived with the merge. docs/adr/0036 says why.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime

from hyops_gitops.adapters.git.process import Git
from hyops_gitops.adapters.git.trees import is_full_id
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.declaration import PREFIX, Trailer, UntakenTrailer, untaken_lines
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.layout import ROOTS

Paths = frozenset[str]


@dataclass(frozen=True, slots=True)
class MainStep:
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
class StepChanges:
    """The counted changes of one step."""

    paths: Paths = frozenset()
    taken_back: Paths = field(default=frozenset())  # those that a later step left as they were applied


def steps_between(parents: Mapping[str, Sequence[str]], applied: str | None, upto: str) -> list[MainStep]:
    """The steps of main in (applied, upto], oldest first.

    What arrived with a merge comes right before it.

    Args:
        parents: The commits in (applied, upto], each after its parents.
        applied: A full id; None: from the beginning.
        upto: A full id.
    """
    steps: list[MainStep] = []
    known: set[str] = set()  # what main had
    for merge in _on_main(parents, applied, upto):
        beside = merge.beside
        arrived: list[MainStep] = []
        while beside is not None and beside in parents and beside not in known:
            first = next(iter(parents[beside]), None)
            arrived.append(MainStep(beside, first, arrived_with=merge.commit))
            beside = first
        steps += [*reversed(arrived), merge]
        pending = [merge.commit]
        while pending:
            if (commit := pending.pop()) in parents and commit not in known:
                known.add(commit)
                pending += parents[commit]
    return steps


def _on_main(parents: Mapping[str, Sequence[str]], applied: str | None, upto: str) -> list[MainStep]:
    """The commits that main pointed at, or may have, oldest first."""
    descending = {applied} if applied else set()
    for commit, of_commit in parents.items():
        if not descending.isdisjoint(of_commit):
            descending.add(commit)
    steps: list[MainStep] = []
    at: str | None = upto
    while at is not None and at in parents:
        first = next(iter(parents[at]), None)
        before = next((parent for parent in parents[at] if parent in descending), first)
        steps.append(MainStep(at, before, first if first != before else None))
        at = before
    return steps[::-1]


def what_counts(steps: Sequence[MainStep], paths: Mapping[str, StepPaths]) -> dict[str, StepChanges]:
    """The paths that differ from the step before and as applied last.

    What a merge and the commits that arrived with it changed on main is counted of the latter where they have it so.
    """
    counted = {step.commit: _differs(paths[step.commit]) for step in steps}
    for step in steps:
        if step.beside is not None:
            _share_out(step.commit, steps, paths, counted)
    restored: Paths = frozenset()
    changed: dict[str, StepChanges] = {}
    for step in reversed(steps):
        of_step = paths[step.commit]
        if of_step.applied is not None and step.arrived_with is None:
            restored |= of_step.before - of_step.applied
        changed[step.commit] = StepChanges(counted[step.commit], counted[step.commit] & restored)
    return changed


def _differs(paths: StepPaths) -> Paths:
    return paths.before if paths.applied is None else paths.before & paths.applied


def _share_out(
    merge: str, steps: Sequence[MainStep], paths: Mapping[str, StepPaths], counted: dict[str, Paths]
) -> None:
    """Divide a merge's changes on main among it and its commits."""
    arrived = [step.commit for step in steps if step.arrived_with == merge]
    whole = counted[merge]
    for commit in arrived:
        counted[commit] &= whole
    theirs = frozenset().union(*(counted[commit] for commit in arrived))
    counted[merge] = (whole & paths[merge].beside) | (whole - theirs)


Range = tuple[str | None, str]  # full ids: the commit applied last, None for the beginning; the commit to apply

_APPROVALS = "%(trailers:key=Approved-by,key=Reviewed-by,valueonly,unfold)"
# No message holds a NUL: git ends it there. `%s` is the subject folded into one line, whole.
_FIELDS = ("%H", "%P", "%ct", "%an", "%cn", "%s", _APPROVALS, "%(trailers:only,unfold)", "%B")
_LAST_SECOND = 253402300799  # of the year 9999
_ADDRESS = re.compile(r"\s*<[^>]*>\s*$")
_NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Commit:
    """One commit as git tells it."""

    id: str
    parents: tuple[str, ...]
    time: datetime
    author: str
    committer: str
    subject: str
    approved_by: tuple[str, ...]
    trailers: tuple[Trailer, ...]
    untaken: tuple[UntakenTrailer, ...]


def read_main_lines(git: Git, ranges: Sequence[Range]) -> list[tuple[CommitInfo, ...]]:
    """The steps of main in each range, oldest first, by three processes.

    Raises:
        OutsideFailure: code `git-failed`.
    """
    if not ranges:
        return []
    starts = {after for after, _ in ranges}
    exclude = [f"^{after}" for after in starts if after] if len(starts) == 1 else []
    commits = _read_commits(git, dict.fromkeys(upto for _, upto in ranges), exclude)
    graph = {commit.id: commit.parents for commit in commits.values()}
    within = _Ranges(graph)
    parts = [within.between(after, upto) for after, upto in ranges]
    lines = [steps_between(part, after, upto) for part, (after, upto) in zip(parts, ranges, strict=True)]
    pairs = [
        pair for line, (after, _) in zip(lines, ranges, strict=True) for step in line for pair in _pairs(step, after)
    ]
    differing = _differing_paths(git, list(dict.fromkeys(pairs)))
    found = []
    for (after, _), part, line in zip(ranges, parts, lines, strict=True):
        paths = {step.commit: _step_paths(step, after, differing) for step in line}
        counted = what_counts(line, paths)
        brought = _brought([step.commit for step in line], part)
        found.append(tuple(_info(step, commits, part, counted[step.commit], brought[step.commit]) for step in line))
    return found


class _Ranges:
    """Parts of one graph, often each beginning where the last ended."""

    def __init__(self, graph: Mapping[str, Sequence[str]]) -> None:
        self._graph = graph
        self._applied: str | None = None
        self._reached: set[str] = set()

    def between(self, after: str | None, upto: str) -> dict[str, Sequence[str]]:
        """The commits in (after, upto], each after its parents."""
        if after != self._applied:
            self._go_on(after)
        within = self._reach(upto, self._reached)
        order = [commit for commit in self._graph if commit in within] if len(within) > 1 else within
        return {commit: self._graph[commit] for commit in order}

    def _go_on(self, after: str | None) -> None:
        new = self._reach(after, self._reached) if after else set()
        ends = {parent for commit in new for parent in self._graph[commit]}
        if self._applied is not None and (after is None or self._applied not in ends):
            self._reached = set()
            new = self._reach(after, set()) if after else set()
        self._reached |= new
        self._applied = after

    def _reach(self, commit: str, known: set[str]) -> set[str]:
        found: set[str] = set()
        pending = [commit]
        while pending:
            reached = pending.pop()
            if reached in self._graph and reached not in known and reached not in found:
                found.add(reached)
                pending += self._graph[reached]
        return found


def _read_commits(git: Git, tips: Mapping[str, object], exclude: Sequence[str]) -> dict[str, _Commit]:
    """Every commit that these reach, each after its parents."""
    output = git.output(
        "log",
        "-z",
        "--topo-order",
        "--reverse",
        "--no-show-signature",
        "--encoding=UTF-8",
        f"--format=tformat:{'%x00'.join(_FIELDS)}",
        *tips,
        *exclude,
        "--",
    )
    texts = [token.decode("utf-8", "backslashreplace") for token in output.split(b"\0")[:-1]]
    commits = {}
    for start in range(0, len(texts), len(_FIELDS)):
        fields = texts[start : start + len(_FIELDS)]
        if len(fields) != len(_FIELDS) or not is_full_id(fields[0]):
            raise OutsideFailure("cannot read git log's output", code="git-failed")
        commits[fields[0]] = _commit(fields)
    return commits


def _commit(fields: Sequence[str]) -> _Commit:
    commit, parents, seconds, author, committer, subject, approvals, trailers, message = fields
    taken = tuple(_trailers(commit, trailers.split("\n")))
    names = (_ADDRESS.sub("", line).strip() for line in approvals.split("\n"))
    return _Commit(
        commit,
        tuple(parents.split()),
        # Who commits may claim any time at all, or none: git tells none either of a commit declared to be UTF-16.
        datetime.fromtimestamp(min(int(seconds or 0), _LAST_SECOND), UTC),
        author,
        committer,
        subject,
        tuple(name for name in names if name),
        taken,
        untaken_lines(commit, message, taken),
    )


def _trailers(commit: str, lines: Sequence[str]) -> Iterator[Trailer]:
    for line in lines:
        key, colon, value = line.partition(":")
        if colon and key.strip().lower().startswith(PREFIX):
            yield Trailer(commit, key.strip(), value.strip())


def _pairs(step: MainStep, after: str | None) -> Iterator[tuple[str, str | None]]:
    yield step.commit, step.before
    if step.beside is not None:
        yield step.commit, step.beside
    if after is not None:
        yield step.commit, after


def _step_paths(
    step: MainStep, after: str | None, differing: Mapping[tuple[str, str | None], frozenset[str]]
) -> StepPaths:
    return StepPaths(
        differing[step.commit, step.before],
        differing[step.commit, step.beside] if step.beside is not None else _NOTHING,
        differing[step.commit, after] if after is not None else None,
    )


def _differing_paths(git: Git, pairs: Sequence[tuple[str, str | None]]) -> dict[tuple[str, str | None], frozenset[str]]:
    """The watched paths that differ between two commits, by one process."""
    if not pairs:
        return {}
    # On standard input, the ids after a commit's stand in for its parents.
    asked = "".join(f"{' '.join(filter(None, pair))}\n" for pair in pairs)
    output = git.output(
        "diff-tree",
        "--stdin",
        "--always",  # names the commit of a pair without differences too: the answers are as many as the questions
        "-r",
        "-z",
        "--root",
        "--no-renames",
        "--name-only",
        "--relative",
        "--ignore-submodules=none",
        "--",
        *ROOTS,
        stdin=asked.encode(),
    )
    answers: list[tuple[str, list[str]]] = []
    for token in output.split(b"\0")[:-1]:
        text = token.decode("utf-8", "backslashreplace").lstrip("\n")
        if is_full_id(text):  # a watched path holds a slash, or is one of two words
            answers.append((text, []))
        else:
            answers[-1][1].append(text)
    return {pair: frozenset(paths) for pair, (_, paths) in zip(pairs, answers, strict=True)}


def _brought(steps: Sequence[str], parents: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The commits that each step brought, oldest first."""
    found: dict[str, list[str]] = {}
    order = {commit: place for place, commit in enumerate(parents)}
    left = set(parents)
    for commit in steps:
        brought: list[str] = []
        pending = [commit]
        while pending:
            reached = pending.pop()
            if reached in left:
                left.discard(reached)
                brought.append(reached)
                pending += parents[reached]
        found[commit] = sorted(brought, key=order.__getitem__)
    return found


def _info(
    step: MainStep,
    commits: Mapping[str, _Commit],
    within: Mapping[str, object],
    changed: StepChanges,
    brought: Sequence[str],
) -> CommitInfo:
    commit = commits[step.commit]
    others = [parent for parent in commit.parents[1:] if parent in within and parent != step.before]
    head = others[0] if others else None
    joined = next(iter(commit.parents[1:2]), None) if head is None else None
    return CommitInfo(
        commit.id,
        commit.subject,
        commit.author,
        commit.time,
        tuple(sorted(changed.paths)),
        commit.committer,
        commit.approved_by,
        head,
        commits[head].author if head else None,
        tuple(trailer for commit in brought for trailer in commits[commit].trailers),
        tuple(line for commit in brought for line in commits[commit].untaken),
        tuple(sorted(changed.taken_back)),
        step.arrived_with,
        joined,
        commits[joined].author if joined is not None and joined in commits else None,
    )
