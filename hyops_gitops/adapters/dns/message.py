"""DNS messages of one question, as octets.

See RFC 1035 section 4.1 and RFC 6891.
"""

import contextlib
import functools
import re
import struct

from hyops_gitops.adapters.dns.records import MessageReader, Unreadable, records, rrsets_of, type_number
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.exchange import Question
from hyops_gitops.core.names import absolute
from hyops_gitops.core.zone import RRset

_TRUNCATED = 0x0200
_AUTHORITATIVE = 0x0400
RECURSION_DESIRED = 0x0100
_RESPONSE = 0x8000
_OPCODE = 0x7800
_RCODE = 0x000F
_PAYLOAD = 1232  # RFC 9715: passes every path unfragmented
_HEADER = struct.Struct("!HHHHHH")
_TYPE_AND_CLASS = struct.Struct("!HH")
_IN = 1
_OPT = 41
_OPTIONS = b"\0" + struct.pack("!HHIH", _OPT, _PAYLOAD, 0, 0)
_PLAIN_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_*-]{1,63}(?:\.[A-Za-z0-9_*-]{1,63})*")
_REPEATED = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")  # read back from a reply in any case as it is here
_ADDRESS = struct.Struct("!HHHIH4B")  # owner, type, class, TTL, length, IPv4 address
_OF_THE_QUESTION = (0xC000 | _HEADER.size, 1, _IN, 4)  # the name asked for, A
_RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
_WITHOUT_QUESTION = frozenset({"FORMERR", "SERVFAIL", "NOTIMP", "REFUSED"})  # a server that read no further


@dataclass(slots=True)
class Query:
    """One question as it is asked."""

    question: Question
    id: int
    wire: bytes
    asked: bytes  # the question's section, in lower case

    @classmethod
    def of(cls, question: Question, identifier: int, flags: int, *, options: bool = True) -> "Query":
        """The query for a question of a known type.

        Raises:
            Unreadable: its name cannot be asked for.
        """
        asked = _name_wire(question.name) + _TYPE_AND_CLASS.pack(type_number(question.type) or 0, _IN)
        header = _HEADER.pack(identifier, flags, 1, 0, 0, 1 if options else 0)
        return cls(question, identifier, header + asked + (_OPTIONS if options else b""), asked.lower())


@functools.lru_cache(maxsize=16)  # a name is asked for several types, one after the other
def _name_wire(name: str) -> bytes:
    if _PLAIN_NAME.fullmatch(name):
        label, _, above = name.partition(".")
        return bytes([len(label)]) + label.encode("ascii") + _plain_wire(above)
    import dns.exception  # noqa: PLC0415 - a tenth of a second that names without escapes do without
    import dns.name  # noqa: PLC0415

    try:
        return dns.name.from_text(absolute(name)).to_wire() or b""
    except (dns.exception.DNSException, ValueError) as error:
        raise Unreadable(str(error) or type(error).__name__) from error


@functools.lru_cache(maxsize=64)  # many names are asked for below a few
def _plain_wire(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode("ascii") for label in name.split(".") if label) + b"\0"


@dataclass(frozen=True, slots=True)
class ReplyHeader:
    """What a reply to a query says besides its records."""

    rcode: str
    authoritative: bool
    truncated: bool
    answers: int  # records in the answer section


def header_of(wire: bytes, query: Query) -> ReplyHeader | None:
    """The header of the reply to a query, None for other datagrams."""
    if len(wire) < _HEADER.size:
        return None
    identifier, flags, questions, answers, authorities, additional = _HEADER.unpack_from(wire)
    if identifier != query.id or not flags & _RESPONSE or flags & _OPCODE:
        return None
    code = flags & _RCODE
    if not _repeats(wire, questions, query) and not (questions == 0 and _RCODES.get(code) in _WITHOUT_QUESTION):
        return None
    with contextlib.suppress(Unreadable):  # the reply to this question all the same; its records are found broken
        code |= _extended_rcode(wire, questions, answers + authorities, additional) << 4
    return ReplyHeader(rcode_text(code), bool(flags & _AUTHORITATIVE), bool(flags & _TRUNCATED), answers)


def _repeats(wire: bytes, questions: int, query: Query) -> bool:
    """Whether the only question is ours, in letters of any case."""
    start = _HEADER.size
    return questions == 1 and wire[start : start + len(query.asked)].lower() == query.asked


def rrsets_in(wire: bytes, header: ReplyHeader, query: Query) -> tuple[RRset, ...]:
    """The RRsets of a reply's answer section.

    Raises:
        Unreadable: a name or a length leads out of the message.
    """
    if not header.answers:
        return ()
    return _usual_answer(wire, header, query) or rrsets_of(records(wire))


def _usual_answer(wire: bytes, header: ReplyHeader, query: Query) -> tuple[RRset, ...]:
    """The answer of one address, as is usual; else none.

    Its owner is a pointer to the question, which the reply repeats.
    """
    at = _HEADER.size + len(query.asked)
    question = query.question
    if (
        header.answers != 1
        or question.type != "A"
        or not _REPEATED.fullmatch(question.name)
        or len(wire) < at + _ADDRESS.size
        or not _repeats(wire, int.from_bytes(wire[4:6], "big"), query)
    ):
        return ()
    owner, rrtype, rdclass, ttl, length, *octets = _ADDRESS.unpack_from(wire, at)
    if (owner, rrtype, rdclass, length) != _OF_THE_QUESTION:
        return ()
    return (RRset(question.name, "A", ttl, ("{}.{}.{}.{}".format(*octets),)),)


def _extended_rcode(wire: bytes, questions: int, skipped: int, additional: int) -> int:
    """The upper bits of the response code, which EDNS carries."""
    if not additional:
        return 0
    if additional == 1 and wire[-11:-8] == _OPTIONS[:3] and wire.endswith(b"\0\0"):  # nothing else ends so
        return wire[-6]
    reader = MessageReader(wire)
    for _ in range(questions):
        reader.skip_name()
        reader.fixed(_TYPE_AND_CLASS)
    for _ in range(skipped):
        reader.skip_name()
        reader.frame()
    for _ in range(additional):
        reader.skip_name()
        number, _, ttl, _, _ = reader.frame()
        if number == _OPT:
            return ttl >> 24
    return 0


def rcode_text(code: int) -> str:
    """The name of a response code."""
    if code in _RCODES:
        return _RCODES[code]
    import dns.rcode  # noqa: PLC0415 - for codes that are hardly ever seen

    return str(dns.rcode.to_text(dns.rcode.Rcode(code)))
