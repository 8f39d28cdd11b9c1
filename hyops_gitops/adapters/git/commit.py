"""Commits made of bytes, without moving a reference.

The work tree, the index, HEAD and the user's identity take no part, and neither do filters, line-ending conversion,
hooks or the user's commit signing: the same parent, files, subject, author, time and signature give the same commit
id everywhere.
"""

import itertools
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from hyops_gitops.adapters.git.new_objects import NewObjects, commit_content, plain_name, signed
from hyops_gitops.adapters.git.process import Git, no_identity, own_identity, summary
from hyops_gitops.adapters.git.remote import PushOutcome, RemoteBranch
from hyops_gitops.core.errors import OutsideFailure, UsageError

NO_REPLY_ADDRESS = "noreply@hyops-gitops.invalid"
_SHA256_DIGITS = 64


def write_commit(
    git: Git,
    parent: str | None,
    files: Mapping[str, bytes | None],
    subject: str,
    author: str,
    time: datetime,
    sign: Callable[[bytes], bytes] | None = None,
) -> str:
    """Write a commit with these files changed (None deletes); its id.

    Args:
        git: The repository to write objects to.
        parent: A full commit id, or None for a root commit.
        files: Contents by path from the top of the tree, with "/".
        subject: The commit's message, one line.
        author: The name of author and committer.
        time: Aware; written in UTC.
        sign: Makes an armoured signature of a commit's bytes; None leaves the commit unsigned.

    Raises:
        OutsideFailure: code `git-failed`: git refused a path, or could not write.
    """
    made = NewObjects.beside(git, parent)
    tree = made.add_tree(parent, files)
    who = f"{plain_name(author)} <{NO_REPLY_ADDRESS}>"
    content = commit_content(tree, parent, subject, who, int(time.astimezone(UTC).timestamp()))
    if sign is not None:
        header = "gpgsig-sha256" if made.digits == _SHA256_DIGITS else "gpgsig"
        content = signed(content, header, sign(content))
    commit = made.add("commit", content)
    made.write()
    return commit


def identity(author: str, time: datetime) -> dict[str, str]:
    """The environment for this author and committer."""
    date = f"@{int(time.astimezone(UTC).timestamp())} +0000"
    return {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", author), ("EMAIL", NO_REPLY_ADDRESS), ("DATE", date))
    }


class GitBranches:
    """New branches of one clone. `root` may lie below the repository's top."""

    def __init__(self, root: Path, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        self._git = Git(root, environ)
        self._identity = own_identity(environ)

    def free_name(self, wanted: str) -> str:
        """The name, with a number where it is taken here or remotely."""
        output = self._git.output("for-each-ref", "--format=%(refname)", "refs/heads", "refs/remotes")
        names = os.fsdecode(output).split()
        taken = {name.split("/", 2)[2] for name in names if name.startswith("refs/heads/")}
        taken |= {parts[3] for name in names if len(parts := name.split("/", 3)) > 3}  # noqa: PLR2004
        numbered = (f"{wanted}-{number}" for number in itertools.count(2))
        return next(name for name in itertools.chain([wanted], numbered) if name not in taken)

    def commit(self, branch: str, files: Mapping[str, bytes], message: str) -> str:
        """Commit to a new branch on HEAD, as git's user; its id.

        Raises:
            UsageError: codes `no-identity`, `bad-branch`.
            OutsideFailure: code `git-failed`.
        """
        if not self._git.ask("check-ref-format", f"refs/heads/{branch}").ok or branch.startswith("-"):
            raise UsageError(f"{branch!r} is not the name of a branch", code="bad-branch")
        head = self._git.output("rev-parse", "--verify", "HEAD^{commit}").decode().strip()
        prefix = os.fsdecode(self._git.output("rev-parse", "--show-prefix")).rstrip("\n")
        made = NewObjects.beside(self._git, head)
        tree = made.add_tree(head, {f"{prefix}{path}": content for path, content in files.items()})
        made.write()
        for role in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"):
            asked = self._git.attempt("var", role, env=self._identity)
            if (unknown := no_identity(asked.stderr)) is not None:
                raise unknown
            if not asked.ok:
                raise OutsideFailure(f"git var failed: {summary(asked.stderr)}", code="git-failed")
        sign = self._git.ask("config", "--type=bool", "--get", "commit.gpgSign").stdout.strip() == b"true"
        commit = self._git.output(
            "commit-tree",
            tree,
            "-p",
            head,
            *(["-S"] if sign else []),
            stdin=message.encode(),
            env=self._identity,
        )
        new = commit.decode().strip()
        moved = ("update-ref", "--create-reflog", f"refs/heads/{branch}", new, "0" * len(new))
        self._git.output(*moved, env=self._identity)
        return new

    def push(self, remote: str, branch: str, commit: str) -> None:
        """Push the new branch.

        Raises:
            OutsideFailure: codes `remote-unreachable`, `push-failed`.
        """
        pushed = RemoteBranch(self._git, remote, branch).push(commit, None)
        if pushed.outcome is not PushOutcome.ACCEPTED:
            raise OutsideFailure(
                f"{remote} did not take branch {branch}: {summary(pushed.words)}",
                code="push-failed",
                hint=f"push the branch, which has the commit: git push {remote} {branch}",
            )
