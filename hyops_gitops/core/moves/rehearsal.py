"""What a failover would do and whether its targets are ready: the drill's result."""

from dataclasses import dataclass

from hyops_gitops.core.errors import Exit
from hyops_gitops.core.moves.moves import Move, Skipped
from hyops_gitops.core.plan.proposal import Proposal
from hyops_gitops.core.plan.readiness import ReadinessReport


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A failover that was not carried out."""

    origin: str
    to: str
    moves: tuple[Move, ...]
    skipped: tuple[Skipped, ...]
    readiness: tuple[ReadinessReport, ...]  # one for each move, in their order
    proposal: Proposal  # with the contracts as the failover would leave them
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> Exit:
        """What the failover's apply would end with before anything is sent."""
        return Exit.REFUSED if self.proposal.plan.refusals else Exit.OK

    @property
    def environments(self) -> tuple[tuple[str, tuple[tuple[Move, ReadinessReport], ...]], ...]:
        """The moves and what their targets say, by environment."""
        pairs = list(zip(self.moves, self.readiness, strict=True))
        names = sorted({move.environment for move in self.moves})
        return tuple((name, tuple(pair for pair in pairs if pair[0].environment == name)) for name in names)

    def to_json(self) -> dict[str, object]:
        """`hyops-failover-check/1`."""
        return {
            "format": "hyops-failover-check/1",
            "from": self.origin,
            "to": self.to,
            "passes": self.exit_code is Exit.OK,
            "environments": [
                {
                    "name": name,
                    "ready": sum(report.verdict == "ready" for _, report in pairs),
                    "endpoints": [{**move.to_json(), "readiness": report.to_json()} for move, report in pairs],
                }
                for name, pairs in self.environments
            ],
            "skipped": [one.to_json() for one in self.skipped],
            "warnings": list(self.warnings),
            "plan": self.proposal.to_json(),
        }
