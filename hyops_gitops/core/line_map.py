"""RRsets as sorted lines, read only where they are asked for.

A file of a zone is sorted text: all lines of a name stand together, because each begins with the name, a dot and a
space, and none of these is the beginning of another. So a name is found by bisection and replaced by a splice, and two
files are compared as bytes. A value is made only of lines that are asked for.

Invariants:

- It is a value: `replaced` makes another one.
- It holds lines, or objects. Lines only where `is_canonical` says that reading each of them and writing it back gives
  the same bytes in the same order; else objects, from which the lines are made. What a line cannot say (disabled
  records) stands beside the lines, in `_odd`.
- `len` and iteration read every line; `get`, `in`, `at`, `replaced` and `differing` do not.
"""

import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Self, TypeVar

from hyops_gitops.core.canonical import sha256_hex

_Key = tuple[str, str]  # owner name, type

V = TypeVar("V")

_WORTH_ALL = 128  # octets of lines for each value that is asked for: where there are less, all are read at once

# An absolute owner, or name in rdata, that no spelling rule changes: lower case, one final dot that is not escaped.
OWNER = rb"[!-@\[-~]*[!-\-/-@\[\]-~]\."
TTL = rb"(?:0|[1-9][0-9]{0,9})"
_PLAIN_OWNER = re.compile(OWNER.decode())
_PLAIN_TYPE = re.compile(r"[A-Z0-9]+")
_HEAD = re.compile(rb"^([^ ]+) [0-9]+ IN ([^ ]+)", re.MULTILINE)


class LineMap(Mapping[_Key, V]):
    """A mapping over canonical lines, or over objects."""

    __slots__ = ("_asked", "_data", "_digest", "_objects", "_odd", "_plain", "_printable", "_types")

    def __init__(
        self,
        objects: Mapping[_Key, V] | None = None,
        data: bytes | None = None,
        odd: Mapping[_Key, V] | None = None,
    ) -> None:
        """From objects, or from canonical lines and what these cannot say."""
        self._objects = objects
        self._data = data
        self._odd: Mapping[_Key, V] | None = None if data is None else odd or {}  # None: made of objects
        self._plain = True if data is not None else None  # whether each line says what its key is; None: not known
        self._printable = data is not None  # as `_is_printable` says, once there are lines
        self._digest = ""  # of the lines, once it was asked for
        self._asked = 0  # values made of lines
        self._types: dict[str, list[str]] | None = None  # of each name, where it was asked for

    @staticmethod
    @abstractmethod
    def write(value: V) -> Iterable[str]:
        """The lines of a value, without their ends."""

    @staticmethod
    @abstractmethod
    def read(key: _Key, lines: list[str]) -> V:
        """The value with these lines, of which there is at least one."""

    @staticmethod
    @abstractmethod
    def has_more(value: V) -> bool:
        """Whether it holds what no line says."""

    @property
    def data(self) -> bytes:
        """The lines, each ended by LF, sorted by bytes."""
        if self._data is None:
            lines = sorted(line for value in self._all().values() for line in self.write(value))
            self._printable = _are_printable(lines)
            self._data = "\n".join((*lines, "")).encode()
        return self._data

    def digest(self) -> str:
        """SHA-256 of the lines, 64 lower-case hex digits."""
        self._digest = self._digest or sha256_hex(self.data)
        return self._digest

    @property
    def is_plain(self) -> bool:
        """Whether each line says what its key is."""
        if self._plain is None:
            self._plain = self._is_printable() and all(map(_is_plain, self._all()))
        return self._plain

    @property
    def canonical(self) -> bytes | None:
        """The lines, where nothing is beside them and each reads back."""
        return self._data if self._odd == {} else None

    # --- the mapping

    def __getitem__(self, key: _Key) -> V:
        if self._objects is not None:
            return self._objects[key]
        if self._odd and key in self._odd:
            return self._odd[key]
        self._asked += 1
        if self._asked * _WORTH_ALL > len(self.data):
            return self._all()[key]
        lines = [line for line in self._lines_at(key[0]) if line.split(" ", 4)[3] == key[1]]
        if not lines:
            raise KeyError(key)
        return self.read(key, lines)

    def __iter__(self) -> Iterator[_Key]:
        return iter(self._all())

    def __len__(self) -> int:
        if self._objects is not None:
            return len(self._objects)
        lines = self.data.split(b"\n")[:-1]
        if not self._odd and len({line.partition(b" ")[0] for line in lines}) == len(lines):
            return len(lines)  # a name has one
        heads = set(_HEAD.findall(self.data))
        return len(heads) + sum(
            (name.encode() + b".", rrtype.encode()) not in heads for name, rrtype in self._odd or ()
        )

    def has_at_least(self, count: int) -> bool:
        """Whether there are so many, which takes less than to count all."""
        names, at = set[bytes](), 0
        while self._objects is None and len(names) < count and at < len(self.data):
            names.add(self.data[at : self.data.index(b" ", at)])
            at = _after(self.data, at)
        return len(names) >= count or len(self) >= count

    def __eq__(self, other: object) -> bool:
        if isinstance(other, type(self)) and self._odd == other._odd == {} and self._data == other._data:
            return True
        return isinstance(other, Mapping) and dict(self._all()) == dict(other)

    __hash__ = None  # type: ignore[assignment]  # as a dictionary

    def __repr__(self) -> str:
        return repr(dict(self._all()))

    def at(self, name: str) -> dict[str, V]:
        """The values of one name, by type, sorted."""
        if self._odd is None:
            if self._types is None:
                self._types = {}
                for owner, rrtype in self._all():
                    self._types.setdefault(owner, []).append(rrtype)
            return {rrtype: self[(name, rrtype)] for rrtype in sorted(self._types.get(name, ()))}
        lines: dict[str, list[str]] = {}
        for line in self._lines_at(name):
            lines.setdefault(line.split(" ", 4)[3], []).append(line)
        found = {rrtype: self.read((name, rrtype), some) for rrtype, some in lines.items()}
        found |= {key[1]: value for key, value in self._odd.items() if key[0] == name}
        return dict(sorted(found.items()))

    def names(self) -> set[str]:
        """Every owner name."""
        if self._objects is not None:
            return {name for name, _ in self._objects}
        owners = {line.partition(b" ")[0] for line in self.data.split(b"\n")[:-1]}
        return {owner[:-1].decode() for owner in owners} | {name for name, _ in self._odd or ()}

    def holding(self, text: str) -> Iterator[_Key]:
        """The keys of the lines that hold this text, sorted by line."""
        data, needle, at = self.data, text.encode(), 0
        found: dict[_Key, None] = {}
        if not self.is_plain:
            holds = (key for key, value in self._all().items() if any(text in line for line in self.write(value)))
            found = dict.fromkeys(sorted(holds))
        while self.is_plain and (at := data.find(needle, at)) >= 0:
            start = data.rfind(b"\n", 0, at) + 1
            at = _after(data, at)
            found[_key(data[start:at])] = None
        return iter(found)

    # --- another value

    def replaced(self, values: Mapping[_Key, V | None]) -> Self:
        """The same with these values instead; None: without it."""
        if not values:
            return self
        if self._odd is None or not (self._odd or self._data):  # objects, or nothing to splice into
            return self._of_objects(values)
        written = {key: list(self.write(value)) for key, value in values.items() if value is not None}
        if not all(_is_plain(key) and _are_printable(lines) for key, lines in written.items()):
            return self._of_objects(values)
        odd = {key: value for key, value in self._odd.items() if key not in values}
        for key, lines in written.items():
            value = values[key]
            if value is not None and (self.has_more(value) or not lines or self.read(key, lines) != value):
                odd[key] = value
        return type(self)(None, self._spliced(values, written), odd)

    def _of_objects(self, values: Mapping[_Key, V | None]) -> Self:
        objects = {key: value for key, value in self._all().items() if key not in values}
        return type(self)(objects | {key: value for key, value in values.items() if value is not None})

    def _spliced(self, values: Iterable[_Key], written: Mapping[_Key, list[str]]) -> bytes:
        types: dict[bytes, dict[bytes, list[bytes]]] = {}
        for name, rrtype in values:
            lines = [f"{line}\n".encode() for line in written.get((name, rrtype), ())]
            types.setdefault(_prefix(name), {})[rrtype.encode()] = lines
        pieces, done = [], 0
        for prefix in sorted(types):
            start, end = _block(self.data, prefix)
            kept = self.data[start:end].splitlines(keepends=True)
            lines = [line for line in kept if line.split(b" ", 4)[3] not in types[prefix]]
            for new in types[prefix].values():
                lines += new
            pieces += [self.data[done:start], *sorted(lines)]
            done = end
        return b"".join((*pieces, self.data[done:]))

    def differing(self, other: "LineMap[V]") -> Iterable[_Key]:
        """Keys among which are all whose lines differ."""
        lines = _unshared(self.data, other.data)
        return {_key(line) for line in lines} if self.is_plain and other.is_plain else self.keys() | other.keys()

    # --- within

    def _is_printable(self) -> bool:
        """Whether the lines are ASCII without controls."""
        return self._printable if self.data else True

    def _all(self) -> Mapping[_Key, V]:
        if self._objects is None:
            lines: dict[_Key, list[str]] = {}
            for line in self.data.decode().split("\n")[:-1]:
                owner, _, _, rrtype, _ = line.split(" ", 4)
                lines.setdefault((owner[:-1], rrtype), []).append(line)
            self._objects = {key: self.read(key, some) for key, some in lines.items()} | dict(self._odd or {})
        return self._objects

    def _lines_at(self, name: str) -> list[str]:
        start, end = _block(self.data, _prefix(name))
        return self.data[start:end].decode().split("\n")[:-1]


def is_canonical(data: bytes, line: re.Pattern[bytes], rest: Callable[[str], object]) -> bool:
    """Whether these lines read back as they are, in this order.

    Args:
        data: The lines.
        line: What all of them together must match.
        rest: What all lines of one name and type have in common, of one of these lines.
    """
    if not line.fullmatch(data):
        return False
    lines = data.split(b"\n")[:-1]
    if lines != sorted(lines):
        return False
    owners = [each.partition(b" ")[0] for each in lines]
    if len(set(owners)) == len(owners):
        return True
    # A name with several lines: each different, and those of one type as if written from one value.
    common: dict[_Key, object] = {}
    several = (each for each, count in Counter(owners).items() if count > 1)
    for start, end in (_block(data, owner + b" ") for owner in several):
        block = data[start:end].decode().split("\n")[:-1]
        if len(set(block)) < len(block):
            return False
        for each in block:
            owner, ttl, _, rrtype, _ = each.split(" ", 4)
            if common.setdefault((owner, rrtype), (ttl, rest(each))) != (ttl, rest(each)):
                return False
    return True


def _is_plain(key: _Key) -> bool:
    """Whether printable lines can be found by this key, and split."""
    name, rrtype = key
    return bool(_PLAIN_OWNER.fullmatch(f"{name}.") and _PLAIN_TYPE.fullmatch(rrtype))


def _are_printable(lines: Iterable[str]) -> bool:
    """Whether these lines, without their ends, are ASCII without controls."""
    text = "".join(lines)
    return text.isascii() and text.isprintable()


def _prefix(name: str) -> bytes:
    """What the lines of a name begin with."""
    return f"{name}. ".encode("utf-8", "surrogateescape")


def _key(line: bytes) -> _Key:
    owner, _, _, rrtype, _ = line.decode().split(" ", 4)
    return owner[:-1], rrtype


def _after(data: bytes, at: int) -> int:
    """Where the next line begins."""
    return data.find(b"\n", at) + 1 or len(data)


def _block(data: bytes, prefix: bytes) -> tuple[int, int]:
    """Where the lines that begin so are, or would be."""
    low, high = 0, len(data)
    while low < high:
        middle = data.rfind(b"\n", low, (low + high) // 2) + 1 or low
        if data[middle : middle + len(prefix)] < prefix:
            low = _after(data, middle)
        else:
            high = middle
    while data.startswith(prefix, high):
        high = _after(data, high)
    return low, high


def _unshared(this: bytes, other: bytes) -> set[bytes]:
    """The lines that only one of two sorted files has."""
    start, end = _unlike(this, other)
    return {*this[start:end].splitlines()} ^ {*other[start : end + len(other) - len(this)].splitlines()}


def changed_lines(data: bytes, canonical: bytes) -> bytes:
    """The lines to look at, where others are canonical in another file.

    With what is left out at both ends they are canonical if they are so alone: names beside them are among them.
    """
    start, end = _unlike(data, canonical)
    if start:
        line = data.rfind(b"\n", 0, start - 1) + 1
        start, _ = _block(data[:start], data[line : data.index(b" ", line) + 1])
    if end < len(data):
        _, after = _block(data[end:], data[end : data.index(b" ", end) + 1])
        end += after
    return data[start:end]


def _unlike(this: bytes, other: bytes) -> tuple[int, int]:
    """Where lines begin and end that another file has not."""
    if this == other:
        return len(this), len(this)
    start = this.rfind(b"\n", 0, _alike(this, other)) + 1
    end = _after(this, len(this) - _alike_at_the_end(this[start:], other[start:]))
    return start, end


def _alike(this: bytes, other: bytes) -> int:
    """How many octets two texts begin with alike."""
    low, high = 0, min(len(this), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if this[low:middle] == other[low:middle] else (low, middle - 1)
    return low


def _alike_at_the_end(this: bytes, other: bytes) -> int:
    """How many octets two texts end with alike."""
    low, high, ends = 0, min(len(this), len(other)), (len(this), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        same = this[ends[0] - middle : ends[0] - low] == other[ends[1] - middle : ends[1] - low]
        low, high = (middle, high) if same else (low, middle - 1)
    return low
