"""The primary: whether it may be written, its anchor, its zone."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.damage import REPAIR, SETTINGS, Damage, concerning, damage_words, find_damage
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import Refused
from hyops_gitops.core.exchange import ZoneHeader
from hyops_gitops.core.guards import Override, find_override, override_line
from hyops_gitops.core.managed import ManagedRRset
from hyops_gitops.core.markers import PROTOCOL, Anchor, anchor_name, parse_protocol, protocol_name
from hyops_gitops.core.network import ZoneReader
from hyops_gitops.core.serials import MAX_CLOCK_SKEW, presigned, stuck_serial, wrongly_signed
from hyops_gitops.core.zone import RRset, Zone, served
from hyops_gitops.log.admin_entries import Gap
from hyops_gitops.log.entries import Result, ZoneDrift
from hyops_gitops.log.log import Log, zone_drift
from hyops_gitops.plan.limits import Limits

_PRIMARY_KINDS = ("master", "primary")


AnchorState = Literal["current", "restored", "ahead", "lost", "breakglass"]


@dataclass(frozen=True, slots=True)
class Observation:
    """The zone as the primary's API shows it."""

    header: ZoneHeader
    anchor: Anchor | None
    state: AnchorState  # of the zone against the log: as it left it, older, newer, of a recorded gap, of a segment
    zone: Zone
    damage: tuple[Damage, ...] = ()  # rows that contradict each other
    rows: tuple[RRset, ...] = ()  # every RRset as listed, SOA and markers among them
    whole: bool = True  # whether all of it was read; else what the log recorded, but for the rows

    def drift(self, log: Log, commit: str) -> ZoneDrift | None:
        """The drift of the zone since the newest entry."""
        restored = self.state == "restored"
        return zone_drift(log, commit, self.zone, self.header.serial, restored=restored, damage=self.damage)

    def came_back(self, log: Log) -> tuple[ManagedRRset, ...]:
        """Our RRsets that an older zone has, and the log removed since."""
        anchor = self.anchor
        if self.state != "restored" or anchor is None:
            return ()
        seq = anchor.seq
        if anchor.segment is not None:
            seq = next(entry.seq for entry, body in log.brought_in if body.imported and body.imported.anchor == anchor)
        later = (landing.intent.changes for landing in log.applied() if landing.entry.seq > seq)
        newest = {change.key: change for changes in later for change in changes}
        return tuple(
            ManagedRRset(there, change.contract)
            for change in newest.values()
            if change.after is None
            and (there := self.zone.rrsets.get(change.key)) is not None
            and served(there) == served(change.before)
        )


def check_header(header: ZoneHeader, authority: Authority, now: datetime) -> None:
    """Whether this zone may be written through this API.

    Raises:
        Refused: guards `primary`, `soa-edit-api`, `served-serial`, `signed-zone`.
    """
    check_kind(header, authority)
    check_serial(header, authority.zone, now)
    check_signing(header, authority)


def check_kind(header: ZoneHeader, authority: Authority) -> None:
    """Whether the server is the zone's writable primary.

    Raises:
        Refused: guard `primary`.
    """
    native_allowed = not authority.secondaries or authority.policy.replication == "native"
    url = authority.primary.api.url
    if header.kind not in _PRIMARY_KINDS and not (header.kind == "native" and native_allowed):
        hint = "point primary.api_url at the writable primary; PowerDNS itself would accept the write and diverge"
        if header.kind == "native":
            hint = "make the zone's kind Primary, or set policy.replication: native where a database replicates it"
        raise Refused(f"{url} holds {authority.zone} as kind {header.kind!r}", guard="primary", hint=hint)


def check_serial(header: ZoneHeader, zone: str, now: datetime) -> None:
    """Check that secondaries learn of a write, as the header shows.

    Raises:
        Refused: guards `soa-edit-api`, `served-serial`.
    """
    if (stuck := stuck_serial(header, zone, now)) is not None:
        raise Refused(stuck.message, guard=stuck.guard, hint=stuck.hint)


def check_signing(header: ZoneHeader, authority: Authority) -> None:
    """Whether what is written is served as validating resolvers need it.

    Raises:
        Refused: guard `signed-zone`.
    """
    transferred = bool(authority.secondaries) and authority.policy.replication == "transfer"
    if (wrong := wrongly_signed(header, authority.zone, transferred=transferred)) is not None:
        raise Refused(wrong.message, guard="signed-zone", hint=wrong.hint)


def check_clock(now: datetime, head: datetime, server: datetime | None) -> None:
    """Whether an entry may be signed with this clock.

    Raises:
        Refused: guard `clock`.
    """
    if now + timedelta(seconds=1) < head:
        raise Refused(
            f"this machine's clock is behind the log's newest entry ({head:%Y-%m-%dT%H:%M:%SZ})",
            guard="clock",
            hint="set it by NTP; if the entry is ahead instead, wait until then",
        )
    if server is not None and abs(now - server) > MAX_CLOCK_SKEW:
        seconds = round((now - server).total_seconds())
        raise Refused(
            f"this machine's clock is {seconds:+d} s off the API's",
            guard="clock",
            hint="set both clocks by NTP; evidence is only as good as its times",
        )


def observe(reader: ZoneReader, log: Log, header: ZoneHeader) -> Observation:
    """Read the whole zone.

    Raises:
        Refused: guards `other-log`, `signed-zone`.
        OutsideFailure: as the reader does.
    """
    seen = reader.rrsets()
    if header.signing is not None and any(rrset.type == "RRSIG" for rrset in seen):  # PowerDNS lists none of its own
        wrong = presigned(log.zone)
        raise Refused(wrong.message, guard="signed-zone", hint=wrong.hint)
    anchor = anchor_in(seen, log.zone)
    zone = Zone.of(log.zone, seen).respelled(log.observed)
    return Observation(header, anchor, judge_anchor(anchor, log), zone, find_damage(seen), seen)


# Settings by which each write through the API moves the stored serial; by others two in one second may leave one.
_COUNT_WRITES = frozenset({"INCREASE", "DEFAULT"})


def is_as_recorded(log: Log, header: ZoneHeader) -> bool:
    """Whether the header allows only the zone that the log recorded last.

    An edit of the database that moves no serial is not seen by it, nor one by which the serial is set back.
    """
    last = log.last_applied
    if log.segment is not None or last is None or log.serial is None or header.serial != log.serial:
        return False
    if header.soa_edit_api.upper() not in _COUNT_WRITES:
        return False
    if header.signing is not None and header.signing.presigned is not False:
        return False
    return log.damage is None and _counts_one_write(last.result)


def _counts_one_write(result: Result) -> bool:
    """Whether nothing but its update made the serial of a result."""
    before, after = result.serial_before, result.after.serial
    if result.recovered or before is None or after is None:
        return False
    if result.after_source == "read" or after == before + 1:
        return True
    # By SOA-EDIT-API DEFAULT the first of a day has the number 01, in whichever time zone the server is.
    days = [result.accepted + timedelta(days=days) for days in (-1, 0, 1)] if result.accepted else []
    return after in {int(f"{day:%Y%m%d}01") for day in days}


def observe_markers(reader: ZoneReader, log: Log, header: ZoneHeader) -> Observation | None:
    """Read only SOA and markers, where the rest must be as recorded.

    None where header and anchor do not show that, or the server shows no less than the whole zone.

    Raises:
        Refused: guards `other-log`, `protocol`.
        OutsideFailure: as the reader does.
    """
    if not is_as_recorded(log, header):
        return None
    markers = reader.rrsets_below(anchor_name(log.zone))
    anchor = anchor_in(markers, log.zone) if markers is not None else None
    if markers is None or anchor != log.anchor:
        return None
    rows = (*reader.rrsets_at([log.zone]), *markers)
    return Observation(header, anchor, "current", log.observed, find_damage(rows), rows, whole=False)


def observe_names(observation: Observation, reader: ZoneReader, log: Log, names: Collection[str]) -> Observation:
    """What was observed, with these names read now.

    Args:
        observation: Made by `observe_markers`; one of the whole zone stays as it is.
        reader: The primary.
        log: What the names are held against.
        names: The names that are to be changed, or may be.

    Raises:
        OutsideFailure: as the reader does.
    """
    if observation.whole or not names:
        return observation
    read = {*names} - {log.zone}  # the SOA was read before
    rows = reader.rrsets_at(read)
    recorded = Zone.of(log.zone, (rrset for name in read for rrset in log.observed.rrsets.at(name).values()))
    found = Zone.of(log.zone, rows).respelled(recorded)
    zone = observation.zone
    if found.rrsets != recorded.rrsets:
        zone = zone.without(recorded.rrsets).with_rrsets(found.rrsets.values())
    listed = (*observation.rows, *rows)
    return replace(observation, zone=zone, damage=find_damage(listed), rows=listed)


def damage_refusal(observation: Observation, log: Log, wanted: Collection[str]) -> Refused | None:
    """Guard `damaged`, for the SOA, markers and names of ours."""
    ours = concerning(observation.damage, log.zone, log.state.names() | set(wanted))
    if not ours:
        return None
    return Refused(
        damage_words(ours),
        guard="damaged",
        hint=f"repair it: {REPAIR}; prevent it: {SETTINGS}; accept it as it is: {override_line('damaged')}",
    )


def anchor_in(seen: Iterable[RRset], zone: str) -> Anchor | None:
    """The anchor among these records, None where there is none.

    Raises:
        Refused: guard `other-log`: what stands in its place is nothing that this program writes; guard `protocol`:
            the zone's markers follow a protocol that this program does not know.
    """
    name, texts = anchor_name(zone), {rrset.name: rrset for rrset in seen if rrset.type == "TXT"}
    check_protocol(texts.get(protocol_name(zone)), zone)
    found = texts.get(name)
    anchor = Anchor.parse(found) if found else None
    if found is not None and anchor is None:
        raise Refused(
            f"the anchor of {zone} is not one that this program writes",
            guard="other-log",
            hint=f"look at it with `dig TXT {name}`; if nothing else needs that record, delete it on the primary, and "
            f"apply with {override_line('restored')}",
        )
    return anchor


def check_protocol(marker: RRset | None, zone: str) -> None:
    """Whether this program knows how the zone's updates are fenced.

    Raises:
        Refused: guard `protocol`.
    """
    if marker is None:
        return
    protocol = parse_protocol(marker)
    if protocol is None:
        raise Refused(
            f"the protocol marker of {zone} is not one that this program writes",
            guard="protocol",
            hint=f"look at it with `dig TXT {marker.name}`; if nothing else needs it, delete it on the primary",
        )
    if protocol > PROTOCOL:
        raise Refused(
            f"the markers of {zone} follow protocol {protocol}, this program knows up to {PROTOCOL}",
            guard="protocol",
            hint="use the version that the zone was changed by, or a newer one: docs/runbooks/upgrade.md",
        )


def judge_anchor(anchor: Anchor | None, log: Log) -> AnchorState:
    """The state of a zone, by its anchor and the log.

    Raises:
        Refused: `other-log` when the anchor is not of this log.
    """
    if anchor == log.anchor:
        return "current"
    if log.segment is not None:  # opening it has checked that it continues what the zone names
        landed = log.open_intent is not None and log.open_intent.anchor == anchor
        return "restored" if landed else "breakglass"  # until it is settled
    if anchor is None:
        return "restored"
    if any(isinstance(gap.body, Gap) and gap.body.anchor_sha256 == anchor.sha256 for gap in log.gaps):
        return "lost"
    if anchor.segment is not None:
        older = any(body.imported and body.imported.anchor == anchor for _, body in log.brought_in)
        return "restored" if older else "breakglass"
    if anchor.seq > log.head.seq:
        return "ahead"
    if log.entries[anchor.seq - 1].sha256 != anchor.sha256:
        raise Refused(
            f"the anchor of {log.zone} names an entry {anchor.seq} that this log does not have: "
            "another repository writes this zone",
            guard="other-log",
            hint="find out whose anchor this is, since a zone has one log: dig TXT " + anchor_name(log.zone),
        )
    return "restored"


def anchor_refusal(observation: Observation, log: Log, limits: Limits, overrides: Sequence[Override]) -> Refused | None:
    """Guard `restored` or `log-gap`, unless an allowed override lifts it."""
    refusal = _anchor_refusal(observation, log)
    if refusal is None or refusal.guard not in limits.overridable:
        return refusal
    return None if find_override(overrides, refusal.guard) else refusal


def _anchor_refusal(observation: Observation, log: Log) -> Refused | None:
    anchor = observation.anchor
    match observation.state:
        case "current" | "lost":
            return None
        case "restored":
            return _restored(log, anchor)
        case "ahead":
            seq = anchor.seq if anchor else 0
            return Refused(
                f"the zone was last changed by entry {seq}, but this log ends at {log.head.seq}: "
                "it was rolled back, or another repository writes this zone",
                guard="log-gap",
                hint="bring the entries back: `hyops-gitops evidence import CLONE`; "
                f"if they are gone for good: {override_line('log-gap')}",
            )
        case "breakglass":
            return not_reconciled(log.zone, anchor)


def _restored(log: Log, anchor: Anchor | None) -> Refused:
    go_on = f"build on what is there: {override_line('restored')}"
    if anchor is not None and (denied := log.denied(anchor)) is not None:
        return Refused(
            f"the anchor of {log.zone} names {anchor}, which entry {denied.seq} records as not applied: "
            "its update landed afterwards, and is served",
            guard="restored",
            hint=f"look at what it changed with `hyops-gitops evidence show {anchor.seq}` and `plan --live`; {go_on}",
        )
    found = f"names {anchor}, older than {log.anchor or 'entry 0'}" if anchor else "is missing"
    return Refused(
        f"the anchor of {log.zone} {found}: the zone was restored or rebuilt",
        guard="restored",
        hint=f"look at it with `plan --live`; `hyops-gitops restore` brings the recorded zone back; {go_on}",
    )


def not_reconciled(zone: str, anchor: Anchor | None) -> Refused:
    """The refusal to build on break-glass changes before they are reconciled."""
    return Refused(
        f"{zone} was last changed by {anchor}, which this log does not hold",
        guard="breakglass",
        hint="bring it in from where it was written: hyops-gitops reconcile FOLDER/segments/"
        f"{anchor.segment if anchor else None}; nothing overrides this",
    )
