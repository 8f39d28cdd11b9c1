"""JSON objects as frozen dataclasses, which define reader and writer.

A field is the member of its own name, required. A field with a default is left out where it equals that, and need not
be there to be read; a field that may be None is null where it is. `Annotated` says what differs: another place (`At`,
`Flat`, `Split`), when it is written (`ALWAYS`, `LEFT_OUT`, `NEVER`), and what a value must be (`Matching`, `Keywords`).
The comment behind a field describes it in the JSON Schema that `script/schemas` derives.

A `JsonReport` is only written, defaults included. Where its document is put together otherwise, that is its `FORM`: a
class of annotations alone, in which `Of` says where a member comes from. `FORMAT` of either is the first member.

Unknown members are ignored. What is missing or of another type raises InvalidData with its path, and nothing else does.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING
from datetime import datetime
from enum import Enum
from operator import attrgetter
from types import NoneType, UnionType
from typing import Annotated, ClassVar, Literal, NamedTuple, Self, TypeVar, Union, cast, get_args, get_origin

from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.fields import (
    TIME_FORMAT,
    Json,
    Matching,
    Member,
    Without,
    is_nullable,
    members_of,
    parse_time,
    time_text,
)

# --- values


class _Mismatch(Exception):
    """A value that is not what was expected, and where it stands."""

    path = ""

    def below(self, step: str) -> "_Mismatch":
        self.path = step + self.path
        return self


def _expected(what: str, value: object) -> _Mismatch:
    return _Mismatch(f"expected {what}, got {_NAMES.get(type(value), 'a number')}")


_NAMES: dict[type, str] = {
    NoneType: "nothing",
    str: "text",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}


class Kind(NamedTuple):
    """Reader and writer of the values of one type."""

    read: Callable[[object], object]  # raises _Mismatch, or ValueError
    write: Callable[..., object] | None = None  # None: they are JSON
    as_is: type | None = None  # values of exactly this type need no reading


def _exactly(expected: type, called: str) -> Kind:
    def read(value: object) -> object:
        if type(value) is not expected:
            raise _expected(called, value)
        return value

    return Kind(read, as_is=expected)


def _read_time(value: object) -> datetime:
    try:
        return parse_time(cast("str", value))
    except (ValueError, TypeError):
        raise _expected(f"a time like {TIME_FORMAT}", value) from None


def _choice(options: Mapping[object, object], write: Callable[..., object] | None) -> Kind:
    expected = " or ".join(map(str, options))

    def read(value: object) -> object:
        if not isinstance(value, str) or value not in options:
            raise _expected(expected, value)
        return options[value]

    return Kind(read, write)


def _matching(matching: Matching) -> Kind:
    matches = re.compile(matching.pattern).fullmatch

    def read(value: object) -> object:
        if not isinstance(value, str) or not matches(value):
            raise _expected(matching.expected, value)
        return value

    return Kind(read)


def _list(item: Kind) -> Kind:
    as_is = item.as_is

    def read(value: object) -> object:
        if type(value) is not list:
            raise _expected("a list", value)
        if as_is is not None and all(type(element) is as_is for element in value):
            return tuple(value)
        found: list[object] = []
        try:
            found.extend(map(item.read, value))
        except _Mismatch as error:
            raise error.below(f"[{len(found)}]") from None
        return tuple(found)

    write = item.write
    return Kind(read, list if write is None else lambda value: [write(element) for element in value])


def _mapping(item: Kind) -> Kind:
    def read(value: object) -> object:
        if type(value) is not dict:
            raise _expected("an object", value)
        name = ""
        found = {}
        try:
            for name, element in value.items():
                found[name] = item.read(element)
        except _Mismatch as error:
            raise error.below(f".{name}") from None
        return found

    write = item.write
    return Kind(
        read, dict if write is None else lambda value: {name: write(element) for name, element in value.items()}
    )


def _nullable(kind: Kind) -> Kind:
    read, write, as_is = kind
    return Kind(
        lambda value: None if value is None else read(value),
        write and (lambda value: None if value is None else write(value)),
        as_is,
    )


_PLAIN = {
    str: _exactly(str, "text"),
    int: _exactly(int, "an integer"),
    bool: _exactly(bool, "true or false"),
    datetime: Kind(_read_time, time_text),
    object: Kind(lambda value: value),
}


def _annotated(hint: object, *marks: object) -> Kind:
    for mark in marks:
        if isinstance(mark, Matching):
            return _matching(mark)
        if isinstance(mark, Without):
            codec = Codec(cast("type", hint), mark.field)
            return Kind(codec.read, codec.write)
    return kind_of(hint)


def kind_of(hint: object) -> Kind:
    """Reader and writer for the values of a type."""
    if get_origin(hint) is Annotated:
        return _annotated(*get_args(hint))
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _nullable(kind_of(next(argument for argument in arguments if argument is not NoneType)))
    if origin is tuple:
        return _list(kind_of(arguments[0]))
    if origin is Mapping:
        return _mapping(kind_of(arguments[1]))
    if origin is Literal:
        return _choice({argument: argument for argument in arguments}, None)
    return _of_class(cast("type", hint))


def _of_class(of: type) -> Kind:
    if issubclass(of, Enum):
        return _choice({member.value: member for member in of}, attrgetter("value"))
    if of in _PLAIN:
        return _PLAIN[of]
    codec = codec_of(of)
    return Kind(codec.read, codec.write)


# --- objects


class _Take(NamedTuple):
    """The reader of one member."""

    name: str  # empty: the object itself is read
    place: str  # for messages
    as_is: type | None
    read: Callable[[object], object]
    lenient: bool  # where it is missing or null, it is what `absent` says
    absent: object


class _Put(NamedTuple):
    """The writer of one member."""

    get: Callable[[object], object]
    of: Callable[..., object] | None
    default: object
    write: Callable[..., object] | None
    above: tuple[str, ...]
    name: str  # empty: its own members are


class Codec:
    """The reader and the writer of one type's objects.

    Its loops are inline: a log has millions of members.
    """

    def __init__(self, of: type, without: str = "") -> None:
        self.of = of
        known_as = getattr(of, "FORMAT", "")
        self._first: Json = {"format": known_as} if known_as else {}
        self._takes: list[_Take] = []
        self._puts: list[_Put] = []
        for members, split in members_of(of, without):
            takes = [_take(member) for member in members]
            self._takes.append(_Take("", "", None, _joined(takes, split.join), False, None) if split else takes[0])
            self._puts += [_put(member) for member in members]

    def read(self, value: object) -> object:
        """The value that an object holds."""
        if type(value) is not dict:
            raise _expected("an object", value)
        return self.of(*_taken(self._takes, value))

    def write(self, value: object) -> Json:
        """The object that holds a value."""
        written = dict(self._first)
        for get, of, default, write, above, name in self._puts:
            item = get(value) if of is None else of(get(value))
            if default is not MISSING and item == default:
                continue
            if write is not None and item is not None:
                item = write(item)
            if name:
                place = written
                for step in above:
                    place = cast("Json", place.setdefault(step, {}))
                place[name] = item
            else:
                written.update(cast("Json", item or {}))
        return written


def _taken(takes: Iterable[_Take], found: Json) -> list[object]:
    """The values of members."""
    values = []
    place = ""
    try:
        for name, place, as_is, read, lenient, absent in takes:  # noqa: B007  # for the message below
            item = found.get(name) if name else found
            if type(item) is as_is:
                values.append(item)
            elif item is None and lenient:
                values.append(absent)
            else:
                values.append(read(item))
    except _Mismatch as error:
        raise error.below(place) from None
    return values


_CODECS: dict[type, Codec] = {}


def codec_of(of: type) -> Codec:
    """The codec of a dataclass, a named tuple or a form."""
    if of not in _CODECS:
        _CODECS[of] = Codec(getattr(of, "FORM", None) or of)
    return _CODECS[of]


def _joined(takes: list[_Take], join: Callable[..., object]) -> Callable[[object], object]:
    return lambda found: join(found, *_taken(takes, cast("Json", found)))


def _take(member: Member) -> _Take:
    kind = kind_of(member.hint)
    if not member.path:
        only_with, read = member.only_with, kind.read
        flat = (lambda found: None if found.get(only_with) is None else read(found)) if only_with else read
        return _Take("", "", None, cast("Callable[[object], object]", flat), False, None)
    lenient = member.default is not MISSING or is_nullable(member.hint)
    absent = None if member.default is MISSING else member.default
    *above, last = member.path
    take = _Take(last, f".{last}", kind.as_is, kind.read, lenient, absent)
    for step in reversed(above):
        take = _Take(step, f".{step}", None, _inside(take), False, None)
    return take


def _inside(take: _Take) -> Callable[[object], object]:
    """The reader of a member of the object above it."""
    name, place, as_is, read_item, lenient, absent = take

    def read(value: object) -> object:
        if type(value) is not dict:
            raise _expected("an object", value)
        item = value.get(name)
        if type(item) is as_is:
            return item
        if item is None and lenient:
            return absent
        try:
            return read_item(item)
        except _Mismatch as error:
            raise error.below(place) from None

    return read


def _put(member: Member) -> _Put:
    *above, last = member.path or ("",)
    write = kind_of(member.hint).write
    source = member.source or member.field
    get = attrgetter(source) if isinstance(source, str) else source
    return _Put(get, member.of, member.default, write, tuple(above), last)


class JsonReport:
    """A frozen dataclass that is written as a JSON object."""

    __slots__ = ()
    FORM: ClassVar[type | None] = None
    FORMAT: ClassVar[str] = ""
    LEAVES_OUT_DEFAULTS: ClassVar[bool] = False

    def to_json(self) -> Json:
        """The object that holds this."""
        return codec_of(type(self)).write(self)


class JsonObject(JsonReport):
    """A frozen dataclass that is written and read as a JSON object."""

    __slots__ = ()
    LEAVES_OUT_DEFAULTS: ClassVar[bool] = True

    @classmethod
    def from_json(cls, value: object, path: str = "$") -> Self:
        """The value that an object holds.

        Raises:
            InvalidData: code `bad-entry`, with the path of what is missing or wrong.
        """
        return read_json(cls, value, path)


_Value = TypeVar("_Value")


def read_json(of: type[_Value], value: object, path: str = "$") -> _Value:
    """The value of a type that an object holds.

    Raises:
        InvalidData: code `bad-entry`.
    """
    try:
        return cast("_Value", codec_of(of).read(value))
    except _Mismatch as error:
        raise InvalidData(f"{path}{error.path}: {error}", code="bad-entry") from None
    except ValueError as error:
        raise InvalidData(f"{path}: {error}", code="bad-entry") from None
