"""Further remotes that hold a copy of the log: written after it, asked before it, never trusted instead of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hyops_gitops.adapters.git.process import Git
from hyops_gitops.adapters.git.remote import RemoteBranch
from hyops_gitops.core.errors import OutsideFailure, Refused

_TIMEOUT_S = 15.0  # a mirror that hangs must not use up the lease of an intent


@dataclass(frozen=True, slots=True)
class Asked:
    """What the mirrors had at one moment, and which could not be asked."""

    heads: tuple[tuple[RemoteBranch, str], ...]
    problems: tuple[str, ...]


class Mirrors:
    """The mirrors of one branch."""

    def __init__(self, git: Git, names: Iterable[str], branch: str) -> None:
        self._git = git
        self._branches = tuple(RemoteBranch(git, name, branch, _TIMEOUT_S) for name in names)

    def push(self, commit: str) -> Sequence[str]:
        """Push to every mirror, fast-forward only; what went wrong, a line each."""
        problems = []
        for mirror in self._branches:
            try:
                words = mirror.forward(commit)
            except OutsideFailure as failure:
                words = failure.message
            if words is not None:
                problems.append(f"mirror {mirror.remote!r} did not take the log: {words}")
        return problems

    def ask(self) -> Asked:
        """Every mirror's head."""
        heads, problems = [], []
        for mirror in self._branches:
            try:
                head = mirror.head()
            except OutsideFailure as failure:
                problems.append(f"mirror {mirror.remote!r} could not be asked: {failure.message}")
                continue
            if head is not None:
                heads.append((mirror, head))
        return Asked(tuple(heads), tuple(problems))

    def check(self, asked: Asked, commit: str | None) -> None:
        """Whether each mirror had no more than the log has at `commit`.

        Raises:
            Refused: guard `evidence-diverged`.
        """
        for mirror, head in asked.heads:
            if commit is not None and self._git.ask("merge-base", "--is-ancestor", head, commit).ok:
                continue
            raise Refused(
                f"mirror {mirror.remote!r} has the evidence branch at {head[:12]}, which the log does not have: "
                "entries were lost from the log, or the mirror holds another one",
                guard="evidence-diverged",
                hint=f"compare them; if the log lost entries: git clone --bare $(git remote get-url {mirror.remote}) "
                "DIR && hyops-gitops evidence import DIR",
            )
