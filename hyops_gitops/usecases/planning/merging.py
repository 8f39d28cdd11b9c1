"""What a branch is planned as merged into, where it does not hold what was applied last: nobody applies it as it is."""

from collections.abc import Iterable

from hyops_gitops.core.errors import OutsideFailure, UsageError
from hyops_gitops.core.evidence.log import Log
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.guards import Override, find_override
from hyops_gitops.usecases.ports import History, SourceTree

_LATER = "changes below may only undo what was applied since"


def merge_target(
    into: str | None, head: str, overrides: Iterable[Override], log: Log | None, history: History
) -> tuple[str | None, str]:
    """The commit to merge into before planning; None: this one is planned as it is. And what is not known of that.

    Raises:
        UsageError: there is no such branch.
    """
    if into is not None:
        commit = history.resolve(into)
        return (None if history.is_ancestor(commit, head) else commit), ""
    recorded = log.recorded_commit if log else None
    if recorded is None or find_override(overrides, "history") is not None:
        return None, ""
    try:
        recorded = history.resolve(recorded)
    except UsageError:
        why = f"commit {recorded[:12]}, which was applied last, is not in this clone"
        return None, f"{why}: {_LATER}. git fetch it, with its history, or name the branch: --into origin/main"
    return (None if history.is_ancestor(recorded, head) else recorded), ""


def merge(into: str, head: str, work: SourceTree | None, history: History) -> tuple[SourceTree | None, str]:
    """The tree that a merge gives, with what is not committed, and what is to be said of it; None: it is not known.

    Raises:
        InvalidData: code `merge-conflict`.
    """
    try:
        changed = {} if work is None else _uncommitted(work.files(), history.dirty_paths())
        tree = history.merged(into, head, changed)
    except OutsideFailure as failure:
        if failure.code not in ("no-merge", "no-history"):
            raise
        hint = f". {failure.hint}" if failure.hint else ""
        return None, f"this does not hold {into[:12]}, which was applied last: {_LATER}. {failure.message}{hint}"
    return tree, f"planned as merged into {into[:12]}, which this does not hold"


def _uncommitted(files: Iterable[SourceFile], paths: Iterable[str]) -> dict[str, bytes | None]:
    contents = {one.path: one.content for one in files}
    return {path: contents.get(path) for path in paths}
