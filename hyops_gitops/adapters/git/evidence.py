"""The branch that the log lives on. Meets the port `EvidenceStore`.

Every append is one commit made by plumbing and one compare-and-swap of one reference: on the remote where there is one,
else of the local branch. The user's work tree, index, HEAD and current branch are never touched.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from hyops_gitops.adapters.git.commit import identity, write_commit
from hyops_gitops.adapters.git.exports import Mirrors, copy_branch
from hyops_gitops.adapters.git.objects import descends, resolve
from hyops_gitops.adapters.git.process import Git
from hyops_gitops.adapters.git.remote import PushOutcome, RemoteBranch, RemoteHeads
from hyops_gitops.adapters.git.snapshot import GitSnapshot
from hyops_gitops.core.errors import OutsideFailure, Refused, UsageError

_SAYS_NOTHING = (b"", b"ref: refs/heads/.invalid")  # as a HEAD: one that cannot be read, or references in a table
_IMPORTER = "evidence import"
_BRANCH = re.compile(r"(?!.*(?:\.\.|//|/\.|\.lock(?:/|$)))[A-Za-z0-9_](?:[A-Za-z0-9._/-]*[A-Za-z0-9_-])?")


class GitEvidenceStore:
    """The evidence branch of one clone.

    Args:
        root: A directory of the clone.
        branch: The branch's short name.
        remote: The name of a configured remote, or None for local mode.
        mirrors: Names of further remotes that get a copy.
        heads: What the remote of several zones was asked for together; None: each is asked for.

    Raises:
        UsageError: the branch or the remote has no usable name.
    """

    def __init__(
        self,
        root: Path | Git,
        branch: str,
        remote: str | None,
        mirrors: Sequence[str] = (),
        heads: RemoteHeads | None = None,
    ) -> None:
        if not _BRANCH.fullmatch(branch):
            raise UsageError(f"{branch!r} is not a branch name", code="bad-branch")
        self._git = Git.of(root)
        self._branch = branch
        self._local = f"refs/heads/{branch}"
        self._remote = RemoteBranch(self._git, remote, branch) if remote is not None else None
        self._mirrors = Mirrors(self._git, mirrors, branch)
        self._heads = heads

    def recorded(self) -> GitSnapshot | None:
        """The newer of remote-tracking ref and local branch, without the network.

        Raises:
            Refused: guard `evidence-diverged`: both exist and neither descends from the other.
        """
        local = self._head(self._local)
        tracking = self._head(self._remote.tracking) if self._remote else None
        if local is None or tracking is None:
            found = tracking or local
        elif self._descends(tracking, local):
            found = tracking
        elif self._descends(local, tracking):
            found = local
        else:
            raise Refused(
                f"the evidence branch has diverged: {self._local} is at {local[:12]} and "
                f"the remote's at {tracking[:12]}, and neither descends from the other",
                guard="evidence-diverged",
                hint=f"compare them with `git log --oneline --left-right {local[:12]}...{tracking[:12]}`; "
                "rename a local branch that was never pushed with `git branch -m`",
            )
        return GitSnapshot(self._git, found) if found else None

    def fetch(self) -> GitSnapshot | None:
        """The branch as the remote has it, None where it is missing.

        In local mode, the branch of this clone.

        None says nothing about what this clone remembers: `recorded` does.

        Raises:
            OutsideFailure: code `remote-unreachable`.
            Refused: guard `evidence-diverged`: the remote's branch does not descend from what this clone knew.
        """
        known = self.recorded()
        if self._remote is None:
            return known
        head = self._remote.head() if self._heads is None else self._heads.head(self._remote)
        if head is None:
            return None
        if known is not None and head == known.commit == self._head(self._remote.tracking):
            return known
        fast_forward = self._remote.fetch()
        if fast_forward:
            head = self._head(self._remote.tracking) or head  # it may have moved on since it was asked for
        if not fast_forward or (known is not None and not self._descends(head, known.commit)):
            before = known.commit[:12] if known else "nothing"
            raise Refused(
                f"the evidence branch on {self._remote.remote!r} is at {head[:12]}, which does not descend from "
                f"{before}, known here: it was rewound or replaced",
                guard="evidence-diverged",
                hint="find out who pushed, since a log only ever grows. If the remote lost entries that this clone "
                "has, this pushes them back: hyops-gitops evidence import .",
            )
        return GitSnapshot(self._git, head)

    def fetch_beside_mirrors(self) -> tuple[GitSnapshot | None, Sequence[str]]:
        """As `fetch`, with the mirrors; a line per unreachable mirror.

        Raises:
            Refused: guard `evidence-diverged`: a mirror has what the log has not, or as `fetch` does.
        """
        # Asked first: mirrors are written after the log, so what they have now the log must have a moment later.
        asked = self._mirrors.ask()
        snapshot = self.fetch()
        if snapshot is not None:
            self._mirrors.check(asked, snapshot.commit)
        return snapshot, asked.problems

    def mirror(self, commit: str) -> Sequence[str]:
        """Push to every mirror, fast-forward only; a line per failure."""
        return self._mirrors.push(commit)

    def offered(self, source: Path) -> GitSnapshot:
        """The branch in another clone or bundle; no reference moves.

        Raises:
            UsageError: code `bad-source`.
            Refused: guard `evidence-diverged`: it has several, and they do not descend from one another.
        """
        return GitSnapshot(self._git, copy_branch(self._git, source, self._branch))

    def advance(self, commit: str) -> GitSnapshot | None:
        """Fast-forward the branch to a commit; the head before.

        Nothing is done where the head has that commit already.

        Raises:
            Refused: guards `evidence-diverged` for anything but a fast-forward; `race`.
            OutsideFailure: codes `remote-unreachable`, `remote-refused`.
        """
        known = self.recorded()
        head = known.commit if known else None
        if self._remote is not None:
            head = self._remote.head()
            if head is not None and resolve(self._git, head) is None:
                self._remote.fetch_objects()
        before = GitSnapshot(self._git, head) if head else None
        newest = [tip for tip in (head, known.commit if known else None) if tip is not None]
        if not all(self._descends(commit, tip) for tip in newest):
            if head is not None and all(self._descends(head, tip) for tip in (commit, *newest)):
                return before
            raise Refused(
                f"{commit[:12]} does not continue {' and '.join(sorted({tip[:12] for tip in newest}))}, known here",
                guard="evidence-diverged",
                hint="compare them: hyops-gitops evidence verify --seen SEQ:SHA256",
            )
        ident = identity(_IMPORTER, datetime.now(UTC))  # of the reflog
        if self._remote is None:
            self._move_local(commit, head, ident)
        elif head != commit:
            self._push(self._remote, commit, head)
        if self._remote is not None:
            self._remember(self._remote.tracking, commit, ident)
            if not self._is_checked_out():
                self._remember(self._local, commit, ident)
        return before

    def append(
        self,
        parent: str | None,
        files: Mapping[str, bytes | None],
        subject: str,
        author: str,
        time: datetime,
        sign: Callable[[bytes], bytes] | None = None,
    ) -> str:
        """Commit these files on `parent` as the branch's head, all or nothing.

        Args:
            parent: The head this was made for; None creates the branch.
            files: Contents by path; None deletes.
            subject: The commit's message, one line.
            author: The principal; author and committer of the commit.
            time: Aware; the commit's date.
            sign: Makes an SSH signature of the commit's bytes; None leaves it unsigned.

        Returns:
            The new commit's id.

        Raises:
            Refused: guard `race`: the branch is no longer at `parent`; guard `evidence-diverged`: in local mode, the
                branch is checked out.
            OutsideFailure: codes `remote-unreachable`, and `remote-refused` when the server's rules refuse the push.
        """
        if self._remote is None and self._is_checked_out():
            raise Refused(
                f"the evidence branch {self._branch!r} is checked out; moving it would leave that work tree behind",
                guard="evidence-diverged",
                hint="check out another branch there; `git worktree list` shows where",
            )
        commit = write_commit(self._git, parent, files, subject, author, time, sign)
        ident = identity(author, time)
        if self._remote is None:
            self._move_local(commit, parent, ident)
        else:
            self._push(self._remote, commit, parent)
            self._remember(self._remote.tracking, commit, ident)
            if not self._is_checked_out():
                self._remember(self._local, commit, ident)
        return commit

    def _move_local(self, commit: str, parent: str | None, ident: Mapping[str, str]) -> None:
        expected = parent or "0" * len(commit)
        moved = self._git.attempt("update-ref", "-m", "hyops-gitops", self._local, commit, expected, env=ident)
        if moved.ok:
            return
        if self._head(self._local) != parent:
            raise self._race(parent)
        raise OutsideFailure(f"git could not move {self._local}: {moved.stderr.strip()}", code="git-failed")

    def _push(self, remote: RemoteBranch, commit: str, parent: str | None) -> None:
        report = remote.push(commit, parent)
        if report.outcome is PushOutcome.ACCEPTED:
            return
        head = remote.head()
        if report.outcome is PushOutcome.UNCLEAR and head is not None and self._arrived(commit, head):
            return  # the server accepted it and only the reply was lost
        if head != parent:
            raise self._race(parent)
        if report.outcome is PushOutcome.UNCLEAR:
            raise remote.unreachable(report.words)
        raise OutsideFailure(
            f"remote {remote.remote!r} refused the evidence branch: {report.words}",
            code="remote-refused",
            hint=f"let this identity push to {self._branch!r}, fast-forward only",
        )

    def _arrived(self, commit: str, head: str) -> bool:
        """Whether the remote's head has this commit, perhaps below others."""
        if head == commit:
            return True
        now = self.fetch()
        return now is not None and self._descends(now.commit, commit)

    def _remember(self, reference: str, commit: str, ident: Mapping[str, str]) -> None:
        """Fast-forward a reference of this clone to the pushed commit.

        The commit is on the remote by now, so a failure here is harmless: the next fetch corrects it.
        """
        current = self._head(reference)
        if current != commit and (current is None or self._descends(commit, current)):  # else the push moved it
            old = current or "0" * len(commit)
            self._git.attempt("update-ref", "-m", "hyops-gitops", reference, commit, old, env=ident)

    def _head(self, reference: str) -> str | None:
        return resolve(self._git, reference)

    def _descends(self, descendant: str, ancestor: str) -> bool:
        return descends(self._git, descendant, ancestor)

    def _is_checked_out(self) -> bool:
        common = self._git.place.own.parent
        heads = [common / "HEAD", *(common / "worktrees").glob("*/HEAD")]
        try:
            found = {b"" if head.is_symlink() else head.read_bytes().strip() for head in heads}
        except OSError:
            found = {b""}
        if not found.isdisjoint(_SAYS_NOTHING):
            listed = self._git.output("worktree", "list", "--porcelain").decode("utf-8", "replace")
            return f"branch {self._local}" in listed.splitlines()
        return f"ref: {self._local}".encode() in found

    def _race(self, parent: str | None) -> Refused:
        expected = f"at {parent[:12]}" if parent else "absent"
        return Refused(
            f"the evidence branch {self._branch!r} is no longer {expected}: another applier wrote first",
            guard="race",
            hint="run again: it starts from the new head",
        )
