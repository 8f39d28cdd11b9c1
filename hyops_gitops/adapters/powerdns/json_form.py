r"""JSON of PowerDNS's HTTP API, in and out ("HTTP API: Zones").

Everything that arrives is checked before it becomes a value: a reply of another shape raises `BadShape`.

PowerDNS 5.1 resolves the escapes of what it is sent, and reads the outcome once more: `"a\\b"` becomes `ab` and `"\""`
is refused, where 4.7 and 4.9 read them as RFC 1035 says (measured on 4.7.3, 4.9.18 and 5.1.5, for every type that they
know but LUA). No spelling of a quote or of a backslash means the same to both. So the server is asked, where that
matters, by a request that each of them refuses, naming the record that it could not read; nothing is stored by it.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from json.encoder import encode_basestring_ascii as _quoted

from hyops_gitops.adapters.powerdns.http import MAX_REPLY_BYTES, quoted
from hyops_gitops.core.exchange import ZoneHeader
from hyops_gitops.core.names import absolute, canonical_name
from hyops_gitops.core.rdata import escaped, meaning, tokens
from hyops_gitops.core.zone import Operation, RRset

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_AS_IT_IS = frozenset({"LUA"})
_STRINGS = frozenset({"TXT", "SPF"})
_NAMED_IN_5_1 = frozenset({"TYPE261", "TYPE262"})  # RESINFO and WALLET: strings, no longer taken as octets
_GENERIC = r"\#"
_PROBE_LABEL = "_hyops-probe"


def has_escapes(rrsets: Iterable[RRset]) -> bool:
    """Whether it matters how the server reads escapes."""
    return any(
        "\\" in value and not _is_verbatim(rrset.type, value)
        for rrset in rrsets
        for value in (*rrset.rdata, *rrset.disabled)
    )


def content(rrtype: str, rdata: str, *, twice: bool) -> str:
    """Rdata for a server that resolves escapes once, or twice."""
    if not twice or _is_verbatim(rrtype, rdata):
        return rdata
    if rrtype in _NAMED_IN_5_1 and rdata.startswith(_GENERIC):
        rdata = " ".join(f'"{escaped(string)}"' for string in _strings_in(rdata))
    if rrtype in _STRINGS:  # it also wants exactly the escapes that it writes itself
        rdata = " ".join(f'"{escaped(word.octets)}"' for word in tokens(rdata))
    return _ESCAPE.sub(_doubled, rdata)


def _is_verbatim(rrtype: str, rdata: str) -> bool:
    return rrtype in _AS_IT_IS or (rdata.startswith(_GENERIC) and rrtype not in _NAMED_IN_5_1)


def _strings_in(rdata: str) -> list[bytes]:
    """The strings in octets of the generic form, each behind its length."""
    octets, strings = meaning("TYPE261", rdata), []
    while octets:
        length, octets = octets[0], octets[1:]
        strings.append(octets[:length])
        octets = octets[length:]
    return strings


def _doubled(found: re.Match[str]) -> str:
    return "\\\\" + (f"\\{found[1]}" if found[1] in '"\\' else found[1])


def probe(zone: str, *, creates: Mapping[str, object] | None = None) -> bytes:
    """The body of a request that every server refuses."""
    name = absolute(f"{_PROBE_LABEL}.{zone}")
    sets = [
        {"name": name, "type": rrtype, "ttl": 60, "records": [{"content": text, "disabled": False}]}
        for rrtype, text in (("TXT", r'"\""'), ("A", "no address"))
    ]
    if creates is None:
        return json.dumps({"rrsets": [{**rrset, "changetype": "REPLACE"} for rrset in sets]}).encode()
    return json.dumps({"name": absolute(zone), "rrsets": sets, **creates}).encode()


def resolves_twice(refusal: str) -> bool:
    """Whether the server could not read the probe's TXT."""
    return "/TXT" in refusal


ZoneJson = Mapping[str, object]
_WORD = re.compile(r"[\x21-\x7e]+")  # with a blank in it, a line of a zone file would mean something else
_MOST = 2**32 - 1  # of a serial and of a TTL
# Names that 5.1 gave to types which older versions list by number; a log continues when its server is upgraded.
_NEWER_NAMES = {"HHIT": "TYPE67", "BRID": "TYPE68", "RESINFO": "TYPE261", "WALLET": "TYPE262"}
# Line ends and controls would let one record pass as several lines of a zone file; lone surrogates have no encoding.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class BadShape(Exception):
    """An undocumented reply; the message completes "cannot be used: ..."."""


def decode_zone(body: bytes, zone: str) -> ZoneJson:
    """The object that describes this zone."""
    document = _mapping(_parsed(body))
    if canonical_name(_text(document, "name")) != zone:
        raise BadShape(f"it is about another zone than {zone}")
    return document


def _parsed(body: bytes) -> object:
    if len(body) > MAX_REPLY_BYTES:
        raise BadShape(f"it is larger than {MAX_REPLY_BYTES} bytes")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadShape("it is not JSON, or nested too deeply") from error


def decode_header(zone: ZoneJson, server_time: datetime | None) -> ZoneHeader:
    """The zone without its RRsets; gaps of old versions are filled."""
    serial = _number(zone, "serial")
    return ZoneHeader(
        kind=_text(zone, "kind").lower(),
        serial=serial,
        edited_serial=_number(zone, "edited_serial") if "edited_serial" in zone else serial,
        soa_edit_api=_text(zone, "soa_edit_api") if "soa_edit_api" in zone else "",
        masters=tuple(_as_text(master) for master in _items(zone, "masters")) if "masters" in zone else (),
        server_time=server_time,
        notified_serial=_number(zone, "notified_serial") if "notified_serial" in zone else None,
        soa_edit=_text(zone, "soa_edit") if "soa_edit" in zone else "",
        nsec3narrow=zone.get("nsec3narrow") is True,
    )


def decode_rrsets(zone: ZoneJson, names: Collection[str] | None = None) -> Iterator[RRset]:
    """Every RRset that has records, foreign types in their raw text.

    PowerDNS lists comments as an RRset without records, TTL 0: nothing is stored there to serve or to replace.

    Args:
        zone: With its RRsets.
        names: Only of these canonical owners; the rest of a large zone need not become values.
    """
    for item in _items(zone, "rrsets"):
        entry = _mapping(item)
        if names is not None and canonical_name(_text(entry, "name")) not in names:
            continue
        served: list[str] = []
        disabled: list[str] = []
        for record in map(_mapping, _items(entry, "records")):
            (disabled if record.get("disabled") is True else served).append(_text(record, "content"))
        name, rrtype, ttl = _word(entry, "name"), _word(entry, "type"), _number(entry, "ttl")
        if served or disabled:
            yield RRset.of(name, _NEWER_NAMES.get(rrtype, rrtype), ttl, served, disabled)


def decode_found(body: bytes, zone: str, most: int) -> tuple[RRset, ...] | None:
    """A zone's RRsets in a search result; None where it is cut.

    A search lists rows, of every zone of the server, also those whose content fits.
    """
    found = _parsed(body)
    if not isinstance(found, list):
        raise BadShape("it is not a list")
    if len(found) >= most:
        return None
    rows: dict[tuple[str, str], tuple[int, list[str], list[str]]] = {}
    for item in found:
        row = _mapping(item)
        if row.get("object_type") != "record" or canonical_name(_text(row, "zone")) != zone:
            continue
        name, rrtype, ttl = _word(row, "name"), _word(row, "type"), _number(row, "ttl")
        _, served, disabled = rows.setdefault((name, _NEWER_NAMES.get(rrtype, rrtype)), (ttl, [], []))
        (disabled if row.get("disabled") is True else served).append(_text(row, "content"))
    return tuple(RRset.of(*key, ttl, served, disabled) for key, (ttl, served, disabled) in rows.items())


def encode_patch(operations: Iterable[Operation], *, twice: bool = False) -> bytes:
    """The body of a PATCH, in this order; `twice` as in `contents`.

    Written as text: making objects of it first takes three times as long.
    """
    return f'{{"rrsets":[{",".join(_operation(operation, twice) for operation in operations)}]}}'.encode()


def _operation(operation: Operation, twice: bool) -> str:
    if isinstance(operation, RRset):
        return _rrset(operation, twice, ',"changetype":"REPLACE"')
    name, rrtype = operation
    return f'{{"name":{_quoted(absolute(name))},"type":{_quoted(rrtype)},"changetype":"DELETE"}}'


def encode_zone(name: str, rrsets: Iterable[RRset], settings: Mapping[str, object], *, twice: bool = False) -> bytes:
    """The body of a POST that makes a zone."""
    begun = json.dumps({"name": absolute(name), **settings}, separators=(",", ":"))
    return f'{begun[:-1]},"rrsets":[{",".join(_rrset(rrset, twice) for rrset in rrsets)}]}}'.encode()


def _rrset(rrset: RRset, twice: bool, way: str = "") -> str:
    # No `comments`: without the key existing ones stay, and LMDB before 5.1 refuses it.
    records = [
        f'{{"content":{_quoted(content(rrset.type, value, twice=twice))},"disabled":{disabled}}}'
        for values, disabled in ((rrset.rdata, "false"), (rrset.disabled, "true"))
        for value in values
    ]
    if not records:
        raise ValueError(f"a replace without records: {rrset.name} {rrset.type}")
    head = f'"name":{_quoted(absolute(rrset.name))},"type":{_quoted(rrset.type)}{way},"ttl":{rrset.ttl}'
    return f'{{{head},"records":[{",".join(records)}]}}'


def error_text(body: bytes) -> str:
    """The `error` of the server's JSON, else its text."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return body[:2000].decode(errors="replace")
    match document:
        case {"error": str(text)}:
            return text
        case _:
            return body[:2000].decode(errors="replace")


def _mapping(value: object) -> ZoneJson:
    if not isinstance(value, dict):
        raise BadShape(f"an object was expected, got {quoted(repr(value)[:80])}")
    return value


def _items(of: ZoneJson, key: str) -> list[object]:
    value = of.get(key)
    if not isinstance(value, list):
        raise BadShape(f"{key} is not a list")
    return value


def _text(of: ZoneJson, key: str) -> str:
    return _as_text(of.get(key), key)


def _as_text(value: object, key: str = "an item") -> str:
    if not isinstance(value, str) or _UNSAFE.search(value):
        raise BadShape(f"{key} is not text, or holds control characters")
    return value


def _word(of: ZoneJson, key: str) -> str:
    text = _text(of, key)
    if not _WORD.fullmatch(text):
        raise BadShape(f"{key} is not one word")
    return text


def _number(of: ZoneJson, key: str) -> int:
    value = of.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST:
        raise BadShape(f"{key} is not a whole number from 0 to {_MOST}")
    return value
