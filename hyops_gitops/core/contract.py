"""The endpoint contract: a service's stable name and its present target.

See the cutover contract, section 3.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from hyops_gitops.core.codec import JsonReport
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.document import Document
from hyops_gitops.core.fields import Of
from hyops_gitops.core.names import EndpointName, canonical_name
from hyops_gitops.core.zone import RRset

ATTESTED_OK = "ok"  # the one status of a module that says anything about readiness


class TargetType(StrEnum):
    """HybridOps' vocabulary: host and vip become A and AAAA, dns becomes CNAME."""

    HOST = "host"
    VIP = "vip"
    DNS = "dns"


class TargetDocument:
    """A target before or after a move, in hyops-move/1."""

    target: Annotated[tuple[str, ...], Of("values")]
    type: TargetType
    port: int


@dataclass(frozen=True, slots=True)
class Target(JsonReport):
    """Addresses in canonical text, or one canonical name, and a port."""

    FORM = TargetDocument
    type: TargetType
    values: tuple[str, ...]
    port: int

    def rrsets(self, owner: str, ttl: int) -> tuple[RRset, ...]:
        """A and AAAA by address family, or one CNAME."""
        if self.type is TargetType.DNS:
            return (RRset.of(owner, "CNAME", ttl, self.values),)
        by_type: dict[str, list[str]] = {}
        for value in self.values:
            by_type.setdefault(address_rrtype(value), []).append(value)
        return tuple(RRset.of(owner, rrtype, ttl, values) for rrtype, values in sorted(by_type.items()))


@dataclass(frozen=True, slots=True)
class Readiness:
    """One probe of `endpoint_readiness`, as written in the contract."""

    type: str
    options: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Attestation:
    """A publisher's module status for a target, from `publish --attest`."""

    values: tuple[str, ...]  # of the target, canonical
    status: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Alias:
    """An old name, kept as a CNAME until its line is deleted."""

    name: str
    until: date  # the last day it was meant to be kept; see docs/adr/0017


@dataclass(frozen=True, slots=True)
class Contract:
    """One valid endpoint contract; no later code handles dictionaries."""

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
        """The newest time at which the publisher reported this target ok."""
        times = [
            attestation.time
            for attestation in self.attested
            if attestation.values == target.values and attestation.status == ATTESTED_OK
        ]
        return max(times, default=None)

    def target_shown_by(self, rrsets: Iterable[RRset]) -> Target:
        """The site these records point at, else a target made of them."""
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
        """The desired RRsets: those of the name, a CNAME per alias."""
        aliases = (RRset.of(alias.name, "CNAME", self.ttl, [str(self.name)]) for alias in self.aliases)
        return (*self.target.rrsets(str(self.name), self.ttl), *aliases)


def address_rrtype(address: str) -> str:
    """`A` or `AAAA` by the family of an address."""
    return "AAAA" if ":" in address else "A"
