"""A merged pull request as a forge tells of it: who asked, who approved which commit, who merged."""

from dataclasses import dataclass
from typing import Literal

from hyops_gitops.core.people import Approval, Person

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
