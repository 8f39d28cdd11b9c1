"""What `init` is asked to do, and what it needs from the outside."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from hyops_gitops.core.apply.events import OnEvent
from hyops_gitops.core.contracts.authority import Authority
from hyops_gitops.core.onboarding.new_repository import Answers, Tool
from hyops_gitops.core.onboarding.rulesets import Ruleset
from hyops_gitops.core.onboarding.zone_contracts import Style
from hyops_gitops.core.zone import RRset
from hyops_gitops.usecases.document_port import DocumentReader, SchemaChecker
from hyops_gitops.usecases.evidence.genesis import Started
from hyops_gitops.usecases.ports import Signer, SourceTree


class RepositoryFolder(Protocol):
    """The directory that becomes a repository. Never overwrites a file."""

    def tree(self) -> SourceTree:
        """What is under `endpoints/` and `authority/` already."""

    def holds(self, path: str) -> bool:
        """Whether something is at this path."""

    def mentions(self, path: str, word: str) -> bool:
        """Whether a file is at this path and has this word in it."""

    def check_place(self) -> None:
        """Whether this can be the top of a repository.

        Raises:
            UsageError: code `inside-repository`: it lies below the top of another.
        """

    def write_new(self, files: Mapping[str, bytes]) -> None:
        """Write files that are not there, each whole or not at all.

        Raises:
            UsageError: code `exists`: one of them is there meanwhile.
            OutsideFailure: code `cannot-write`.
        """

    def begin(self, remote_url: str | None) -> None:
        """Make it a Git repository, unless it is in one, with a remote `origin` where a URL is given.

        Raises:
            UsageError: code `remote-exists`: `origin` leads elsewhere.
        """

    def commit(self, paths: Sequence[str], message: str) -> str:
        """Commit these paths alone; the commit's id.

        Raises:
            OutsideFailure: code `git-failed`: git does not know who commits.
        """

    def pin(self, path: str, sha256: str) -> None:
        """Add `evidence.genesis` to the authority file."""


@dataclass(frozen=True, slots=True)
class InitRequest:
    """One call of init."""

    answers: Answers | None  # None: the directory, or `authority_file`, says it
    tool: Tool
    authority_file: bytes | None = None
    runner: str = "hyops-applier"
    principal: str | None = None
    remote_url: str | None = None
    admins: str | None = None
    organisation: str | None = None
    take_over: Style | None = None  # make contracts of what the zone holds
    commit: bool = False
    evidence: bool = False
    github: bool = False
    extra: Mapping[str, bytes] | None = None  # further files, by path


@dataclass(frozen=True, slots=True)
class BeginPorts:
    """The outside. Functions open what only a validated authority file can name."""

    folder: RepositoryFolder
    templates: Mapping[str, str]
    schemas: Mapping[str, bytes]  # by path
    read: DocumentReader
    check: SchemaChecker
    read_zone: Callable[[Authority], tuple[RRset, ...]]
    signer: Callable[[], Signer] | None  # makes the key where it was asked for
    start_log: Callable[[], Started]
    set_rulesets: Callable[[Sequence[Ruleset]], Sequence[str]] | None
    on_event: OnEvent
