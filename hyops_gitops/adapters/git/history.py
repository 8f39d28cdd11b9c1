"""The contracts' history, read with git plumbing. Reads only; meets the port `History`."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from hyops_gitops.adapters.git.process import Git
from hyops_gitops.adapters.git.trailers import trailers_by_commit
from hyops_gitops.adapters.git.tree import CommitTree, is_full_id
from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.rules.tree import ROOTS
from hyops_gitops.core.trailers import Trailer

# One field a line, none of which can hold a line feed: `%s` is the subject folded into one line, whole. The trailers
# come last, a line each.
_APPROVALS = "%(trailers:key=Approved-by,key=Reviewed-by,valueonly,unfold)"
_LOG_FORMAT = f"%H%n%P%n%ct%n%an%n%cn%n%s%n{_APPROVALS}"
_LAST_SECOND = 253402300799  # of the year 9999
_ADDRESS = re.compile(r"\s*<[^>]*>\s*$")


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
        return self._git.attempt("merge-base", "--is-ancestor", ancestor, descendant).ok

    def merge_base(self, one: str, other: str) -> str | None:
        """The newest commit that two full ids both descend from, None when there is none here."""
        found = self._git.attempt("merge-base", one, other)
        return found.stdout.decode().strip() if found.ok else None

    def first_parent_commits(self, after: str | None, upto: str) -> tuple[CommitInfo, ...]:
        """The first-parent commits in (after, upto], oldest first.

        A merge's changed paths are those that differ from its first parent; a root commit changes all it holds.
        """
        exclude = [f"^{self.resolve(after)}"] if after is not None else []
        output = self._git.output(
            "log",
            "-z",
            "--first-parent",
            "--reverse",
            "--no-show-signature",
            "--encoding=UTF-8",
            f"--format=tformat:{_LOG_FORMAT}",
            self.resolve(upto),
            *exclude,
            "--",
        )
        records = [_text(record).split("\n") for record in output.split(b"\0")[:-1]]
        parents_of = {commit: parents.split() for commit, parents, *_ in records}
        changed = self._changed_paths({commit: parents[:1] for commit, parents in parents_of.items()})
        authors = self._authors([parents[1] for parents in parents_of.values() if len(parents) > 1])
        trailers = trailers_by_commit(self._git, list(parents_of), exclude)
        return tuple(_commit_info(record, changed.get(record[0], ()), authors, trailers) for record in records)

    def versions(self, path: str, upto: str) -> tuple[tuple[str, bytes], ...]:
        """The first-parent commits up to `upto` that changed a file, oldest first, each with its content then."""
        output = self._git.output(
            "log", "--first-parent", "--reverse", "--no-show-signature", "--format=%H", self.resolve(upto), "--", path
        )
        place = f"{self._prefix()}{path}"
        found = ((one, self._git.attempt("cat-file", "blob", f"{one}:{place}")) for one in output.decode().split())
        return tuple((commit, blob.stdout if blob.ok else b"") for commit, blob in found)

    def tree(self, commit: str) -> CommitTree:
        """The tree of one commit, named as `resolve` takes it."""
        return CommitTree(self._git, self.resolve(commit))

    def _authors(self, commits: list[str]) -> dict[str, str]:
        """The name of each commit's author, in one process."""
        if not commits:
            return {}
        asked = "".join(f"{commit}\n" for commit in commits).encode()
        output = self._git.output(
            "log",
            "-z",
            "--stdin",
            "--no-walk=unsorted",
            "--no-show-signature",
            "--encoding=UTF-8",
            "--format=tformat:%H%n%an",
            stdin=asked,
        )
        named = (_text(record).split("\n", 1) for record in output.split(b"\0")[:-1])
        return {commit: "".join(name) for commit, *name in named}

    def _changed_paths(self, first_parents: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
        """The watched paths each commit changed against the parent given for it, in one process."""
        # On standard input, the ids after a commit's stand in for its parents: a merge is compared with its first.
        asked = "".join(f"{' '.join([commit, *parents])}\n" for commit, parents in first_parents.items())
        output = self._git.output(
            "diff-tree",
            "--stdin",
            "-r",
            "-z",
            "--root",
            "--no-renames",
            "--name-only",
            "--relative",
            "--ignore-submodules=none",
            "--",
            *ROOTS,
            stdin=asked.encode(),
        )
        changed: dict[str, list[str]] = {}
        paths: list[str] = []
        for token in output.split(b"\0")[:-1]:
            text = _text(token).lstrip("\n")
            if text in first_parents:  # a watched path holds a slash, so it is never taken for a commit
                paths = changed.setdefault(text, [])
            else:
                paths.append(text)
        return {commit: tuple(sorted(of_commit)) for commit, of_commit in changed.items()}

    def _verified(self, revision: str) -> str | None:
        found = self._git.attempt("rev-parse", "--verify", "--quiet", "--end-of-options", revision)
        return found.stdout.decode().strip() if found.ok else None

    def _prefix(self) -> str:
        return _text(self._git.output("rev-parse", "--show-prefix")).rstrip("\n")


def _commit_info(
    record: list[str],
    changed: tuple[str, ...],
    authors: Mapping[str, str],
    trailers: Mapping[str, tuple[Trailer, ...]],
) -> CommitInfo:
    commit, parents, seconds, author, committer, subject, *approvals = record
    merged_head = next(iter(parents.split()[1:2]), None)
    names = (_ADDRESS.sub("", line).strip() for line in approvals)
    return CommitInfo(
        commit,
        subject,
        author,
        # Who commits may claim any time at all, or none: git tells none either of a commit said to be UTF-16.
        datetime.fromtimestamp(min(int(seconds or 0), _LAST_SECOND), UTC),
        changed,
        committer,
        tuple(name for name in names if name),
        merged_head,
        authors.get(merged_head) if merged_head else None,
        trailers[commit],
    )


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
