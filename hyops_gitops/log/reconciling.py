"""What bringing a break-glass segment into the log writes. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hyops_gitops.core.contract import Contract
from hyops_gitops.core.guards import Override
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.markers import claim_name, reserved_numbers
from hyops_gitops.core.zone import Key, Zone
from hyops_gitops.log.admin_entries import Adopted, Reconcile
from hyops_gitops.log.entries import Intent, ZoneDrift
from hyops_gitops.log.holds import holds_due
from hyops_gitops.log.log import Log, placed, zone_drift
from hyops_gitops.log.parts import ZoneDigests
from hyops_gitops.log.verify_segment import Segment
from hyops_gitops.plan.state import after_changes


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
    adopted = Adopted(
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
    entry = Reconcile(segment.ref.id, len(segment.entries), segment.head.sha256, review, adopted, reason)
    return Reconciliation(drift, segment.start, entry, segment.end, state)


def markers_left(log: Log) -> list[Key]:
    """Markers of the newest reconciled segment at the log's next numbers.

    They go so that they can be used, except where an intent of the log stands there that never landed: its own fence
    stays until it expires, as do the segment's own markers.
    """
    brought_in = [reconcile.adopted for _, reconcile in log.reconciles if reconcile.adopted is not None]
    adopted = brought_in[-1] if brought_in else None
    if adopted is None or adopted.anchor is None or adopted.anchor != log.anchor:
        return []
    anchored = adopted.base.anchor.seq if adopted.base.anchor and adopted.base.anchor.segment is None else 0
    numbers = reserved_numbers(anchored, adopted.base.head[0], None)
    return [(claim_name(log.zone, number), "CNAME") for number in numbers if not _is_fenced(log, number)]


def _is_fenced(log: Log, number: int) -> bool:
    """Whether an intent that has a result stands there."""
    if number > log.ledger.count or number == log.ledger.open_intent:
        return False
    return isinstance(log.entries[number - 1].body, Intent)
