"""Copies the evidence branch out of another clone or a bundle, without moving any reference.

The source is a path of this machine, nothing else: git takes `ext::COMMAND` and the like for an address too, and would
run the command.
"""

from pathlib import Path

from hyops_gitops.adapters.git.process import NETWORK_TIMEOUT_S, PLAIN_FETCH, Git, GitResult, summary
from hyops_gitops.adapters.git.snapshot import GitSnapshot, history_is_linear
from hyops_gitops.core.errors import HyopsError, OutsideFailure, Refused, UsageError

_ONLY_FILES = ("-c", "protocol.allow=never", "-c", "protocol.file.allow=always")


class BranchChecker:
    """Looks at the commits of a branch in one clone."""

    def __init__(self, root: Path) -> None:
        self._git = Git(root)

    def __call__(self, commit: str) -> list[str]:
        """What is wrong with the commits up to this one; empty when they only ever added to the log."""
        return history_is_linear(GitSnapshot(self._git, commit))


def copy_branch(git: Git, source: Path, branch: str) -> str:
    """The head of the branch in `source`, its objects in this repository.

    Of a clone both its own branch and its remote-tracking ones count, and the one that descends from the others wins.

    Raises:
        UsageError: code `bad-source`: the path leads to nothing that git can read, or it has no such branch.
        Refused: guard `evidence-diverged`: it has several that do not descend from one another.
    """
    if str(source).startswith("-") or "::" in str(source) or not source.exists():
        raise UsageError(
            f"{str(source)!r} is not the path of a clone or a bundle",
            code="bad-source",
            hint="give a directory with a clone, or a file made by `git bundle create` or `evidence export`",
        )
    address = str(source.resolve())
    listed = _ask(git, "ls-remote", "--quiet", "--", address)
    if not listed.ok:
        raise _unreadable(source, listed)
    found = [line.split("\t") for line in listed.stdout.decode("utf-8", "replace").splitlines()]
    refs = {name: head for head, name in found if _is_branch(name, branch)}
    if not refs:
        raise UsageError(
            f"{source} has no branch {branch!r}",
            code="bad-source",
            hint=f"`git ls-remote {source}` lists what it has",
        )
    copied = _ask(
        git,
        *PLAIN_FETCH,
        "--",
        address,
        *refs,
    )
    if not copied.ok:
        raise _unreadable(source, copied)
    heads = sorted(set(refs.values()))
    for head in heads:
        if all(git.ask("merge-base", "--is-ancestor", other, head).ok for other in heads):
            return head
    raise Refused(
        f"{source} has branches {branch!r} that do not descend from one another: {', '.join(sorted(refs))}",
        guard="evidence-diverged",
        hint="make a bundle of the right one: git bundle create FILE REF",
    )


def _is_branch(name: str, branch: str) -> bool:
    if name == f"refs/heads/{branch}":
        return True
    return name.startswith("refs/remotes/") and name.endswith(f"/{branch}")


def _ask(git: Git, *arguments: str) -> GitResult:
    try:
        return git.attempt(*_ONLY_FILES, *arguments, timeout_s=NETWORK_TIMEOUT_S)
    except (UsageError, OutsideFailure) as failure:  # it is the source that is no repository, or too slow
        return GitResult(-1, b"", failure.message)


def _unreadable(source: Path, result: GitResult) -> HyopsError:
    return UsageError(
        f"git cannot read {str(source)!r}: {summary(result.stderr)}",
        code="bad-source",
        hint="give a directory with a clone, or a file made by `git bundle create` or `evidence export`",
    )
