"""The time zones that an authority file names, from this machine's database.

Values of a pure kind: what they say about a moment needs no file any more.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, tzinfo

from hyops_gitops.core.document import Document, Fields

_FREEZES = ("policy", "freezes")
# Not `localtime` and `posixrules`, which differ by machine, nor `right/`, which counts leap seconds.
_NAME = re.compile(r"[A-Z][A-Za-z]*(?:/[A-Z][A-Za-z0-9_+-]*){1,2}")
_ALWAYS_THERE = "Etc/UTC"


def with_time_zones(document: Document) -> Document:
    """The document with those zones of its freezes that exist."""
    names = set(_named(Fields(document)))
    if not names:
        return document
    found = {name: zone for name in names if (zone := _zone(name)) is not None}
    missing = len(found) < len(names) and _zone(_ALWAYS_THERE) is None
    return replace(document, time_zones=None if missing else found)


def _named(fields: Fields) -> Iterator[str]:
    texts = (fields.text(*_FREEZES, index, "time_zone") for index in range(fields.length(*_FREEZES)))
    return (text for text in texts if text is not None)


def _zone(name: str) -> tzinfo | None:
    if name == "UTC":
        return UTC  # without a database too
    if not _NAME.fullmatch(name):
        return None
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - only where a freeze names a zone

    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):  # a folder, not a zone's file, no such zone
        return None
