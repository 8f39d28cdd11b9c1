r"""The content of a record as the server at hand reads it.

PowerDNS 5.1 resolves the escapes of what it is sent, and reads the outcome once more: `"a\\b"` becomes `ab` and `"\""`
is refused, where 4.7 and 4.9 read them as RFC 1035 says (measured on 4.7.3, 4.9.18 and 5.1.5, for every type that they
know but LUA). No spelling of a quote or of a backslash means the same to both. So the server is asked, where that
matters, by a request that each of them refuses, naming the record that it could not read; nothing is stored by it.
"""

import json
import re
from collections.abc import Iterable, Mapping

from hyops_gitops.core.names import absolute
from hyops_gitops.core.rdata import escaped, meaning, tokens
from hyops_gitops.core.zone import RRset

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
    """Rdata as it is sent to a server that resolves escapes once, or twice."""
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
    """The body of a PATCH, or of a POST that creates the zone, that is refused whatever the server is."""
    name = absolute(f"{_PROBE_LABEL}.{zone}")
    sets = [
        {"name": name, "type": rrtype, "ttl": 60, "records": [{"content": text, "disabled": False}]}
        for rrtype, text in (("TXT", r'"\""'), ("A", "no address"))
    ]
    if creates is None:
        return json.dumps({"rrsets": [{**rrset, "changetype": "REPLACE"} for rrset in sets]}).encode()
    return json.dumps({"name": absolute(zone), "rrsets": sets, **creates}).encode()


def resolves_twice(refusal: str) -> bool:
    """Whether the TXT of the probe was what the server could not read."""
    return "/TXT" in refusal
