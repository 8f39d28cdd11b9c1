"""The Protocols that use-cases need from the outside. Adapters meet them structurally.

Whatever leaves a port as an exception is a `core.errors.HyopsError`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from hyops_gitops.core.exchange import BranchRules, CommitInfo, VerifiedCommit
from hyops_gitops.core.people import Person, PullRequest
from hyops_gitops.core.tree import SourceTree


class Clock(Protocol):
    """Time, passed in."""

    def now(self) -> datetime:
        """UTC, aware."""

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean anything."""

    def sleep(self, seconds: float) -> None: ...


# --- signing


class Signer(Protocol):
    """Holds one signing key."""

    def public_key(self) -> str:
        """`<type> <base64>`, as in allowed_signers, without comment.

        Raises:
            Refused: guard `signing-key`: no key, unreadable, or locked.
        """

    def sign(self, message: bytes, namespace: str) -> bytes:
        """The armored SSH signature, exactly as `ssh-keygen -Y sign` writes it.

        Raises:
            Refused: guard `signing-key`.
        """


class Verifier(Protocol):
    """Checks SSH signatures."""

    def verify(self, message: bytes, signature: bytes, key: str, namespace: str) -> bool:
        """Whether this is a canonical SSH signature by `key`.

        Raises:
            OutsideFailure: the key type needs ssh-keygen and there is none.
        """


# --- the forge


class Forge(Protocol):
    """The forge of the contracts, without any method that writes."""

    @property
    def name(self) -> str:
        """Its kind, as the log names it."""

    def pull_request(self, commit: str) -> PullRequest | None:
        """The merged pull request of this commit; None: pushed directly.

        Raises:
            OutsideFailure: the forge does not answer, refuses the token, or is not understood.
        """

    def author(self, commit: str) -> Person | None:
        """The user who wrote a commit, where the forge knows one.

        Raises:
            OutsideFailure: as `pull_request`.
        """

    def members(self, team: str) -> tuple[Person, ...] | None:
        """The members of `organisation/team` now; None: it is not shown.

        Raises:
            OutsideFailure: as `pull_request`.
        """


# --- Git


class Branches(Protocol):
    """Makes branches for review, beside the work tree and index."""

    def free_name(self, wanted: str) -> str:
        """The name, with a number where it is taken here or remotely."""

    def commit(self, branch: str, files: Mapping[str, bytes], message: str) -> str:
        """Commit to a new branch on HEAD, as git's user; its id.

        Raises:
            UsageError: code `no-identity`: git does not know who commits.
            OutsideFailure: git cannot write.
        """

    def push(self, remote: str, branch: str, commit: str) -> None:
        """Push the new branch.

        Raises:
            OutsideFailure: codes `remote-unreachable`, `push-failed`.
        """


class History(Protocol):
    """The contracts' history."""

    def resolve(self, revision: str) -> str:
        """The full id of the commit a revision names.

        Raises:
            UsageError: there is no such commit.
        """

    def dirty_paths(self) -> tuple[str, ...]:
        """Uncommitted and untracked paths under `endpoints/` and `authority/`."""

    def is_shallow(self) -> bool:
        """Whether the history is cut off."""

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Whether `descendant` equals or descends from `ancestor`, as far as known here."""

    def first_parent_commits(self, after: str | None, upto: str) -> tuple[CommitInfo, ...]:
        """The commits of main in (after, upto], oldest first.

        Changed paths are those of endpoints/ and authority/.

        Where main was merged into a branch and then fast-forwarded to it, they are those of main and of that branch.
        """

    def main_lines(self, ranges: Sequence[tuple[str | None, str]]) -> Sequence[tuple[CommitInfo, ...]]:
        """As `first_parent_commits`, for several ranges of full ids."""

    def versions(self, path: str, upto: str) -> tuple[tuple[str, bytes], ...]:
        """The commits up to `upto` that changed a file, with its content."""

    def tree(self, commit: str) -> SourceTree:
        """The tree of one commit."""

    def merged(self, into: str, commit: str, changed: Mapping[str, bytes | None]) -> SourceTree:
        """The tree after merging a commit and uncommitted changes into another.

        Raises:
            InvalidData: code `merge-conflict`.
            OutsideFailure: code `no-merge`: it cannot be known here.
        """


class RemoteAccess(Protocol):
    """The git remote of the log."""

    def head(self) -> str | None:
        """The commit of the evidence branch there.

        Raises:
            OutsideFailure: it cannot be reached.
        """

    def refusal(self, commit: str) -> str | None:
        """The remote's reason to refuse this head, from a dry run."""

    def rules(self, branch: str) -> BranchRules | None:
        """The protection of a branch, None where it is not shown.

        Raises:
            OutsideFailure: what would show it cannot be asked.
        """


class EvidenceSnapshot(Protocol):
    """The evidence branch at one commit."""

    @property
    def commit(self) -> str:
        """The commit's full id."""

    def paths(self) -> Sequence[str]:
        """Every path, sorted.

        Raises:
            InvalidData: code `evidence-invalid`: the tree holds anything but ordinary files.
        """

    def read(self, paths: Collection[str]) -> Mapping[str, bytes]:
        """The content of these paths, without missing ones."""

    def earlier(self, commit: str, paths: Collection[str]) -> Mapping[str, bytes]:
        """As `read`, at an earlier commit of the branch, known here."""

    def unchanged_since(self, commit: str) -> Collection[str] | None:
        """The paths whose content is what it was in an earlier commit.

        None when that commit is not an earlier one of this branch, or when since then more happened to the log than
        that entries were added.
        """


class VerifiedMark(Protocol):
    """Remembers how far a clone's log was verified; it may forget."""

    def read(self) -> VerifiedCommit | None:
        """The last verification."""

    def write(self, verified: VerifiedCommit) -> None:
        """Remember this instead."""


class EvidenceStore(Protocol):
    """The branch that the log lives on."""

    def recorded(self) -> EvidenceSnapshot | None:
        """The branch as this clone knows it, without the network.

        That is the remote-tracking ref, else the local branch.

        Raises:
            Refused: guard `evidence-diverged`: both exist and neither descends from the other.
        """

    def fetch(self) -> EvidenceSnapshot | None:
        """The branch as the remote has it, None where it is missing.

        In local mode, the branch of this clone.

        Raises:
            OutsideFailure: the remote cannot be reached.
            Refused: guard `evidence-diverged`: the remote's branch does not descend from what this clone knew.
        """

    def append(
        self,
        parent: str | None,
        files: Mapping[str, bytes | None],
        subject: str,
        author: str,
        time: datetime,
        sign: Callable[[bytes], bytes] | None = None,
    ) -> str:
        """Commit these files (None deletes) on `parent`, all or nothing.

        With `sign`, which makes an SSH signature of a commit's bytes, the commit carries one.

        Returns the new commit's id. Raises Refused with guard `race` when the branch is no longer at `parent`
        (`parent` None: when it exists already), OutsideFailure when the remote cannot be reached.
        """

    def mirror(self, commit: str) -> Sequence[str]:
        """Push to every mirror, fast-forward only; a line per failure."""

    def fetch_beside_mirrors(self) -> tuple[EvidenceSnapshot | None, Sequence[str]]:
        """As `fetch`, with the mirrors; a line per unreachable mirror.

        Raises:
            Refused: guard `evidence-diverged`: a mirror has what the log has not, or as `fetch` does.
        """

    def offered(self, source: Path) -> EvidenceSnapshot:
        """The branch in another clone or bundle; no reference moves.

        Raises:
            UsageError: the path leads to nothing that git can read, or it has no such branch.
            Refused: guard `evidence-diverged`: it has several, and they do not descend from one another.
        """

    def advance(self, commit: str) -> EvidenceSnapshot | None:
        """Fast-forward the branch to a commit; the head before.

        Raises:
            Refused: guard `evidence-diverged` when it is not; `race`.
            OutsideFailure: the remote cannot be reached.
        """


class SegmentFolder(Protocol):
    """The segments beside the contracts, on this machine's disk."""

    def segments(self) -> Sequence[str]:
        """The name of each segment's folder, sorted."""

    def read(self, segment: str) -> Mapping[str, bytes]:
        """Every file of a segment, by name.

        Raises:
            OutsideFailure: code `cannot-read`.
        """

    def append(self, segment: str, files: Mapping[str, bytes], last: str) -> None:
        """Write these files durably in order, and the new `last` last.

        Raises:
            Refused: guard `race`: `last` exists.
            OutsideFailure: code `cannot-write`.
        """
