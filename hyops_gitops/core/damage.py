"""Contradictory rows that two writers leave in a database without isolation.

PowerDNS reads what stands at a name and then writes, without a lock on what it read. At READ COMMITTED two requests
pass each other, and both sets of rows stay: equal records twice, two SOA records, a CNAME beside other types, two
CNAMEs. The API lists them all (measured on 4.7, gpgsql, gmysql and gsqlite3); DNS shows only some of it.
"""

from collections.abc import Collection, Iterable, Iterator
from enum import StrEnum
from typing import Annotated, NamedTuple

from hyops_gitops.core.codec import JsonObject
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.fields import Natural, Part, Split
from hyops_gitops.core.names import MARKER_LABEL, is_marker
from hyops_gitops.core.zone import DNSSEC_TYPES, RRset, soa_serials

# Of these a name has one record at most (RFC 2181 section 10.1, RFC 6672 section 2.4); SOA is a kind of its own.
_SINGLE_TYPES = frozenset({"CNAME", "DNAME"})

CAUSE = "a second writer on a database without isolation"
SETTINGS = (
    "PostgreSQL: ALTER ROLE of PowerDNS's role SET default_transaction_isolation = 'repeatable read'; MariaDB: "
    "gmysql-innodb-read-committed=no with innodb_snapshot_isolation=ON; Galera: one writer node"
)
REPAIR = "hyops-gitops drift --repair"


class DamageKind(StrEnum):
    """Kind of contradiction among rows."""

    EQUAL_RECORDS = "equal-records"
    SEVERAL_SOA = "several-soa"
    CNAME_BESIDE = "cname-beside"
    SEVERAL_RECORDS = "several-records"  # where one may stand: CNAME, DNAME, each of our markers


class Rows(NamedTuple):
    """One RRset with every row."""

    type: str  # the record type
    ttl: Natural  # in seconds
    rdata: tuple[str, ...]  # each row as often as it is listed


_ROWS = Split(
    (Part("rrsets", tuple[Rows, ...], lambda rrsets: [Rows(rrset.type, rrset.ttl, rrset.rows) for rrset in rrsets]),),
    lambda beside, rrsets: tuple(RRset.of(beside["name"], *rows) for rows in rrsets),
)


@dataclass(frozen=True, slots=True)
class Damage(JsonObject):
    """One name whose rows contradict each other."""

    kind: DamageKind  # what contradicts what
    name: str  # the owner name
    rrsets: Annotated[tuple[RRset, ...], _ROWS]  # those that are concerned

    @property
    def message(self) -> str:
        """The contradiction in words, without its cause."""
        rows = "; ".join(f"{rrset.type} {', '.join(rrset.rows)}" for rrset in self.rrsets)
        match self.kind:
            case DamageKind.EQUAL_RECORDS:
                return f"{self.name} holds equal records more than once: {rows}"
            case DamageKind.SEVERAL_SOA:
                serials = ", ".join(map(str, sorted(soa_serials(self.rrsets[0]))))
                return f"{self.name} has {len(self.rrsets[0].rows)} SOA records, serials {serials}"
            case DamageKind.CNAME_BESIDE:
                return f"{self.name} has a CNAME beside other records: {rows}"
            case DamageKind.SEVERAL_RECORDS:
                return f"{self.name} has more than the one {self.rrsets[0].type} that a name may have: {rows}"


def find_damage(listed: Iterable[RRset]) -> tuple[Damage, ...]:
    """Find contradictions among the rows of a zone, sorted by name."""
    served = [rrset for rrset in listed if rrset.rdata and rrset.type not in DNSSEC_TYPES]
    found = [damage for rrset in served for damage in _of_rrset(rrset)]
    aliases = {rrset.name for rrset in served if rrset.type == "CNAME"}
    beside: dict[str, list[RRset]] = {}
    for rrset in served:
        if rrset.name in aliases:
            beside.setdefault(rrset.name, []).append(rrset)
    found += [
        Damage(DamageKind.CNAME_BESIDE, name, tuple(sorted(rrsets)))
        for name, rrsets in beside.items()
        if len(rrsets) > 1
    ]
    return tuple(sorted(found, key=lambda damage: (damage.name, damage.kind)))


def _of_rrset(rrset: RRset) -> Iterator[Damage]:
    if rrset.type == "SOA":
        if len(rrset.rows) > 1:
            yield Damage(DamageKind.SEVERAL_SOA, rrset.name, (rrset,))
        return
    if rrset.repeated:
        yield Damage(DamageKind.EQUAL_RECORDS, rrset.name, (rrset,))
    single = rrset.type in _SINGLE_TYPES or (rrset.type == "TXT" and MARKER_LABEL in rrset.name)
    if single and len(rrset.rdata) > 1:
        yield Damage(DamageKind.SEVERAL_RECORDS, rrset.name, (rrset,))


def concerning(damage: Iterable[Damage], zone: str, names: Collection[str]) -> tuple[Damage, ...]:
    """The damage of the zone's SOA, our markers and these names."""
    return tuple(
        problem
        for problem in damage
        if problem.kind is DamageKind.SEVERAL_SOA or is_marker(problem.name, zone) or problem.name in names
    )


def damage_words(damage: Iterable[Damage]) -> str:
    """All of it in one line, with the cause."""
    return f"{'; '.join(problem.message for problem in damage)} ({CAUSE})"
