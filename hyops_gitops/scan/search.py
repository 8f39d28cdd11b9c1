r"""Search one file, in pieces, for everything in an address book.

The bytes are searched for what every spelling holds: dots between digits, two colons near each other, the name of a
zone. Only there the whole word is cut out and looked up. What decides where a word ends:

- An IPv4 address is not part of a longer row of numbers (`1.10.0.0.1`), nor of a word (`v10.0.0.1`, `10.0.0.1rc1`), and
  does not follow the word "version". Anything else may stand beside it: `-10.0.0.1`, `_10.0.0.1`, `10.0.0.1.bak`.
- An IPv6 address may be in any spelling, in brackets, with a zone, a prefix length or a port after it. It begins after
  the first colon where what is before that belongs to a word (`node:fd00::1`).
- A name is a whole name, in any case, with or without its final dot.
- `\n`, `\x3d`, `\u0026` and `%2F`, as programs write other characters, do not belong to the word after them.
"""

import ipaddress
import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.findings import MOST_IN_A_FILE, Finding, Rule
from hyops_gitops.core.zone import canonical_address
from hyops_gitops.scan.addressbook import AddressBook, Known

RAW_TARGET = Rule(
    "raw-target",
    "A program uses the name of an endpoint, not an address that is its target.",
    "A failover moves the name to another address; what carries the address stays behind.",
    "Write the name, or allow the line with `hyops-allow: REASON`.",
    "DB_HOST=10.12.0.31",
)
FORMER_TARGET = Rule(
    "former-target",
    "A program does not use an address that was the target of an endpoint.",
    "The service has moved; at its old address there is nothing, or something else.",
    "Write the name, or allow the line with `hyops-allow: REASON`.",
    "DB_HOST=10.12.0.30, which postgres.prod had before",
)
RETIRED_NAME = Rule(
    "retired-name",
    "A program does not use a name that was retired or renamed.",
    "An alias goes away after its date, and a retired name does not resolve.",
    "Write the new name, or allow the line with `hyops-allow: REASON`.",
    "DB_HOST=db.prod.hyops.internal, now an alias of postgres.prod",
)
ALLOW_REASON = Rule(
    "allow-reason",
    "What allows an address says why.",
    "Later readers have to know whether the reason still holds.",
    "Write the reason after `hyops-allow:`.",
    "DB_HOST=10.12.0.31  # hyops-allow:",
)
IGNORE_LINE = Rule(
    "ignore-line",
    "Each line of .hyops-scan-ignore is a pattern and, after ` # `, its reason.",
    "A line that does not mean what its author thinks hides addresses, or fails to.",
    "Write PATTERN # REASON; docs/scan.md has the form of patterns.",
    "vendor/",
)
SCAN_RULES = (RAW_TARGET, FORMER_TARGET, RETIRED_NAME, ALLOW_REASON, IGNORE_LINE)


@dataclass(frozen=True, slots=True, order=True)
class Hit(Finding):
    """A word that has no place in a file."""

    found: str = ""  # as it stands there
    names: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The shape used in `hyops-scan/1`."""
        shape = {**Finding.to_json(self), "found": self.found}
        return {**shape, "names": list(self.names)}


AROUND = 64 * 1024  # octets: how far from a hit its line is looked at for what allows it
_DOTS = re.compile(rb"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9A-Za-z])(?!\.[0-9])")
# Two colons of which the first ends no word of other letters, or six or seven groups more.
_COLONS = re.compile(
    rb":(?:(?<![G-Zg-z_]:)(?=:)|[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){4,5}:)[0-9A-Fa-f:.]{0,60}+(?![0-9A-Za-z_])"
)
_DIGITS, _HEX = frozenset(b"0123456789"), frozenset(b"0123456789abcdefABCDEF")
_IN_ADDRESS = _HEX | {ord(":")}
_ALPHANUMERIC = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") | _DIGITS
_IN_ESCAPED_ADDRESS = _ALPHANUMERIC | {ord(":")}
_IN_NAME = _ALPHANUMERIC | frozenset(b"_.-")
_LONGEST_NAME, _LONGEST_ADDRESS, _GROUPS = 253, 45, 8
_ESCAPE = re.compile(rb"\\[abefnrtv0]|\\x[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|%[0-9A-Fa-f]{2}")
_LONGEST_ESCAPED = 8  # octets: an escape and the first number of an address
_VERSION = re.compile(rb"version[\"']?[ \t]*[:=]{0,2}[ \t]*[\"']?\Z", re.IGNORECASE)
_VERSION_REACH = 32  # octets
_CONTINUATION = bytes(range(0x80, 0xC0))  # octets of UTF-8 that begin no character
_LONGER = re.compile(rb"[.-]{0,8}[0-9A-Za-z_]")  # after the name of a zone: it is not the zone's
_ALLOW = re.compile(rb"hyops-allow:([^\n]{0,100}?[0-9A-Za-z\x80-\xff])?")  # with a reason


class Word(NamedTuple):
    """Something known, and where it stands in a piece of a file."""

    begin: int
    end: int
    known: Known
    rule: Rule


class Search:
    """One address book, ready to search with."""

    def __init__(self, book: AddressBook) -> None:
        self._addresses = {text.encode(): known for text, known in book.addresses.items()}
        self._names = {name.encode(): known for name, known in book.names.items()}
        self._zones = [f".{zone}".encode() for zone in book.zones] if book.names else []
        self._long = lru_cache(maxsize=4096)(self._long_address)

    def words(self, data: bytes, start: int, stop: int) -> Iterator[Word]:
        """What is known and begins between two places of the data."""
        found = [*self._by_colons(data, start, stop), *self._by_dots(data, start, stop), *self._by_zone(data, start)]
        end = 0
        for word in sorted(found, key=lambda word: (word.begin, -word.end)):
            if start <= word.begin < stop and word.begin >= end:  # not a second time inside of another
                end = word.end
                yield word

    def _by_dots(self, data: bytes, start: int, stop: int) -> Iterator[Word]:
        for found in _DOTS.finditer(data, max(0, start - _LONGEST_ADDRESS), min(len(data), stop + _LONGEST_ADDRESS)):
            dot, end = found.span()
            begin = _back(data, dot, _DIGITS, 3)
            if (known := self._addresses.get(data[begin:end])) is None or not _is_apart(data, begin):
                begin = _after_escape(data, _back(data, dot, _ALPHANUMERIC, _LONGEST_ESCAPED))
                known = self._addresses.get(data[begin:end]) if begin >= 0 else None
            is_longer = data[begin - 1 : begin] == b"." and data[begin - 2 : begin - 1].isdigit()
            if known is None or is_longer or _VERSION.search(data[max(0, begin - _VERSION_REACH) : begin]):
                continue
            yield _address(begin, end, known)

    def _by_colons(self, data: bytes, start: int, stop: int) -> Iterator[Word]:
        for found in _COLONS.finditer(data, max(0, start - _LONGEST_ADDRESS), min(len(data), stop + _LONGEST_ADDRESS)):
            colon, end = found.span()
            begin = _back(data, colon, _IN_ADDRESS, _LONGEST_ADDRESS)
            if not _is_apart(data, begin):
                begin = data.find(b":", begin)
            if data[begin] == _COLON and data[begin + 1] != _COLON:
                begin += 1
            length, known = self._long(data[begin:end])
            if known is None:
                begin = _after_escape(data, _back(data, colon, _IN_ESCAPED_ADDRESS, _LONGEST_ADDRESS))
                length, known = self._long(data[begin:end]) if begin >= 0 else (0, None)
            if known is not None:
                yield _address(begin, begin + length, known)

    def _long_address(self, text: bytes) -> tuple[int, Known | None]:
        """The known IPv6 address that a text begins with, and its length."""
        text = text.removesuffix(b".")
        text = text if text.endswith(b"::") else text.removesuffix(b":")
        groups = text.split(b":")
        if len(groups) > _GROUPS and b"" not in groups:
            text = b":".join(groups[:_GROUPS])  # and a port
        try:
            address = ipaddress.IPv6Address(text.decode("ascii"))
        except ValueError:
            return 0, None
        mapped = address.ipv4_mapped
        known = self._addresses.get(canonical_address(str(address)).encode())
        return len(text), known or (self._addresses.get(str(mapped).encode()) if mapped else None)

    def _by_zone(self, data: bytes, start: int) -> Iterator[Word]:
        lowered = data.lower() if self._zones else b""
        for zone in self._zones:
            place = lowered.find(zone, start)
            while place >= 0:
                end = place + len(zone)
                if not _LONGER.match(lowered, end):
                    yield from self._name_before(lowered, place, end)
                place = lowered.find(zone, end)

    def _name_before(self, lowered: bytes, zone: int, end: int) -> Iterator[Word]:
        """The known name that ends in a zone here."""
        begin = _back(lowered, zone, _IN_NAME, _LONGEST_NAME)
        begin += len(lowered[begin:zone]) - len(lowered[begin:zone].lstrip(b".-"))
        for at in (begin, _after_escape(lowered, begin)):
            if at >= 0 and (known := self._names.get(lowered[at:end])) is not None:
                yield Word(at, end, known, RETIRED_NAME)


(_COLON,) = b":"


def _address(begin: int, end: int, known: Known) -> Word:
    return Word(begin, end, known, RAW_TARGET if known.is_current else FORMER_TARGET)


def _back(data: bytes, place: int, octets: frozenset[int], most: int) -> int:
    """Where a row of such octets that ends at a place begins."""
    least = max(0, place - most)
    while place > least and data[place - 1] in octets:
        place -= 1
    return place


def _is_apart(data: bytes, begin: int) -> bool:
    """Whether no letter or digit stands before a word."""
    return begin == 0 or data[begin - 1] not in _ALPHANUMERIC


def _after_escape(data: bytes, begin: int) -> int:
    """Where the escape ends whose letters begin here; -1: none does."""
    escape = _ESCAPE.match(data, begin - 1) if begin else None
    return escape.end() if escape else -1


class FileSearch:
    """The search of one file, whose pieces come one after the other.

    Holds a piece and what stands around its border, however long the file or a line is.
    """

    def __init__(self, search: Search, path: str) -> None:
        self._search = search
        self._path = path
        self._data = b""
        self._done = 0  # before this place of the data everything was searched
        self._counted = 0  # before this place of the data lines were counted
        self._line, self._column = 1, 1  # of that place
        self.hits: list[Hit] = []  # as many as are shown of one file
        self.count = 0  # all of them
        self.allowed = 0

    def feed(self, piece: bytes, *, last: bool) -> None:
        """Search one more piece."""
        data = self._data + piece if self._data else piece
        stop = len(data) if last else max(self._done, len(data) - AROUND)
        marks: list[re.Match[bytes]] | None = None
        for word in self._search.words(data, self._done, stop):
            marks = list(_ALLOW.finditer(data)) if marks is None else marks
            self._judge(data, word, marks)
        if last:
            return
        kept = max(0, stop - AROUND)
        self._count_to(data, max(kept, self._counted))
        self._data, self._done, self._counted = data[kept:], stop - kept, max(kept, self._counted) - kept

    def _count_to(self, data: bytes, place: int) -> None:
        lines = data.count(b"\n", self._counted, place)
        if lines:
            self._line += lines
            self._counted, self._column = data.rfind(b"\n", self._counted, place) + 1, 1
        self._column += len(data[self._counted : place].translate(None, _CONTINUATION))
        self._counted = place

    def _judge(self, data: bytes, word: Word, marks: list[re.Match[bytes]]) -> None:
        if not marks and len(self.hits) >= MOST_IN_A_FILE:
            self.count += 1
            return
        begin = max(data.rfind(b"\n", max(0, word.begin - AROUND), word.begin), word.begin - AROUND)
        end = data.find(b"\n", word.end, word.end + AROUND)
        end = end if end >= 0 else word.end + AROUND
        first = bisect_left(marks, begin, key=re.Match.start)
        in_line = marks[first : bisect_left(marks, end, key=re.Match.start)]
        if any(mark[1] for mark in in_line):
            self.allowed += 1
            return
        self.count += 1
        if len(self.hits) < MOST_IN_A_FILE:
            self._count_to(data, word.begin)
            self.hits.append(self._hit(data[word.begin : word.end].decode("ascii"), word, has_mark=bool(in_line)))

    def _hit(self, found: str, word: Word, *, has_mark: bool) -> Hit:
        known, rule = word.known, word.rule
        what = f"{found} {known.message}" if found == known.text else f"{found} ({known.text}) {known.message}"
        if has_mark:
            rule, what = ALLOW_REASON, f"{what}, and `hyops-allow:` gives no reason"
        hint = f"{rule.remedy}, or {known.hint}" if has_mark else known.hint
        return Hit(self._path, self._line, self._column, rule.id, what, hint, rule.severity, found, known.names)


IGNORE_FILE = ".hyops-scan-ignore"
_ENTRY = re.compile(r"(.*?)(?:[ \t]+#[ \t]*(.*))?")
_SPECIAL = re.compile(r"[\[\]\\!]")
_MOST_ANYWHERE = 2  # `**` of one pattern: each can begin anywhere in a path


@dataclass(frozen=True, slots=True)
class Ignores:
    """The files that a `.hyops-scan-ignore` leaves out."""

    pattern: re.Pattern[str] | None = None

    def covers(self, path: str) -> bool:
        """Whether a path is left out; a folder's ends in "/"."""
        return self.pattern is not None and self.pattern.match(path) is not None


def read_ignores(content: bytes, path: str) -> tuple[Ignores, tuple[Hit, ...]]:
    """The patterns of a file, and a finding for each bad line."""
    patterns: list[str] = []
    hits: list[Hit] = []
    for number, line in enumerate(content.split(b"\n"), 1):
        text = line.decode("utf-8", "replace").strip()
        problem = "the line is not UTF-8" if "\ufffd" in text else _problem(text)
        if problem:
            rule = IGNORE_LINE
            hits.append(Hit(path, number, 1, rule.id, problem, rule.remedy, rule.severity))
        elif text and not text.startswith("#"):
            patterns.append(_translated(_entry(text)[0]))
    return Ignores(re.compile("|".join(patterns), re.DOTALL) if patterns else None), tuple(hits)


def _entry(text: str) -> tuple[str, str]:
    found = _ENTRY.fullmatch(text)
    return (found[1], found[2] or "") if found else (text, "")


def _problem(text: str) -> str | None:
    """What is wrong with a line, if anything."""
    if not text or text.startswith("#"):
        return None
    pattern, reason = _entry(text)
    parts = pattern.removeprefix("/").removesuffix("/").split("/")
    checks = (
        (not text.isprintable(), "the line holds a character that is not printable"),
        (not any(char.isalnum() for char in reason), "expected a reason after ` # `, got none"),
        (_SPECIAL.search(pattern), "expected only *, ** and ? to be special, got one of [ ] \\ !"),
        (any("**" in part and part != "**" for part in parts), "expected ** between slashes, got it inside of a name"),
        (parts.count("**") > _MOST_ANYWHERE, f"expected ** at most {_MOST_ANYWHERE} times"),
        (not {"", ".", ".."}.isdisjoint(parts), "expected a path without empty parts, . and .."),
        (not any(set(part) - set("*?") for part in parts), "the pattern leaves out every file"),
    )
    return next((problem for wrong, problem in checks if wrong), None)


def _translated(pattern: str) -> str:
    """A regular expression for the paths of a pattern."""
    parts = pattern.removeprefix("/").removesuffix("/").split("/")
    start = "" if "/" in pattern.removesuffix("/") else "(?:.*/)?"
    below = parts[-1] == "**"
    middle = "".join("(?:.*/)?" if part == "**" else f"{_part(part)}/" for part in parts[:-1])
    last = "" if below else _part(parts[-1]) + ("/" if pattern.endswith("/") else r"(?:/|\Z)")
    return f"(?:{start}{middle}{last})"


def _part(part: str) -> str:
    """One part of a path, without nested backtracking."""
    first, *rest = ("".join("[^/]" if char == "?" else re.escape(char) for char in piece) for piece in part.split("*"))
    if not rest:
        return first
    *middle, last = rest
    return first + "".join(f"(?>[^/]*?{piece})" for piece in middle) + f"[^/]*{last}"
