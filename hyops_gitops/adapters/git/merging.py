"""What a merge would give, made of objects that are gone afterwards: no reference, index or work tree changes."""

from collections.abc import Mapping
from datetime import UTC, datetime

from hyops_gitops.adapters.git.commit import write_commit
from hyops_gitops.adapters.git.process import Git, summary
from hyops_gitops.adapters.git.tree import CommitTree, ReadTree
from hyops_gitops.adapters.git.worktree import scratch_objects
from hyops_gitops.core.errors import InvalidData, OutsideFailure
from hyops_gitops.core.text import first_few
from hyops_gitops.core.tree import ROOTS

_CONFLICT = 1  # exit status of `git merge-tree` when the merge does not come out clean
_SHOWN = 3
_WHEN = datetime(2000, 1, 1, tzinfo=UTC)


def merged_tree(git: Git, into: str, commit: str, changed: Mapping[str, bytes | None], prefix: str) -> ReadTree:
    """The watched files after merging a commit, with these uncommitted changes, into another one.

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
            files = {f"{prefix}{path}": content for path, content in changed.items()}
            commit = write_commit(scratch, commit, files, "uncommitted", "nobody", _WHEN)
        done = scratch.attempt("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", into, commit)
        tree, *paths = [token.decode("utf-8", "backslashreplace") for token in done.stdout.split(b"\0")[:-1]] or [""]
        if done.status not in (0, _CONFLICT) or not tree:
            raise OutsideFailure(
                f"this git cannot say what a merge would give: {summary(done.stderr)}",
                code="no-merge",
                hint="install git 2.38 or newer, or merge the branch that this goes to into it first",
            )
        watched = tuple(f"{prefix}{root}/" for root in ROOTS)
        if clashing := sorted({path.removeprefix(prefix) for path in paths if path.startswith(watched)}):
            shown = first_few(clashing, _SHOWN)
            raise InvalidData(
                f"the merge into {into[:12]} has conflicts in {shown}",
                code="merge-conflict",
                hint=f"git merge {into[:12]}, and settle them: nobody can say before what would be applied",
            )
        return ReadTree(tuple(CommitTree(scratch, tree).files()))
