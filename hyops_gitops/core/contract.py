"""The endpoint contract: what a service's stable name is and where it points now (cutover contract, section 3)."""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from hyops_gitops.core.document import Document
from hyops_gitops.core.names import EndpointName, canonical_name
from hyops_gitops.core.zone import RRset

ATTESTED_OK = "ok"  # the one status of a module that says anything about readiness


class TargetType(StrEnum):
    """HybridOps' vocabulary: host and vip become A and AAAA, dns becomes CNAME."""

    HOST = "host"
    VIP = "vip"
    DNS = "dns"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a name points: addresses in canonical text, or one name in lower case without the final dot."""

    type: TargetType
    values: tuple[str, ...]
    port: int

    def rrsets(self, owner: str, ttl: int) -> tuple[RRset, ...]:
        """The RRsets that make `owner` point here: A and AAAA by address family, or one CNAME."""
        if self.type is TargetType.DNS:
            return (RRset.of(owner, "CNAME", ttl, self.values),)
        by_type: dict[str, list[str]] = {}
        for value in self.values:
            by_type.setdefault(address_rrtype(value), []).append(value)
        return tuple(RRset.of(owner, rrtype, ttl, values) for rrtype, values in sorted(by_type.items()))


@dataclass(frozen=True, slots=True)
class Readiness:
    """One probe of `endpoint_readiness`, as written; its fields are those of the schema."""

    type: str
    options: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Attestation:
    """A publisher's word about a target: the status of its module when `publish --attest` wrote it down."""

    values: tuple[str, ...]  # of the target, canonical
    status: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Alias:
    """An old name of an endpoint, kept as CNAME until somebody deletes its line."""

    name: str
    until: date  # the last day it was meant to be kept; see docs/adr/0017


@dataclass(frozen=True, slots=True)
class Contract:
    """One valid endpoint contract. Nobody after this looks at a dict again."""

    path: str  # relative to the repository
    name: EndpointName
    target: Target
    ttl: int  # seconds; the policy's default where the contract gives none
    cutover_required: bool
    protocol: str  # tcp or udp
    sites: Mapping[str, Target]
    home: str | None
    readiness: tuple[Readiness, ...]
    owner: str | None
    description: str | None
    source: str | None  # who published it, such as platform/postgresql-ha#instance
    document: Document  # for the places of findings
    attested: tuple[Attestation, ...] = ()
    aliases: tuple[Alias, ...] = ()

    def attested_at(self, target: Target) -> datetime | None:
        """When the publisher last said that this target's status is ok; how old that may be is the policy's."""
        times = [
            attestation.time
            for attestation in self.attested
            if attestation.values == target.values and attestation.status == ATTESTED_OK
        ]
        return max(times, default=None)

    def target_shown_by(self, rrsets: Iterable[RRset]) -> Target:
        """The target that these records of its name are: one of its sites, or else what they say, on its own port."""
        found = list(rrsets)
        values = tuple(sorted(canonical_name(value) for rrset in found for value in rrset.rdata))
        kind = TargetType.DNS if any(rrset.type == "CNAME" for rrset in found) else TargetType.HOST
        sites = (site for site in self.sites.values() if site.values == values)
        return next(sites, Target(kind, values, self.target.port))

    @property
    def active_site(self) -> str | None:
        """The site whose target is the contract's."""
        return next((name for name, target in self.sites.items() if target == self.target), None)

    def rrsets(self) -> tuple[RRset, ...]:
        """The desired RRsets of this contract: those of its name, then a CNAME for each alias."""
        aliases = (RRset.of(alias.name, "CNAME", self.ttl, [str(self.name)]) for alias in self.aliases)
        return (*self.target.rrsets(str(self.name), self.ttl), *aliases)


def address_rrtype(address: str) -> str:
    """`A` or `AAAA` by address family (RFC 1035 section 3.4.1, RFC 3596 section 2.1)."""
    return "A" if ipaddress.ip_address(address).version == 4 else "AAAA"  # noqa: PLR2004 - the IP version
