"""Records of a DNS message as RRsets, with PowerDNS's names of types.

Unknown types are written as in RFC 3597.

Only the frame of a record has to be sound. Rdata that its own type forbids (a TLSA of the wrong length, which PowerDNS
serves) is kept as octets, so that it is compared, and shown, like any other.
"""

import re
from collections.abc import Iterable, Iterator

import dns.exception
import dns.message
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.wire

from hyops_gitops.core.zone import RRset

# What PowerDNS calls by names that dnspython does not have, and the other way round (4.7 to 5.1).
_POWERDNS_NAMES = {57: "RKEY", 65400: "ADDR", 65401: "ALIAS", 65402: "LUA"}
_POWERDNS_NUMBERS = {name: number for number, name in _POWERDNS_NAMES.items()}
# Types that PowerDNS 4.7 and 4.9 list as `TYPE261`, with their rdata as octets.
_NAMELESS = frozenset(
    [3, 4, 10, 11, 19, 20, 21, 22, 23, 26, 27, 30, 55, 56, 66, 67, 68, 103, 128, 258, 260, 261, 262, 32768]
)
_NEEDLESS_ESCAPE = re.compile(r"\\([^0-9.\\])")  # PowerDNS escapes less in owner names than dnspython does
_HEADER_OCTETS = 12

Record = tuple[str, str, int, str]  # owner, type, TTL, rdata


class Unreadable(Exception):
    """The frame of the records is broken."""


def type_name(number: int) -> str:
    """The name of a type in the API's JSON, else `TYPE261`."""
    if number in _NAMELESS:
        return f"TYPE{number}"
    return _POWERDNS_NAMES.get(number) or dns.rdatatype.to_text(dns.rdatatype.RdataType.make(number))


def type_number(name: str) -> int | None:
    """The number of a type, None for an unknown name."""
    try:
        return _POWERDNS_NUMBERS.get(name) or int(dns.rdatatype.from_text(name))
    except (dns.exception.DNSException, ValueError):
        return None


def records(wire: bytes) -> Iterator[Record]:
    """Every record of the answer section.

    Raises:
        Unreadable: a name or a length leads out of the message.
    """
    try:
        parser = dns.wire.Parser(wire, 4)
        questions, answers = parser.get_struct("!HH")
        parser.seek(_HEADER_OCTETS)
        for _ in range(questions):
            parser.get_name(decompress=True)
            parser.get_struct("!HH")
        for _ in range(answers):
            yield _record(parser)
    except (dns.exception.DNSException, ValueError) as error:
        raise Unreadable(str(error) or type(error).__name__) from error


def _record(parser: dns.wire.Parser) -> Record:
    owner = parser.get_name(decompress=True)
    number, rdclass, ttl, length = parser.get_struct("!HHIH")
    rrtype, start = dns.rdatatype.RdataType.make(number), parser.current
    if start + length > parser.end:
        raise dns.exception.FormError
    try:
        with parser.restrict_to(length):
            read = dns.rdata.from_wire_parser(dns.rdataclass.RdataClass.make(rdclass), rrtype, parser)
        rdata = read.to_generic().to_text() if number in _NAMELESS else read.to_text()
    except (dns.exception.DNSException, ValueError):
        octets = parser.wire[start : start + length]
        rdata = rf"\# {length} {octets.hex()}"
    parser.seek(start + length)
    return _NEEDLESS_ESCAPE.sub(r"\1", owner.to_text()), type_name(number), ttl, rdata


def rrsets_of(found: Iterable[Record]) -> tuple[RRset, ...]:
    """Records by owner and type, in the order of their first ones."""
    together: dict[tuple[str, str], tuple[int, list[str]]] = {}
    for owner, rrtype, ttl, rdata in found:
        together.setdefault((owner.lower(), rrtype), (ttl, []))[1].append(rdata)
    return tuple(RRset.of(owner, rrtype, ttl, values) for (owner, rrtype), (ttl, values) in together.items())
