"""What a branch is planned as merged into, where it does not hold what was applied last: nobody applies it as it is."""

from collections.abc import Iterable
from dataclasses import dataclass

from hyops_gitops.core.errors import OutsideFailure, UsageError
from hyops_gitops.core.evidence.log import Log
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.guards import Override, find_override
from hyops_gitops.usecases.ports import History, SourceTree

_LATER = "changes below may only undo what was applied since"


@dataclass(frozen=True, slots=True)
class Merge:
    """The tree that a merge gives, the commit that it was merged into, and what is to be said of it."""

    tree: SourceTree | None = None  # None: there is nothing to merge, or what it gives is not known
    into: str | None = None
    said: str = ""


def known_main(named: str | None, remote: str | None, overrides: Iterable[Override], history: History) -> str | None:
    """The branch that a commit goes to: as named, or as this clone last saw the remote's own; None: it is not known.

    Raises:
        UsageError: there is no branch as named.
    """
    if named is not None:
        return history.resolve(named)
    if remote is None or find_override(overrides, "history") is not None:
        return None
    try:
        return history.resolve(f"refs/remotes/{remote}/HEAD")
    except UsageError:
        return None


def missing_commit(
    head: str, overrides: Iterable[Override], log: Log | None, history: History
) -> tuple[str | None, str]:
    """The commit applied last, where a commit to plan does not hold it; and what is to be said where that is not known.

    Whoever lifts the guard `history` means to apply the commit as it is.
    """
    recorded = log.recorded_commit if log else None
    if recorded is None or find_override(overrides, "history") is not None:
        return None, ""
    try:
        recorded = history.resolve(recorded)
    except UsageError:
        why = f"commit {recorded[:12]}, which was applied last, is not in this clone"
        return None, f"{why}: {_LATER}. git fetch it, with its history, or name the branch: --into origin/main"
    return (None if history.is_ancestor(recorded, head) else recorded), ""


def merge(into: str, head: str, work: SourceTree | None, history: History) -> Merge:
    """Merge a commit, with what is not committed in the work tree, into another one that it does not hold.

    Raises:
        InvalidData: code `merge-conflict`.
    """
    if history.is_ancestor(into, head):
        return Merge()
    try:
        changed = {} if work is None else _uncommitted(work.files(), history.dirty_paths())
        return Merge(history.merged(into, head, changed), into, f"planned as merged into {into[:12]}")
    except OutsideFailure as failure:
        if failure.code not in ("no-merge", "no-history"):
            raise
        hint = f". {failure.hint}" if failure.hint else ""
        return Merge(said=f"this does not hold {into[:12]}: {_LATER}. {failure.message}{hint}")


def _uncommitted(files: Iterable[SourceFile], paths: Iterable[str]) -> dict[str, bytes | None]:
    contents = {one.path: one.content for one in files}
    return {path: contents.get(path) for path in paths}
