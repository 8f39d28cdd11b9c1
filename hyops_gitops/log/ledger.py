"""The ledger: a chain's state, by one fold over its entries.

Invariants:

- A ledger is a value. That of n entries follows from that of any fewer and the entries between; nothing before them is
  read again, but the few entries that the ledger itself names.
- It is small whatever the length of the log: numbers of entries in the chain's own numbering, names that wait for
  something, and what the zone's anchor says. What entries hold is read from them. Its JSON can be stored and continued
  from (`log.branch` keeps it in the clone, with the commit that it is of).
- It is made of verified entries alone: results name the open intent (`log.chain`), and who changed the zone wrote so.
- The history of one name is not in it: that grows with the log (`EntryList.mentioning`). What caches may hold is in it
  for as long as they may (`log.caches`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Annotated, NamedTuple

from hyops_gitops.core.codec import JsonObject, read_json
from hyops_gitops.core.damage import Damage
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.fields import ALWAYS
from hyops_gitops.core.markers import Anchor
from hyops_gitops.log.admin_entries import Gap, Genesis, Reconcile, TrustChange
from hyops_gitops.log.caches import CacheMemory, after_drift, after_result, remembered_at
from hyops_gitops.log.entries import Intent, Refusal, Result, Unchanged, ZoneDrift
from hyops_gitops.log.envelope import Entry, EntryList
from hyops_gitops.log.parts import Retirement

_VERSION = 2  # of the stored form; where it is another, the log is folded again
_NOTHING: Mapping[str, EntryList] = {}


class ClosedIntent(NamedTuple):
    """An intent and its result."""

    intent: int
    result: int


class RetirementGap(NamedTuple):
    """What left open when an old target may be switched off."""

    entry: int  # of the log
    result: int  # the same, or the number of one in the segment that the entry brought in


class DamageLeft(NamedTuple):
    """Damage that no update rewrote since it was found."""

    entry: int  # the newest that names any
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ledger(JsonObject):
    """The state of a chain after its first `count` entries."""

    version: Annotated[int, ALWAYS] = _VERSION
    count: int = 0
    # the zone
    has_baseline: bool = False  # an entry took the zone as it found it: from then on every change is accounted for
    open_intent: int | None = None
    applied: ClosedIntent | None = None  # the newest intent recorded as applied
    anchor: Anchor | None = None  # of the intent applied last, be it one of a reconciled segment
    serial: int | None = None  # as the newest result left it
    recorded: int | None = None  # the newest intent applied, or `unchanged` entry
    left_by: int = 0  # the newest entry after which the zone is as it was meant, or accepted, to be
    went_back: tuple[int, ...] = ()  # the drift entries since then: the zone was restored or rebuilt
    damage: DamageLeft | None = None
    # what is not written, or not reported, twice while nothing was applied
    drift: int | None = None
    refusal: int | None = None
    # proof and retirement
    reports: tuple[int, ...] = ()  # `unchanged` entries since the newest change that name servers or lost sites
    retiring: Mapping[str, RetirementGap] = field(default_factory=dict)  # moved names of unknown retirement
    remembered: Mapping[str, CacheMemory] = field(default_factory=dict)  # what caches may hold of each name
    # the log itself
    trust: tuple[int, ...] = ()  # what says which keys count
    stolen: Mapping[str, int] = field(default_factory=dict)  # keys, and the last good entry of each
    doubtful: tuple[int, ...] = ()  # signed by a key after it was stolen, acknowledged or not
    gaps: tuple[int, ...] = ()  # what says that entries are missing, or that one was looked into
    reconciles: tuple[int, ...] = ()  # what brought in segments, or reviewed them

    def after(self, entries: Sequence[Entry], segments: Mapping[str, EntryList] = _NOTHING) -> "Ledger":
        """The ledger of all these entries; this one holds the first.

        Args:
            entries: The chain from its first entry on.
            segments: The entries of the break-glass segments that it brings in, by id.
        """
        ledger = self
        for index in range(self.count, len(entries)):
            ledger = ledger.with_next(entries, entries[index], segments)
        return ledger

    def with_next(
        self, entries: Sequence[Entry], entry: Entry, segments: Mapping[str, EntryList] = _NOTHING
    ) -> "Ledger":
        """The ledger with the entry numbered `count + 1` as well."""
        seq = self.count + 1
        doubtful = (*self.doubtful, seq) if seq > self.stolen.get(entry.envelope.key, seq) else self.doubtful
        ledger = replace(self, count=seq, doubtful=doubtful)
        match entry.body:
            case Intent():
                ledger = replace(ledger, has_baseline=True, open_intent=seq)
            case Result():
                ledger = _with_result(ledger, entries, entry, entry.body)
            case Unchanged() as body:
                reports = (*self.reports, seq) if _reports(body) else self.reports
                waiting = _without(self.retiring, body.retire)
                ledger = replace(ledger, recorded=seq, refusal=None, reports=reports, retiring=waiting)
            case ZoneDrift(restored=restored, damage=damage):
                back = (*self.went_back, seq) if restored else ()
                left_by = self.left_by if restored else seq
                found = _found_damage(seq, damage) or self.damage
                left = remembered_at(entry.envelope.time, self.remembered, after_drift(entry.body, entry.envelope.time))
                ledger = replace(ledger, drift=seq, left_by=left_by, went_back=back, damage=found, remembered=left)
            case Refusal():
                ledger = replace(ledger, refusal=seq)
            case Genesis():
                ledger = replace(ledger, trust=(*self.trust, seq))
            case TrustChange():
                ledger = _with_trust(ledger, entries, entry.body)
            case Gap():
                ledger = replace(ledger, gaps=(*self.gaps, seq))
            case Reconcile():
                ledger = _with_reconcile(ledger, entry, entry.body, segments)
        return ledger

    @classmethod
    def from_json(cls, value: object, path: str = "$") -> "Ledger":
        """Back from the stored form.

        Raises:
            InvalidData: it is not one that this version stored.
        """
        ledger = read_json(cls, value, path)
        if ledger.version != _VERSION:
            raise InvalidData(f"expected a ledger of version {_VERSION}, got {ledger.version}", code="bad-entry")
        if ledger.count < 1 or any(not 0 < seq <= ledger.count for seq in ledger.named()):
            raise InvalidData("a stored ledger names an entry that it does not hold", code="bad-entry")
        return ledger

    def named(self) -> Iterable[int]:
        """The entries that it names."""
        yield from (seq for seq in (self.open_intent, self.recorded, self.drift, self.refusal) if seq is not None)
        for several in (self.went_back, self.reports, self.trust, self.doubtful, self.gaps, self.reconciles):
            yield from several
        yield from self.applied or ()
        yield from (waiting.entry for waiting in self.retiring.values())
        yield from (self.damage.entry,) if self.damage else ()


def _with_result(ledger: Ledger, entries: Sequence[Entry], entry: Entry, result: Result) -> Ledger:
    seq = ledger.count
    retiring = _retiring(ledger.retiring, result.retire, RetirementGap(seq, seq))
    ledger = replace(ledger, open_intent=None, serial=result.after.serial, refusal=None, retiring=retiring)
    intent = entries[result.intent_seq - 1].body
    if result.outcome == "applied" and isinstance(intent, Intent):
        of = entry.envelope.segment
        ledger = replace(
            ledger,
            applied=ClosedIntent(result.intent_seq, seq),
            anchor=Anchor(result.intent_seq, result.intent_sha256, of.id if of else None),
            recorded=result.intent_seq,
            left_by=seq,
            went_back=(),
            damage=_left_damage(ledger.damage, _rewritten(entry.envelope.zone, intent)),
            remembered=remembered_at(entry.envelope.time, ledger.remembered, after_result(intent, result)),
            drift=None,
            reports=(),
        )
    return replace(ledger, damage=_found_damage(seq, result.damage) or ledger.damage)


def _with_trust(ledger: Ledger, entries: Sequence[Entry], change: TrustChange) -> Ledger:
    ledger = replace(ledger, trust=(*ledger.trust, ledger.count))
    if not change.compromised:
        return ledger
    stolen = dict(ledger.stolen)
    for key in change.compromised:
        # A later entry can only cast more doubt: who holds a stolen key must not clear another's.
        stolen[key.key] = min(key.last_good_seq, stolen.get(key.key, key.last_good_seq))
    numbers = range(min(stolen.values()) + 1, ledger.count + 1)
    doubtful = tuple(seq for seq in numbers if seq > stolen.get(entries[seq - 1].envelope.key, seq))
    return replace(ledger, stolen=stolen, doubtful=doubtful)


def _with_reconcile(ledger: Ledger, entry: Entry, reconcile: Reconcile, segments: Mapping[str, EntryList]) -> Ledger:
    seq = ledger.count
    ledger = replace(ledger, has_baseline=True, reconciles=(*ledger.reconciles, seq))
    if reconcile.imported is None:
        return ledger
    retiring, remembered = ledger.retiring, ledger.remembered
    entries = segments.get(reconcile.segment, EntryList())
    for own in entries.of_types("result"):
        if isinstance(own.body, Result):
            retiring = _retiring(retiring, own.body.retire, RetirementGap(seq, own.seq))
            intent = entries[own.body.intent_seq - 1].body
            if own.body.outcome == "applied" and isinstance(intent, Intent):
                remembered = remembered_at(entry.envelope.time, remembered, after_result(intent, own.body))
    ledger = replace(ledger, left_by=seq, went_back=(), retiring=retiring, remembered=remembered)
    anchor = reconcile.imported.anchor
    return ledger if anchor is None else replace(ledger, anchor=anchor, reports=())


def _reports(body: Unchanged) -> bool:
    """Whether it says which servers caught up, or which sites are lost."""
    return bool(body.caught_up or body.segment_caught_up or any(merged.declared.sites_lost for merged in body.merged))


def _rewritten(zone: str, intent: Intent) -> Collection[str]:
    """The names whose rows an intent's update writes, the SOA's among them."""
    written = (change.name for change in intent.changes if change.writes)
    return {zone, *written, *(damage.name for damage in intent.repair)}


def _found_damage(seq: int, damage: Sequence[Damage]) -> DamageLeft | None:
    return DamageLeft(seq, tuple(sorted({found.name for found in damage}))) if damage else None


def _left_damage(damage: DamageLeft | None, rewritten: Collection[str]) -> DamageLeft | None:
    left = tuple(name for name in damage.names if name not in rewritten) if damage else ()
    return DamageLeft(damage.entry, left) if damage and left else None


def _retiring(
    waiting: Mapping[str, RetirementGap], retire: Sequence[Retirement], at: RetirementGap
) -> Mapping[str, RetirementGap]:
    """The names of unknown retirement after one more result."""
    return {**_without(waiting, retire), **{due.name: at for due in retire if due.after is None}}


def _without(waiting: Mapping[str, RetirementGap], retire: Sequence[Retirement]) -> Mapping[str, RetirementGap]:
    known = {due.name for due in retire}
    return {name: at for name, at in waiting.items() if name not in known} if known else waiting
