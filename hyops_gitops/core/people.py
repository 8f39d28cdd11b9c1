"""Authors, approvers and merged pull requests behind the commits of an apply."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hyops_gitops.core.declaration import NOTHING_DECLARED, Declaration
from hyops_gitops.core.json_fields import Fields, Json, present, time_text


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, as a forge knows them (login and id) or, without one, by the name in a commit. Never an address."""

    name: str
    id: str | None = None  # the forge's number; None: only the name is known

    def to_json(self) -> Json:
        """The entry's form."""
        return {"name": self.name, **present(id=self.id)}

    @classmethod
    def from_json(cls, fields: Fields) -> "Person":
        """Back from the entry's form."""
        return cls(fields.text("name"), fields.optional_text("id"))


@dataclass(frozen=True, slots=True)
class Approval:
    """Somebody's yes, and the commit they saw where that is known."""

    by: Person
    commit: str | None = None

    def to_json(self) -> Json:
        """The entry's form."""
        return {"by": self.by.to_json(), **present(commit=self.commit)}

    @classmethod
    def from_json(cls, fields: Fields) -> "Approval":
        """Back from the entry's form."""
        return cls(Person.from_json(fields.nested("by")), fields.optional_text("commit"))


@dataclass(frozen=True, slots=True)
class MergedCommit:
    """One first-parent commit of the contracts' branch that an apply carries out, and who stands behind it."""

    commit: str
    title: str  # at most 200 characters, secrets and e-mail addresses masked
    author: Person
    time: datetime
    approvals: tuple[Approval, ...] = ()
    head: str | None = None  # the last commit of the pull request or merged branch
    merged_by: Person | None = None
    pull_request: str | None = None  # its number or address
    source: str = "commit"  # where people and approvals are from: the commit itself, or a forge
    declared: Declaration = NOTHING_DECLARED  # by its trailers
    bypass: str | None = None  # how it got past its review: direct-push, review; None: it did not, or nobody knows

    def to_json(self) -> Json:
        """The entry's form."""
        return {
            "commit": self.commit,
            "title": self.title,
            "author": self.author.to_json(),
            "time": time_text(self.time),
            "approvals": [approval.to_json() for approval in self.approvals],
            "source": self.source,
            **present(
                head=self.head,
                merged_by=self.merged_by.to_json() if self.merged_by else None,
                pull_request=self.pull_request,
                bypass=self.bypass,
            ),
            **self.declared.to_json(),
        }

    @classmethod
    def from_json(cls, fields: Fields) -> "MergedCommit":
        """Back from the entry's form."""
        return cls(
            fields.text("commit"),
            fields.text("title"),
            Person.from_json(fields.nested("author")),
            fields.time("time"),
            fields.each("approvals", Approval.from_json),
            fields.optional_text("head"),
            fields.optional("merged_by", Person.from_json),
            fields.optional_text("pull_request"),
            fields.text("source"),
            declared=Declaration.from_json(fields),
            bypass=fields.optional_text("bypass"),
        )


def asked_by(merged: Iterable[MergedCommit]) -> tuple[str, ...]:
    """Who wrote these commits, each once."""
    return tuple(dict.fromkeys(commit.author.name for commit in merged))


def approved_by(merged: Iterable[MergedCommit]) -> tuple[str, ...]:
    """Who approved any of these commits, each once."""
    return tuple(dict.fromkeys(approval.by.name for commit in merged for approval in commit.approvals))


# --- separation of duties

_BOT = "[bot]"


def missing_approval(merged: MergedCommit, pushers: Collection[Person] = ()) -> str | None:
    """Why a commit has no independent approval, or None when it has one.

    Args:
        merged: The commit and its approvals.
        pushers: Who made the last commit of what was merged, where that is known.
    """
    if not merged.approvals:
        return "nobody approved it"
    reasons = [_why_not(approval, merged, pushers) for approval in merged.approvals]
    return None if None in reasons else "; ".join(dict.fromkeys(reason for reason in reasons if reason))


def same_person(one: Person, other: Person) -> bool:
    """Whether two names mean one person: by the forge's id where both have one, else by name."""
    if one.id is not None and other.id is not None:
        return one.id == other.id
    return one.name.casefold() == other.name.casefold()


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
        """Whether it was merged past its review: fewer approvals than the branch's rules ask for, or objections."""
        return "review" if self.objectors or len(self.approvals) < self.required_approvals else None
