"""Checks of merged commits: named in the log, true, approved."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from hyops_gitops.apply.opening import merged_commit
from hyops_gitops.apply.propose import trailer_overrides
from hyops_gitops.audit.commits import AuditGit, SeparationOfDuties
from hyops_gitops.audit.report import Notice, Remark, Unknown
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.declaration import NOTHING_DECLARED
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.people import MergedCommit, Person, missing_approval
from hyops_gitops.core.ports import History
from hyops_gitops.core.text import masked
from hyops_gitops.log.chain import Problem
from hyops_gitops.log.entries import Body, Intent, Refusal, Result, Unchanged
from hyops_gitops.log.envelope import Entry, entry_path
from hyops_gitops.log.log import Log


@dataclass(frozen=True, slots=True)
class FirstParentLine:
    """The contracts' branch, commit by commit as the entries carried it out."""

    begins_here: bool  # whether the branch has the commit of genesis
    ranges: Mapping[int, tuple[CommitInfo, ...]]  # the commits that an entry had to carry out, by its number
    population: tuple[CommitInfo, ...]  # those since genesis that touch contracts or authority, oldest first
    never_main: frozenset[str]  # commits that were carried out before a later merge brought them to main

    @classmethod
    def of(cls, history: History, log: Log, head: str) -> "FirstParentLine":
        """The line up to `head`."""
        applied, wanted = log.genesis.commit, {}
        for entry in log.entries:
            body = entry.body
            if isinstance(body, Intent | Unchanged | Refusal):
                wanted[entry.seq] = applied, body.contracts.commit
            if (recorded := _recorded_by(log, body)) is not None:
                applied = recorded
        here = {
            commit for commit in {*chain.from_iterable(wanted.values()), applied} if history.is_ancestor(commit, commit)
        }
        known = {seq: (after if after in here else None, upto) for seq, (after, upto) in wanted.items() if upto in here}
        lines = history.main_lines([*known.values(), (applied if applied in here else None, head)])
        begins_here = history.is_ancestor(log.genesis.commit, head)
        commits = {commit.id: commit for line in lines for commit in line if commit.changed} if begins_here else {}
        ranges = dict(zip(known, lines, strict=False))
        starts = [*(after for after, _ in known.values()), applied]
        never = (after for after, line in zip(starts, lines, strict=True) if after and _was_never_main(after, line))
        return cls(begins_here, ranges, tuple(commits.values()), frozenset(never))


def _was_never_main(commit: str, following: Sequence[CommitInfo]) -> bool:
    """Whether a later merge brought a commit to main from aside."""
    merge = next((later for later in following if later.joined == commit), None)
    return merge is not None and not any(later.arrived_with == merge.id for later in following)


def _recorded_by(log: Log, body: Body) -> str | None:
    """The commit whose contracts an entry records as carried out."""
    if isinstance(body, Unchanged):
        return body.contracts.commit
    if isinstance(body, Result) and body.outcome == "applied":
        intent = log.entries[body.intent_seq - 1].body
        return intent.contracts.commit if isinstance(intent, Intent) else None
    return None


def check_population(log: Log, line: FirstParentLine) -> Iterator[Problem]:
    """Check that log and branch name the same commits, and truly."""
    if not line.begins_here:
        message = f"genesis names commit {log.genesis.commit[:12]}, which is not on the contracts' branch"
        yield Problem("not-on-main", entry_path(log.zone, 1), message)
    named: set[str] = set()
    for entry in log.entries:
        body = entry.body
        if not isinstance(body, Intent | Unchanged | Refusal):
            continue
        known = {commit.id: commit for commit in line.ranges.get(entry.seq, ())}
        if body.contracts.commit in line.never_main and not isinstance(body, Refusal):
            message = f"main was never at commit {body.contracts.commit[:12]}: a merge brought it there later"
            yield Problem("not-on-main", entry_path(log.zone, entry.seq), message)
        for merged in body.merged:
            yield from _check_merged(log.zone, entry, merged, known)
        if isinstance(body, Intent):
            yield from _check_lifted(log.zone, entry, body, known)
        if not isinstance(body, Refusal):
            named |= {merged.commit for merged in body.merged}
            for missing in known.values():
                if missing.changed and missing.id not in named:
                    named.add(missing.id)
                    message = f"commit {missing.id[:12]} was merged by {body.contracts.commit[:12]}, and is not named"
                    yield Problem("population", entry_path(log.zone, entry.seq), message)


def _check_merged(
    zone: str, entry: Entry, merged: MergedCommit, commits: Mapping[str, CommitInfo]
) -> Iterator[Problem]:
    path, known = entry_path(zone, entry.seq), commits.get(merged.commit)
    if known is None:
        message = f"changes[] names {merged.commit[:12]}, which main did not get since what was applied before"
        yield Problem("not-on-main", path, message)
        return
    if known.joined is not None and merged.head == known.joined:
        # Earlier versions took main, where it had been merged into a branch, for what the merge brought in.
        known = replace(known, merged_head=known.joined, merged_author=known.joined_author)
    true = merged_commit(known)
    facts: list[tuple[str, object, object]] = [
        # Entries without declarations may be older than the reading of trailers.
        ("declaration", merged.declared, true.declared if merged.declared != NOTHING_DECLARED else merged.declared),
    ]
    if merged.source == "commit":  # facts of a forge are not in a commit
        facts += [
            ("author", merged.author, true.author),
            ("title", merged.title, true.title),
            ("approvals", merged.approvals, true.approvals),
            ("head", merged.head, true.head),
        ]
    for fact, recorded, true_value in facts:
        if recorded != true_value:
            yield Problem("commit-facts", path, f"the {fact} of {merged.commit[:12]} is not as in the commit")


def _check_lifted(zone: str, entry: Entry, intent: Intent, commits: Mapping[str, CommitInfo]) -> Iterator[Problem]:
    known = [commits[merged.commit] for merged in intent.merged if merged.commit in commits]
    lifted = {replace(override, reason=masked(override.reason)) for override in trailer_overrides(known)}
    for override in intent.overrides:
        if override.source == "trailer" and override not in lifted:
            message = f"no named commit lifts {override.target}"
            yield Problem("commit-facts", entry_path(zone, entry.seq), message)


def check_people(
    zone: str, entry: Entry, separation: SeparationOfDuties, line: FirstParentLine, git: AuditGit
) -> Iterator[Remark]:
    """Check the approvals of an entry's commits."""
    body = entry.body
    if separation == "off" or not isinstance(body, Intent | Unchanged):
        return
    overrides = body.overrides if isinstance(body, Intent) else ()
    lifted = any(override.guard == "separation-of-duties" for override in overrides)
    touching = {commit.id for commit in line.ranges.get(entry.seq, ()) if commit.changed}
    for merged in body.merged:
        if merged.commit in touching:
            for message, unknown in _check_approval(merged, git):
                if separation == "enforce" and not lifted:
                    problem = Problem("separation-of-duties", entry_path(zone, entry.seq), message)
                    yield Unknown(problem) if unknown else problem
                else:
                    yield Notice("separation-of-duties", entry.seq, entry.envelope.time, message)


def _check_approval(merged: MergedCommit, git: AuditGit) -> Iterator[tuple[str, bool]]:
    short = merged.commit[:12]
    pusher = git.author(merged.head) if merged.head else None
    if (why := missing_approval(merged, (Person(pusher),) if pusher else ())) is not None:
        yield f"commit {short}: {why}", False
    if merged.head is None:
        return
    if pusher is None:
        yield f"commit {short}: its head {merged.head[:12]} is not in this clone: its last pusher is unknown", True
        return
    same = git.merge_matches(merged.commit, merged.head)
    if same is None:
        yield f"commit {short}: this git cannot repeat the merge of {merged.head[:12]}", True
    elif not same:
        yield f"commit {short} is not what merging {merged.head[:12]} gives: it has content without approval", False
