"""What a command that moves endpoints came to."""

from dataclasses import dataclass

from hyops_gitops.core.moves.moves import Move, Skipped


@dataclass(frozen=True, slots=True)
class Moving:
    """Moves as they are written, committed or only said."""

    verb: str  # cutover, prepare, failback, failover
    moves: tuple[Move, ...]
    skipped: tuple[Skipped, ...] = ()
    warnings: tuple[str, ...] = ()
    written: tuple[str, ...] = ()  # files of the work tree
    branch: str | None = None
    commit: str | None = None
    pushed: bool = False
    pull_request: str | None = None  # its address
    next: tuple[str, ...] = ()  # commands

    def to_json(self) -> dict[str, object]:
        """`hyops-move/1`."""
        return {
            "format": "hyops-move/1",
            "verb": self.verb,
            "moves": [move.to_json() for move in self.moves],
            "skipped": [one.to_json() for one in self.skipped],
            "warnings": list(self.warnings),
            "written": list(self.written),
            "branch": self.branch,
            "commit": self.commit,
            "pushed": self.pushed,
            "pull_request": self.pull_request,
            "next": list(self.next),
        }
