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

from hyops_gitops.adapters.files import scratch_folder
from hyops_gitops.adapters.git.process import Git, no_identity, own_identity, summary
from hyops_gitops.adapters.git.remote import Pushed, RemoteBranch
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
    tree = write_tree(git, parent, files)
    parents = ["-p", parent] if parent else []
    made = git.output(
        "-c",
        "i18n.commitEncoding=UTF-8",
        "commit-tree",
        tree,
        *parents,
        stdin=f"{subject}\n".encode(),
        env=identity(author, time),
    )
    commit = made.decode().strip()
    return commit if sign is None else _signed(git, commit, sign)


def write_tree(git: Git, parent: str | None, files: Mapping[str, bytes | None]) -> str:
    """Write a tree with these files changed (None deletes); its id.

    Raises:
        OutsideFailure: codes `git-failed`: git refused a path, or could not write; `cannot-write`.
    """
    with scratch_folder() as folder:
        blobs = _write_blobs(git, folder, {path: data for path, data in files.items() if data is not None})
        index = {"GIT_INDEX_FILE": str(folder / "index")}
        git.output("read-tree", parent or "--empty", env=index)
        git.output("update-index", "-z", "--index-info", stdin=_index_info(files, blobs), env=index)
        return git.output("write-tree", env=index).decode().strip()


def _signed(git: Git, commit: str, sign: Callable[[bytes], bytes]) -> str:
    """The same commit, signed in its header (gitformat-signature(5))."""
    payload = git.output("cat-file", "commit", commit)
    header = b"gpgsig-sha256 " if len(commit) == _SHA256_DIGITS else b"gpgsig "
    signature = header + sign(payload).rstrip(b"\n").replace(b"\n", b"\n ")
    headers, _, message = payload.partition(b"\n\n")
    whole = b"%b\n%b\n\n%b" % (headers, signature, message)
    return git.output("hash-object", "-t", "commit", "-w", "--stdin", stdin=whole).decode().strip()


def identity(author: str, time: datetime) -> dict[str, str]:
    """The environment for this author and committer."""
    date = f"@{int(time.astimezone(UTC).timestamp())} +0000"
    return {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", author), ("EMAIL", NO_REPLY_ADDRESS), ("DATE", date))
    }


def _write_blobs(git: Git, folder: Path, contents: Mapping[str, bytes]) -> dict[str, str]:
    """Blob ids by path, all written by one process."""
    names = [folder / f"blob{number}" for number in range(len(contents))]
    for name, data in zip(names, contents.values(), strict=True):
        name.write_bytes(data)
    listed = "".join(f"{name}\n" for name in names).encode()
    written = git.output("hash-object", "-w", "-t", "blob", "--no-filters", "--stdin-paths", stdin=listed)
    return dict(zip(contents, written.decode().split(), strict=True))


def _index_info(files: Mapping[str, bytes | None], blobs: Mapping[str, str]) -> bytes:
    """The input of `update-index -z --index-info`; mode 0 deletes, whatever the id."""
    width = len(next(iter(blobs.values()), "0" * 40))
    records = (f"100644 {blobs[path]}" if path in blobs else f"0 {'0' * width}" for path in files)
    return b"".join(
        f"{record}\t{path}\0".encode("utf-8", "surrogateescape") for record, path in zip(records, files, strict=True)
    )


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
