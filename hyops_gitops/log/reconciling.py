"""Break-glass segments brought into the log: entries, markers, reviews."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from hyops_gitops.core.contract import Contract
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import HyopsError
from hyops_gitops.core.fields import time_text
from hyops_gitops.core.findings import Finding, finding
from hyops_gitops.core.guards import Override
from hyops_gitops.core.layout import START
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.markers import claim_name, reserved_numbers
from hyops_gitops.core.zone import Key, Zone
from hyops_gitops.log.admin_entries import ImportedSegment, Reconcile
from hyops_gitops.log.entries import Intent, ZoneDrift
from hyops_gitops.log.holds import holds_due
from hyops_gitops.log.log import Log, placed, zone_drift
from hyops_gitops.log.parts import ZoneDigests
from hyops_gitops.log.segment import SEGMENTS
from hyops_gitops.log.verify_segment import Segment
from hyops_gitops.log.workspace import ManagedZone, Revision
from hyops_gitops.plan.state import after_changes
from hyops_gitops.validate.rules import BREAKGLASS_OVERDUE, BREAKGLASS_REVIEW


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The entries to write, and the zone that they lead to."""

    drift: ZoneDrift | None  # between what the log left and what the segment found
    found: Zone
    entry: Reconcile
    observed: Zone
    state: ManagedSet


def reconciliation(
    segment: Segment,
    log: Log,
    commit: str,
    *,
    contracts: Iterable[Contract],
    review: str,
    reason: str,
    overrides: Sequence[Override],
) -> Reconciliation:
    """How a sound segment is brought into the log.

    Args:
        segment: The segment.
        log: The log that it continues.
        commit: The contracts' commit of this run.
        contracts: The valid ones there; names that the segment left elsewhere than they say are held.
        review: The reviewer's principal, or "".
        reason: What they say.
        overrides: Guards that were lifted.
    """
    changes, drift = segment.changes(), zone_drift(log, commit, segment.start, None)
    holds = holds_due([intent for _, intent in segment.intents()], contracts, after_changes(log.state, changes))
    state = after_changes(log.state, changes, placed(holds, log.head.seq + (1 if drift is None else 2)))
    imported = ImportedSegment(
        base=segment.ref.base,
        before=ZoneDigests.of(segment.start, log.state, None),
        after=ZoneDigests.of(segment.end, state, segment.ledger.serial),
        changes=changes,
        anchor=segment.anchor,
        operators=segment.operators,
        witnesses=tuple(sorted(set(segment.witnesses.values()))),
        ended=segment.head.envelope.time,
        holds=holds,
        overrides=tuple(overrides),
        commit=commit,
    )
    entry = Reconcile(segment.ref.id, len(segment.entries), segment.head.sha256, review, imported, reason)
    return Reconciliation(drift, segment.start, entry, segment.end, state)


def markers_left(log: Log) -> list[Key]:
    """Markers of the newest reconciled segment at the log's next numbers.

    They go so that they can be used, except where an intent of the log stands there that never landed: its own fence
    stays until it expires, as do the segment's own markers.
    """
    imported = log.brought_in[-1][1].imported if log.brought_in else None
    if imported is None or imported.anchor is None or imported.anchor != log.anchor:
        return []
    anchored = imported.base.anchor.seq if imported.base.anchor and imported.base.anchor.segment is None else 0
    numbers = reserved_numbers(anchored, imported.base.head[0], None)
    return [(claim_name(log.zone, number), "CNAME") for number in numbers if not _is_fenced(log, number)]


def _is_fenced(log: Log, number: int) -> bool:
    """Whether an intent that has a result stands there."""
    if number > log.ledger.count or number == log.ledger.open_intent:
        return False
    return isinstance(log.entries[number - 1].body, Intent)


# --- reviews


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
        imported = reconcile.imported
        if imported is not None and reconcile.segment not in reviewed:
            due = imported.ended + timedelta(hours=review_h)
            yield PendingReview(reconcile.segment, entry.seq, imported.operators, due)


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
