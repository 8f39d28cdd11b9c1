"""A zone as the witness sees it, and the steps from one version to the next."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Key = tuple[str, str]  # owner without final dot, type
Records = tuple[int, tuple[str, ...]]  # TTL, sorted rdata
Version = Mapping[Key, Records]  # records, without SOA, DNSSEC and markers
Difference = Mapping[Key, tuple[Records | None, Records | None]]

MARKER = "_hyops-gitops"  # the owner of the markers, below the zone's name; docs/apply.md
_NAMES = {"CNAME": 0, "NS": 0, "PTR": 0, "DNAME": 0, "MX": 1, "SRV": 3}  # which field is a name
_LEFT_OUT = frozenset({"SOA", "RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNSKEY", "CDS", "CDNSKEY"})


@dataclass(frozen=True, slots=True)
class Row:
    """One record."""

    name: str
    type: str
    content: str
    ttl: int
    disabled: bool = False

    @property
    def key(self) -> Key:
        return (self.name, self.type)


@dataclass(frozen=True, slots=True)
class Step:
    """What one transaction did, or what happened between two transfers."""

    at: float  # seconds of Unix time
    serial: int  # of the zone afterwards
    written: frozenset[Key]  # every record set that was written, if only with what it held
    markers: bool  # whether markers were written
    changed: Difference
    before: str  # digest of the zone before
    after: str  # and afterwards
    hidden: int = 0  # how often the serial moved beyond what left something to be seen; 0 where each write is seen


@dataclass(frozen=True, slots=True)
class Seen:
    """A version that a server handed out."""

    at: float
    serial: int
    digest: str
    old_until: float  # when the version before was last seen


def is_marker(name: str, zone: str) -> bool:
    own = f"{MARKER}.{zone}"
    return name == own or name.endswith(f".{own}")


def counts(row: Row, zone: str) -> bool:
    """Whether a row is one of the zone's records, markers and what servers make by themselves apart."""
    return row.type not in _LEFT_OUT and not row.disabled and not is_marker(row.name, zone)


def version_of(rows: Iterable[Row], zone: str) -> Version:
    """The records among the rows."""
    found: dict[Key, tuple[int, list[str]]] = {}
    for row in rows:
        if counts(row, zone):
            found.setdefault(row.key, (row.ttl, []))[1].append(rdata(row.type, row.content))
    return {key: (ttl, tuple(sorted(set(values)))) for key, (ttl, values) in found.items()}


def rdata(rrtype: str, content: str) -> str:
    """Rdata with its name absolute: databases keep it without the final dot."""
    place = _NAMES.get(rrtype)
    if place is None:
        return content
    fields = content.split(" ")
    fields[place] = fields[place].lower().removesuffix(".") + "."
    return " ".join(fields)


def digest_of(version: Version) -> str:
    """SHA-256 of the zone file: one record a line, sorted by bytes."""
    lines = sorted(
        f"{name}. {ttl} IN {rrtype} {value}\n".encode()
        for (name, rrtype), (ttl, values) in version.items()
        for value in values
    )
    return hashlib.sha256(b"".join(lines)).hexdigest()


def difference(before: Version, after: Version) -> Difference:
    """What differs."""
    keys = {*before, *after}
    return {key: (before.get(key), after.get(key)) for key in sorted(keys) if before.get(key) != after.get(key)}
