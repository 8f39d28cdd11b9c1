"""What one PATCH carries, and the last look before it is sent."""

from dataclasses import dataclass, replace
from datetime import datetime

from hyops_gitops.core.errors import Refused
from hyops_gitops.core.evidence.custody_entries import Adopted, Reconcile
from hyops_gitops.core.evidence.entries import Result
from hyops_gitops.core.evidence.log import Log, anchor_after
from hyops_gitops.core.markers import (
    TOMBSTONES_KEPT,
    Anchor,
    anchor_name,
    claim_name,
    expired_tombstones,
    reserved_numbers,
    tombstone,
)
from hyops_gitops.core.zone import Key, RRset, Zone, same_stored
from hyops_gitops.usecases.apply.preparation import Prepared
from hyops_gitops.usecases.apply.sending import Update
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
        found = self.prepared.primary.rrsets_at({marker, *names})
        anchor = next((Anchor.parse(one) for one in found if one.key == (marker, "TXT")), None)
        if anchor != self.prepared.observation.anchor:
            return f"the zone was changed by {anchor or 'somebody'} since the plan"
        now = Zone.of(plan.zone, found)
        then = plan.observed.select(key for key in plan.observed.rrsets if key[0] in names)
        keys = now.rrsets.keys() | then.rrsets.keys()
        changed = sorted({key[0] for key in keys if not same_stored(now.rrsets.get(key), then.rrsets.get(key))})
        return f"changed by somebody else since the plan: {', '.join(changed)}" if changed else None


def update_of(prepared: Prepared, log: Log, intended: Log, now: datetime) -> Update:
    """The one PATCH: deletes and replaces of the plan, the anchor, the claim, the old claim's tombstone."""
    plan, zone, intent = prepared.plan, prepared.plan.zone, intended.head.anchor
    deletes: list[Key] = [change.key for change in plan.changes if change.writes and change.after is None]
    replaces: list[RRset] = [change.after for change in plan.changes if change.writes and change.after is not None]
    deletes += [key for one in prepared.repair for key in one.deletes]
    replaces += [rrset for one in prepared.repair for rrset in one.writes]
    if (changed_by := log.anchor) is not None:
        deletes.append((claim_name(zone, changed_by.seq, changed_by.segment), "TXT"))
        replaces.append(tombstone(zone, changed_by.seq, changed_by.segment))
    if log.segment is not None:
        replaces += [tombstone(zone, one) for one in _reserved(log)]
    elif (last := log.last_applied) is not None:
        since = last.result_entry.envelope.time
        deletes += [(old, "CNAME") for old in expired_tombstones(_superseded(log, since), since, now)]
    update = Update(zone, intent)
    return replace(update, deletes=deletes, replaces=(*replaces, intent.rrset(zone), update.claim))


def _reserved(log: Log) -> tuple[int, ...]:
    """The numbers of the log that the first update of a segment closes to whoever may still be carrying one of them."""
    if log.segment is None or log.base is None or anchor_after(log.entries) is not None:
        return ()
    anchor, opened = log.segment.base.anchor, log.base.open_intent
    anchored = anchor.seq if anchor and anchor.segment is None else 0
    return reserved_numbers(anchored, log.base.head.seq, opened.seq if opened else None)


def _superseded(log: Log, last: datetime) -> list[tuple[str, datetime]]:
    """Claims that are, or may be, tombstones, and since when; the PATCH of `last` deleted older ones."""
    superseded: list[tuple[str, datetime]] = []
    since: datetime | None = None
    for entry in reversed(log.entries):
        time, applied = entry.envelope.time, None
        match entry.body:
            case Result(outcome="applied", intent_seq=seq):
                applied = claim_name(log.zone, seq)
            case Result(intent_seq=seq):
                superseded.append((claim_name(log.zone, seq), time))
            case Reconcile(adopted=Adopted(anchor=Anchor() as anchor)):
                applied = claim_name(log.zone, anchor.seq, anchor.segment)
            case _:
                continue
        if applied is not None:
            if since is not None:
                superseded.append((applied, since))
            since = time
        if time < last - 2 * TOMBSTONES_KEPT:
            break
    return superseded
