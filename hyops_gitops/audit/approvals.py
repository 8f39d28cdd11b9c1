"""The population of merged commits, both ways, and who stands behind each of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from hyops_gitops.apply.opening import merged_commit
from hyops_gitops.apply.propose import trailer_overrides
from hyops_gitops.audit.commits import AuditGit, SeparationOfDuties
from hyops_gitops.audit.report import Notice
from hyops_gitops.core.declaration import NOTHING_DECLARED
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.people import MergedCommit, Person, missing_approval
from hyops_gitops.core.ports import History
from hyops_gitops.core.text import masked
from hyops_gitops.log.chain import Problem
from hyops_gitops.log.entries import Body, Intent, Refusal, Result, Unchanged
from hyops_gitops.log.envelope import Entry, entry_path
from hyops_gitops.log.log import Log

Doubt = Problem | Notice


@dataclass(frozen=True, slots=True)
class FirstParentLine:
    """The contracts' branch as the entries went along it: main may have been fast-forwarded past its own commits."""

    begins_here: bool  # whether the commit of genesis is in the branch's history
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
        here = {one for one in {*chain.from_iterable(wanted.values()), applied} if history.is_ancestor(one, one)}
        known = {seq: (after if after in here else None, upto) for seq, (after, upto) in wanted.items() if upto in here}
        lines = history.main_lines([*known.values(), (applied if applied in here else None, head)])
        begins_here = history.is_ancestor(log.genesis.commit, head)
        commits = {one.id: one for line in lines for one in line if one.changed} if begins_here else {}
        ranges = dict(zip(known, lines, strict=False))
        starts = [*(after for after, _ in known.values()), applied]
        never = (after for after, line in zip(starts, lines, strict=True) if after and _was_never_main(after, line))
        return cls(begins_here, ranges, tuple(commits.values()), frozenset(never))


def _was_never_main(commit: str, following: Sequence[CommitInfo]) -> bool:
    """Whether a commit came to main by a merge whose first parent it descends from: main was at that one until then."""
    merge = next((one for one in following if one.joined == commit), None)
    return merge is not None and not any(one.arrived_with == merge.id for one in following)


def _recorded_by(log: Log, body: Body) -> str | None:
    """The commit whose contracts were carried out, where an entry says that some were."""
    if isinstance(body, Unchanged):
        return body.contracts.commit
    if isinstance(body, Result) and body.outcome == "applied":
        intent = log.entries[body.intent_seq - 1].body
        return intent.contracts.commit if isinstance(intent, Intent) else None
    return None


def check_population(log: Log, line: FirstParentLine) -> Iterator[Problem]:
    """Every merged commit is in the log, and every commit in the log was merged as it says."""
    if not line.begins_here:
        message = f"genesis names commit {log.genesis.commit[:12]}, which is not on the contracts' branch"
        yield Problem("not-on-main", entry_path(log.zone, 1), message)
    told: set[str] = set()
    for entry in log.entries:
        body = entry.body
        if not isinstance(body, Intent | Unchanged | Refusal):
            continue
        known = {one.id: one for one in line.ranges.get(entry.seq, ())}
        if body.contracts.commit in line.never_main and not isinstance(body, Refusal):
            message = f"main was never at commit {body.contracts.commit[:12]}: a merge brought it there later"
            yield Problem("not-on-main", entry_path(log.zone, entry.seq), message)
        for merged in body.merged:
            yield from _check_merged(log.zone, entry, merged, known)
        if isinstance(body, Intent):
            yield from _check_lifted(log.zone, entry, body, known)
        if not isinstance(body, Refusal):
            told |= {merged.commit for merged in body.merged}
            for missing in known.values():
                if missing.changed and missing.id not in told:
                    told.add(missing.id)
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
        # A log that says nothing may have been written before trailers were read.
        ("declaration", merged.declared, true.declared if merged.declared != NOTHING_DECLARED else merged.declared),
    ]
    if merged.source == "commit":  # what a forge told cannot be looked up in a commit
        facts += [
            ("author", merged.author, true.author),
            ("title", merged.title, true.title),
            ("approvals", merged.approvals, true.approvals),
            ("head", merged.head, true.head),
        ]
    for what, said, is_so in facts:
        if said != is_so:
            yield Problem("commit-facts", path, f"the {what} of {merged.commit[:12]} is not what the commit says")


def _check_lifted(zone: str, entry: Entry, intent: Intent, commits: Mapping[str, CommitInfo]) -> Iterator[Problem]:
    known = [commits[merged.commit] for merged in intent.merged if merged.commit in commits]
    lifted = {replace(one, reason=masked(one.reason)) for one in trailer_overrides(known)}
    for override in intent.overrides:
        if override.source == "trailer" and override not in lifted:
            message = f"no commit that it names lifts {override.target}"
            yield Problem("commit-facts", entry_path(zone, entry.seq), message)


def check_people(
    zone: str, entry: Entry, separation: SeparationOfDuties, line: FirstParentLine, custody: AuditGit
) -> Iterator[tuple[Doubt, bool]]:
    """What is to be said about the approvals of an entry's commits; True where it could not be known."""
    body = entry.body
    if separation == "off" or not isinstance(body, Intent | Unchanged):
        return
    overrides = body.overrides if isinstance(body, Intent) else ()
    lifted = any(override.guard == "separation-of-duties" for override in overrides)
    touching = {one.id for one in line.ranges.get(entry.seq, ()) if one.changed}
    for merged in body.merged:
        if merged.commit in touching:
            for message, unknown in _about(merged, custody):
                if separation == "enforce" and not lifted:
                    yield Problem("separation-of-duties", entry_path(zone, entry.seq), message), unknown
                else:
                    yield Notice("separation-of-duties", entry.seq, entry.envelope.time, message), False


def _about(merged: MergedCommit, custody: AuditGit) -> Iterator[tuple[str, bool]]:
    short = merged.commit[:12]
    pusher = custody.author(merged.head) if merged.head else None
    if (why := missing_approval(merged, (Person(pusher),) if pusher else ())) is not None:
        yield f"commit {short}: {why}", False
    if merged.head is None:
        return
    if pusher is None:
        yield f"commit {short}: its head {merged.head[:12]} is not in this clone: who pushed last is not known", True
        return
    same = custody.merge_matches(merged.commit, merged.head)
    if same is None:
        yield f"commit {short}: this git cannot repeat the merge of {merged.head[:12]}", True
    elif not same:
        yield f"commit {short} is not what merging {merged.head[:12]} gives: it holds what nobody approved", False
