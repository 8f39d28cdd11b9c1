"""Serials of a zone, and settings under which writes are not served.

PowerDNS stores one serial and serves another. `SOA-EDIT-API` says how a write through the API moves the stored one;
`SOA-EDIT`, or a default in pdns.conf that only shows by its effect, makes the served one of it. A secondary transfers
when the served one is newer than its own (RFC 1982). What is predicted here was read in PowerDNS's sources (4.7 to 5.1
know the same words, in any case of letters; from 5.1 on the week of a zone may begin late) and measured on those
versions. What validating resolvers need of a signed zone is in RFC 4033 to 4035.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.exchange import ZoneHeader

SERIALS = 2**32
_UNKNOWN_MARGIN = 1000  # how far a secondary that does not answer may be ahead of what the log knows
_HALF = 2**31
MAX_CLOCK_SKEW = timedelta(seconds=120)  # between this machine's clock and the server's
_WEEK_S = 7 * 86400
_HOURS_OF_ZONES = range(-12, 15)  # PowerDNS writes dates in its own time zone, which the API does not show
_COUNTED_DAYS = timedelta(days=2)  # INCEPTION-INCREMENT counts until 99 of the second day after
_IDENTITY = "NONE"
_REMEDIES = ("INCREASE", "SOA-EDIT-INCREASE", "DEFAULT")  # values of SOA-EDIT-API, the plainest first


def is_newer(serial: int, other: int) -> bool:
    """Whether a secondary that has `other` would transfer `serial`."""
    return 0 < (serial - other) % SERIALS < _HALF


def newest_serial(serials: Iterable[int]) -> int | None:
    """The one that is newer than all others."""
    found: int | None = None
    for serial in serials:
        if found is None or is_newer(serial, found):
            found = serial
    return found


def serial_above(serials: Iterable[int], *, some_unknown: bool) -> int:
    """The serial that a restored zone gets."""
    top = newest_serial(serials)
    return ((top or 0) + 1 + (_UNKNOWN_MARGIN if some_unknown else 0)) % SERIALS or 1


@dataclass(frozen=True, slots=True)
class SerialForecast:
    """The serial after the next write through the API."""

    stored: frozenset[int]  # every serial the zone may itself have afterwards, as X-PDNS-New-Serial says it
    stored_moves: bool | None  # whether that is newer than now; None: it depends on what the header does not show
    served_moves: bool | None  # whether secondaries would transfer; None as above

    @property
    def moves(self) -> bool | None:
        """Whether secondaries learn of the write; None: only seen afterwards."""
        if self.stored_moves is False or self.served_moves is False:
            return False
        return None if self.stored_moves is None else self.served_moves


def forecast_serial(header: ZoneHeader, now: datetime) -> SerialForecast:
    """Predict the next serial from the header and the time."""
    clock = _Clock.around(now)
    stored = frozenset(_stored(header, clock))
    edits = _edits_in_effect(header, clock)
    served = {_serves_newer(header, edit, serial) for edit in edits for serial in stored}
    return SerialForecast(stored, _agreed(is_newer(serial, header.serial) for serial in stored), _agreed(served))


@dataclass(frozen=True, slots=True)
class StuckSerial:
    """The reason why secondaries would miss the next write, and a remedy."""

    guard: str
    message: str
    hint: str


def stuck_serial(header: ZoneHeader, zone: str, now: datetime) -> StuckSerial | None:
    """The reason why secondaries would miss the next write, if known."""
    forecast = forecast_serial(header, now)
    if forecast.stored_moves is False:
        message = f"a write through the API would not move the serial {header.serial} of {zone} forward: "
        return StuckSerial("soa-edit-api", message + _why_not_stored(header, now), _remedy(header, zone, now))
    if forecast.served_moves is False:
        message = (
            f"{zone} serves serial {header.edited_serial} while its own is {header.serial}, and will keep serving "
            f"{header.edited_serial} after a write: {_setting(header)} holds it back"
        )
        return StuckSerial("served-serial", message, _remedy(header, zone, now))
    return None


def _why_not_stored(header: ZoneHeader, now: datetime) -> str:
    kind = header.soa_edit_api.upper()
    if kind == "EPOCH":
        return f"soa_edit_api is EPOCH, and the serial is ahead of the time, {int(now.timestamp())}"
    if kind in ("SOA-EDIT", "SOA-EDIT-INCREASE"):
        return f"soa_edit_api is {kind}, and {_setting(header)} leaves it or sets it back"
    if kind in ("", "OFF"):
        return f"soa_edit_api is {header.soa_edit_api or 'not set'}"
    return f"PowerDNS does not know the soa_edit_api {header.soa_edit_api!r}"


def _setting(header: ZoneHeader) -> str:
    if header.soa_edit:
        return f"SOA-EDIT {header.soa_edit}"
    return "SOA-EDIT, which is not set," if header.edited_serial == header.serial else "default-soa-edit of pdns.conf"


def _remedy(header: ZoneHeader, zone: str, now: datetime) -> str:
    for setting in _REMEDIES:
        if forecast_serial(replace(header, soa_edit_api=setting), now).moves:
            return f"pdnsutil set-meta {zone} SOA-EDIT-API {setting}"
    return f"raise the serial in its SOA above {header.edited_serial}: pdnsutil edit-zone {zone}"


def _agreed(verdicts: Iterable[bool]) -> bool | None:
    found = set(verdicts)
    return found.pop() if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class _Clock:
    """The range of the server's clock."""

    times: range  # seconds since 1970
    today: frozenset[date]
    weeks: frozenset[int]  # when the week of a zone began, seconds since 1970
    inceptions: frozenset[date]  # the dates of those moments

    @classmethod
    def around(cls, now: datetime) -> "_Clock":
        middle, skew = int(now.timestamp()), int(MAX_CLOCK_SKEW.total_seconds())
        ends = (middle - skew, middle + skew)
        began = {end - end % _WEEK_S for end in ends}
        weeks = began | {start - _WEEK_S for start in began}
        return cls(range(ends[0], ends[1] + 1), _dates(ends), frozenset(weeks), _dates(weeks))


def _dates(moments: Iterable[int]) -> frozenset[date]:
    """The dates of these moments anywhere in the world."""
    there = (datetime.fromtimestamp(at, UTC) + timedelta(hours=hours) for at in moments for hours in _HOURS_OF_ZONES)
    return frozenset(moment.date() for moment in there)


def _numbered(day: date, number: int) -> int:
    return int(f"{day:%Y%m%d}{number:02d}")


# --- the stored serial


def _stored(header: ZoneHeader, clock: _Clock) -> Iterable[int]:
    serial = header.serial
    match header.soa_edit_api.upper():
        case "INCREASE":
            return [(serial + 1) % SERIALS]
        case "EPOCH":
            return clock.times
        case "DEFAULT":
            return [_at_least(_numbered(day, 1), serial) for day in clock.today]
        case "SOA-EDIT":
            return _edited_by_zone(header, clock)
        case "SOA-EDIT-INCREASE" if header.soa_edit.upper() in ("EPOCH", "INCEPTION-EPOCH"):
            return [_at_least(moment, serial) for moment in clock.times]
        case "SOA-EDIT-INCREASE":
            return [_at_least(edited, serial) for edited in _edited_by_zone(header, clock)]
        case _:
            return [serial]  # unset, OFF, or a word that PowerDNS does not know


def _at_least(serial: int, old: int) -> int:
    """PowerDNS compares as plain numbers here."""
    return serial if serial > old else (old + 1) % SERIALS


def _edited_by_zone(header: ZoneHeader, clock: _Clock) -> Iterable[int]:
    """The stored serial by the zone's own SOA-EDIT.

    Defaults of pdns.conf do not count in a write.
    """
    if header.soa_edit.upper() == "EPOCH":
        return clock.times
    return [edit.of(header.serial) for edit in _fitting(header, _edits(header.soa_edit, clock))]


# --- the served serial


@dataclass(frozen=True, slots=True)
class _Edit:
    """One way in which the served serial may be computed."""

    of: Callable[[int], int]
    is_time: bool = False  # it is the time of the answer, whatever is stored


def _edits(kind: str, clock: _Clock) -> list[_Edit]:
    """The possible ways of a SOA-EDIT: week and time zone are unknown."""
    match kind.upper():
        case "INCREMENT-WEEKS":
            return [_Edit(_adding(start // _WEEK_S)) for start in clock.weeks]
        case "INCEPTION-EPOCH":
            return [_Edit(_from(start)) for start in clock.weeks]
        case "INCEPTION-INCREMENT":
            return [_Edit(_counting(day)) for day in clock.inceptions]
        case "EPOCH":
            return [_Edit(lambda serial: serial, is_time=True)]
        case _:
            return [_Edit(lambda serial: serial)]


def _adding(weeks: int) -> Callable[[int], int]:
    return lambda serial: (serial + weeks) % SERIALS


def _from(start: int) -> Callable[[int], int]:
    return lambda serial: max(serial, start)


def _counting(inception: date) -> Callable[[int], int]:
    """By the date of the week's beginning, which keeps 00 and 01."""
    first, last = _numbered(inception, 1), _numbered(inception + _COUNTED_DAYS, 99)

    def edited(serial: int) -> int:
        if serial < first - 1:
            return first
        if serial <= first:
            return first + 1
        return serial + 1 if serial <= last else serial

    return edited


def _edits_in_effect(header: ZoneHeader, clock: _Clock) -> list[_Edit]:
    """The edits that explain the served serial; none when unknown."""
    if header.soa_edit:
        return _fitting(header, _edits(header.soa_edit, clock))
    if header.edited_serial == header.serial:
        return _edits(_IDENTITY, clock)  # a default that leaves this serial alone leaves newer ones alone
    by_default = [
        edit
        for kind in ("INCREMENT-WEEKS", "INCEPTION-EPOCH", "INCEPTION-INCREMENT")
        for edit in _edits(kind, clock)
        if edit.of(header.serial) == header.edited_serial
    ]
    return by_default + (_edits("EPOCH", clock) if header.edited_serial in clock.times else [])


def _fitting(header: ZoneHeader, edits: list[_Edit]) -> list[_Edit]:
    """The edits that fit the served serial; all where none does.

    A setting takes a minute to show.
    """
    return [edit for edit in edits if edit.of(header.serial) == header.edited_serial] or edits


def _serves_newer(header: ZoneHeader, edit: _Edit, stored: int) -> bool:
    return edit.is_time or is_newer(edit.of(stored), header.edited_serial)


FOLLOWS_THE_WEEK = frozenset({"INCREMENT-WEEKS", "INCEPTION-EPOCH", "INCEPTION-INCREMENT", "EPOCH"})


@dataclass(frozen=True, slots=True)
class SigningProblem:
    """A signing problem, and its remedy."""

    message: str
    hint: str


def wrongly_signed(header: ZoneHeader, zone: str, *, transferred: bool) -> SigningProblem | None:
    """The reason why a new record would be served wrongly, if any.

    Args:
        header: The zone's settings.
        zone: Its name.
        transferred: Whether secondaries get it by transfer.
    """
    signing = header.signing
    if signing is None:
        return None
    if signing.presigned:
        return presigned(zone)
    if transferred and header.nsec3narrow:
        return SigningProblem(
            f"{zone} is signed with NSEC3 in narrow mode, which PowerDNS does not transfer: no secondary gets a change",
            f"pdnsutil set-nsec3 {zone} '1 0 0 -' (without `narrow`), then pdnsutil rectify-zone {zone}",
        )
    if signing.rectified:
        return None
    hint = f"pdnsutil set-meta {zone} API-RECTIFY 1, then pdnsutil rectify-zone {zone}"
    if signing.rectified is None:
        return SigningProblem(
            f"{zone} is signed and its api_rectify is not set; what the server does by default (default-api-rectify) "
            "is not shown to this key: without it validating resolvers answer SERVFAIL or NXDOMAIN for what is written",
            hint,
        )
    return SigningProblem(
        f"{zone} is signed and not rectified after a write by the API (api_rectify, default-api-rectify): validating "
        "resolvers answer SERVFAIL or NXDOMAIN for what is written",
        hint,
    )


def presigned(zone: str) -> SigningProblem:
    """The problem of a zone that another signer has signed."""
    return SigningProblem(
        f"{zone} is presigned: PowerDNS signs nothing in it, so a record written by the API has no signature and "
        "validating resolvers answer SERVFAIL",
        f"write where the zone is signed; or let PowerDNS sign it: pdnsutil unset-presigned {zone}, pdnsutil "
        f"secure-zone {zone}, and the new DS at the parent",
    )


def signatures_expire(header: ZoneHeader) -> bool | None:
    """Whether transferred signatures expire while nothing is written; None: unknown.

    PowerDNS signs again each week, and only a serial that moves with the week has secondaries transfer that.
    """
    if header.signing is None:
        return False
    if header.soa_edit:
        return header.soa_edit.upper() not in FOLLOWS_THE_WEEK
    if header.edited_serial != header.serial:
        return False
    default = header.signing.default_soa_edit
    return None if default is None else default.upper() not in FOLLOWS_THE_WEEK
