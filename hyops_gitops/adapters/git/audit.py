"""What only an audit asks of a clone. Meets the port `Custody`."""

from collections.abc import Mapping
from pathlib import Path

from hyops_gitops.adapters.git.process import Git
from hyops_gitops.adapters.git.snapshot import GitSnapshot, history_is_linear
from hyops_gitops.adapters.git.tree import is_full_id, read_blobs
from hyops_gitops.core.canonical import sha256_hex

_NOTHING = "0"
_CONFLICT = 1  # exit status of `git merge-tree` when the merge does not come out clean


class GitCustody:
    """One clone, seen from `root`, the directory that holds `authority/`."""

    def __init__(self, root: Path) -> None:
        self._git = Git(root)

    def versions(self, path: str, upto: str) -> frozenset[str]:
        """SHA-256 of every content that a path had in the history of a commit."""
        output = self._git.output(
            "log",
            "-z",
            "--full-history",
            "--diff-merges=separate",
            "--no-renames",
            "--no-show-signature",
            "--raw",
            "--no-abbrev",
            "--format=",
            upto,
            "--",
            path,
        )
        ids: set[str] = set()
        for token in output.split(b"\0"):
            fields = token.decode("utf-8", "backslashreplace").strip().split(" ")
            if fields[0].startswith(":"):
                ids |= {field for field in fields[2:4] if field.strip(_NOTHING)}
        return frozenset(sha256_hex(content) for content in read_blobs(self._git, ids).values())

    def author(self, commit: str) -> str | None:
        """The name of a commit's author, None when the clone does not have it."""
        if not is_full_id(commit) or not self._git.ask("cat-file", "-e", f"{commit}^{{commit}}").ok:
            return None
        output = self._git.output("log", "-1", "--no-show-signature", "--encoding=UTF-8", "--format=%an", commit, "--")
        return output.decode("utf-8", "backslashreplace").rstrip("\n")

    def merge_matches(self, merged: str, head: str) -> bool | None:
        """Whether a commit's tree is what merging `head` into its first parent gives.

        A merge that conflicts was settled by hand, so it is not. None when this git cannot tell (before 2.38), or when
        the clone lacks one of the commits.
        """
        ids = [
            self._git.ask("rev-parse", "--verify", "--quiet", name) for name in (f"{merged}^1", f"{merged}^{{tree}}")
        ]
        if not all(answer.ok for answer in ids) or not is_full_id(head):
            return None
        parent, tree = (answer.stdout.decode().strip() for answer in ids)
        made = self._git.attempt("merge-tree", "--write-tree", "--no-messages", parent, head)
        if made.status == _CONFLICT and made.stdout:
            return False
        return made.stdout.decode().split("\n")[0].strip() == tree if made.ok else None

    def messages(self, commit: str) -> Mapping[str, str]:
        """The message of the commit that added each file under `log/`, in the history of a commit."""
        output = self._git.output(
            "-c",
            "log.showRoot=true",
            "log",
            "-z",
            "--full-history",
            "--no-renames",
            "--no-relative",
            "--no-show-signature",
            "--encoding=UTF-8",
            "--diff-filter=A",
            "--name-only",
            "--format=%x01%B",
            commit,
            "--",
            ":(top)log",
            env={"GIT_LITERAL_PATHSPECS": "0"},
        )
        added: dict[str, str] = {}
        message = ""
        for token in output.decode("utf-8", "backslashreplace").split("\0"):
            if token.startswith("\x01"):  # which no path below log/ does
                message = token[1:].removesuffix("\n")
            elif path := token.lstrip("\n"):
                added[path] = message
        return added

    def why_cut_off(self) -> str:
        """Why the history is not whole, where it is not, and what would bring it."""
        return "the history is shallow, grafted or replaced: git fetch --unshallow, then audit again"

    def branch_problems(self, commit: str) -> list[str]:
        """What is wrong with the evidence branch's commits up to this one."""
        return history_is_linear(GitSnapshot(self._git, commit))
