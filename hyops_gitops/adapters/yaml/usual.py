"""A usual contract: lines of few forms, read without a parser.

It is a small part of YAML, in which a line means the same wherever it stands: `key: value`, and below a key that has
none, lines of values or of `key: value`, indented by two. Whatever is not of these forms, and what a reader could take
for something else, is left to the parser: no answer here says that a file is wrong.
"""

import functools
import json
import re
from typing import Any

from hyops_gitops.adapters.yaml.scalars import MAX_DIGITS, Ambiguous, plain_value

_LONGEST = 1000  # octets of a line: parsers look no further for the end of a key
_MOST_NESTED = 12  # brackets in one line
_KEY = r"[A-Za-z_][A-Za-z0-9_-]*"
_QUOTED = r""""[ !#-\[\]-~]*"|'[ -&(-~]*'"""  # without escapes
_WORD = r"[A-Za-z0-9._/@+-]"
_PLAIN = rf"[A-Za-z0-9/](?:{_WORD}|[,;'()=#!?%&*<>~$|^]|:(?=[A-Za-z0-9:])| (?! )(?=[A-Za-z0-9]))*+(?<!:)"
_IN_FLOW = rf"[A-Za-z0-9/]{_WORD}*+(?: [A-Za-z0-9]{_WORD}*+)*+"  # where a comma, a bracket and a colon end it
_PAIR = re.compile(rf"({_KEY}): ({_QUOTED}|{_IN_FLOW})")
_TOP = re.compile(rf"({_KEY}):(?: ({_QUOTED}|{_PLAIN}|[\[{{].*))?")
_BELOW = re.compile(rf"  (- |  )?(?:({_KEY}): )?({_QUOTED}|{_PLAIN}|[\[{{].*)")
_MAPPING = re.compile(rf"\{{{_PAIR.pattern}(?:, {_PAIR.pattern})*\}}")


class _Unusual(Exception):
    """Something that is for the parser to read."""


def usual_data(text: str) -> dict[str, object] | None:
    """The data of a usual contract; None for anything else."""
    if not text.isascii() or "\\" in text or not text.endswith("\n"):
        return None
    try:
        return _data(text.split("\n"))
    except _Unusual:
        return None


@functools.lru_cache(maxsize=1024)
def is_sound_key(key: str) -> bool:
    """Whether a plain key is text to every reader."""
    return key != "<<" and isinstance(plain_value(key), str)


class _Lines:
    """What the lines so far say."""

    def __init__(self) -> None:
        self.data: dict[str, object] = {}
        self._open: str | None = None  # the key that indented lines belong to
        self._inner: Any = None  # their mapping or list, once there is one
        self._item: Any = None  # the list's newest item, where more lines may belong to it

    def top(self, line: str) -> None:
        """A line that is not indented."""
        self.end()
        found = _TOP.fullmatch(line)
        if found is None:
            raise _Unusual
        key, value = found.groups()
        _put(self.data, key, None if value is None else _value(value))
        self._open = key if value is None else None

    def below(self, line: str) -> None:
        """An indented line."""
        found = _BELOW.fullmatch(line)
        if found is None or self._open is None:
            raise _Unusual
        mark, key, value = found.groups()
        begins = mark == "- "
        if self._inner is None:
            self._inner = self.data[self._open] = [] if begins else {}
        if begins:
            self._item = {} if key else None
            _list(self._inner).append(self._item if key else _value(value))
        if key:
            _put(_mapping(self._inner if mark is None else self._item), key, _value(value))
        elif not begins:
            raise _Unusual

    def end(self) -> None:
        """No line belongs to an open key any more."""
        if self._open is not None and self._inner is None:
            raise _Unusual
        self._open = self._inner = self._item = None


def _data(lines: list[str]) -> dict[str, object]:
    read = _Lines()
    for line in lines:
        if len(line) > _LONGEST:
            raise _Unusual
        if line and line[0] != "#":
            (read.below if line[0] == " " else read.top)(line)
    read.end()
    if not read.data:
        raise _Unusual
    return read.data


def _list(value: Any) -> list[object]:
    if not isinstance(value, list):
        raise _Unusual
    return value


def _mapping(value: Any) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _Unusual
    return value


def _put(items: dict[str, object], key: str, value: object) -> None:
    if key in items or not is_sound_key(key):
        raise _Unusual
    items[key] = value


def _value(text: str) -> object:
    if text[0] in "\"'":
        return text[1:-1]
    if text[0] in "[{":
        return _flow(text)
    return _plain(text)


@functools.lru_cache(maxsize=1024)
def _plain(text: str) -> object:
    value = plain_value(text)
    if isinstance(value, Ambiguous):
        raise _Unusual
    return value


def _flow(text: str) -> object:
    """A mapping of words, or JSON as its writers space it."""
    if _MAPPING.fullmatch(text):
        items: dict[str, object] = {}
        for key, value in _PAIR.findall(text):
            _put(items, key, _value(value))
        return items
    if text.count("[") + text.count("{") > _MOST_NESTED:
        raise _Unusual
    try:
        found = _READER.decode(text)
    except (ValueError, RecursionError):
        raise _Unusual from None
    if json.dumps(found) != text:
        raise _Unusual
    return found


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(items := dict(pairs)) != len(pairs):
        raise _Unusual
    return items


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise _Unusual
    return int(text)


def _no_number(_text: str) -> float:
    raise _Unusual


_READER = json.JSONDecoder(
    object_pairs_hook=_without_repeats, parse_int=_integer, parse_float=_no_number, parse_constant=_no_number
)
