"""The managed set: our RRsets as last applied, with their contracts.

Its file form is the zone's (core.zone), each line followed by ` ; CONTRACT` and, where the name is held, ` ; held SEQ`;
so `sed 's/ ; .*//' FILE | sha256sum` gives its digest.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.zone import Key, RRset, Zone, parse_line

OWN_TYPES = ("A", "AAAA", "CNAME")  # what a contract can ask for
_SEPARATOR = " ; "
_HELD = " ; held "


@dataclass(frozen=True, slots=True)
class Managed:
    """One RRset and the contract that asks, or asked, for it."""

    rrset: RRset
    contract: str
    held: int | None = None  # the intent that moved the name away from its contract, and had it held there


@dataclass(frozen=True, slots=True)
class ManagedSet:
    """Everything we own in one zone."""

    apex: str
    entries: Mapping[Key, Managed]

    @classmethod
    def of(cls, apex: str, entries: Iterable[Managed]) -> "ManagedSet":
        """A managed set from its members."""
        return cls(apex, {entry.rrset.key: entry for entry in entries})

    @property
    def zone(self) -> Zone:
        """The RRsets alone."""
        return Zone.of(self.apex, (entry.rrset for entry in self.entries.values()))

    def rrset(self, key: Key) -> RRset | None:
        """The RRset we own at this key, if any."""
        entry = self.entries.get(key)
        return entry.rrset if entry else None

    def rrsets_of(self, name: str) -> tuple[RRset, ...]:
        """Our own RRsets of a name."""
        return tuple(self.entries[key].rrset for key in _keys(name) if key in self.entries)

    def held_by(self, name: str) -> int | None:
        """The intent that has this name held, if any."""
        return next((entry.held for entry in map(self.entries.get, _keys(name)) if entry and entry.held), None)

    def names(self) -> set[str]:
        """Every owner name we manage."""
        return {name for name, _ in self.entries}

    def digest(self) -> str:
        """The digest of the RRsets, contracts aside."""
        return self.zone.digest()

    def text(self) -> str:
        """The file form."""
        lines = (f"{line}{_origin(entry)}\n" for entry in self.entries.values() for line in entry.rrset.lines())
        return "".join(sorted(lines))

    @classmethod
    def parse(cls, apex: str, text: str) -> "ManagedSet":
        """The managed set whose `text()` this is.

        Raises:
            InvalidData: code `bad-zone-file`.
        """
        records: dict[Key, tuple[int, list[str], str]] = {}
        for number, line in enumerate(text.splitlines(), 1):
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


def _origin(entry: Managed) -> str:
    """The origin that follows a record in the file."""
    held = "" if entry.held is None else f"{_HELD}{entry.held}"
    return f"{_SEPARATOR}{entry.contract}{held}"


def _managed(rrset: RRset, origin: str) -> Managed:
    contract, marked, held = origin.partition(_HELD)
    if marked and not held.isdecimal():
        raise InvalidData(f"{rrset.name} is held by {held!r}, expected the number of an entry", code="bad-zone-file")
    return Managed(rrset, contract, int(held) if marked else None)
