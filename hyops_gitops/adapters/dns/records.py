"""Records of a DNS message as RRsets, with PowerDNS's names of types.

Unknown types are written as in RFC 3597.

Only the frame of a record has to be sound. Rdata that its own type forbids (a TLSA of the wrong length, which PowerDNS
serves) is kept as octets, so that it is compared, and shown, like any other. The types that zones are made of, in
letters that need no escape, are read here; whatever else there is by dnspython, which takes twenty times as long and a
tenth of a second to load.
"""

import re
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping

from hyops_gitops.core.zone import RRset

# What PowerDNS calls by names that dnspython does not have, and the other way round (4.7 to 5.1).
_POWERDNS_NAMES = {57: "RKEY", 65400: "ADDR", 65401: "ALIAS", 65402: "LUA"}
# Types that PowerDNS 4.7 and 4.9 list as `TYPE261`, with their rdata as octets.
_NAMELESS = frozenset(
    [3, 4, 10, 11, 19, 20, 21, 22, 23, 26, 27, 30, 55, 56, 66, 67, 68, 103, 128, 258, 260, 261, 262, 32768]
)
_USUAL_NAMES = {
    1: "A",
    2: "NS",
    5: "CNAME",
    6: "SOA",
    12: "PTR",
    15: "MX",
    16: "TXT",
    28: "AAAA",
    33: "SRV",
    252: "AXFR",
}
_USUAL_NUMBERS = {name: number for number, name in (_POWERDNS_NAMES | _USUAL_NAMES).items()}
_PLAIN_LABEL = re.compile(rb"[A-Za-z0-9_*-]+")  # without escapes in any spelling
_PLAIN_STRING = re.compile(rb"[\x20\x21\x23-\x5b\x5d-\x7e]*")  # printable, neither quote nor backslash
_PRINTABLE = range(0x21, 0x7F)
_HEADER_OCTETS = 12
_IN = 1
_POINTER = 0xC0  # the two bits that mark a pointer (RFC 1035 section 4.1.4)
_MOST_LABEL_OCTETS = 63
_MOST_NAME_CHARACTERS = 4 * 255  # each octet escaped
_MOST_POINTERS = 64
_FIXED = struct.Struct("!HHIH")  # type, class, TTL, length
_QUESTION = struct.Struct("!HH")  # type, class
_SOA_NUMBERS = struct.Struct("!IIIII")
_SRV_NUMBERS = struct.Struct("!HHH")

Record = tuple[str, str, int, str]  # owner, type, TTL, rdata


class Unreadable(Exception):
    """The frame of the records is broken."""


def type_name(number: int) -> str:
    """The name of a type in the API's JSON, else `TYPE261`."""
    if number in _NAMELESS:
        return f"TYPE{number}"
    if found := _USUAL_NAMES.get(number) or _POWERDNS_NAMES.get(number):
        return found
    import dns.rdatatype  # noqa: PLC0415 - a tenth of a second that the usual types do without

    return dns.rdatatype.to_text(dns.rdatatype.RdataType.make(number))


def type_number(name: str) -> int | None:
    """The number of a type, None for an unknown name."""
    if found := _USUAL_NUMBERS.get(name):
        return found
    import dns.exception  # noqa: PLC0415 - as above
    import dns.rdatatype  # noqa: PLC0415

    try:
        return int(dns.rdatatype.from_text(name))
    except (dns.exception.DNSException, ValueError):
        return None


class MessageReader:
    """The sections of a message, from one position on."""

    def __init__(self, wire: bytes) -> None:
        """Begin behind the header.

        Raises:
            Unreadable: there is none.
        """
        if len(wire) < _HEADER_OCTETS:
            raise Unreadable("shorter than a header")
        self.wire = wire
        self.position = _HEADER_OCTETS
        self._known: dict[int, str] = {}  # names by where they begin

    def name(self) -> str:
        """The name here, absolute, escaped as PowerDNS does.

        Raises:
            Unreadable: it leads out of the message, or round in it.
        """
        try:
            found, self.position = self._name(self.position, _MOST_POINTERS)
        except IndexError:
            raise _outside() from None
        return found

    def _name(self, at: int, pointers: int) -> tuple[str, int]:
        """A name, and where what follows it begins."""
        wire, position, known = self.wire, at, self._known
        labels: list[tuple[int, bytes]] = []
        tail = ""
        while length := wire[position]:
            if length >= _POINTER:
                target = (length & ~_POINTER) << 8 | wire[position + 1]
                if target >= at or not pointers:
                    raise Unreadable("a name that leads forward or round")
                tail = known.get(target) or self._name(target, pointers - 1)[0]
                position += 1
                break
            if length > _MOST_LABEL_OCTETS:
                raise Unreadable("a label of an unknown kind")
            label = wire[position + 1 : position + 1 + length]
            if len(label) != length:
                raise _outside()
            labels.append((position, label))
            position += 1 + length
        for start, label in reversed(labels):
            tail = f"{_label_text(label)}.{tail if tail != '.' else ''}"
            known[start] = tail
        if len(tail) > _MOST_NAME_CHARACTERS:
            raise Unreadable("a name that is too long")
        return tail or ".", position + 1

    def skip_name(self) -> None:
        """Go behind the name here.

        Raises:
            Unreadable: it leads out of the message.
        """
        try:
            while length := self.wire[self.position]:
                if length >= _POINTER:
                    self.position += 1
                    break
                self.position += 1 + length
        except IndexError:
            raise _outside() from None
        self.position += 1

    def fixed(self, layout: struct.Struct) -> tuple[int, ...]:
        """Numbers of a fixed length.

        Raises:
            Unreadable: the message ends before.
        """
        try:
            found: tuple[int, ...] = layout.unpack_from(self.wire, self.position)
        except struct.error:
            raise _outside() from None
        self.position += layout.size
        return found

    def frame(self) -> tuple[int, int, int, int, int]:
        """Type, class, TTL, begin and end of the rdata, behind an owner.

        Raises:
            Unreadable: it leads out of the message.
        """
        number, rdclass, ttl, length = self.fixed(_FIXED)
        start = self.position
        if start + length > len(self.wire):
            raise _outside()
        self.position = start + length
        return number, rdclass, ttl, start, self.position

    def record(self) -> Record:
        """The record here.

        Raises:
            Unreadable: its frame is broken.
        """
        owner = self.name()
        number, rdclass, ttl, start, end = self.frame()
        usual = _USUAL_RDATA.get(number) if rdclass == _IN else None
        rdata = usual(self, start, end) if usual else None
        if rdata is None:
            rdata = self._any_rdata(number, rdclass, start, end)
        return owner, type_name(number), ttl, rdata

    def plain_name(self, start: int, end: int) -> str | None:
        """The name that rdata consists of; None for anything else, or escapes."""
        try:
            found, after = self._name(start, _MOST_POINTERS)
        except (IndexError, Unreadable):
            return None
        return found if after == end and "\\" not in found and len(found) <= 255 else None  # noqa: PLR2004 - RFC 1035

    def _any_rdata(self, number: int, rdclass: int, start: int, end: int) -> str:
        """Rdata by dnspython; as octets where the type forbids it."""
        import dns.exception  # noqa: PLC0415 - a tenth of a second that the usual types do without
        import dns.rdata  # noqa: PLC0415
        import dns.rdataclass  # noqa: PLC0415
        import dns.rdatatype  # noqa: PLC0415
        import dns.wire  # noqa: PLC0415

        parser = dns.wire.Parser(self.wire, start)
        rrtype = dns.rdatatype.RdataType.make(number)
        try:
            with parser.restrict_to(end - start):
                read = dns.rdata.from_wire_parser(dns.rdataclass.RdataClass.make(rdclass), rrtype, parser)
            return read.to_generic().to_text() if number in _NAMELESS else read.to_text()
        except (dns.exception.DNSException, ValueError):
            return rf"\# {end - start} {self.wire[start:end].hex()}"


def _outside() -> Unreadable:
    return Unreadable("a name or a length that leads out of the message")


def _label_text(label: bytes) -> str:
    r"""A label as PowerDNS escapes it: `\.`, `\\` and `\DDD`."""
    if _PLAIN_LABEL.fullmatch(label):
        return label.decode("ascii")
    return "".join(
        f"\\{chr(octet)}" if octet in b".\\" else chr(octet) if octet in _PRINTABLE else f"\\{octet:03d}"
        for octet in label
    )


# --- the usual rdata; None where it is not as usual


def _ipv4(reader: MessageReader, start: int, end: int) -> str | None:
    octets = reader.wire[start:end]
    return f"{octets[0]}.{octets[1]}.{octets[2]}.{octets[3]}" if len(octets) == 4 else None  # noqa: PLR2004 - IPv4


def _ipv6(reader: MessageReader, start: int, end: int) -> str | None:
    octets = reader.wire[start:end]
    return socket.inet_ntop(socket.AF_INET6, octets) if len(octets) == 16 else None  # noqa: PLR2004 - IPv6


def _text(reader: MessageReader, start: int, end: int) -> str | None:
    strings: list[str] = []
    wire, position = reader.wire, start
    while position < end:
        string = wire[position + 1 : position + 1 + wire[position]]
        position += 1 + wire[position]
        if position > end or not _PLAIN_STRING.fullmatch(string):
            return None
        strings.append(f'"{string.decode("ascii")}"')
    return " ".join(strings) or None


def _soa(reader: MessageReader, start: int, end: int) -> str | None:
    try:
        primary, after = reader._name(start, _MOST_POINTERS)  # noqa: SLF001 - of this module
        mailbox, after = reader._name(after, _MOST_POINTERS)  # noqa: SLF001
    except (IndexError, Unreadable):
        return None
    if after + _SOA_NUMBERS.size != end or "\\" in primary + mailbox:
        return None
    return " ".join([primary, mailbox, *map(str, _SOA_NUMBERS.unpack_from(reader.wire, after))])


def _exchange(reader: MessageReader, start: int, end: int) -> str | None:
    name = reader.plain_name(start + 2, end) if end - start > 2 else None  # noqa: PLR2004 - octets of a preference
    return None if name is None else f"{int.from_bytes(reader.wire[start : start + 2], 'big')} {name}"


def _service(reader: MessageReader, start: int, end: int) -> str | None:
    after = start + _SRV_NUMBERS.size
    name = reader.plain_name(after, end) if end > after else None
    return None if name is None else " ".join([*map(str, _SRV_NUMBERS.unpack_from(reader.wire, start)), name])


_USUAL_RDATA: Mapping[int, Callable[[MessageReader, int, int], str | None]] = {
    1: _ipv4,
    2: MessageReader.plain_name,
    5: MessageReader.plain_name,
    6: _soa,
    12: MessageReader.plain_name,
    15: _exchange,
    16: _text,
    28: _ipv6,
    33: _service,
}


def records(wire: bytes) -> Iterator[Record]:
    """Every record of the answer section.

    Raises:
        Unreadable: a name or a length leads out of the message.
    """
    reader = MessageReader(wire)
    questions, answers = struct.unpack_from("!HH", wire, 4)
    for _ in range(questions):
        reader.skip_name()
        reader.fixed(_QUESTION)
    for _ in range(answers):
        yield reader.record()


def rrsets_of(found: Iterable[Record]) -> tuple[RRset, ...]:
    """Records by owner and type, in the order of their first ones."""
    together: dict[tuple[str, str], tuple[int, list[str]]] = {}
    for owner, rrtype, ttl, rdata in found:
        together.setdefault((owner.lower(), rrtype), (ttl, []))[1].append(rdata)
    return tuple(RRset.of(owner, rrtype, ttl, values) for (owner, rrtype), (ttl, values) in together.items())
