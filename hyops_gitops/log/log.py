"""The signed log as a value."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace
from datetime import datetime

from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.damage import Damage
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.admin_entries import Gap, Genesis, ImportedSegment, Reconcile
from hyops_gitops.log.caches import NOTHING_REMEMBERED, CacheMemory
from hyops_gitops.log.entries import Intent, Result, Unchanged, ZoneDrift
from hyops_gitops.log.envelope import Entry, EntryList
from hyops_gitops.log.ledger import Ledger
from hyops_gitops.log.parts import Hold, ZoneDigests
from hyops_gitops.log.segment import SegmentRef
from hyops_gitops.log.trust import TrustBook
from hyops_gitops.plan.plan import zone_after
from hyops_gitops.plan.state import differences_between, undone

README = "README.md"


def zone_path(zone: str) -> str:
    """Where the whole zone as last observed is."""
    return f"zones/{zone}.zone"


def state_path(zone: str) -> str:
    """Where the managed set as last applied is."""
    return f"state/{zone}.zone"


@dataclass(frozen=True, slots=True)
class Landing:
    """An intent that reached the zone, and the result that says so."""

    intent: Intent
    intent_entry: Entry
    result: Result
    result_entry: Entry
    entry: Entry  # of the log: the intent's own, or the one that brought in the break-glass segment that it is of


@dataclass(frozen=True, slots=True)
class Log:
    """A verified log, or a break-glass segment that continues a log.

    Invariants:

    - It verifies (`log.chain`, `log.verify`), but for entries in doubt, which `doubtful` names.
    - `ledger` is that of `entries`: questions about now are answered by it, without a look at other entries.
    - `observed` is the zone that the head says it leaves; `state` is the sum of the changes that entries applied. Each
      name there that is held carries the number of the entry that has it held (`numbered`, `holder`).
    - A segment numbers its entries from 1 and answers from its base, a log, where they say nothing.
    - It is a value: appending (`log.writer`) makes another one.
    """

    zone: str
    commit: str  # of the evidence branch
    entries: EntryList  # at least genesis; of a segment, none before its first intent
    ledger: Ledger
    head_sig_sha256: str
    observed: Zone  # as last observed
    state: ManagedSet  # as last applied
    segment: SegmentRef | None = None  # None: the log itself
    base: "Log | None" = None  # what the segment continues
    segments: Mapping[str, EntryList] = field(default_factory=dict)  # the entries of those that were brought in
    pages: Mapping[str, bytes] = field(default_factory=dict)  # LOG.md and the head's folder page, where they are known

    def with_segment(self, ref: SegmentRef) -> "Log":
        """A segment without entries that continues this log."""
        return replace(
            self,
            commit=ref.id,
            entries=EntryList(),
            ledger=Ledger(),
            head_sig_sha256="",
            segment=ref,
            base=self,
            segments={},
            pages={},
        )

    def with_entry(
        self,
        commit: str,
        data: bytes,
        entry: Entry,
        signature: bytes,
        observed: Zone,
        state: ManagedSet,
        pages: Mapping[str, bytes] | None = None,
    ) -> "Log":
        """The log with one more entry, its bytes and its pages."""
        entries = self.entries.extended(data, entry)
        return replace(
            self,
            commit=commit,
            entries=entries,
            ledger=self.ledger.after(entries, self.segments),
            head_sig_sha256=sha256_hex(signature),
            observed=observed,
            state=state,
            pages=pages or {},
        )

    @property
    def head(self) -> Entry:
        """The newest entry, in outline."""
        return self.entries.outline(len(self.entries)) if self.entries or self.base is None else self.base.head

    @property
    def genesis(self) -> Genesis:
        """What the first entry says."""
        if self.base is not None:
            return self.base.genesis
        body = self.entries[0].body
        if not isinstance(body, Genesis):  # verification has seen to it
            raise TypeError("the first entry is not genesis")
        return body

    def numbered(self, seq: int) -> int:
        """Hold number of an entry; a segment's are counted from its base."""
        return seq if self.base is None else self.base.head.seq + seq

    def holder(self, number: int) -> Entry | None:
        """The entry whose number this is, in outline."""
        if self.base is None:
            return self.entries.outline(number) if number <= len(self.entries) else None
        own = number - self.base.head.seq
        return self.base.holder(number) if own < 1 else self.entries.outline(own) if own <= len(self.entries) else None

    def _listed(self, numbers: Iterable[int]) -> tuple[Entry, ...]:
        return tuple(self.entries[seq - 1] for seq in numbers)

    # --- now: answered by the ledger

    @property
    def open_intent(self) -> Entry | None:
        """The intent that has no result yet, if any."""
        return self.entries[self.ledger.open_intent - 1] if self.ledger.open_intent else None

    @property
    def has_baseline(self) -> bool:
        """Whether an entry took the zone as it found it."""
        return self.ledger.has_baseline

    @property
    def serial(self) -> int | None:
        """The zone's serial as the newest result left it."""
        return self.ledger.serial

    @property
    def last_applied(self) -> Landing | None:
        """The newest intent recorded as applied, in outline."""
        if self.ledger.applied is None:
            return self.base.last_applied if self.base is not None else None
        intended, ended = map(self.entries.outline, self.ledger.applied)
        return _applied(intended, ended)

    @property
    def anchor(self) -> Anchor | None:
        """What the zone's anchor names unless another program changed the zone."""
        return self.ledger.anchor or (self.segment.base.anchor if self.segment else None)

    @property
    def recorded(self) -> Intent | Unchanged | None:
        """The newest entry by which contracts were applied, or asked for nothing.

        In outline: an intent perhaps without its changes.
        """
        if self.ledger.recorded is None:
            return self.base.recorded if self.base else None
        body = self.entries.outline(self.ledger.recorded).body
        return body if isinstance(body, Intent | Unchanged) else None

    @property
    def recorded_commit(self) -> str | None:
        """The contracts' commit that entry names."""
        recorded = self.recorded
        return recorded.contracts.commit if recorded else None

    @property
    def damage(self) -> tuple[Entry, tuple[Damage, ...]] | None:
        """The newest entry that names damage, and what was not rewritten since."""
        if self.ledger.damage is None:
            return None
        entry = self.entries[self.ledger.damage.entry - 1]
        names = self.ledger.damage.names
        found = entry.body.damage if isinstance(entry.body, Result | ZoneDrift) else ()
        return entry, tuple(damage for damage in found if damage.name in names)

    def remembered(self, name: str) -> CacheMemory:
        """Which replaced records of a name caches may still hold."""
        own = self.ledger.remembered.get(name, NOTHING_REMEMBERED)
        return own if self.base is None else own.joined(self.base.remembered(name))

    @property
    def reconciles(self) -> tuple[tuple[Entry, Reconcile], ...]:
        """The entries that brought in or reviewed a segment, oldest first."""
        found = self._listed(self.ledger.reconciles)
        return tuple((entry, entry.body) for entry in found if isinstance(entry.body, Reconcile))

    @property
    def brought_in(self) -> tuple[tuple[Entry, Reconcile], ...]:
        """Those of them that brought one in."""
        return tuple((entry, body) for entry, body in self.reconciles if body.imported is not None)

    @property
    def trust(self) -> TrustBook:
        """The keys that count, and those that did."""
        log = self if self.base is None else self.base
        return TrustBook.of(log.entries, log.ledger)

    @property
    def doubtful(self) -> tuple[int, ...]:
        """The entries signed by a stolen key, acknowledged or not."""
        return self.ledger.doubtful

    @property
    def gaps(self) -> tuple[Entry, ...]:
        """The entries that say others are missing."""
        found = self._listed(self.ledger.gaps)
        return tuple(entry for entry in found if isinstance(entry.body, Gap) and entry.body.acknowledges is None)

    @property
    def acknowledged(self) -> frozenset[int]:
        """The entries acknowledged, by entries that are not in doubt."""
        gaps = (entry.body for entry in self._listed(self.ledger.gaps) if entry.seq not in self.doubtful)
        return frozenset(gap.acknowledges for gap in gaps if isinstance(gap, Gap) and gap.acknowledges is not None)

    def zone_to_restore(self) -> tuple[Zone, int]:
        """The zone before others restored or rebuilt it, and its entry.

        A lost or outdated primary is a `drift` entry of its own, so by the time of a restore the log's newest zone may
        be the damaged one.

        Raises:
            InvalidData: code `bad-entry`: a drift entry does not lead to the zone that follows it.
        """
        zone, seq = self.observed, self.head.seq
        for entry in reversed(self._listed(self.ledger.went_back)):
            if isinstance(entry.body, ZoneDrift):
                zone, seq = undone(zone, entry.body.differences), entry.seq - 1
                if zone.digest() != entry.body.before.whole:
                    raise InvalidData(f"the drift of entry {entry.seq} cannot be undone", code="bad-entry")
        return zone, seq

    # --- the past: read from the entries that it concerns

    def applied_to(self, name: str) -> Iterator[Landing]:
        """Applied intents that change a name, oldest first, also of segments.

        They may lack changes, and answers, of other names.
        """
        if self.base is not None:
            yield from self.base.applied_to(name)
        for entry in self.entries.parts_about(name):
            yield from self._applied_by(entry, name)

    def applied(self) -> Iterator[Landing]:
        """Every applied intent, oldest first, also of segments."""
        if self.base is not None:
            yield from self.base.applied()
        for entry in self.entries.of_types("intent", "reconcile"):
            yield from self._applied_by(entry, None)

    def _applied_by(self, entry: Entry, name: str | None) -> Iterator[Landing]:
        match entry.body:
            case Intent():
                yield from applied_of(self.entries, entry, name)
            case Reconcile(imported=ImportedSegment(), segment=segment):
                own = self.segments.get(segment, EntryList())
                intents = own.of_types("intent") if name is None else own.parts_about(name)
                inner = (applied for intent in intents for applied in applied_of(own, intent, name))
                yield from (replace(applied, entry=entry) for applied in inner)

    def applied_after(self, seq: int) -> Iterator[Landing]:
        """Own intents that later entries record as applied, oldest first."""
        for index in range(seq, len(self.entries)):
            entry = self.entries[index]
            if isinstance(entry.body, Result) and entry.body.outcome == "applied":
                yield from applied_of(self.entries, self.entries[entry.body.intent_seq - 1])

    def end_of(self, intent: Entry) -> tuple[Result, Entry] | None:
        """The result of an intent and its entry; None: open."""
        return _end_of(self.entries, intent)

    def left(self, name: str) -> Iterator[tuple[datetime, int]]:
        """Times at which drift removed records of a name, with their TTLs."""
        if self.base is not None:
            yield from self.base.left(name)
        for entry in self.entries.parts_about(name):
            if isinstance(entry.body, ZoneDrift):
                gone = (drift.recorded for drift in entry.body.differences if drift.name == name)
                yield from ((entry.envelope.time, rrset.ttl) for rrset in gone if rrset is not None)

    def denied(self, anchor: Anchor) -> Entry | None:
        """The result that says of an anchor's intent that it never landed."""
        if anchor.segment is not None or not 0 < anchor.seq <= len(self.entries):
            return None
        intent = self.entries[anchor.seq - 1]
        end = self.end_of(intent) if isinstance(intent.body, Intent) and intent.sha256 == anchor.sha256 else None
        return end[1] if end is not None and end[0].outcome != "applied" else None


def _end_of(entries: EntryList, intent: Entry, name: str | None = None) -> tuple[Result, Entry] | None:
    following = (
        entries[number - 1] if name is None else entries.part(number, name)
        for number in range(intent.seq + 1, len(entries) + 1)
    )
    return next(((entry.body, entry) for entry in following if isinstance(entry.body, Result)), None)


def applied_of(entries: EntryList, intended: Entry, name: str | None = None) -> Iterator[Landing]:
    """An intent with its result, if applied, for a name."""
    end = _end_of(entries, intended, name) if isinstance(intended.body, Intent) else None
    if end is not None and (applied := _applied(intended, end[1])) is not None:
        yield applied


def _applied(intended: Entry, ended: Entry) -> Landing | None:
    """An intent with its result, if that says so."""
    intent, result = intended.body, ended.body
    if isinstance(intent, Intent) and isinstance(result, Result) and result.outcome == "applied":
        return Landing(intent, intended, result, ended, intended)
    return None


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
    """A zone after an intent's changes or its restore."""
    return zone_after(zone, intent.changes) if intent.restore is None else undone(zone, intent.restore.differences)


def zone_drift(
    log: Log,
    commit: str,
    zone: Zone,
    serial: int | None,
    *,
    restored: bool = False,
    damage: tuple[Damage, ...] = (),
) -> ZoneDrift | None:
    """How a zone differs from what the newest entry left."""
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
