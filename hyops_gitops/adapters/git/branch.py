"""Branches for review, made by git plumbing: nothing that is checked out changes. Meets the port `Branches`."""

import itertools
import os
from collections.abc import Mapping
from pathlib import Path

from hyops_gitops.adapters.git.commit import write_tree
from hyops_gitops.adapters.git.process import Git, no_identity, own_identity, summary
from hyops_gitops.adapters.git.remote import Pushed, RemoteBranch
from hyops_gitops.core.errors import OutsideFailure, UsageError


class GitBranches:
    """New branches of one clone. `root` may lie below the repository's top."""

    def __init__(self, root: Path, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        self._git = Git(root, environ)
        self._identity = own_identity(environ)

    def free_name(self, wanted: str) -> str:
        """The name, or with a number behind it where a branch is called so, here or as remotes were last seen."""
        output = self._git.output("for-each-ref", "--format=%(refname)", "refs/heads", "refs/remotes")
        names = os.fsdecode(output).split()
        taken = {name.split("/", 2)[2] for name in names if name.startswith("refs/heads/")}
        taken |= {parts[3] for name in names if len(parts := name.split("/", 3)) > 3}  # noqa: PLR2004
        numbered = (f"{wanted}-{number}" for number in itertools.count(2))
        return next(name for name in itertools.chain([wanted], numbered) if name not in taken)

    def commit(self, branch: str, files: Mapping[str, bytes], message: str) -> str:
        """A new branch with one commit on top of HEAD, by whoever git is configured for; the commit's id.

        Raises:
            UsageError: codes `no-identity`, `bad-branch`.
            OutsideFailure: code `git-failed`.
        """
        if not self._git.ask("check-ref-format", f"refs/heads/{branch}").ok or branch.startswith("-"):
            raise UsageError(f"{branch!r} is not the name of a branch", code="bad-branch")
        head = self._git.output("rev-parse", "--verify", "HEAD^{commit}").decode().strip()
        prefix = os.fsdecode(self._git.output("rev-parse", "--show-prefix")).rstrip("\n")
        tree = write_tree(self._git, head, {f"{prefix}{path}": content for path, content in files.items()})
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
        made = commit.decode().strip()
        moved = ("update-ref", "--create-reflog", f"refs/heads/{branch}", made, "0" * len(made))
        self._git.output(*moved, env=self._identity)
        return made

    def push(self, remote: str, branch: str, commit: str) -> None:
        """Push the new branch.

        Raises:
            OutsideFailure: codes `remote-unreachable`, `push-failed`.
        """
        pushed = RemoteBranch(self._git, remote, branch).push(commit, None)
        if pushed.outcome is not Pushed.ACCEPTED:
            raise OutsideFailure(
                f"{remote} did not take branch {branch}: {summary(pushed.words)}",
                code="push-failed",
                hint=f"the commit is on branch {branch} here: git push {remote} {branch}",
            )
