"""The signed log as a value."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from hyops_gitops.core.damage import Damage
from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.admin_entries import Adopted, Gap, Genesis, Reconcile
from hyops_gitops.log.entries import Body, Intent, Result, Unchanged, ZoneDrift
from hyops_gitops.log.envelope import Entry, EntryList
from hyops_gitops.log.parts import Hold, TrustedKey, ZoneDigests
from hyops_gitops.log.segment import SegmentRef
from hyops_gitops.plan.plan import zone_after
from hyops_gitops.plan.state import differences_between, undone

README = "README.md"


def zone_path(zone: str) -> str:
    """Where the whole zone as last observed is."""
    return f"zones/{zone}.zone"


def state_path(zone: str) -> str:
    """Where the managed set as last applied is."""
    return f"state/{zone}.zone"


def anchor_after(entries: Sequence[Entry]) -> Anchor | None:
    """What the zone's anchor names after these entries: the last applied intent, be it one of a reconciled segment."""
    for entry in reversed(entries):
        match entry.body:
            case Result(outcome="applied", intent_seq=seq, intent_sha256=sha256):
                of = entries[seq - 1].envelope.segment
                return Anchor(seq, sha256, of.id if of else None)
            case Reconcile(adopted=adopted) if adopted is not None and adopted.anchor is not None:
                return adopted.anchor
            case _:
                pass
    return None


@dataclass(frozen=True, slots=True)
class Applied:
    """An intent that reached the zone, and the result that says so."""

    intent: Intent
    intent_entry: Entry
    result: Result
    result_entry: Entry
    entry: Entry  # of the log: the intent's own, or the one that brought in the break-glass segment that it is of


@dataclass(frozen=True, slots=True)
class Log:
    """A verified log; or a break-glass segment, which has entries of its own and goes on from a log."""

    zone: str
    commit: str  # of the evidence branch
    entries: EntryList  # at least genesis; of a segment, none before its first intent
    head_sig_sha256: str
    observed: Zone  # as last observed
    state: ManagedSet  # as last applied
    trusted: tuple[TrustedKey, ...]  # the keys that count now
    doubtful: tuple[int, ...] = ()  # entries signed by a key after it was stolen, acknowledged or not
    segment: SegmentRef | None = None  # None: the log itself
    base: "Log | None" = None  # what the segment goes on from
    segments: Mapping[str, EntryList] = field(default_factory=dict)  # the entries of those that were brought in

    @property
    def head(self) -> Entry:
        """The newest entry."""
        return self.entries[-1] if self.entries or self.base is None else self.base.head

    @property
    def genesis(self) -> Genesis:
        """What the first entry says."""
        if self.base is not None:
            return self.base.genesis
        body = self.entries[0].body
        if not isinstance(body, Genesis):  # verification has seen to it
            raise TypeError("the first entry is not genesis")
        return body

    @property
    def open_intent(self) -> Entry | None:
        """The intent that has no result yet, if any."""
        for entry in reversed(self.entries):
            if isinstance(entry.body, Result):
                return None
            if isinstance(entry.body, Intent):
                return entry
        return None

    def numbered(self, seq: int) -> int:
        """The number that marks a name as held by an own entry; those of a segment count on from its base."""
        return seq if self.base is None else self.base.head.seq + seq

    def holder(self, number: int) -> Entry | None:
        """The entry whose number this is."""
        if self.base is None:
            return self.entries[number - 1] if number <= len(self.entries) else None
        own = number - self.base.head.seq
        return self.base.holder(number) if own < 1 else self.entries[own - 1] if own <= len(self.entries) else None

    @property
    def has_baseline(self) -> bool:
        """Whether an entry has taken the zone as it found it: from then on every change of it is accounted for."""
        return any(self.entries.of_types("intent", "reconcile"))

    @property
    def serial(self) -> int | None:
        """The zone's serial as the newest result left it."""
        newest = next((one.body for one in reversed(self.entries) if isinstance(one.body, Result)), None)
        return newest.after.serial if newest else None

    def applied(self) -> Iterator[Applied]:
        """Every intent of its own that is recorded as applied, newest first; then those of what it goes on from."""
        for entry in reversed(self.entries):
            if isinstance(entry.body, Result) and entry.body.outcome == "applied":
                intent_entry = self.entries[entry.body.intent_seq - 1]
                if isinstance(intent_entry.body, Intent):
                    yield Applied(intent_entry.body, intent_entry, entry.body, entry, intent_entry)
        if self.base is not None:
            yield from self.base.applied()

    def applied_to(self, name: str) -> Iterator[Applied]:
        """The intents recorded as applied that speak of one name, oldest first; those of reconciled segments too."""
        if self.base is not None:
            yield from self.base.applied_to(name)
        for entry in self.entries.mentioning(name):
            match entry.body:
                case Intent():
                    yield from applied_of(self.entries, entry)
                case Reconcile(adopted=Adopted(), segment=segment):
                    own = self.segments.get(segment, EntryList())
                    yield from (replace(one, entry=entry) for at in own.mentioning(name) for one in applied_of(own, at))
                case _:
                    pass

    def end_of(self, intent: Entry) -> tuple[Result, Entry] | None:
        """What became of an intent, and the entry that says so: the next result after it; None while it is open."""
        return _end_of(self.entries, intent)

    def left(self, name: str) -> Iterator[tuple[datetime, int]]:
        """When records of a name were seen to be gone that nobody recorded to have taken away, and their TTLs."""
        if self.base is not None:
            yield from self.base.left(name)
        for entry in self.entries.mentioning(name):
            if isinstance(entry.body, ZoneDrift):
                gone = (one.recorded for one in entry.body.differences if one.name == name)
                yield from ((entry.envelope.time, rrset.ttl) for rrset in gone if rrset is not None)

    def denied(self, anchor: Anchor) -> Entry | None:
        """The result that says of an anchor's intent that it never landed."""
        if anchor.segment is not None or not 0 < anchor.seq <= len(self.entries):
            return None
        intent = self.entries[anchor.seq - 1]
        end = self.end_of(intent) if isinstance(intent.body, Intent) and intent.sha256 == anchor.sha256 else None
        return end[1] if end is not None and end[0].outcome != "applied" else None

    @property
    def last_applied(self) -> Applied | None:
        """The newest intent recorded as applied."""
        return next(self.applied(), None)

    @property
    def anchor(self) -> Anchor | None:
        """What the zone's anchor names if nobody else changed the zone since."""
        return anchor_after(self.entries) or (self.segment.base.anchor if self.segment else None)

    @property
    def reconciled(self) -> tuple[Entry, ...]:
        """The entries that brought a break-glass segment in, oldest first."""
        found = self.entries.of_types("reconcile")
        return tuple(one for one in found if isinstance(one.body, Reconcile) and one.body.adopted is not None)

    @property
    def recorded(self) -> Intent | Unchanged | None:
        """The newest entry by which contracts were applied or found to ask for nothing; None before the first."""
        for entry in reversed(self.entries):
            if isinstance(entry.body, Unchanged):
                return entry.body
            if isinstance(entry.body, Result) and entry.body.outcome == "applied":
                intent = self.entries[entry.body.intent_seq - 1].body
                return intent if isinstance(intent, Intent) else None
        return self.base.recorded if self.base else None

    @property
    def recorded_commit(self) -> str | None:
        """The contracts' commit that entry names."""
        recorded = self.recorded
        return recorded.contracts.commit if recorded else None

    @property
    def damage(self) -> tuple[Entry, tuple[Damage, ...]] | None:
        """The newest entry that names rows that contradict each other, and those that no update rewrote since."""
        rewritten: set[str] = set()
        for entry in reversed(self.entries):
            body = entry.body
            if isinstance(body, Result | ZoneDrift) and body.damage:
                left = tuple(one for one in body.damage if one.name not in rewritten)
                return (entry, left) if left else None
            if isinstance(body, Result) and body.outcome == "applied":
                intent = self.entries[body.intent_seq - 1].body
                if isinstance(intent, Intent):
                    names = (change.name for change in intent.changes if change.writes)
                    rewritten |= {
                        self.zone,
                        *names,
                        *(one.name for one in intent.repair),
                    }  # every update writes the SOA
        return None

    @property
    def gaps(self) -> tuple[Entry, ...]:
        """The entries that say others are missing."""
        return tuple(
            one for one in self.entries.of_types("gap") if isinstance(one.body, Gap) and one.body.acknowledges is None
        )

    @property
    def acknowledged(self) -> frozenset[int]:
        """The numbers of entries that somebody has looked into; the word of a thief does not count."""
        said = (one.body for one in self.entries.of_types("gap") if one.seq not in self.doubtful)
        return frozenset(one.acknowledges for one in said if isinstance(one, Gap) and one.acknowledges is not None)


def _end_of(entries: EntryList, intent: Entry) -> tuple[Result, Entry] | None:
    following = (entries[index] for index in range(intent.seq, len(entries)))
    return next(((one.body, one) for one in following if isinstance(one.body, Result)), None)


def applied_of(entries: EntryList, intended: Entry) -> Iterator[Applied]:
    """An intent with the result after it, if that says that it was applied."""
    if isinstance(intended.body, Intent) and (end := _end_of(entries, intended)) is not None:
        result, entry = end
        if result.outcome == "applied":
            yield Applied(intended.body, intended, result, entry, intended)


def applied_intents(entries: EntryList) -> Iterator[tuple[Entry, Intent]]:
    """The intents among these entries that reached the zone, oldest first."""
    for result in entries.of_types("result"):
        if isinstance(result.body, Result) and result.body.outcome == "applied":
            intended = entries[result.body.intent_seq - 1]
            if isinstance(intended.body, Intent):
                yield intended, intended.body


def placed(holds: Iterable[Hold], seq: int) -> dict[str, int]:
    """The names that an intent has held, with its number."""
    return {hold.name: seq for hold in holds}


def zone_after_intent(zone: Zone, intent: Intent) -> Zone:
    """A zone with an intent's changes, or brought back by one that restores."""
    return zone_after(zone, intent.changes) if intent.restore is None else undone(zone, intent.restore.differences)


def recorded_zone(log: Log) -> tuple[Zone, int]:
    """The zone to bring back, and the number of the entry that left it so.

    Raises:
        InvalidData: code `bad-entry`: a drift entry does not lead to the zone that follows it.
    """
    zone, seq = log.observed, log.head.seq
    for entry in reversed(log.entries):
        body = entry.body
        if goes_on(body):
            break
        if isinstance(body, ZoneDrift):
            zone, seq = undone(zone, body.differences), entry.seq - 1
            if zone.digest() != body.before.whole:
                raise InvalidData(f"the drift of entry {entry.seq} cannot be undone", code="bad-entry")
    return zone, seq


def goes_on(body: Body) -> bool:
    """Whether the zone was meant to be, or accepted as, what it is after this entry."""
    if isinstance(body, Result):
        return body.outcome == "applied"
    if isinstance(body, Reconcile):
        return body.adopted is not None
    return isinstance(body, ZoneDrift) and not body.restored


def zone_drift(
    log: Log,
    commit: str,
    zone: Zone,
    serial: int | None,
    *,
    restored: bool = False,
    damage: tuple[Damage, ...] = (),
) -> ZoneDrift | None:
    """How a zone differs from what the newest entry left; before the first intent there is nothing to differ from."""
    if not log.has_baseline or zone.digest() == log.observed.digest():
        return None
    return ZoneDrift(
        commit,
        ZoneDigests.of(log.observed, log.state, log.serial),
        ZoneDigests.of(zone, log.state, serial),
        tuple(differences_between(log.observed, zone, log.state)),
        restored=restored,
        damage=damage,
    )
