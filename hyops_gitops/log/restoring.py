"""Bringing a zone back to what the log recorded: which zone that is, above which serial, with which markers.

A lost or outdated primary is a `drift` entry of its own, `restored`, so by the time of a restore the log's newest zone
may be the damaged one. What comes back is the zone as it was left before those drifts.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.markers import MARKERS_KEPT, Turn, claim, protocol_marker, tombstone
from hyops_gitops.core.serials import SERIALS, is_newer
from hyops_gitops.core.zone import DNSSEC_TYPES, SOA_SERIAL, Key, RRset, Zone, same_stored
from hyops_gitops.log.admin_entries import Reconcile
from hyops_gitops.log.entries import Body, Intent, Result, ZoneDrift
from hyops_gitops.log.envelope import Entry, EntryList
from hyops_gitops.log.log import Log
from hyops_gitops.plan.plan import Action, Change, Drift, zone_after

UNKNOWN_MARGIN = 1000  # how far a secondary that does not answer may be ahead of what the log knows
_DEFAULT_TIMERS = "10800 3600 604800 300"
_DEFAULT_SOA_TTL = 3600
_ADDRESS_TYPES = ("A", "AAAA", "CNAME")


def recorded_zone(log: Log) -> tuple[Zone, int]:
    """The zone to bring back, and the number of the entry that left it so.

    Raises:
        InvalidData: code `bad-entry`: a drift entry does not lead to the zone that follows it.
    """
    zone, seq = log.observed, log.head.seq
    for entry in reversed(log.entries):
        body = entry.body
        if _goes_on(body):
            break
        if isinstance(body, ZoneDrift):
            zone, seq = undone(zone, body.differences), entry.seq - 1
            if zone.digest() != body.before.whole:
                raise InvalidData(f"the drift of entry {entry.seq} cannot be undone", code="bad-entry")
    return zone, seq


def undone(zone: Zone, differences: Iterable[Drift]) -> Zone:
    """A zone as it was recorded before these differences were found."""
    listed = list(differences)
    kept = zone.without((one.name, one.type) for one in listed)
    return kept.with_rrsets(one.recorded for one in listed if one.recorded is not None)


def zone_after_intent(zone: Zone, intent: Intent) -> Zone:
    """A zone with an intent's changes, or brought back by one that restores."""
    return zone_after(zone, intent.changes) if intent.restore is None else undone(zone, intent.restore.differences)


def differences_between(then: Zone, now: Zone, managed: ManagedSet) -> list[Drift]:
    """Every RRset that is served otherwise."""
    contracts = {key: entry.contract for key, entry in managed.entries.items()}
    keys = then.differing(now)
    return [Drift(*key, then.rrsets.get(key), now.rrsets.get(key), contracts.get(key, "")) for key in keys]


def follows_from_log(entries: EntryList, entry: Entry, intent: Intent) -> str | None:
    """Why an intent that restores does not bring back what the log had, or None when it does."""
    restore = intent.restore
    if restore is None:
        return None
    if not 0 < restore.from_seq < entry.seq:
        return f"it restores the zone of entry {restore.from_seq}, which is not before it"
    if intent.changes:
        return "it restores the zone and changes it in one"
    if entries[restore.from_seq - 1].envelope.zone_sha256 != intent.expected.whole:
        return f"what it brings back is not the zone of entry {restore.from_seq}"
    if any(_goes_on(entries[index].body) for index in range(restore.from_seq, entry.seq - 1)):
        return f"the zone went on after entry {restore.from_seq}, whose zone it brings back"
    return None


def _goes_on(body: Body) -> bool:
    """Whether the zone was meant to be, or accepted as, what it is after this entry."""
    if isinstance(body, Result):
        return body.outcome == "applied"
    if isinstance(body, Reconcile):
        return body.adopted is not None
    return isinstance(body, ZoneDrift) and not body.restored


# --- serials (RFC 1982)


def newest(serials: Iterable[int]) -> int | None:
    """The one that is newer than all others."""
    found: int | None = None
    for serial in serials:
        if found is None or is_newer(serial, found):
            found = serial
    return found


def serial_above(serials: Iterable[int], *, some_unknown: bool) -> int:
    """The serial that a restored zone gets."""
    top = newest(serials)
    return ((top or 0) + 1 + (UNKNOWN_MARGIN if some_unknown else 0)) % SERIALS or 1


def soa_with(serial: int, known: Iterable[RRset], zone: Zone) -> RRset:
    """A start of authority with this serial: the first one known, or one made of the zone's name servers."""
    name = zone.apex
    for soa in known:
        fields = soa.rdata[0].split(" ")
        fields[SOA_SERIAL] = str(serial)
        return RRset.of(name, "SOA", soa.ttl, [" ".join(fields)])
    servers = zone.rrsets.get((name, "NS"))
    primary = servers.rdata[0] if servers else f"ns1.{name}."
    return RRset.of(name, "SOA", _DEFAULT_SOA_TTL, [f"{primary} hostmaster.{name}. {serial} {_DEFAULT_TIMERS}"])


# --- what is written


def markers(log: Log, now: datetime) -> list[RRset]:
    """What a zone brought back by the open intent has of ours: tombstones of those whose update may be under way too.

    The lock row, its anchor, claim and turn are its own.
    """
    entry, since = log.head, now - MARKERS_KEPT
    old = [one.seq for one in log.entries.of_types("intent") if one.envelope.time >= since and one.seq != entry.seq]
    last = log.last_applied
    stones = sorted({*old, *([last.intent_entry.seq] if last else [])})
    turn = Turn(log.zone, entry.seq, entry.envelope.prev_entry).taken(landed=True)
    own = [
        protocol_marker(log.zone),
        entry.anchor.rrset(log.zone),
        claim(log.zone, entry.seq, entry.sha256),
        turn,
    ]
    return [*own, *(tombstone(log.zone, one) for one in stones), *_stones_of_segments(log, since)]


def _stones_of_segments(log: Log, since: datetime) -> Iterator[RRset]:
    """Tombstones of what break-glass wrote lately, which may be under way as well."""
    for segment, entries in log.segments.items():
        for one in entries.of_types("intent"):
            if one.envelope.time >= since:
                yield tombstone(log.zone, one.seq, segment)


def writes(wanted: Zone, marks: Sequence[RRset], seen: Sequence[RRset]) -> tuple[list[Key], list[RRset]]:
    """What turns the zone that is there into the wanted one, the SOA aside: keys to delete, RRsets to put."""
    there = {rrset.key: rrset for rrset in seen if rrset.type != "SOA" and rrset.type not in DNSSEC_TYPES}
    target = {**wanted.rrsets, **{mark.key: mark for mark in marks}}
    deletes = [key for key in there if key not in target]
    replaces = [rrset for key, rrset in sorted(target.items()) if not same_stored(there.get(key), rrset)]
    return deletes, replaces


def shown_by_dns(differences: Iterable[Drift], managed: ManagedSet) -> Iterator[Change]:
    """What servers must come to answer: of what was damaged, the RRsets that we manage."""
    for one in differences:
        if one.type in _ADDRESS_TYPES and (one.name, one.type) in managed.entries and one.recorded is not None:
            yield Change(Action.REPLACE, one.name, one.type, one.observed, one.recorded, one.contract, cutover=False)
