"""Freeze windows of the policy: their rules, and their moments.

A window is written in local time, as people announce it. Where the clocks of its time zone show a time twice, or skip
it, the longer window counts: tables of time zones change, and must neither open a window early nor make a file invalid.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo

from hyops_gitops.core.authority import Freeze
from hyops_gitops.core.document import Fields, KeyPath, finding_at
from hyops_gitops.core.fields import time_text
from hyops_gitops.core.findings import Finding, Rule, Severity
from hyops_gitops.core.names import SHARED
from hyops_gitops.core.text import suggestion

AUTHORITY_FREEZE = Rule(
    "authority-freeze",
    "A window of policy.freezes begins before it ends, and its times, time zone and environments exist.",
    "A window that is never open protects nothing, and who wrote it believes that it does.",
    "Write from and until as local times, and time_zone as an area and a place of the IANA database, or UTC.",
    'from: "2026-12-18T18:00" with until: "2026-01-04T08:00"',
)
AUTHORITY_FREEZE_CLOCK = Rule(
    "authority-freeze-clock",
    "A window of policy.freezes begins and ends at a local time that clocks show once.",
    "Clocks that are set back show an hour twice, and set forward they skip one; the longer window counts.",
    "Write a time before or after that hour.",
    'until: "2026-10-25T02:30" with time_zone: Europe/Berlin',
    Severity.WARNING,
)

_FREEZES = ("policy", "freezes")
_PASSES = ("incident",)  # so that no freeze stops a failover at night; the schema's default says the same
_ENDS = ("from", "until")


def check_freezes(fields: Fields) -> Iterator[Finding]:
    """Every rule about the windows of one authority file."""
    for index in range(fields.length(*_FREEZES)):
        at = (*_FREEZES, index)
        yield from _check_environments(fields, (*at, "environments"))
        yield from _check_time_zone(fields, (*at, "time_zone"))
        for key in _ENDS:
            yield from _check_time(fields, at, key)
        start, end = (_moments(fields, at, key) for key in _ENDS)
        if start and end and start[0] >= end[1]:
            message = f"it ends at {time_text(end[1])}, and begins at {time_text(start[0])}"
            yield finding_at(AUTHORITY_FREEZE, fields.document, (*at, "until"), message, "write a later time")


def freezes_of(fields: Fields) -> tuple[Freeze, ...]:
    """The windows of a file without findings about them."""
    return tuple(_freeze(fields, (*_FREEZES, index)) for index in range(fields.length(*_FREEZES)))


def _freeze(fields: Fields, at: KeyPath) -> Freeze:
    start, end = (_moments(fields, at, key) for key in _ENDS)
    reason = fields.text(*at, "reason")
    if start is None or end is None or reason is None:
        raise ValueError(f"{'.'.join(map(str, at))} is incomplete or has findings")
    passes = tuple(kind for _, kind in fields.texts(*at, "passes"))
    return Freeze(
        start[0],
        end[1],
        reason,
        tuple(name for _, name in fields.texts(*at, "environments")),
        passes if "passes" in fields.mapping(*at) else _PASSES,
    )


def _check_environments(fields: Fields, at: KeyPath) -> Iterator[Finding]:
    known = [name for _, name in fields.texts("environments")]
    for index, name in fields.texts(*at):
        if known and name not in (*known, SHARED):
            hint = suggestion(name, [*known, SHARED], "environments")
            message = f"expected an environment, got {name!r}"
            yield finding_at(AUTHORITY_FREEZE, fields.document, (*at, index), message, hint)


def _check_time_zone(fields: Fields, at: KeyPath) -> Iterator[Finding]:
    name = fields.text(*at)
    if name is None or _time_zone(fields, at) is not None:
        return
    if fields.document.time_zones is None:
        message = f"cannot look up {name!r}: this machine has no database of time zones"
        hint = "install it (Debian: apt install tzdata; elsewhere: pip install tzdata), or write the times in UTC"
    else:
        message = f"expected a time zone of the IANA database, got {name!r}"
        hint = "write an area and a place, such as Europe/Berlin, or UTC"
    yield finding_at(AUTHORITY_FREEZE, fields.document, at, message, hint)


def _check_time(fields: Fields, at: KeyPath, key: str) -> Iterator[Finding]:
    text, moments = fields.text(*at, key), _moments(fields, at, key)
    if text is not None and _local(text) is None:
        message = f"there is no day or time {text!r}"
        yield finding_at(AUTHORITY_FREEZE, fields.document, (*at, key), message, "correct it; midnight is 00:00")
    elif moments and moments[0] != moments[1]:
        zone = _time_zone(fields, (*at, "time_zone"))
        shown = moments[0].astimezone(zone).replace(tzinfo=None, fold=0) == _local(text or "")
        counts = time_text(moments[0] if key == "from" else moments[1])
        message = f"clocks of {zone} {f'show {text} twice' if shown else f'skip {text}'}; {counts} counts"
        hint = "write a time before or after that hour"
        yield finding_at(AUTHORITY_FREEZE_CLOCK, fields.document, (*at, key), message, hint)


def _time_zone(fields: Fields, at: KeyPath) -> tzinfo | None:
    name = fields.text(*at)
    return None if name is None else (fields.document.time_zones or {}).get(name)


def _local(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M")  # noqa: DTZ007 - local, its zone stands beside it
    except ValueError:
        return None


def _moments(fields: Fields, at: KeyPath, key: str) -> tuple[datetime, datetime] | None:
    """The first and last moment that a local time can stand for."""
    text, zone = fields.text(*at, key), _time_zone(fields, (*at, "time_zone"))
    local = None if text is None else _local(text)
    if local is None or zone is None:
        return None
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return min(first, second), max(first, second)
