"""A whole zone, by transfer (RFC 5936) or from a master file."""

import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hyops_gitops.adapters.dns.client import DnsStream
from hyops_gitops.adapters.dns.message import Query, rcode_text
from hyops_gitops.adapters.dns.records import Record, Unreadable, records, rrsets_of, type_name, type_number
from hyops_gitops.adapters.host.deadline import Deadline
from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.core.errors import InvalidData, OutsideFailure
from hyops_gitops.core.exchange import Question
from hyops_gitops.core.names import absolute, canonical_name
from hyops_gitops.core.rdata import escaped, unescaped
from hyops_gitops.core.zone import RRset

if TYPE_CHECKING:
    import dns.zone

_DEADLINE_S = 30.0
_MOST_OCTETS = 256 * 1024 * 1024  # some four million records
_MAX_STRING = 255  # octets, RFC 1035 section 3.3
_LONG_STRING = re.compile(r'"(?:[^"\\\n]|\\.){256,}"')
_GENERATE = re.compile(
    r"\$generate[ \t]+(?P<start>[0-9]{1,10})-(?P<to>[0-9]{1,10})(?:/(?P<step>[0-9]{1,10}))?[ \t]", re.IGNORECASE
)
_MOST_GENERATED = 2**17  # two reverse zones of a /16
_FRAMING_SOAS = 2
_HEADER_OCTETS = 12


def transfer(server: ServerAddress, zone: str, deadline_s: float = _DEADLINE_S) -> tuple[RRset, ...]:
    """Every RRset of a zone, by AXFR.

    Raises:
        OutsideFailure: codes `axfr-refused`, `axfr-failed`.
    """
    query = Query.of(Question(zone, "AXFR"), secrets.randbelow(0x10000), 0, options=False)
    try:
        with DnsStream(server.host, server.port, Deadline(deadline_s)) as stream:
            stream.send(query.wire)
            return rrsets_of(_received(stream, query.id, zone))
    except _Refused as error:
        raise OutsideFailure(
            f"{server} does not transfer {zone} to us: {error}",
            code="axfr-refused",
            hint=_why_not(str(error)),
        ) from error
    except (OSError, UnicodeError, Unreadable) as error:
        raise OutsideFailure(f"cannot transfer {zone} from {server}: {error}", code="axfr-failed") from error


class _Refused(Exception):
    """The server answers with an error code."""


def _why_not(code: str) -> str:
    if code in ("REFUSED", "NOTAUTH"):
        return "add this machine's address to allow-axfr-ips, or read the zone by the API"
    return "the server's own log says why: does it reach its database?"


def _received(stream: DnsStream, identifier: int, zone: str) -> Iterator[Record]:
    """The records between the two SOA of a transfer."""
    starts = octets = 0
    while starts < _FRAMING_SOAS:
        wire = stream.receive()
        octets += len(wire)
        if octets > _MOST_OCTETS:
            raise Unreadable(f"more than {_MOST_OCTETS} octets")
        if len(wire) < _HEADER_OCTETS or int.from_bytes(wire[:2], "big") != identifier:
            raise Unreadable("a message that does not belong to this transfer")
        if code := wire[3] & 0x0F:
            raise _Refused(rcode_text(code))
        found = list(records(wire))
        if not found:
            raise Unreadable("a message without records")
        for record in found:
            is_start = record[1] == "SOA" and canonical_name(record[0]) == zone
            starts += is_start
            if not (is_start and starts == _FRAMING_SOAS):
                yield record


def knows_type(name: str) -> bool:
    """Whether DNS can be asked for this type."""
    return type_number(name) is not None


class ZoneTransferClient:
    """Meets `core.ports.ZoneTransfers`."""

    def transfer(self, server: ServerAddress, zone: str) -> tuple[RRset, ...]:
        """Every RRset of a zone, by AXFR."""
        return transfer(server, zone)

    def knows_type(self, name: str) -> bool:
        """Whether DNS can be asked for this type."""
        return knows_type(name)


def _in_pieces(found: re.Match[str]) -> str:
    """A long quoted string in the pieces in which it is served."""
    octets = unescaped(found[0][1:-1])
    pieces = [octets[start : start + _MAX_STRING] for start in range(0, len(octets), _MAX_STRING)]
    return " ".join(f'"{escaped(piece)}"' for piece in pieces)


def read_master_file(path: Path, zone: str) -> tuple[RRset, ...]:
    """Every RRset of a master file.

    Raises:
        InvalidData: code `bad-zone-file`.
    """
    import dns.exception  # noqa: PLC0415 - a tenth of a second that nothing else here takes
    import dns.zone  # noqa: PLC0415

    try:
        text = _LONG_STRING.sub(_in_pieces, path.read_text(encoding="utf-8"))
        _check_generated(text)
        parsed = dns.zone.from_text(text, absolute(zone), relativize=False, check_origin=False, allow_include=True)
    except OSError as error:
        raise InvalidData(f"cannot read {path}: {error.strerror}", code="bad-zone-file") from error
    except (dns.exception.DNSException, ValueError) as error:
        raise InvalidData(f"cannot read {path} as a zone file of {zone}: {error}", code="bad-zone-file") from error
    return _rrsets(parsed)


def _check_generated(text: str) -> None:
    """Limit what `$GENERATE` makes: one line can ask for billions.

    Raises:
        ValueError: it is more, or in another form than from-to or from-to/step.
    """
    made = 0
    for line in text.split("\n") if "$generate" in text.lower() else ():
        if not line.partition(";")[0].lstrip().lower().startswith("$generate"):
            continue
        found = _GENERATE.match(line)
        if found is None:
            raise ValueError("expected $GENERATE FROM-TO or FROM-TO/STEP in one line")
        made += (int(found["to"]) - int(found["start"])) // max(int(found["step"] or 1), 1) + 1
        if made > _MOST_GENERATED:
            raise ValueError(f"$GENERATE makes more than {_MOST_GENERATED} records")


def _rrsets(zone: "dns.zone.Zone") -> tuple[RRset, ...]:
    return tuple(
        RRset.of(
            name.to_text(),
            type_name(rdataset.rdtype),
            rdataset.ttl,
            [rdata.to_text(relativize=False) for rdata in rdataset],
        )
        for name, rdataset in zone.iterate_rdatasets()
    )
