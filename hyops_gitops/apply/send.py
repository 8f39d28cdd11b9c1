"""One PATCH, sent until its outcome is known.

A PATCH is one transaction, and each of ours can land once: it takes the lock, then its intent's turn, and is refused
where the turn was taken (core.markers). So it may be repeated, by us or by whatever is between; whether one whose reply
was lost has landed is read from the turn. When that stays unknown it is settled: taking the turn in its place
makes the server refuse it for ever, or is refused because it landed.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from hyops_gitops.apply.look import check_protocol
from hyops_gitops.apply.prepare import Preparation
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import OutsideFailure, Refused, ReplyLost, ServerRefused, Unconfirmed
from hyops_gitops.core.markers import (
    Anchor,
    Turn,
    anchor_name,
    claim,
    claim_name,
    closing,
    expired_markers,
    first_lock,
    lock,
    protocol_name,
    reserved_numbers,
    tombstone,
)
from hyops_gitops.core.names import is_marker
from hyops_gitops.core.network import ZoneWriter
from hyops_gitops.core.ports import Clock
from hyops_gitops.core.zone import Key, Operation, RRset, Zone, same_stored
from hyops_gitops.log.entries import ResultOutcome
from hyops_gitops.log.envelope import Entry
from hyops_gitops.log.log import Log

_PAUSES_S = (0.05, 0.2, 0.8, 2.0)


@dataclass(frozen=True, slots=True)
class Update:
    """Everything one PATCH carries."""

    zone: str
    intent: Anchor
    follows: str  # SHA-256 of the entry before the intent
    previous: Anchor | None  # the last applied intent, whose claim becomes a tombstone
    deletes: Sequence[Key] = ()
    replaces: Sequence[RRset] = ()
    locked: bool = False  # whether the lock row was seen

    @classmethod
    def of(cls, log: Log, entry: Entry) -> "Update":
        """The markers of an intent's update."""
        return cls(log.zone, entry.anchor, entry.envelope.prev_entry, log.anchor)

    def carrying(self, deletes: Sequence[Key], replaces: Sequence[RRset], *, locked: bool) -> "Update":
        """With its changes, less what its markers do: PowerDNS refuses repeated keys."""
        begun = self.markers
        gone = {operation for operation in begun if not isinstance(operation, RRset)}
        put = {operation.key for operation in begun if isinstance(operation, RRset)}
        deletes = [key for key in deletes if key not in gone]
        return replace(
            self, deletes=deletes, replaces=[rrset for rrset in replaces if rrset.key not in put], locked=locked
        )

    @property
    def turn(self) -> Turn:
        """The turn that it takes."""
        return Turn(self.zone, self.intent.seq, self.follows, self.intent.segment)

    @property
    def claim(self) -> RRset:
        """The claim that this update puts down."""
        return claim(self.zone, self.intent.seq, self.intent.sha256, self.intent.segment)

    @property
    def tombstone(self) -> RRset:
        """The CNAME that the claim becomes."""
        return tombstone(self.zone, self.intent.seq, self.intent.segment)

    @property
    def markers(self) -> list[Operation]:
        """Its first operations: lock, turn, the claim before, its own."""
        return [*self._begin(landed=True), self.claim]

    @property
    def settling(self) -> list[Operation]:
        """The PATCH that settles it: accepted only if it has not landed."""
        return [*self._begin(landed=False), self.tombstone]

    @property
    def closing(self) -> list[Operation]:
        """The PATCH that closes a landed update of protocol 1 to repeats."""
        return [*self._begin(landed=True), self.claim.key, self.tombstone]

    def _begin(self, *, landed: bool) -> list[Operation]:
        return [*lock(self.zone), *self.turn.take(landed=landed), *closing(self.zone, self.previous)]


@dataclass(frozen=True, slots=True)
class PatchOutcome:
    outcome: ResultOutcome
    new_serial: int | None = None
    reason: str = ""


def send(writer: ZoneWriter, update: Update, clock: Clock, why_not: Callable[[], str | None]) -> PatchOutcome:
    """Send an update until its outcome is known.

    Args:
        writer: The primary.
        update: What to send.
        clock: For pauses between tries.
        why_not: Asked before each repeat; a reason not to send (again), such as a lease that is over.

    Raises:
        Unconfirmed: sent, and neither reply nor turn can be read.
    """
    may_have_landed = refused = stopped = False
    reason = ""
    for pause in (0.0, *_PAUSES_S):
        clock.sleep(pause)
        try:
            if may_have_landed and _landed(writer, update):
                return PatchOutcome("applied")
            if stop := _last_look(writer, update, why_not):
                stopped, reason = True, stop
                break
            return PatchOutcome("applied", writer.patch(update.deletes, update.replaces, update.markers).new_serial)
        except ServerRefused as error:
            refused, reason = True, error.message
            break
        except OutsideFailure as error:
            may_have_landed |= isinstance(error, ReplyLost)
            reason = error.message
    if refused and not may_have_landed and _came_before(writer, update):
        return PatchOutcome("applied")
    if may_have_landed and settle(writer, update):
        return PatchOutcome("applied")
    return PatchOutcome("refused" if stopped else "failed", reason=reason)


def settle(writer: ZoneWriter, update: Update) -> bool:
    """Settle an update: it has landed, or never can. Whether it has.

    Raises:
        Unconfirmed: the server cannot be reached, or answers with something else.
    """
    try:
        ensure_lock(writer, update.zone, update.previous)
        writer.patch((), (), update.settling)
        if update.turn.taken(landed=False) not in writer.rows_at([update.turn.name]):
            raise _unknown("the server answered that it stored what settles it, and does not hold that")
    except ServerRefused:
        return _landed_before(writer, update)
    except OutsideFailure as error:
        raise _unknown(error.message) from None
    return False


def _landed_before(writer: ZoneWriter, update: Update) -> bool:
    """Whether an update landed, where something kept it from being settled."""
    try:
        seen = writer.rrsets_at([update.turn.name, update.claim.name])
        if update.turn.taken(landed=True) in seen:
            return True
        if update.claim in seen:
            with suppress(ServerRefused):  # another run has done it
                writer.patch((), (), update.closing)
            return True
    except OutsideFailure as error:
        raise _unknown(error.message) from None
    if update.turn.taken(landed=False) in seen:
        return False  # another run settled it first
    raise _unknown("the claim's name holds something else")


def _last_look(writer: ZoneWriter, update: Update, why_not: Callable[[], str | None]) -> str | None:
    """The reason not to send; a missing lock row is written first.

    Raises:
        OutsideFailure: the lock row cannot be written; the update was not sent.
    """
    if not update.locked and why_not() is None:
        ensure_lock(writer, update.zone, update.previous)
    return why_not()


def _came_before(writer: ZoneWriter, update: Update) -> bool:
    """Whether an update was refused because a copy of it had landed.

    Raises:
        Unconfirmed: that cannot be read.
    """
    try:
        return _landed(writer, update)
    except OutsideFailure as error:
        raise _unknown(error.message) from None


def _landed(writer: ZoneWriter, update: Update) -> bool:
    seen = writer.rrsets_at([update.turn.name, update.claim.name])
    return update.turn.taken(landed=True) in seen or update.claim in seen


def _unknown(why: str) -> Unconfirmed:
    return Unconfirmed(
        f"the update was sent, but whether it landed is not known: {why}",
        code="outcome-unknown",
        hint="run `hyops-gitops apply`, which settles the open intent",
    )


def ensure_lock(writer: ZoneWriter, zone: str, previous: Anchor | None) -> None:
    """Put the lock row into a zone that lacks it.

    Args:
        writer: The primary.
        zone: The zone.
        previous: The last applied intent; two at the same moment wait for its claim's row, or else for the zone's SOA.

    Raises:
        OutsideFailure: the row cannot be put there, or is not there afterwards.
    """
    names = [protocol_name(zone), zone, *([claim_name(zone, previous.seq, previous.segment)] if previous else [])]
    seen = writer.rrsets_at(names)
    if _has_lock(seen, zone):
        return
    held = _held(seen, zone)
    try:
        writer.patch((), (), first_lock(zone, held))
    except ServerRefused as error:
        reason = error.message  # another run has put it there, as can be seen
    except ReplyLost as error:  # of this PATCH, not of the update that is to follow
        reason = error.message
    else:
        reason = "it was accepted and is not there"
    if not _has_lock(writer.rrsets_at(names[:1]), zone):
        raise OutsideFailure(f"the lock row of {zone} cannot be written: {reason}", code="no-lock-row")


def _has_lock(seen: tuple[RRset, ...], zone: str) -> bool:
    return any(rrset.key == (protocol_name(zone), "TXT") for rrset in seen)


def _held(seen: tuple[RRset, ...], zone: str) -> RRset:
    """A row to write again as it is: claim, tombstone or SOA."""
    for rrset in seen:
        if rrset.name != zone and rrset.type in ("TXT", "CNAME"):
            return rrset
    for rrset in seen:
        if rrset.key == (zone, "SOA"):
            return rrset
    raise OutsideFailure(f"the primary shows no SOA of {zone}", code="no-lock-row")


@dataclass(frozen=True, slots=True)
class LastLook:
    """Step 8's last look: whether intent and zone are as planned."""

    prepared: Preparation
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
            return "the log went on without this intent"  # verbatim: a reason in the log
        if self.prepared.primary.header().serial != self.prepared.serial:
            return self._moved()
        return None

    def _moved(self) -> str | None:
        plan, marker = self.prepared.plan, anchor_name(self.prepared.plan.zone)
        names = {*(change.name for change in plan.changes), *(repair.name for repair in self.prepared.repair)}
        protocol = protocol_name(plan.zone)
        found = self.prepared.primary.rrsets_at({marker, protocol, *names})
        try:
            check_protocol(next((rrset for rrset in found if rrset.key == (protocol, "TXT")), None), plan.zone)
        except Refused as error:
            return error.message
        anchor = next((Anchor.parse(rrset) for rrset in found if rrset.key == (marker, "TXT")), None)
        if anchor != self.prepared.observation.anchor:
            who = anchor or "somebody"  # verbatim: a reason in the log
            return f"the zone was changed by {who} since the plan"
        now = Zone.of(plan.zone, found)
        then = plan.observed.select(key for key in plan.observed.rrsets if key[0] in names)
        keys = now.rrsets.keys() | then.rrsets.keys()
        changed = sorted({key[0] for key in keys if not same_stored(now.rrsets.get(key), then.rrsets.get(key))})
        if not changed:
            return None
        return f"changed by somebody else since the plan: {', '.join(changed)}"  # verbatim: a reason in the log


def update_of(prepared: Preparation, log: Log, intended: Log, now: datetime) -> Update:
    """The one PATCH: markers, deletes, replaces and anchor; expired markers go."""
    zone, entry = prepared.plan.zone, intended.head
    deletes, replaces = prepared.deletes, prepared.replaces
    seen = [rrset.key for rrset in prepared.observation.rows if is_marker(rrset.name, zone)]
    if log.segment is not None:
        replaces += [tombstone(zone, number) for number in _reserved(log)]
    else:
        closed = log.anchor and claim_name(zone, log.anchor.seq, log.anchor.segment)
        deletes += [key for key in _expired(log, seen, now) if key[0] != closed and key not in deletes]
    replaces.append(entry.anchor.rrset(zone))
    return Update.of(log, entry).carrying(deletes, replaces, locked=(protocol_name(zone), "TXT") in seen)


def _reserved(log: Log) -> tuple[int, ...]:
    """The numbers of the log that a segment's first update closes."""
    if log.segment is None or log.base is None or log.ledger.anchor is not None:
        return ()
    anchor, opened = log.segment.base.anchor, log.base.open_intent
    anchored = anchor.seq if anchor and anchor.segment is None else 0
    return reserved_numbers(anchored, log.base.head.seq, opened.seq if opened else None)


def _expired(log: Log, seen: Collection[Key], now: datetime) -> list[Key]:
    """The markers that are there and are no longer needed."""
    taken_in = {body.segment: entry.envelope.time for entry, body in log.brought_in}

    def written(seq: int, segment: str | None) -> datetime | None:
        if segment is not None:
            return taken_in.get(segment)
        return log.entries.outline(seq).envelope.time if seq <= len(log.entries) else None

    return expired_markers(seen, log.zone, written, now)
