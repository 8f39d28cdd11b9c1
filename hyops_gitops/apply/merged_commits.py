"""The people behind commits: by the forge, else by the commits themselves.

The forge takes precedence over a commit, whose writer also writes its author's name and its trailers. So
where one is asked, no trailer counts as an approval; and where it does not answer, that is kept, for what must not be
guessed.
"""

from collections.abc import Sequence
from dataclasses import replace

from hyops_gitops.apply.opening import merged_commit
from hyops_gitops.apply.propose import mixed_commits
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.core.events import OnEvent, Warned
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.people import Approval, MergedCommit, Person, PullRequest
from hyops_gitops.core.ports import Forge
from hyops_gitops.core.text import masked


@dataclass(frozen=True, slots=True)
class AttributedCommit:
    """One commit, and who stands behind it."""

    commit: CommitInfo
    merged: MergedCommit
    pushers: tuple[Person, ...]  # who made the last commit of what was merged
    unanswered: str = ""  # why the forge did not answer, where it was asked


def attribute(commits: Sequence[CommitInfo], forge: Forge | None, on_event: OnEvent) -> tuple[AttributedCommit, ...]:
    """Attribute each commit; a forge that fails once is not asked again."""
    if forge is None:
        return tuple(map(_by_commit, commits))
    found: list[AttributedCommit] = []
    failure = ""
    for commit in commits:
        if not failure:
            try:
                found.append(_by_forge(commit, forge))
                continue
            except OutsideFailure as error:
                failure = error.message
                on_event(Warned(f"people and approvals come from the commits alone: {failure}"))
        found.append(replace(_by_commit(commit), unanswered=failure))
    return tuple(found)


def mixed_change(people: Sequence[AttributedCommit]) -> str | None:
    """As `mixed_commits`, with the commits of one pull request taken together."""
    pulls = {
        attributed.commit.id: attributed.merged.pull_request for attributed in people if attributed.merged.pull_request
    }
    return mixed_commits([attributed.commit for attributed in people], pulls)


def _by_commit(commit: CommitInfo) -> AttributedCommit:
    pushers = (Person(commit.merged_author),) if commit.merged_author else ()
    return AttributedCommit(commit, merged_commit(commit), pushers)


def _by_forge(commit: CommitInfo, forge: Forge) -> AttributedCommit:
    pull = forge.pull_request(commit.id)
    known = replace(merged_commit(commit), source=forge.name, approvals=())
    if pull is None:
        author = forge.author(commit.id)
        direct = replace(known, author=_masked(author) if author else known.author, bypass="direct-push")
        return AttributedCommit(commit, direct, (author,) if author else ())
    return AttributedCommit(commit, _of_pull_request(known, pull), pull.pushers)


def _of_pull_request(known: MergedCommit, pull: PullRequest) -> MergedCommit:
    return replace(
        known,
        title=masked(pull.title),
        author=_masked(pull.author),
        approvals=tuple(Approval(_masked(approval.by), approval.commit) for approval in pull.approvals),
        head=pull.head,
        merged_by=_masked(pull.merged_by) if pull.merged_by else None,
        pull_request=pull.number,
        bypass=pull.bypass,
    )


def _masked(person: Person) -> Person:
    return replace(person, name=masked(person.name))
