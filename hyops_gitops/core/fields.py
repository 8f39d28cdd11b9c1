"""Marks of fields for members of a JSON object, and common types."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from types import NoneType, UnionType
from typing import Annotated, Union, get_args, get_origin, get_type_hints

from hyops_gitops.core.dataclass import dataclass

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
class Of:
    """The source of a document's member, where its name differs."""

    get: str | Callable[..., object]  # a dotted attribute, or a function of the value


@dataclass(frozen=True, slots=True)
class Without:
    """A type without one of its members."""

    field: str


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
    join: Callable[..., object] = tuple  # of the object, which holds the members read before, and the parts' values


class When(Enum):
    """The condition under which a member is written, if not by default."""

    ALWAYS = auto()
    LEFT_OUT = auto()  # where it is None
    NEVER = auto()  # of a report, which is not read


ALWAYS, LEFT_OUT, NEVER = When.ALWAYS, When.LEFT_OUT, When.NEVER


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


# --- the members that fields are


@dataclass(frozen=True, slots=True)
class Member:
    """A field of a type, or part of one, as a member."""

    field: str
    path: tuple[str, ...]  # empty: its own members are members of the object
    hint: object
    default: object  # left out where it equals this; MISSING: required
    only_with: str = ""  # where its own members are members of the object: it is None without this one
    of: Callable[..., object] | None = None  # of the field's value, where that is split
    source: str | Callable[..., object] = ""  # the value's attribute or a function of it, where it is not the field


def is_nullable(hint: object) -> bool:
    """Whether None is one of its values."""
    plain = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return get_origin(plain) in (Union, UnionType) and NoneType in get_args(plain)


def _member(field: str, hint: object, default: object) -> tuple[list[Member], Split | None]:
    marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    plain = get_args(hint)[0] if marks else hint
    place = next((mark for mark in marks if isinstance(mark, At | Flat | Split)), None)
    source = next((mark.get for mark in marks if isinstance(mark, Of)), field)
    if isinstance(place, Split):
        parts = [Member(field, tuple(part.path.split(".")), part.hint, MISSING, of=part.of) for part in place.parts]
        return parts, place
    if isinstance(place, Flat):
        return [Member(field, (), plain, MISSING, place.only_with)], None
    if ALWAYS in marks:
        default = MISSING
    elif LEFT_OUT in marks:
        default = None
    path = tuple(place.path.split(".")) if place else (field,)
    return [Member(field, path, hint, default, source=source)], None


def _fields(of: type) -> Iterable[tuple[str, object, object]]:
    """Name, type and default of each field, in their order."""
    hints = get_type_hints(of, include_extras=True)
    if is_dataclass(of):
        whole = not getattr(of, "LEAVES_OUT_DEFAULTS", True)
        return [(field.name, hints[field.name], MISSING if whole else field.default) for field in fields(of)]
    defaults: Mapping[str, object] = getattr(of, "_field_defaults", vars(of))  # a named tuple has them there
    return [(name, hint, defaults.get(name, MISSING)) for name, hint in hints.items()]


def members_of(of: type, without: str = "") -> Iterator[tuple[list[Member], Split | None]]:
    """The members that each field of a type is."""
    for name, hint, default in _fields(of):
        if name != without and NEVER not in get_args(hint):
            yield _member(name, hint, default)
