"""A whole zone by transfer (RFC 5936) or from a master file (RFC 1035 section 5)."""

import socket
from pathlib import Path

import dns.exception
import dns.query
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.xfr
import dns.zone

from hyops_gitops.core.contracts.authority import ServerAddress
from hyops_gitops.core.errors import InvalidData, OutsideFailure
from hyops_gitops.core.names import absolute
from hyops_gitops.core.zone import RRset

_TIMEOUT_S = 30.0


def transfer(server: ServerAddress, zone: str) -> tuple[RRset, ...]:
    """Every RRset of a zone, by AXFR.

    Raises:
        OutsideFailure: codes `axfr-refused`, `axfr-failed`.
    """
    received = dns.zone.Zone(absolute(zone), relativize=False)
    try:
        family_and_address = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)[0]
        host = str(family_and_address[4][0])
        dns.query.inbound_xfr(host, received, port=server.port, timeout=_TIMEOUT_S, lifetime=_TIMEOUT_S)
    except dns.xfr.TransferError as error:
        raise OutsideFailure(
            f"{server} does not transfer {zone} to us: {error}",
            code="axfr-refused",
            hint="add this machine's address to allow-axfr-ips, or read the zone by the API",
        ) from error
    except (OSError, dns.exception.DNSException) as error:
        reason = str(error) or type(error).__name__
        raise OutsideFailure(f"cannot transfer {zone} from {server}: {reason}", code="axfr-failed") from error
    return _rrsets(received)


def spelled(rrset: RRset) -> RRset:
    """The same records as a transfer spells them; PowerDNS's own types, which it does not serve, stay as they are."""
    try:
        rrtype = dns.rdatatype.from_text(rrset.type)
        values = [dns.rdata.from_text(dns.rdataclass.IN, rrtype, value).to_text() for value in rrset.rdata]
    except (dns.exception.DNSException, ValueError):
        return rrset
    return RRset.of(rrset.name, rrset.type, rrset.ttl, values)


class ZoneTransferClient:
    """Meets `usecases.ports.ZoneTransfers`."""

    def transfer(self, server: ServerAddress, zone: str) -> tuple[RRset, ...]:
        """Every RRset of a zone, by AXFR."""
        return transfer(server, zone)

    def spelled(self, rrset: RRset) -> RRset:
        """The same records as a transfer spells them."""
        return spelled(rrset)


def read_master_file(path: Path, zone: str) -> tuple[RRset, ...]:
    """Every RRset of a master file.

    Raises:
        InvalidData: code `bad-zone-file`.
    """
    try:
        with path.open(encoding="utf-8") as file:
            parsed = dns.zone.from_file(file, absolute(zone), relativize=False, check_origin=False)
    except OSError as error:
        raise InvalidData(f"cannot read {path}: {error.strerror}", code="bad-zone-file") from error
    except (dns.exception.DNSException, ValueError) as error:
        raise InvalidData(f"{path} is no zone file of {zone}: {error}", code="bad-zone-file") from error
    return _rrsets(parsed)


def _rrsets(zone: dns.zone.Zone) -> tuple[RRset, ...]:
    return tuple(
        RRset.of(
            name.to_text(),
            dns.rdatatype.to_text(rdataset.rdtype),
            rdataset.ttl,
            [rdata.to_text(relativize=False) for rdata in rdataset],
        )
        for name, rdataset in zone.iterate_rdatasets()
    )
