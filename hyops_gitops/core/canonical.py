"""Canonical JSON, byte for byte as `jq -cS .` writes it.

Objects with ASCII keys, arrays, strings without U+007F and lone surrogates, integers below 2**53 in magnitude, true,
false and null; keys sorted; no white space; UTF-8; one final LF. Everything else is refused rather than rounded.
"""

import hashlib
import json
import re
from typing import NoReturn, cast

from hyops_gitops.core.errors import InvalidData

MAX_INTEGER = 2**53 - 1
_OUTSIDE = re.compile("[\x7f\ud800-\udfff]")
_WRITER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical_json(value: object) -> bytes:
    """The canonical bytes of a value, with the final LF.

    Raises:
        InvalidData: the value is outside the profile.
    """
    if not _is_plain(value):
        _check(value, "$")
    written = _written(value)
    if not _holds_plain_text(written):
        _check(value, "$")
    return written


def sha256_hex(data: bytes) -> str:
    """SHA-256 as 64 lower-case hex digits."""
    return hashlib.sha256(data).hexdigest()


def parse_canonical(data: bytes) -> dict[str, object]:
    """The object in these bytes, which must be its one canonical form.

    Raises:
        InvalidData: not JSON, not an object, or not canonical (duplicate keys and reformatting included).
    """
    # No number has 16 digits where no text has, and then none has to be looked at.
    reader = _READER if _LONG_NUMBER in data.translate(_DIGITS) else _SHORT_READER
    try:
        value = reader.decode(data.decode())
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"not JSON: {error}", code="not-canonical") from None
    if not isinstance(value, dict):
        raise InvalidData("not a JSON object", code="not-canonical")
    # Numbers were looked at as they were read. Whatever else is outside the profile, ASCII data can only escape, and
    # it is not written so.
    written = _written(value) if _holds_plain_text(data) else canonical_json(value)
    if written != data:
        raise InvalidData("not canonical JSON: differs from `jq -cS .`", code="not-canonical")
    return cast("dict[str, object]", value)


def _written(value: object) -> bytes:
    return _WRITER.encode(value).encode("utf-8", "surrogatepass") + b"\n"


def _integer(text: str) -> int:
    value = int(text)
    _check(value, "$")
    return value


def _no_integer(text: str) -> NoReturn:
    raise _outside("$", f"the number {text}")


_READER = json.JSONDecoder(parse_int=_integer, parse_float=_no_integer, parse_constant=_no_integer)
_SHORT_READER = json.JSONDecoder(parse_float=_no_integer, parse_constant=_no_integer)
_DIGITS = bytes(ord("0") if chr(octet) in "0123456789" else ord(" ") for octet in range(256))
_LONG_NUMBER = b"0" * len(str(MAX_INTEGER))


_LEAVES = frozenset({str, int, bool, type(None)})
_PLAIN = _LEAVES | {dict, list, tuple}


def _is_plain(value: object) -> bool:
    """Whether a value surely is within the profile, its text aside.

    It is looked at level by level: what all values of one have in common needs no step for each.
    """
    level, keys = [value], set[object]()
    while level:
        kinds = set(map(type, level))
        if not kinds <= _PLAIN:
            return False
        if int in kinds and not all(-MAX_INTEGER <= item <= MAX_INTEGER for item in level if type(item) is int):
            return False
        below: list[object] = []
        for item in level if not kinds <= _LEAVES else ():
            if type(item) is dict:
                below += item.values()
                keys.update(item)
            elif type(item) in (list, tuple):
                below += cast("list[object]", item)
        level = below
    return all(type(key) is str for key in keys)


def _holds_plain_text(written: bytes) -> bool:
    """Whether no text in it is outside the profile."""
    return written.isascii() and b"\x7f" not in written


def _check(value: object, at: str) -> None:
    """Raise what is outside the profile, and where."""
    match value:
        case None | bool():
            return
        case int():
            if abs(value) > MAX_INTEGER:
                raise _outside(at, "an integer of 2**53 or more")
        case str():
            _check_text(value, at)
        case dict():
            for key, item in value.items():
                if not isinstance(key, str) or not key.isascii():
                    raise _outside(at, f"the key {key!r}")
                _check_text(key, at)
                _check(item, f"{at}.{key}")
        case list() | tuple():
            for index, item in enumerate(value):
                _check(item, f"{at}[{index}]")
        case _:
            raise _outside(at, f"a {type(value).__name__}")


def _check_text(text: str, at: str) -> None:
    if _OUTSIDE.search(text):
        raise _outside(at, "U+007F or a lone surrogate")


def _outside(at: str, what: str) -> InvalidData:
    return InvalidData(f"{at}: {what} has no canonical JSON form", code="not-canonical")
