"""The contracts' history, read with git plumbing. Reads only; meets the port `History`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from hyops_gitops.adapters.git.main_line import read_main_lines
from hyops_gitops.adapters.git.merging import merged_tree
from hyops_gitops.adapters.git.process import Git
from hyops_gitops.adapters.git.tree import CommitTree, ReadTree, is_full_id
from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.tree import ROOTS


class GitRepository:
    """One clone's commits, as seen from `root`, the directory that holds `authority/`.

    `root` may lie below the repository's top: paths are always relative to `root`.
    """

    def __init__(self, root: Path) -> None:
        self._git = Git(root)

    def resolve(self, revision: str) -> str:
        """The full id of the commit a revision names.

        Raises:
            UsageError: code `no-commit`: there is no such commit; code `no-repository`.
        """
        named = None
        if revision and not revision.startswith("-") and revision.isprintable():
            named = self._verified(revision)
        commit = self._verified(f"{named}^{{commit}}") if named else None  # apart: `:/text` would swallow a suffix
        if commit:
            return commit
        if revision == "HEAD":
            hint = "make the first one: git add -A && git commit"
            raise UsageError("nothing is committed in this clone yet", code="no-commit", hint=hint)
        raise UsageError(
            f"no commit is called {revision!r} in this clone",
            code="no-commit",
            hint="`git log --oneline` lists the commits; `git fetch` brings newer ones",
        )

    def dirty_paths(self) -> tuple[str, ...]:
        """Uncommitted and untracked paths under `endpoints/` and `authority/`, sorted; ignored files are not."""
        output = self._git.output(
            "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--", *ROOTS
        )
        prefix = self._prefix()
        # Each record is two status letters, a space and the path from the repository's top.
        paths = (_text(record[3:]).removeprefix(prefix) for record in output.split(b"\0")[:-1])
        return tuple(sorted(paths))

    def is_shallow(self) -> bool:
        """Whether the history is cut off, or made to look different by grafts or replace references."""
        if self._git.output("rev-parse", "--is-shallow-repository").strip() == b"true":
            return True
        if self._git.output("for-each-ref", "--count=1", "refs/replace/"):
            return True
        grafts = Path(_text(self._git.output("rev-parse", "--git-path", "info/grafts")).rstrip("\n"))
        try:
            return (self._git.root / grafts).stat().st_size > 0
        except OSError:
            return False

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Whether `descendant` equals or descends from `ancestor`; False when either is unknown here."""
        if not (is_full_id(ancestor) and is_full_id(descendant)):
            return False
        return self._git.ask("merge-base", "--is-ancestor", ancestor, descendant).ok

    def merge_base(self, this: str, other: str) -> str | None:
        """The newest commit that two full ids both descend from, None when there is none here."""
        found = self._git.ask("merge-base", this, other)
        return found.stdout.decode().strip() if found.ok else None

    def first_parent_commits(self, after: str | None, upto: str) -> tuple[CommitInfo, ...]:
        """The commits of main in (after, upto], oldest first, with what arrived by fast-forward beside it.

        A path counts as changed where its content differs from the commit before, and from `after`. A root commit
        changes all it holds.
        """
        return self.main_lines([(self.resolve(after) if after is not None else None, self.resolve(upto))])[0]

    def main_lines(self, ranges: Sequence[tuple[str | None, str]]) -> Sequence[tuple[CommitInfo, ...]]:
        """As `first_parent_commits` for each of these ranges of full ids that are here, read all at once."""
        return read_main_lines(self._git, ranges)

    def versions(self, path: str, upto: str) -> tuple[tuple[str, bytes], ...]:
        """The first-parent commits up to `upto` that changed a file, oldest first, each with its content then."""
        output = self._git.output(
            "log", "--first-parent", "--reverse", "--no-show-signature", "--format=%H", self.resolve(upto), "--", path
        )
        place = f"{self._prefix()}{path}"
        found = ((blob, self._git.ask("cat-file", "blob", f"{blob}:{place}")) for blob in output.decode().split())
        return tuple((commit, blob.stdout if blob.ok else b"") for commit, blob in found)

    def tree(self, commit: str) -> CommitTree:
        """The tree of one commit, named as `resolve` takes it."""
        return CommitTree(self._git, self.resolve(commit))

    def merged(self, into: str, commit: str, changed: Mapping[str, bytes | None]) -> ReadTree:
        """The tree after merging a commit, with these uncommitted changes, into another one; both full ids.

        Raises:
            InvalidData: code `merge-conflict`.
            OutsideFailure: code `no-merge`: this git cannot tell.
        """
        return merged_tree(self._git, into, commit, changed, self._prefix())

    def _verified(self, revision: str) -> str | None:
        found = self._git.ask("rev-parse", "--verify", "--quiet", "--end-of-options", revision)
        return found.stdout.decode().strip() if found.ok else None

    def _prefix(self) -> str:
        return _text(self._git.output("rev-parse", "--show-prefix")).rstrip("\n")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
