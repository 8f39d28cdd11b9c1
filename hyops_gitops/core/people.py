"""Authors, approvers and merged pull requests behind the commits of an apply."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Annotated, Literal

from hyops_gitops.core.codec import JsonObject
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.declaration import NOTHING_DECLARED, Declaration
from hyops_gitops.core.fields import ALWAYS, Commit, Flat, Keywords


@dataclass(frozen=True, slots=True)
class Person(JsonObject):
    """A person by forge login or by name. Never an address."""

    name: Annotated[str, Keywords.of(maxLength=200)]  # the login, or the name in the commit
    id: str | None = None  # the forge's number; absent where only the name is known


@dataclass(frozen=True, slots=True)
class Approval(JsonObject):
    """One approval, and the approved commit where known."""

    by: Person  # who approved
    commit: Commit | None = None  # the commit that they saw, where it is known


@dataclass(frozen=True, slots=True)
class MergedCommit(JsonObject):
    """One first-parent commit that an apply carries out, with its people."""

    commit: Commit  # the commit on the branch
    title: Annotated[str, Keywords.of(maxLength=200)]  # its subject, secrets and e-mail addresses masked
    author: Person  # the author of what was merged
    time: datetime  # the commit's date
    approvals: Annotated[tuple[Approval, ...], ALWAYS] = ()  # who approved it
    head: Commit | None = None  # the last commit of the pull request or merged branch
    merged_by: Person | None = None  # who merged it
    pull_request: str | None = None  # its number or address
    source: Annotated[str, ALWAYS] = "commit"  # where people and approvals are from: commit, or the name of a forge
    declared: Annotated[Declaration, Flat()] = NOTHING_DECLARED  # by its trailers
    bypass: str | None = None  # how it got past its review, where that is known: direct-push, review


def asked_by(merged: Iterable[MergedCommit]) -> tuple[str, ...]:
    """The authors of these commits, each once."""
    return tuple(dict.fromkeys(commit.author.name for commit in merged))


def approved_by(merged: Iterable[MergedCommit]) -> tuple[str, ...]:
    """The approvers of these commits, each once."""
    return tuple(dict.fromkeys(approval.by.name for commit in merged for approval in commit.approvals))


# --- separation of duties

_BOT = "[bot]"


def missing_approval(merged: MergedCommit, pushers: Collection[Person] = ()) -> str | None:
    """The reason why a commit has no independent approval.

    Args:
        merged: The commit and its approvals.
        pushers: Who made the last commit of what was merged, where that is known.
    """
    if not merged.approvals:
        return "nobody approved it"  # verbatim: a reason in the log
    reasons = [_why_not(approval, merged, pushers) for approval in merged.approvals]
    return None if None in reasons else "; ".join(dict.fromkeys(reason for reason in reasons if reason))


def good_approvals(merged: MergedCommit, pushers: Collection[Person] = ()) -> tuple[Approval, ...]:
    """The independent approvals of what was merged."""
    return tuple(approval for approval in merged.approvals if _why_not(approval, merged, pushers) is None)


def same_person(this: Person, other: Person) -> bool:
    """Whether two names mean one person, by id or by name."""
    if this.id is not None and other.id is not None:
        return this.id == other.id
    return this.name.casefold() == other.name.casefold()


def _why_not(approval: Approval, merged: MergedCommit, pushers: Collection[Person]) -> str | None:
    by = approval.by
    if by.name.endswith(_BOT):
        return f"{by.name} is not a human"
    if same_person(by, merged.author):
        return f"{by.name} approved their own change"
    if any(same_person(by, pusher) for pusher in pushers):
        return f"{by.name} approved and pushed last"
    if approval.commit is not None and merged.head is not None and approval.commit != merged.head:
        return f"{by.name} approved {approval.commit[:12]}, not the last head {merged.head[:12]}"
    return None


# Why a change reached the branch otherwise than by a reviewed pull request.
Bypass = Literal["direct-push", "review"]


@dataclass(frozen=True, slots=True)
class PullRequest:
    """One merged pull request."""

    number: str
    title: str
    author: Person
    head: str  # its last commit
    approvals: tuple[Approval, ...]  # the newest review of each reviewer, where it approves and was not dismissed
    merged_by: Person | None
    pushers: tuple[Person, ...]  # author and committer of its head, as far as the forge knows them
    objectors: tuple[Person, ...] = ()  # whose newest review asks for changes
    required_approvals: int = 0  # as far as the branch's rules are visible

    @property
    def bypass(self) -> Bypass | None:
        """`review` where it was merged past its required review."""
        return "review" if self.objectors or len(self.approvals) < self.required_approvals else None
