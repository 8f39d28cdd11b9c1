"""Typed reading of JSON objects whose shape is ours: each accessor names the path of what it did not find."""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from hyops_gitops.core.errors import InvalidData

Json = dict[str, object]
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def time_text(moment: datetime) -> str:
    """UTC in whole seconds, `2026-11-22T08:15:30Z`."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def parse_time(text: str) -> datetime:
    """The moment that `time_text` wrote.

    Raises:
        ValueError: another form.
    """
    moment = datetime.fromisoformat(text)
    if time_text(moment) != text:
        raise ValueError(f"{text!r} is not written as {TIME_FORMAT}")
    return moment


def present(**fields: object) -> Json:
    """The fields that say something: None, false and what is empty are left out, a number never is."""
    return {name: value for name, value in fields.items() if value or type(value) is int}


_Choice = TypeVar("_Choice", bound=str)
_Value = TypeVar("_Value")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Fields:
    """One JSON object, read by name. Unknown fields are ignored; a missing or mistyped one raises InvalidData."""

    def __init__(self, value: object, path: str = "$") -> None:
        if not isinstance(value, dict):
            raise InvalidData(f"{path} is not an object", code="bad-entry")
        self._value: Mapping[str, object] = value
        self._path = path

    def __contains__(self, name: str) -> bool:
        return self._value.get(name) is not None

    def names(self) -> list[str]:
        """The names present."""
        return list(self._value)

    def text(self, name: str) -> str:
        """A string."""
        value = self._value.get(name)
        if not isinstance(value, str):
            raise self._wrong(name, "a string")
        return value

    def optional_text(self, name: str) -> str | None:
        """A string, or None when absent."""
        return self.text(name) if name in self else None

    def integer(self, name: str) -> int:
        """An integer."""
        value = self._value.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._wrong(name, "an integer")
        return value

    def optional_integer(self, name: str) -> int | None:
        """An integer, or None when absent."""
        return self.integer(name) if name in self else None

    def boolean(self, name: str) -> bool:
        """True or false."""
        value = self._value.get(name)
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def flag(self, name: str) -> bool:
        """True or false; false when absent."""
        return name in self and self.boolean(name)

    def time(self, name: str) -> datetime:
        """A moment in whole seconds of UTC."""
        try:
            return parse_time(self.text(name))
        except ValueError:
            raise self._wrong(name, f"a time like {TIME_FORMAT}") from None

    def optional_time(self, name: str) -> datetime | None:
        """A moment, or None when absent."""
        return self.time(name) if name in self else None

    def sha256(self, name: str) -> str:
        """64 lower-case hex digits."""
        value = self.text(name)
        if not _SHA256.fullmatch(value):
            raise self._wrong(name, "64 lower-case hex digits")
        return value

    def choice(self, name: str, options: Collection[_Choice]) -> _Choice:
        """One of these strings."""
        value = self.text(name)
        for option in options:
            if option == value:
                return option
        raise self._wrong(name, " or ".join(options))

    def nested(self, name: str) -> "Fields":
        """An object."""
        return Fields(self._value.get(name), f"{self._path}.{name}")

    def objects(self, name: str) -> list["Fields"]:
        """A list of objects."""
        return [Fields(item, f"{self._path}.{name}[{index}]") for index, item in enumerate(self._list(name))]

    def each(self, name: str, read: Callable[["Fields"], _Value]) -> tuple[_Value, ...]:
        """What `read` makes of every object in a list."""
        return tuple(map(read, self.objects(name)))

    def optional_each(self, name: str, read: Callable[["Fields"], _Value]) -> tuple[_Value, ...]:
        """The same, empty when the list is absent."""
        return self.each(name, read) if name in self else ()

    def optional(self, name: str, read: Callable[["Fields"], _Value]) -> _Value | None:
        """What `read` makes of an object, or None when it is absent."""
        return read(self.nested(name)) if name in self else None

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        items = self._list(name)
        if not all(isinstance(item, str) for item in items):
            raise self._wrong(name, "a list of strings")
        return tuple(str(item) for item in items)

    def optional_texts(self, name: str) -> tuple[str, ...]:
        """A list of strings, empty when absent."""
        return self.texts(name) if name in self else ()

    def _list(self, name: str) -> list[object]:
        value = self._value.get(name)
        if not isinstance(value, list):
            raise self._wrong(name, "a list")
        return value

    def _wrong(self, name: str, expected: str) -> InvalidData:
        return InvalidData(f"{self._path}.{name} is not {expected}", code="bad-entry")
