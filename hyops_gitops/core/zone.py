"""RRsets and zones as values, their canonical text and their digests.

The canonical text of an RRset is one master-file line per record (RFC 1035 section 5.1), `owner ttl IN type rdata` with
absolute owner, sorted by bytes. A zone's digest is the SHA-256 of those lines, each ended by LF, so that `sha256sum`
of a zone file written by this program gives the digest itself. SOA, DNSSEC material, disabled records and our own
markers are in no digest.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field, replace
from itertools import pairwise

from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.line_map import OWNER, TTL, LineMap, changed_lines, is_canonical
from hyops_gitops.core.names import MARKER_LABEL, absolute, canonical_name, is_marker
from hyops_gitops.core.rdata import meaning

# Made by the signer, not by an editor of the zone, and absent from the API's JSON where AXFR has them.
DNSSEC_TYPES = frozenset({"RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNSKEY", "CDS", "CDNSKEY"})
SOA_SERIAL = 2  # position in the rdata (RFC 1035 section 3.3.13)
SOA_WORDS = 7  # of a sound one; another is shown as octets
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}")
_NUMBER = re.compile(r"[0-9]{1,10}")
_NAME_RDATA_TYPES = frozenset({"CNAME", "NS", "DNAME", "PTR", "ALIAS"})

Key = tuple[str, str]  # owner name, type


def canonical_rdata(rrtype: str, rdata: str) -> str:
    """The spelling of rdata that we compare.

    Addresses are written as in RFC 5952, names in lower case and absolute.
    """
    if rrtype in ("A", "AAAA"):
        return canonical_address(rdata)
    if rrtype in _NAME_RDATA_TYPES:
        return absolute(canonical_name(rdata))
    return "".join(char if " " <= char < "\x7f" else _escaped(char) for char in rdata)


def _escaped(char: str) -> str:
    r"""A character outside printable ASCII as `\DDD` (RFC 1035 section 5.1)."""
    return "".join(f"\\{octet:03d}" for octet in char.encode("utf-8", "surrogateescape"))


def is_address(text: str) -> bool:
    """Whether this is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def canonical_address(text: str) -> str:
    """An IP address as RFC 5952 spells it; other text unchanged."""
    if _IPV4.fullmatch(text):  # nearly every address there is, and its only spelling
        return text
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return f"::ffff:{address.ipv4_mapped}"  # spelled differently by Python before 3.13
    return str(address)


@dataclass(frozen=True, slots=True, order=True)
class RRset:
    """All records of one name and type, canonical and sorted.

    Build it with `of`, which makes it canonical.
    """

    name: str
    type: str
    ttl: int  # seconds
    rdata: tuple[str, ...]
    disabled: tuple[str, ...] = ()  # rdata of records PowerDNS keeps but does not serve
    # Served rdata that is listed more than once, for each further time. No set of records holds one twice (RFC 2181
    # section 5), so it takes no part in comparisons: it is damage (core.damage), not another value.
    repeated: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def of(cls, name: str, rrtype: str, ttl: int, rdata: Iterable[str], disabled: Iterable[str] = ()) -> "RRset":
        """An RRset from any spelling of its parts."""
        rows = [canonical_rdata(rrtype, value) for value in rdata]
        rows.sort()
        repeated = tuple(value for before, value in pairwise(rows) if before == value) if len(rows) > 1 else ()
        return cls(
            canonical_name(name),
            rrtype,
            ttl,
            tuple(dict.fromkeys(rows)) if repeated else tuple(rows),
            tuple(sorted({canonical_rdata(rrtype, value) for value in disabled})) if disabled else (),
            repeated,
        )

    @property
    def key(self) -> Key:
        """Owner name and type."""
        return (self.name, self.type)

    @property
    def rows(self) -> tuple[str, ...]:
        """The served rdata as often as it is listed."""
        return tuple(sorted((*self.rdata, *self.repeated)))

    def lines(self) -> Iterator[str]:
        """One master-file line per served record."""
        for value in self.rdata:
            yield f"{absolute(self.name)} {self.ttl} IN {self.type} {value}"


Operation = Key | RRset  # of one PATCH: what to delete, or to put in place of what is there


def served(rrset: RRset | None) -> tuple[int, tuple[str, ...]] | None:
    """TTL and rdata that clients see; None where nothing is served."""
    return (rrset.ttl, rrset.rdata) if rrset is not None and rrset.rdata else None


def in_words(rrset: RRset | None) -> str:
    """`10.72.16.24 (TTL 30)`; disabled records, which a write would remove, are named."""
    if rrset is None:
        return "nothing"
    disabled = f"disabled: {' '.join(rrset.disabled)}" if rrset.disabled else ""
    if not rrset.rdata:
        return f"nothing served ({disabled}, which a write would remove)"
    return f"{' '.join(rrset.rdata)} (TTL {rrset.ttl}{', ' + disabled if disabled else ''})"


def same_served(this: RRset | None, other: RRset | None) -> bool:
    """Whether clients see the same octets, in any spelling."""
    first, second = served(this), served(other)
    if first == second:
        return True
    if this is None or other is None or first is None or second is None or this.ttl != other.ttl:
        return False
    return same_rdata(this.type, this.rdata, other.rdata)


def same_stored(this: RRset | None, other: RRset | None) -> bool:
    """Whether the server has the same, disabled records included."""
    disabled = [rrset.disabled if rrset is not None else () for rrset in (this, other)]
    rrset = this if this is not None else other
    return same_served(this, other) and (rrset is None or same_rdata(rrset.type, *disabled))


def same_rdata(rrtype: str, these: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two sets of rdata hold the same octets."""
    return these == other or {meaning(rrtype, value) for value in these} == {meaning(rrtype, value) for value in other}


class RRsetLines(LineMap[RRset]):
    """RRsets as their canonical lines."""

    __slots__ = ()

    @staticmethod
    def write(value: RRset) -> Iterator[str]:
        """One line per served record."""
        return value.lines()

    @staticmethod
    def read(key: Key, lines: list[str]) -> RRset:
        """The RRset with these records."""
        fields = [line.split(" ", 4) for line in lines]
        return RRset(*key, int(fields[0][1]), tuple(row[4] for row in fields))

    @staticmethod
    def has_more(value: RRset) -> bool:
        """Whether it has records that are not served, or listed twice."""
        return bool(value.disabled or value.repeated)


_FIXED = "|".join((*sorted(_NAME_RDATA_TYPES), "A", "AAAA", "SOA", *sorted(DNSSEC_TYPES))).encode()
ADDRESS_LINES = b"A (?:%b\\.){3}%b|AAAA [^ \n]+" % (_OCTET.encode(), _OCTET.encode())
_CANONICAL = re.compile(
    b"(?:%b %b IN (?:%b|(?:%b) %b|(?!(?:%b) )[A-Z0-9]+ [ -~]*)\n)*+"
    % (OWNER, TTL, ADDRESS_LINES, "|".join(sorted(_NAME_RDATA_TYPES)).encode(), OWNER, _FIXED)
)
_IPV6 = re.compile(rb" IN AAAA ([^ \n]+)")


def is_canonical_text(
    apex: str, data: bytes, like: bytes | None, line: re.Pattern[bytes], rest: Callable[[str], object]
) -> bool:
    """As `is_canonical`, of lines of a zone; those of `like` are."""
    lines = data if like is None else changed_lines(data, like)
    return (
        f"{MARKER_LABEL}.{apex}. ".encode() not in lines
        and is_canonical(lines, line, rest)
        and all(canonical_address(text.decode()) == text.decode() for text in _IPV6.findall(lines))
    )


@dataclass(frozen=True, slots=True)
class Zone:
    """The RRsets of a zone without SOA, DNSSEC material and markers."""

    apex: str
    rrsets: RRsetLines

    @classmethod
    def of(cls, apex: str, rrsets: Iterable[RRset]) -> "Zone":
        """A zone of these RRsets, without those that no digest holds."""
        kept = {
            rrset.key: rrset
            for rrset in rrsets
            if rrset.type != "SOA" and rrset.type not in DNSSEC_TYPES and not is_marker(rrset.name, apex)
        }
        return cls(apex, RRsetLines(kept))

    @property
    def data(self) -> bytes:
        """The canonical lines as a file."""
        return self.rrsets.data

    def text(self) -> str:
        """The same as text."""
        return self.data.decode()

    def lines(self) -> list[str]:
        """The canonical lines, sorted by bytes."""
        return self.text().split("\n")[:-1]

    @classmethod
    def parse(cls, apex: str, file: str | bytes, like: "Zone | None" = None) -> "Zone":
        """The zone whose `data` this is.

        Every line is checked here, unless another zone has it that was read from lines itself; a file that is spelled
        otherwise than this program writes it is read all the same.

        Raises:
            InvalidData: code `bad-zone-file`.
        """
        data = octets_of(file)
        if is_canonical_text(apex, data, like.rrsets.canonical if like else None, _CANONICAL, lambda _: None):
            return cls(apex, RRsetLines(data=data))
        records: dict[Key, tuple[int, list[str]]] = {}
        for number, line in enumerate(data.decode().splitlines(), 1):
            name, rrtype, ttl, rdata = parse_line(line, number)
            records.setdefault((name, rrtype), (ttl, []))[1].append(rdata)
        return cls.of(apex, (RRset.of(*key, ttl, rdata) for key, (ttl, rdata) in records.items()))

    def digest(self) -> str:
        """SHA-256 of `data`, 64 lower-case hex digits."""
        return self.rrsets.digest()

    def digest_at(self, like: "Zone") -> str:
        """The digest of those RRsets alone that another zone has."""
        keys = [key for key in self.differing(like) if key in like.rrsets]
        return like.rrsets.replaced({key: self.rrsets.get(key) for key in keys}).digest()

    def without(self, keys: Iterable[Key]) -> "Zone":
        """This zone less those RRsets."""
        return Zone(self.apex, self.rrsets.replaced(dict.fromkeys(keys)))

    def with_rrsets(self, rrsets: Iterable[RRset]) -> "Zone":
        """This zone with these RRsets in place of the same keys."""
        return Zone(self.apex, self.rrsets.replaced({rrset.key: rrset for rrset in rrsets}))

    def names(self) -> set[str]:
        """Every owner name."""
        return self.rrsets.names()

    def by_name(self) -> dict[str, dict[str, RRset]]:
        """The RRsets by owner name, then by type."""
        index: dict[str, dict[str, RRset]] = {}
        for (name, rrtype), rrset in sorted(self.rrsets.items()):
            index.setdefault(name, {})[rrtype] = rrset
        return index

    def with_type(self, rrtype: str) -> list[str]:
        """The names with an RRset of this type, sorted."""
        return sorted(name for name, found in self.rrsets.holding(f" IN {rrtype} ") if found == rrtype)

    def differing(self, other: "Zone") -> list[Key]:
        """The keys whose lines differ, sorted; disabled records do not count."""
        keys = self.rrsets.differing(other.rrsets)
        return sorted(key for key in keys if served(self.rrsets.get(key)) != served(other.rrsets.get(key)))

    def served_otherwise(self, other: "Zone") -> list[Key]:
        """The keys that clients see otherwise, sorted, whatever the spelling."""
        return [key for key in self.differing(other) if not same_served(self.rrsets.get(key), other.rrsets.get(key))]

    def respelled(self, like: "Zone") -> "Zone":
        """This zone, in the spelling of `like` where octets are equal.

        That spelling was digested.
        """
        kept = {}
        for key in self.differing(like):
            rrset, known = self.rrsets.get(key), like.rrsets.get(key)
            if rrset is not None and known is not None and same_served(rrset, known):
                kept[key] = replace(rrset, rdata=known.rdata)
        return Zone(self.apex, self.rrsets.replaced(kept))

    def select(self, keys: Iterable[Key]) -> "Zone":
        """Only those RRsets, where they exist."""
        found = {key: self.rrsets.get(key) for key in keys}
        return Zone(self.apex, RRsetLines({key: rrset for key, rrset in found.items() if rrset is not None}))


def octets_of(file: str | bytes) -> bytes:
    """A zone or state file as bytes.

    Raises:
        InvalidData: code `bad-zone-file`: it is not UTF-8.
    """
    try:
        data = file.encode() if isinstance(file, str) else file
        data.decode()
    except UnicodeError as error:
        raise InvalidData(f"not UTF-8: {error}", code="bad-zone-file") from None
    return data


def parse_line(line: str, number: int) -> tuple[str, str, int, str]:
    """Owner, type, TTL and rdata of one canonical line.

    Raises:
        InvalidData: code `bad-zone-file`, naming the line's number.
    """
    match line.split(" ", 4):
        case [owner, ttl, "IN", rrtype, rdata] if _NUMBER.fullmatch(ttl):
            return canonical_name(owner), rrtype, int(ttl), rdata
        case _:
            raise InvalidData(f"line {number} is not 'owner ttl IN type rdata'", code="bad-zone-file")


def soa_serial(soa: RRset | None) -> int | None:
    """The serial of an SOA, of several the first; None without one."""
    return next(iter(soa_serials(soa)), None) if soa is not None else None


def soa_serials(soa: RRset) -> tuple[int, ...]:
    """The serial in each row of an SOA RRset."""
    fields = (row.split(" ") for row in soa.rows)
    texts = (row[SOA_SERIAL] for row in fields if len(row) > SOA_SERIAL)
    return tuple(int(text) for text in texts if _NUMBER.fullmatch(text))
