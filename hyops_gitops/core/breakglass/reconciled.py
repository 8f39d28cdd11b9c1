"""What `reconcile` came to, as a value."""

from dataclasses import dataclass

from hyops_gitops.core.breakglass.segment_review import PendingReview
from hyops_gitops.core.moves.moving import Moving
from hyops_gitops.core.plan.plan import Change


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What reconcile came to."""

    segment: str
    operators: tuple[str, ...]
    seq: int  # the entry that brought it in
    head: tuple[int, str]  # of the log now
    written: bool  # whether this run brought it in
    holds: tuple[str, ...]
    changes: tuple[Change, ...]
    reviewed_by: str
    pending: PendingReview | None
    moving: Moving | None

    def to_json(self) -> dict[str, object]:
        """`hyops-reconcile/1`."""
        return {
            "format": "hyops-reconcile/1",
            "segment": self.segment,
            "operators": list(self.operators),
            "seq": self.seq,
            "head": {"seq": self.head[0], "sha256": self.head[1]},
            "written": self.written,
            "held": list(self.holds),
            "changes": [change.to_json() for change in self.changes],
            "reviewed_by": self.reviewed_by or None,
            "review_due": None if self.pending is None else self.pending.message,
            "moving": None if self.moving is None else self.moving.to_json(),
        }
