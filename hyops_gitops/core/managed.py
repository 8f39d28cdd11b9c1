"""The managed set: our RRsets as last applied, with their contracts.

Its file form is the zone's (core.zone), each line followed by ` ; CONTRACT` and, where the name is held, ` ; held SEQ`;
so `sed 's/ ; .*//' FILE | sha256sum` gives its digest.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field

from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.line_map import OWNER, TTL, LineMap
from hyops_gitops.core.zone import (
    ADDRESS_LINES,
    Key,
    RRset,
    RRsetLines,
    Zone,
    is_canonical_text,
    octets_of,
    parse_line,
)

OWN_TYPES = ("A", "AAAA", "CNAME")  # what a contract can ask for
_SEPARATOR = " ; "
_HELD = " ; held "
_ENTRY = re.compile("[0-9]{1,16}")  # number of an entry; int() refuses thousands of digits


@dataclass(frozen=True, slots=True)
class ManagedRRset:
    """One RRset and the contract that asks, or asked, for it."""

    rrset: RRset
    contract: str
    held: int | None = None  # the intent that moved the name away from its contract, and had it held there


class ManagedLines(LineMap[ManagedRRset]):
    """Managed RRsets as the lines of the file form."""

    __slots__ = ()

    @staticmethod
    def write(value: ManagedRRset) -> Iterator[str]:
        """One line per record, with its origin."""
        held = "" if value.held is None else f"{_HELD}{value.held}"
        return (f"{line}{_SEPARATOR}{value.contract}{held}" for line in value.rrset.lines())

    @staticmethod
    def read(key: Key, lines: list[str]) -> ManagedRRset:
        """The RRset with these records, and its origin."""
        rows = [line.partition(_SEPARATOR) for line in lines]
        return _managed(RRsetLines.read(key, [record for record, _, _ in rows]), rows[0][2])

    @staticmethod
    def has_more(value: ManagedRRset) -> bool:
        """Whether it has records that are not served, or listed twice."""
        return RRsetLines.has_more(value.rrset)


# Records of our own types, whose rdata has no space: so the lines without their origins are sorted as well.
_RECORD = b"%b %b IN (?:%b|CNAME %b)" % (OWNER, TTL, ADDRESS_LINES, OWNER)
_CANONICAL = re.compile(rb"(?:%b ; [!-:<-~]*(?: ; held %b)?\n)*+" % (_RECORD, TTL))
_ORIGIN = re.compile(rb" ; [^\n]*")


@dataclass(frozen=True, slots=True)
class ManagedSet:
    """Everything we own in one zone."""

    apex: str
    entries: ManagedLines
    _zones: list[Zone] = field(default_factory=list, init=False, repr=False, compare=False)  # `zone`, once it was made

    @classmethod
    def of(cls, apex: str, entries: Iterable[ManagedRRset]) -> "ManagedSet":
        """A managed set from its members."""
        return cls(apex, ManagedLines({entry.rrset.key: entry for entry in entries}))

    @property
    def zone(self) -> Zone:
        """The RRsets alone."""
        if not self._zones:
            lines = self.entries.canonical
            if lines is None:
                self._zones.append(Zone.of(self.apex, (entry.rrset for entry in self.entries.values())))
            else:
                self._zones.append(Zone(self.apex, RRsetLines(data=_ORIGIN.sub(b"", lines))))
        return self._zones[0]

    def rrset(self, key: Key) -> RRset | None:
        """The RRset we own at this key, if any."""
        entry = self.entries.get(key)
        return entry.rrset if entry else None

    def rrsets_of(self, name: str) -> tuple[RRset, ...]:
        """Our own RRsets of a name."""
        entries = map(self.entries.get, _keys(name))
        return tuple(entry.rrset for entry in entries if entry)

    def held_by(self, name: str) -> int | None:
        """The intent that has this name held, if any."""
        return next((entry.held for entry in map(self.entries.get, _keys(name)) if entry and entry.held), None)

    def held(self) -> dict[str, int]:
        """Every name that is held, with the intent that has it held."""
        names = sorted({name for name, _ in self.entries.holding(_HELD)})
        return {name: number for name in names if (number := self.held_by(name))}

    def of_contract(self, path: str) -> tuple[ManagedRRset, ...]:
        """What a contract asks, or asked, for."""
        found = (self.entries[key] for key in self.entries.holding(f"{_SEPARATOR}{path}"))
        return tuple(entry for entry in found if entry.contract == path)

    def pointing_into(self, zones: Iterable[str]) -> frozenset[str]:
        """The contracts whose CNAME leads into one of these zones."""
        keys = {key for zone in zones for key in self.entries.holding(f".{zone}.{_SEPARATOR}") if key[1] == "CNAME"}
        return frozenset(self.entries[key].contract for key in keys)

    def names(self) -> set[str]:
        """Every owner name we manage."""
        return self.entries.names()

    def with_entries(self, entries: Mapping[Key, ManagedRRset | None]) -> "ManagedSet":
        """This set with these entries instead; None: without one."""
        changed = ManagedSet(self.apex, self.entries.replaced(entries))
        if self._zones and self.entries.canonical is not None and changed.entries.canonical is not None:
            rrsets = {key: entry.rrset if entry else None for key, entry in entries.items()}
            changed._zones.append(Zone(self.apex, self._zones[0].rrsets.replaced(rrsets)))
        return changed

    def in_lines(self) -> "ManagedSet":
        """This set, held as lines where these say all of it."""
        if self.entries.canonical is not None:
            return self
        read = self.parse(self.apex, self.data)
        return read if read.entries == self.entries else self

    def digest(self) -> str:
        """The digest of the RRsets, contracts aside."""
        return self.zone.digest()

    @property
    def data(self) -> bytes:
        """The file form."""
        return self.entries.data

    def text(self) -> str:
        """The same as text."""
        return self.data.decode()

    @classmethod
    def parse(cls, apex: str, file: str | bytes) -> "ManagedSet":
        """The managed set whose `data` this is, read as `Zone.parse` reads.

        Raises:
            InvalidData: code `bad-zone-file`.
        """
        data = octets_of(file)
        if is_canonical_text(apex, data, None, _CANONICAL, lambda line: line.partition(_SEPARATOR)[2]):
            return cls(apex, ManagedLines(data=data))
        records: dict[Key, tuple[int, list[str], str]] = {}
        for number, line in enumerate(data.decode().splitlines(), 1):
            record, _, origin = line.partition(_SEPARATOR)
            name, rrtype, ttl, rdata = parse_line(record, number)
            records.setdefault((name, rrtype), (ttl, [], origin))[1].append(rdata)
        return cls.of(
            apex,
            (_managed(RRset.of(*key, ttl, rdata), origin) for key, (ttl, rdata, origin) in records.items()),
        )


def _keys(name: str) -> tuple[Key, ...]:
    """The keys of our own RRsets of a name."""
    return tuple((name, rrtype) for rrtype in OWN_TYPES)


def _managed(rrset: RRset, origin: str) -> ManagedRRset:
    contract, marked, held = origin.partition(_HELD)
    if marked and not _ENTRY.fullmatch(held):
        raise InvalidData(f"{rrset.name} is held by {held!r}, expected the number of an entry", code="bad-zone-file")
    return ManagedRRset(rrset, contract, int(held) if marked else None)
