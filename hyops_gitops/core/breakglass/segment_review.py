"""Break-glass segments that somebody else still has to look at. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from hyops_gitops.core.evidence.custody_entries import Reconcile
from hyops_gitops.core.evidence.log import Log
from hyops_gitops.core.json_fields import time_text


@dataclass(frozen=True, slots=True)
class PendingReview:
    """A segment in the log that nobody but those who wrote it has looked at."""

    segment: str
    seq: int  # the entry that brought it in
    operators: tuple[str, ...]
    due: datetime

    def overdue(self, now: datetime) -> bool:
        """Whether the policy's time is over."""
        return now > self.due

    @property
    def message(self) -> str:
        """What is missing, and until when."""
        return (
            f"break-glass segment {self.segment} by {', '.join(self.operators)} (entry {self.seq}) has to be reviewed "
            f"by somebody else until {time_text(self.due)}"
        )

    @property
    def hint(self) -> str:
        """How that is done."""
        return f"somebody else runs: hyops-gitops reconcile {self.segment} --reviewed 'what they saw'"


def segment_warnings(log: Log, folder: Iterable[str], review_h: int) -> Iterator[str]:
    """What is still to be done about break-glass: reviews, and segments in the folder that are not in the log."""
    yield from (one.message for one in pending_reviews(log, review_h))
    done = {one.body.segment for one in log.reconciled if isinstance(one.body, Reconcile)}
    for segment in sorted(set(folder) - done):
        yield f"break-glass segment {segment} in this folder is not reconciled with the log"


def pending_reviews(log: Log, review_h: int) -> Iterator[PendingReview]:
    """The segments that wait for a review, oldest first."""
    bodies = [(entry.seq, entry.body) for entry in log.entries.of_types("reconcile")]
    reviewed = {body.segment for _, body in bodies if isinstance(body, Reconcile) and body.review}
    for seq, body in bodies:
        if isinstance(body, Reconcile) and body.adopted is not None and body.segment not in reviewed:
            yield PendingReview(
                body.segment, seq, body.adopted.operators, body.adopted.ended + timedelta(hours=review_h)
            )
