"""What one PATCH carries, and the last look before it is sent."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from hyops_gitops.core.errors import Refused
from hyops_gitops.core.evidence.custody_entries import Reconcile
from hyops_gitops.core.evidence.log import Log, anchor_after
from hyops_gitops.core.markers import (
    Anchor,
    anchor_name,
    claim_name,
    expired_markers,
    protocol_name,
    reserved_numbers,
    tombstone,
)
from hyops_gitops.core.names import is_marker
from hyops_gitops.core.zone import Key, RRset, Zone, same_stored
from hyops_gitops.usecases.apply.preparation import Prepared
from hyops_gitops.usecases.apply.sending import Update
from hyops_gitops.usecases.planning.observation import check_protocol
from hyops_gitops.usecases.ports import Clock


@dataclass(frozen=True, slots=True)
class LastLook:
    """Step 8's last look before a PATCH: is the intent still ours to carry out, and the zone what was planned on?"""

    prepared: Prepared
    intended: Log
    clock: Clock
    started: float

    def __call__(self) -> str | None:
        """The reason not to send, if there is one."""
        if self.clock.monotonic() - self.started >= self.prepared.opened.authority.policy.lease_s:
            return "the lease of this intent is over"
        try:
            head = self.prepared.opened.writer.head()
        except Refused as error:
            return error.message
        if head != self.intended.commit:
            return "the log went on without this intent"
        if self.prepared.primary.header().serial != self.prepared.serial:
            return self._moved()
        return None

    def _moved(self) -> str | None:
        plan, marker = self.prepared.plan, anchor_name(self.prepared.plan.zone)
        names = {*(change.name for change in plan.changes), *(one.name for one in self.prepared.repair)}
        protocol = protocol_name(plan.zone)
        found = self.prepared.primary.rrsets_at({marker, protocol, *names})
        try:
            check_protocol(next((one for one in found if one.key == (protocol, "TXT")), None), plan.zone)
        except Refused as error:
            return error.message
        anchor = next((Anchor.parse(one) for one in found if one.key == (marker, "TXT")), None)
        if anchor != self.prepared.observation.anchor:
            return f"the zone was changed by {anchor or 'somebody'} since the plan"
        now = Zone.of(plan.zone, found)
        then = plan.observed.select(key for key in plan.observed.rrsets if key[0] in names)
        keys = now.rrsets.keys() | then.rrsets.keys()
        changed = sorted({key[0] for key in keys if not same_stored(now.rrsets.get(key), then.rrsets.get(key))})
        return f"changed by somebody else since the plan: {', '.join(changed)}" if changed else None


def update_of(prepared: Prepared, log: Log, intended: Log, now: datetime) -> Update:
    """The one PATCH: its markers, the deletes and replaces of the plan, the anchor; and markers that expired."""
    plan, zone, entry = prepared.plan, prepared.plan.zone, intended.head
    deletes: list[Key] = [change.key for change in plan.changes if change.writes and change.after is None]
    replaces: list[RRset] = [change.after for change in plan.changes if change.writes and change.after is not None]
    deletes += [key for one in prepared.repair for key in one.deletes]
    replaces += [rrset for one in prepared.repair for rrset in one.writes]
    seen = [rrset.key for rrset in prepared.observation.rows if is_marker(rrset.name, zone)]
    if log.segment is not None:
        replaces += [tombstone(zone, one) for one in _reserved(log)]
    else:
        closed = log.anchor and claim_name(zone, log.anchor.seq, log.anchor.segment)
        deletes += [key for key in _expired(log, seen, now) if key[0] != closed and key not in deletes]
    replaces.append(entry.anchor.rrset(zone))
    return Update.of(log, entry).carrying(deletes, replaces, locked=(protocol_name(zone), "TXT") in seen)


def _reserved(log: Log) -> tuple[int, ...]:
    """The numbers of the log that the first update of a segment closes to whoever may still be carrying one of them."""
    if log.segment is None or log.base is None or anchor_after(log.entries) is not None:
        return ()
    anchor, opened = log.segment.base.anchor, log.base.open_intent
    anchored = anchor.seq if anchor and anchor.segment is None else 0
    return reserved_numbers(anchored, log.base.head.seq, opened.seq if opened else None)


def _expired(log: Log, seen: Collection[Key], now: datetime) -> list[Key]:
    """The markers that are there and that nobody needs any more."""
    taken_in = {one.body.segment: one.envelope.time for one in log.reconciled if isinstance(one.body, Reconcile)}

    def written(seq: int, segment: str | None) -> datetime | None:
        if segment is not None:
            return taken_in.get(segment)
        return log.entries[seq - 1].envelope.time if seq <= len(log.entries) else None

    return expired_markers(seen, log.zone, written, now)
