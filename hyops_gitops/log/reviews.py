"""Reviews that break-glass segments wait for."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from hyops_gitops.core.errors import HyopsError
from hyops_gitops.core.fields import time_text
from hyops_gitops.core.findings import Finding, finding
from hyops_gitops.core.layout import START
from hyops_gitops.log.log import Log
from hyops_gitops.log.segment import SEGMENTS
from hyops_gitops.log.workspace import ManagedZone, Revision
from hyops_gitops.validate.rules import BREAKGLASS_OVERDUE, BREAKGLASS_REVIEW


@dataclass(frozen=True, slots=True)
class PendingReview:
    """An imported segment without a review by an uninvolved person."""

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
            f"by another person until {time_text(self.due)}"
        )

    @property
    def hint(self) -> str:
        """How that is done."""
        return f"have another person run: hyops-gitops reconcile {self.segment} --reviewed 'what they saw'"


def segment_warnings(log: Log, folder: Iterable[str], review_h: int) -> Iterator[str]:
    """Reviews that are due, and segments that are not reconciled."""
    yield from (pending.message for pending in pending_reviews(log, review_h))
    done = {reconcile.segment for _, reconcile in log.reconciles}
    for segment in sorted(set(folder) - done):
        yield f"break-glass segment {segment} in this folder is not reconciled with the log"


def pending_reviews(log: Log, review_h: int) -> Iterator[PendingReview]:
    """The segments that wait for a review, oldest first."""
    reviewed = {reconcile.segment for _, reconcile in log.reconciles if reconcile.review}
    for entry, reconcile in log.reconciles:
        adopted = reconcile.adopted
        if adopted is not None and reconcile.segment not in reviewed:
            due = adopted.ended + timedelta(hours=review_h)
            yield PendingReview(reconcile.segment, entry.seq, adopted.operators, due)


def segment_findings(revision: Revision, now: datetime) -> tuple[Finding, ...]:
    """A warning for each pending review, an error for an overdue one.

    None where this clone has no log, no segments, or a log that does not verify: other checks report those.
    """
    return tuple(found for zone in revision.zones.values() if zone.is_started for found in _about_reviews(zone, now))


def _about_reviews(zone: ManagedZone, now: datetime) -> Iterator[Finding]:
    try:
        snapshot = zone.store.recorded()
        if snapshot is None or not any(path.startswith(SEGMENTS) for path in snapshot.paths()):
            return
        log = zone.log()
    except HyopsError:
        return
    for review in pending_reviews(log, zone.authority.policy.breakglass.review_h):
        rule = BREAKGLASS_OVERDUE if review.overdue(now) else BREAKGLASS_REVIEW
        yield finding(rule, zone.authority.path, START, review.message, review.hint)
