"""Marks of fields for members of a JSON object, and common types."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Annotated

Json = dict[str, object]
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}Z")  # 24:00 is another form


def time_text(moment: datetime) -> str:
    """UTC in whole seconds, `2026-11-22T08:15:30Z`."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def parse_time(text: str) -> datetime:
    """The moment that `time_text` wrote.

    Raises:
        ValueError: another form.
    """
    if not _TIME.fullmatch(text):
        raise ValueError(f"{text!r} is not written as {TIME_FORMAT}")
    return datetime.fromisoformat(text)


@dataclass(frozen=True, slots=True)
class At:
    """The member's place, `zone.before`, where it is not the field's name."""

    path: str


@dataclass(frozen=True, slots=True)
class Flat:
    """The members of the field's value are members of the object itself."""

    only_with: str = ""  # where the field may be None: it is, unless this member is there


@dataclass(frozen=True, slots=True)
class Part:
    """One of several members that a field is written as."""

    path: str
    hint: object
    of: Callable[..., object]  # the member's value, of the field's


@dataclass(frozen=True, slots=True)
class Split:
    """A field that is written as several members."""

    parts: tuple[Part, ...]
    join: Callable[..., object]  # of the object, which holds the members read before, and the parts' values


class When(Enum):
    """The condition under which a member is written, if not by default."""

    ALWAYS = auto()
    LEFT_OUT = auto()  # where it is None


ALWAYS, LEFT_OUT = When.ALWAYS, When.LEFT_OUT


@dataclass(frozen=True, slots=True)
class Matching:
    """Text that a reader checks."""

    pattern: str
    expected: str


@dataclass(frozen=True, slots=True)
class Keywords:
    """Keywords of the JSON Schema beyond the type; a reader ignores them."""

    keywords: tuple[tuple[str, object], ...]

    @classmethod
    def of(cls, **keywords: object) -> "Keywords":
        """From keywords of JSON Schema."""
        return cls(tuple(keywords.items()))


Sha256 = Annotated[str, Matching("[0-9a-f]{64}", "64 lower-case hex digits")]
Commit = Annotated[str, Keywords.of(pattern=r"^[0-9a-f]{40}(?:[0-9a-f]{24})?(?!\n)$")]  # of either object format
Seq = Annotated[int, Keywords.of(minimum=1)]
Natural = Annotated[int, Keywords.of(minimum=0)]
