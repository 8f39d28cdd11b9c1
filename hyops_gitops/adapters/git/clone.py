"""The contracts' clone: history, trial merges, and the questions of an audit.

Reads only: a trial merge writes to a scratch folder, and changes no reference, index or work tree.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from hyops_gitops.adapters.git.manifest import ManifestCache
from hyops_gitops.adapters.git.objects import descends, look_up, read_blobs, resolve
from hyops_gitops.adapters.git.process import Git, summary
from hyops_gitops.adapters.git.trees import CommitTree, ReadTree, is_full_id, scratch_objects
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.errors import InvalidData, OutsideFailure, UsageError
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.layout import ROOTS
from hyops_gitops.core.text import first_few

_CONFLICT = 1  # exit status of `git merge-tree` when the merge does not come out clean
_SHOWN = 3
_WHEN = datetime(2000, 1, 1, tzinfo=UTC)


def merged_tree(git: Git, into: str, commit: str, changed: Mapping[str, bytes | None], prefix: str) -> ReadTree:
    """The watched files after merging a commit and uncommitted changes.

    Args:
        git: In the folder that the files are seen from.
        into: A full id.
        commit: A full id.
        changed: Contents by path, None for a file that is deleted.
        prefix: Where that folder lies in the repository; ends in "/", or is empty.

    Raises:
        InvalidData: code `merge-conflict`.
        OutsideFailure: code `no-merge`: this git cannot tell.
    """
    with scratch_objects(git) as scratch:
        if changed:
            from hyops_gitops.adapters.git.commit import write_commit  # noqa: PLC0415 - of no use to the hook

            files = {f"{prefix}{path}": content for path, content in changed.items()}
            commit = write_commit(scratch, commit, files, "uncommitted", "hyops-gitops", _WHEN)
        done = scratch.attempt("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", into, commit)
        tree, *paths = [token.decode("utf-8", "backslashreplace") for token in done.stdout.split(b"\0")[:-1]] or [""]
        if done.status not in (0, _CONFLICT) or not tree:
            raise OutsideFailure(
                f"cannot try a merge: {summary(done.stderr)}",
                code="no-merge",
                hint="install git 2.38 or newer, or merge the branch that this goes to into it first",
            )
        watched = tuple(f"{prefix}{root}/" for root in ROOTS)
        if clashing := sorted({path.removeprefix(prefix) for path in paths if path.startswith(watched)}):
            shown = first_few(clashing, _SHOWN)
            raise InvalidData(
                f"the merge into {into[:12]} has conflicts in {shown}",
                code="merge-conflict",
                hint=f"git merge {into[:12]}, and settle them; until then it is open what would be applied",
            )
        return ReadTree(tuple(CommitTree(scratch, tree).files()))


class GitRepository:
    """One clone's commits, as seen from `root`, the directory that holds `authority/`.

    `root` may lie below the repository's top: paths are always relative to `root`.
    """

    def __init__(self, root: Path | Git) -> None:
        self._git = Git.of(root)
        self._trees: dict[str, CommitTree] = {}  # each remembers what it was asked

    def resolve(self, revision: str) -> str:
        """The full id of the commit a revision names.

        Raises:
            UsageError: code `no-commit`: there is no such commit; code `no-repository`.
        """
        named = None
        if revision and not revision.startswith("-") and revision.isprintable():
            named = look_up(self._git, revision)
        commit = resolve(self._git, named.id) if named else None  # apart: `:/text` would swallow a suffix
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
        """Uncommitted and untracked contract and authority paths, sorted."""
        output = self._git.output(
            "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--", *ROOTS
        )
        prefix = self._prefix() if output else ""
        # Each record is two status letters, a space and the path from the repository's top.
        paths = (_text(record[3:]).removeprefix(prefix) for record in output.split(b"\0")[:-1])
        return tuple(sorted(paths))

    def is_shallow(self) -> bool:
        """Whether the history is cut off, grafted or replaced."""
        return self._git.place.is_cut_off

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Whether `descendant` equals or descends from `ancestor`, if known."""
        return is_full_id(ancestor) and is_full_id(descendant) and descends(self._git, descendant, ancestor)

    def merge_base(self, this: str, other: str) -> str | None:
        """The newest common ancestor of two full ids, if any."""
        found = self._git.ask("merge-base", this, other)
        return found.stdout.decode().strip() if found.ok else None

    def first_parent_commits(self, after: str | None, upto: str) -> tuple[CommitInfo, ...]:
        """The commits of main in (after, upto], oldest first.

        What arrived by fast-forward is beside them.

        A path counts as changed where its content differs from the commit before, and from `after`. A root commit
        changes all it holds.
        """
        return self.main_lines([(self.resolve(after) if after is not None else None, self.resolve(upto))])[0]

    def main_lines(self, ranges: Sequence[tuple[str | None, str]]) -> Sequence[tuple[CommitInfo, ...]]:
        """As `first_parent_commits`, for several ranges of full ids."""
        from hyops_gitops.adapters.git.main_line import read_main_lines  # noqa: PLC0415 - of no use to the hook

        return read_main_lines(self._git, ranges)

    def versions(self, path: str, upto: str) -> tuple[tuple[str, bytes], ...]:
        """The commits up to `upto` that changed a file, with its content."""
        output = self._git.output(
            "log", "--first-parent", "--reverse", "--no-show-signature", "--format=%H", self.resolve(upto), "--", path
        )
        found = ((commit, look_up(self._git, f"{commit}:./{path}")) for commit in output.decode().split())
        return tuple((commit, (blob.content or b"") if blob else b"") for commit, blob in found)

    def tree(self, commit: str) -> CommitTree:
        """The tree of one commit, named as `resolve` takes it."""
        found = self.resolve(commit)
        return self._trees.setdefault(found, CommitTree(self._git, found, ManifestCache(self._git)))

    def merged(self, into: str, commit: str, changed: Mapping[str, bytes | None]) -> ReadTree:
        """The tree after merging a commit and uncommitted changes into another.

        Raises:
            InvalidData: code `merge-conflict`.
            OutsideFailure: code `no-merge`: this git cannot tell.
        """
        return merged_tree(self._git, into, commit, changed, self._prefix())

    def _prefix(self) -> str:
        return _text(self._git.place.prefix)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


_NOTHING = "0"


class GitCustody:
    """One clone, seen from `root`, the directory that holds `authority/`."""

    def __init__(self, root: Path | Git) -> None:
        self._git = Git.of(root)

    def versions(self, path: str, upto: str) -> frozenset[str]:
        """SHA-256 of every content of a path in a commit's history."""
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
        """The name of a commit's author, if the commit is here."""
        if not is_full_id(commit) or resolve(self._git, commit) is None:
            return None
        output = self._git.output("log", "-1", "--no-show-signature", "--encoding=UTF-8", "--format=%an", commit, "--")
        return output.decode("utf-8", "backslashreplace").rstrip("\n")

    def merge_matches(self, merged: str, head: str) -> bool | None:
        """Whether a commit is the plain merge of `head`.

        A merge that conflicts was settled by hand, so it is not. None when this git cannot tell (before 2.38), or when
        the clone lacks one of the commits.
        """
        parent, tree = look_up(self._git, f"{merged}^1"), look_up(self._git, f"{merged}^{{tree}}")
        if parent is None or tree is None or not is_full_id(head):
            return None
        made = self._git.attempt("merge-tree", "--write-tree", "--no-messages", parent.id, head)
        if made.status == _CONFLICT and made.stdout:
            return False
        return made.stdout.decode().split("\n")[0].strip() == tree.id if made.ok else None

    def messages(self, commit: str) -> Mapping[str, str]:
        """The messages of the commits that added files under `log/`."""
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

    def branch_problems(self, commit: str) -> list[str]:
        """The problems of the evidence branch up to this commit."""
        from hyops_gitops.adapters.git.snapshot import GitSnapshot, history_is_linear  # noqa: PLC0415 - as above

        return history_is_linear(GitSnapshot(self._git, commit))
