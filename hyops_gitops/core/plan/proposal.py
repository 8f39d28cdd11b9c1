"""A plan together with what it is based on: what `plan` shows."""

from dataclasses import dataclass
from typing import Literal

from hyops_gitops.core.guards import Override
from hyops_gitops.core.plan.limits import Limits
from hyops_gitops.core.plan.plan import Plan

Source = Literal["live", "evidence", "empty"]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A plan and what it is based on."""

    plan: Plan
    commit: str
    dirty: bool
    source: Source
    serial: int | None
    seq: int | None  # of the log's newest entry
    limits: Limits  # that the plan was made under
    overrides: tuple[Override, ...] = ()  # given, and in the trailers of the commits
    warnings: tuple[str, ...] = ()  # about the log itself: break-glass that is not settled yet
    merged_into: str | None = None  # the commit that this was planned as merged into

    def to_json(self) -> dict[str, object]:
        """`hyops-plan/1`."""
        plan = self.plan
        return {
            "format": "hyops-plan/1",
            "zone": plan.zone,
            "commit": self.commit,
            **({"merged_into": self.merged_into} if self.merged_into else {}),
            "dirty": self.dirty,
            "base": {
                "source": self.source,
                "serial": self.serial,
                "zone_sha256": plan.observed.digest(),
                "seq": self.seq,
            },
            "changes": [change.to_json() for change in plan.changes],
            "drift": [drift.to_json() for drift in plan.drift],
            "held": [held.to_json() for held in plan.held],
            "refusals": [refusal.to_json() for refusal in plan.refusals],
            "notes": [note.to_json() for note in plan.notes],
            "warnings": list(self.warnings),
            "unmanaged": plan.unmanaged,
            "digest": plan.digest(),
        }
