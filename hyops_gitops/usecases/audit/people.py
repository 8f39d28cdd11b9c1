"""The population of merged commits, both ways, and who stands behind each of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from hyops_gitops.core.apply.separation import missing_approval
from hyops_gitops.core.audit.audit import Notice
from hyops_gitops.core.audit.facts import SeparationOfDuties
from hyops_gitops.core.declaration import NOTHING_DECLARED
from hyops_gitops.core.evidence.entries import Intent, Refusal, Unchanged
from hyops_gitops.core.evidence.entry_parts import MergedCommit, Person
from hyops_gitops.core.evidence.envelope import Entry, entry_path
from hyops_gitops.core.evidence.log import Log
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.masking import masked
from hyops_gitops.core.verification.log_problems import Problem
from hyops_gitops.usecases.apply.opening import merged_commit
from hyops_gitops.usecases.audit.ports import Custody
from hyops_gitops.usecases.planning.declarations import trailer_overrides
from hyops_gitops.usecases.ports import History

Doubt = Problem | Notice


@dataclass(frozen=True, slots=True)
class Line:
    """The contracts' branch as its first parents tell it."""

    commits: Mapping[str, CommitInfo]  # by id, oldest first, from the beginning
    population: tuple[CommitInfo, ...]  # those since genesis that touch contracts or authority

    @classmethod
    def of(cls, history: History, log: Log, head: str) -> "Line":
        """The line up to `head`."""
        commits = history.first_parent_commits(None, head)
        ids = [one.id for one in commits]
        start = ids.index(log.genesis.commit) + 1 if log.genesis.commit in ids else 0
        return cls({one.id: one for one in commits}, tuple(one for one in commits[start:] if one.changed))

    def up_to(self, commit: str) -> tuple[CommitInfo, ...]:
        """The population up to one commit of the line."""
        ids = list(self.commits)
        if commit not in self.commits:
            return ()
        known = set(ids[: ids.index(commit) + 1])
        return tuple(one for one in self.population if one.id in known)


def check_population(log: Log, line: Line) -> Iterator[Problem]:
    """Every merged commit is in the log, and every commit in the log was merged as it says."""
    if log.genesis.commit not in line.commits:
        message = f"genesis names commit {log.genesis.commit[:12]}, which is not on the contracts' branch"
        yield Problem("not-on-main", entry_path(log.zone, 1), message)
    told: set[str] = set()
    for entry in log.entries:
        body = entry.body
        if not isinstance(body, Intent | Unchanged | Refusal):
            continue
        for merged in body.merged:
            yield from _check_merged(log.zone, entry, merged, line)
        if isinstance(body, Intent):
            yield from _check_lifted(log.zone, entry, body, line)
        if not isinstance(body, Refusal):
            told |= {merged.commit for merged in body.merged}
            for missing in line.up_to(body.contracts.commit):
                if missing.id not in told:
                    told.add(missing.id)
                    message = f"commit {missing.id[:12]} was merged by {body.contracts.commit[:12]}, and is not named"
                    yield Problem("population", entry_path(log.zone, entry.seq), message)


def _check_merged(zone: str, entry: Entry, merged: MergedCommit, line: Line) -> Iterator[Problem]:
    path, known = entry_path(zone, entry.seq), line.commits.get(merged.commit)
    if known is None:
        message = f"changes[] names {merged.commit[:12]}, which is not a first parent of the contracts' branch"
        yield Problem("not-on-main", path, message)
        return
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


def _check_lifted(zone: str, entry: Entry, intent: Intent, line: Line) -> Iterator[Problem]:
    known = [line.commits[merged.commit] for merged in intent.merged if merged.commit in line.commits]
    lifted = {replace(one, reason=masked(one.reason)) for one in trailer_overrides(known)}
    for override in intent.overrides:
        if override.source == "trailer" and override not in lifted:
            message = f"no commit that it names lifts {override.target}"
            yield Problem("commit-facts", entry_path(zone, entry.seq), message)


def check_people(
    zone: str, entry: Entry, separation: SeparationOfDuties, line: Line, custody: Custody
) -> Iterator[tuple[Doubt, bool]]:
    """What is to be said about the approvals of an entry's commits; True where it could not be known."""
    body = entry.body
    if separation == "off" or not isinstance(body, Intent | Unchanged):
        return
    overrides = body.overrides if isinstance(body, Intent) else ()
    lifted = any(override.guard == "separation-of-duties" for override in overrides)
    touching = {one.id for one in line.population}
    for merged in body.merged:
        if merged.commit in touching:
            for message, unknown in _about(merged, custody):
                if separation == "enforce" and not lifted:
                    yield Problem("separation-of-duties", entry_path(zone, entry.seq), message), unknown
                else:
                    yield Notice("separation-of-duties", entry.seq, entry.envelope.time, message), False


def _about(merged: MergedCommit, custody: Custody) -> Iterator[tuple[str, bool]]:
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
