r"""Octets of rdata on the wire, whatever its spelling.

See RFC 1035 section 5.1 and RFC 3597.

Servers and versions spell one value in several ways: a long TXT as one string or as its pieces, escapes, quotes,
parameters in another order, `\# LENGTH HEX`. Two spellings mean the same where these octets are equal. Names are
uncompressed and lower case, as the DNS compares them. What cannot be read keeps its text, so that it equals itself.

The text stays what it is where it is digested or shown (ADR 35).
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping

from hyops_gitops.core.dataclass import dataclass

_MAX_STRING = 255  # RFC 1035 section 3.3
_MAX_LABEL = 63
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|((?:[^\s"\\]|\\.)+)', re.DOTALL)
_ESCAPE = re.compile(rb"\\([0-9]{3}|.)", re.DOTALL)
_GENERIC = r"\#"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_TIME = re.compile(r"(?:[0-9]+[smhdw]?)+", re.IGNORECASE)


class _Unreadable(ValueError):
    """The text is malformed, or its type is not read here."""


@dataclass(frozen=True, slots=True)
class Token:
    """One word in rdata with its escapes."""

    text: str
    quoted: bool

    @property
    def octets(self) -> bytes:
        """The octets that the text stands for."""
        return unescaped(self.text)


def tokens(rdata: str) -> list[Token]:
    """The words of rdata; blanks inside quotes belong to a word.

    A quote that never ends is a word.
    """
    words: list[Token] = []
    position = 0
    while position < len(rdata):
        if rdata[position].isspace():
            position += 1
            continue
        found = _TOKEN.match(rdata, position)
        if found is None:
            return [*words, Token(rdata[position:], quoted=False)]
        words.append(Token(found[2] if found[1] is None else found[1], quoted=found[1] is not None))
        position = found.end()
    return words


def unescaped(text: str) -> bytes:
    r"""The octets of master-file text: `\DDD` and `\X` resolved."""

    def octet(found: re.Match[bytes]) -> bytes:
        word = found[1]
        return bytes([int(word)]) if len(word) == 3 and int(word) <= 255 else word  # noqa: PLR2004 - \DDD

    return _ESCAPE.sub(octet, text.encode("utf-8", "surrogateescape"))


def escaped(octets: bytes) -> str:
    r"""Octets within quotes, spelt as PowerDNS does.

    Quote and backslash are escaped, octets beyond ASCII written as `\DDD`.
    """
    return "".join(
        f"\\{chr(octet)}" if octet in b'"\\' else chr(octet) if 0x20 <= octet < 0x7F else f"\\{octet:03d}"  # noqa: PLR2004 - printable ASCII
        for octet in octets
    )


def meaning(rrtype: str, rdata: str) -> bytes:
    """The octets of rdata on the wire; its words where unreadable."""
    words = tokens(rdata)
    try:
        if words and words[0] == Token(_GENERIC, quoted=False):
            return _normal(rrtype, _generic(words[1:]))
        writer, unused = _TYPES.get(rrtype), _Words(iter(words))
        octets = None if writer is None else writer(unused)
        return rdata_words(words) if octets is None or next(unused.left, None) else octets
    except (ValueError, StopIteration, KeyError, IndexError, OverflowError):
        return rdata_words(words)


def rdata_words(words: list[Token]) -> bytes:
    """The words of unread rdata, with one blank between them."""
    return b"\0text\0" + b"\0".join(word.octets for word in words)


def _generic(words: list[Token]) -> bytes:
    octets = bytes.fromhex("".join(word.text for word in words[1:]))
    if int(words[0].text) != len(octets):
        raise _Unreadable("another length than it says")
    return octets


def _normal(rrtype: str, octets: bytes) -> bytes:
    """Octets of a single-name type in lower case.

    RFC 3597 has no way to say where names are.
    """
    return octets.lower() if _TYPES.get(rrtype) is _name_alone else octets


# --- what rdata is made of


@dataclass(slots=True)
class _Words:
    """The words that are not used yet."""

    left: Iterator[Token]

    def next(self) -> Token:
        return next(self.left)

    def number(self, octets: int) -> bytes:
        return int(self.next().text).to_bytes(octets, "big")

    def name(self) -> bytes:
        return wire_name(self.next().text)

    def string(self) -> bytes:
        octets = self.next().octets
        if len(octets) > _MAX_STRING:
            raise _Unreadable("a string of more than 255 octets")
        return bytes([len(octets)]) + octets

    def rest(self) -> str:
        """The remaining words as one: HEX and Base64 may be cut anywhere."""
        return "".join(word.text for word in self.left)


def wire_name(text: str) -> bytes:
    """A name's labels in lower case."""
    if text == ".":
        return b"\0"
    labels = re.findall(r"((?:[^.\\]|\\[0-9]{3}|\\.)+)\.?", text, re.DOTALL)
    octets = [unescaped(label).lower() for label in labels]
    if any(len(label) > _MAX_LABEL for label in octets) or ".." in text:
        raise _Unreadable("no name")
    return b"".join(bytes([len(label)]) + label for label in octets) + b"\0"


_Writer = Callable[[_Words], bytes]


def _name_alone(words: _Words) -> bytes:
    return words.name()


def _numbers_then(*sizes: int, then: _Writer) -> _Writer:
    return lambda words: b"".join([words.number(size) for size in sizes]) + then(words)


def _several(*parts: _Writer) -> _Writer:
    return lambda words: b"".join([part(words) for part in parts])


def _strings(words: _Words) -> bytes:
    """Strings, a long one in pieces of 255 octets, as served."""
    pieces = []
    for word in words.left:
        octets = word.octets
        starts = range(0, max(len(octets), 1), _MAX_STRING)
        pieces += [octets[start : start + _MAX_STRING] for start in starts]
    return b"".join(bytes([len(piece)]) + piece for piece in pieces)


def _string(words: _Words) -> bytes:
    return words.string()


def _text_to_the_end(words: _Words) -> bytes:
    return words.next().octets


def _hex(words: _Words) -> bytes:
    return bytes.fromhex(words.rest())


def _base64(words: _Words) -> bytes:
    try:
        return base64.b64decode(words.rest(), validate=True)
    except binascii.Error as error:
        raise _Unreadable("no Base64") from error


def _ipv4(words: _Words) -> bytes:
    return ipaddress.IPv4Address(words.next().text).packed


def _ipv6(words: _Words) -> bytes:
    return ipaddress.IPv6Address(words.next().text).packed


def _time(words: _Words) -> bytes:
    text = words.next().text
    if not _TIME.fullmatch(text):
        raise _Unreadable("no time")
    parts = re.findall(r"([0-9]+)([smhdw]?)", text.lower())
    return sum(int(count) * _UNITS[unit or "s"] for count, unit in parts).to_bytes(4, "big")


def _caa(words: _Words) -> bytes:
    """The tag's case does not matter (RFC 8659 section 4.1)."""
    flags, tag = words.number(1), words.string().lower()
    return flags + tag + words.next().octets


# --- service bindings (RFC 9460)

_SVC_KEYS = {
    name: number
    for number, name in enumerate(
        ("mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath", "ohttp")
    )
}


def _svcb(words: _Words) -> bytes:
    priority, target = words.number(2), words.name()
    params = dict(_svc_params(list(words.left)))
    values = ((number, params[number]) for number in sorted(params))
    return priority + target + b"".join(_two(number) + _two(len(value)) + value for number, value in values)


def _svc_params(words: list[Token]) -> Iterator[tuple[int, bytes]]:
    """Keys and values; `key="value"` arrives as two words."""
    index = 0
    while index < len(words):
        key, _, value = words[index].text.partition("=")
        if words[index].text.endswith("=") and index + 1 < len(words) and words[index + 1].quoted:
            index, value = index + 1, words[index + 1].text
        number = _svc_key(key)
        by_number = key.lower() not in _SVC_KEYS
        yield number, unescaped(value) if by_number else _svc_value(number, value)
        index += 1


def _svc_key(key: str) -> int:
    name = key.lower()
    return _SVC_KEYS[name] if name in _SVC_KEYS else int(name.removeprefix("key"))


def _svc_value(number: int, text: str) -> bytes:
    octets = unescaped(text)
    match number:
        case 0:
            return b"".join(map(_two, sorted(map(_svc_key, text.split(",")))))
        case 1:
            names = re.findall(rb"((?:[^,\\]|\\.)+),?", octets, re.DOTALL)
            plain = [re.sub(rb"\\(.)", rb"\1", name) for name in names]
            return b"".join(bytes([len(name)]) + name for name in plain)
        case 3:
            return _two(int(text))
        case 4 | 6:
            return b"".join(ipaddress.ip_address(address).packed for address in text.split(","))
        case 5:
            return base64.b64decode(text, validate=True)
        case _:
            return octets


def _two(number: int) -> bytes:
    return number.to_bytes(2, "big")


# --- locations (RFC 1876)


def _loc(words: _Words) -> bytes:
    left = [word.text for word in words.left]
    latitude, left = _angle(left, "N", "S")
    longitude, left = _angle(left, "E", "W")
    metres = [round(float(text.lower().removesuffix("m")) * 100) for text in left]
    altitude, size, horizontal, vertical = [*metres, *(100, 1_000_000, 1000)[len(metres) - 1 :]]
    exact = (latitude, longitude, altitude + 10_000_000)
    return bytes([0, _power(size), _power(horizontal), _power(vertical)]) + b"".join(
        number.to_bytes(4, "big") for number in exact
    )


def _angle(words: list[str], plus: str, minus: str) -> tuple[int, list[str]]:
    """Thousandths of a second of arc, from 2^31, and the remainder."""
    end = next(index for index, word in enumerate(words) if word.upper() in (plus, minus))
    degrees, minutes, seconds = [*map(float, words[:end]), 0.0, 0.0][:3]
    angle = round((degrees * 3600 + minutes * 60 + seconds) * 1000)
    return 2**31 + (angle if words[end].upper() == plus else -angle), words[end + 1 :]


def _power(centimetres: int) -> int:
    """One digit and a power of ten."""
    exponent = len(str(centimetres)) - 1
    return ((centimetres // 10**exponent) << 4) + exponent if centimetres else 0


# --- every type that PowerDNS reads

_KEY = _numbers_then(2, 1, 1, then=_base64)
_DIGEST = _numbers_then(2, 1, 1, then=_hex)
_CERTIFICATE = _numbers_then(1, 1, 1, then=_hex)
_PREFERENCE = _numbers_then(2, then=_name_alone)
_TWO_NAMES = _several(_name_alone, _name_alone)
_TYPES: Mapping[str, _Writer] = {
    **dict.fromkeys(("NS", "CNAME", "DNAME", "PTR", "MB", "MG", "MR", "MD", "MF", "ALIAS"), _name_alone),
    **dict.fromkeys(("MX", "AFSDB", "RT", "KX", "LP"), _PREFERENCE),
    **dict.fromkeys(("TXT", "SPF", "AVC", "NINFO", "RESINFO", "TYPE261", "WALLET", "TYPE262"), _strings),
    **dict.fromkeys(("RP", "MINFO"), _TWO_NAMES),
    **dict.fromkeys(("DS", "CDS", "DLV", "TA"), _DIGEST),
    **dict.fromkeys(("DNSKEY", "CDNSKEY", "KEY", "RKEY", "TYPE57"), _KEY),
    **dict.fromkeys(("TLSA", "SMIMEA"), _CERTIFICATE),
    **dict.fromkeys(("OPENPGPKEY", "DHCID"), _base64),
    **dict.fromkeys(("SVCB", "HTTPS"), _svcb),
    "A": _ipv4,
    "AAAA": _ipv6,
    "SRV": _numbers_then(2, 2, 2, then=_name_alone),
    "SOA": _several(_TWO_NAMES, _numbers_then(4, then=_several(_time, _time, _time, _time))),
    "HINFO": _several(_string, _string),
    "CAA": _caa,
    "NAPTR": _numbers_then(2, 2, then=_several(_string, _string, _string, _name_alone)),
    "SSHFP": _numbers_then(1, 1, then=_hex),
    "URI": _numbers_then(2, 2, then=_text_to_the_end),
    "CERT": _numbers_then(2, 2, 1, then=_base64),
    "ZONEMD": _numbers_then(4, 1, 1, then=_hex),
    "LOC": _loc,
    "EUI48": lambda words: bytes.fromhex(words.next().text.replace("-", "")),
    "EUI64": lambda words: bytes.fromhex(words.next().text.replace("-", "")),
    "NID": _numbers_then(2, then=lambda words: bytes.fromhex(words.next().text.replace(":", ""))),
    "L64": _numbers_then(2, then=lambda words: bytes.fromhex(words.next().text.replace(":", ""))),
    "L32": _numbers_then(2, then=_ipv4),
}
