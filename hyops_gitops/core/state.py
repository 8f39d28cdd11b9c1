"""The managed set: the RRsets we own, as last applied, each with the contract it came from.

Its file form is the zone's (core.zone), each line followed by ` ; CONTRACT`; so `sed 's/ ; .*//' FILE | sha256sum`
gives its digest.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hyops_gitops.core.zone import Key, RRset, Zone, parse_line

_SEPARATOR = " ; "


@dataclass(frozen=True, slots=True)
class Managed:
    """One RRset and the path of the contract that asks, or asked, for it."""

    rrset: RRset
    contract: str


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

    def names(self) -> set[str]:
        """Every owner name we manage."""
        return {name for name, _ in self.entries}

    def digest(self) -> str:
        """The digest of the RRsets, contracts aside."""
        return self.zone.digest()

    def text(self) -> str:
        """The file form."""
        lines = (
            f"{line}{_SEPARATOR}{entry.contract}\n" for entry in self.entries.values() for line in entry.rrset.lines()
        )
        return "".join(sorted(lines))

    @classmethod
    def parse(cls, apex: str, text: str) -> "ManagedSet":
        """The managed set whose `text()` this is.

        Raises:
            InvalidData: code `bad-zone-file`.
        """
        records: dict[Key, tuple[int, list[str], str]] = {}
        for number, line in enumerate(text.splitlines(), 1):
            record, _, contract = line.partition(_SEPARATOR)
            name, rrtype, ttl, rdata = parse_line(record, number)
            records.setdefault((name, rrtype), (ttl, [], contract))[1].append(rdata)
        return cls.of(
            apex,
            (Managed(RRset.of(*key, ttl, rdata), contract) for key, (ttl, rdata, contract) in records.items()),
        )
