"""IPAM as plain values."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network

from hyops_gitops.netbox.ipam import IpamAddress, IpamPrefix, IpamService, IpamVrf, ObjectKey
from hyops_gitops.validate.netbox_policy import GLOBAL

NO_VRF = IpamVrf(None, (GLOBAL,))
LAB = IpamVrf(7, ("Lab", "65000:7"))
TAG = "dns-endpoint"


def known(number: int, address: str, **members: object) -> IpamAddress:
    given: dict[str, object] = {"vrf": NO_VRF, "status": "active", "dns_name": "", **members}
    return IpamAddress(number, address, **given)  # type: ignore[arg-type]  # fields by name


def prefix(number: int, network: str, **members: object) -> IpamPrefix:
    return IpamPrefix(number, ip_network(network), **{"vrf": None, **members})  # type: ignore[arg-type]  # as above


def service(number: int, *ports: str, on: Collection[int] = (), name: str = "main", **members: object) -> IpamService:
    pairs = frozenset((protocol, int(port)) for protocol, _, port in (text.partition("/") for text in ports))
    return IpamService(number, name, pairs, frozenset(on), **members)  # type: ignore[arg-type]  # as above


@dataclass
class PlainIpam:
    """Everything that is known; nothing is asked."""

    known: tuple[IpamAddress, ...] = ()
    around: tuple[IpamPrefix, ...] = ()
    offered: tuple[IpamService, ...] = ()
    people: Mapping[ObjectKey, tuple[str, ...]] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    asked: list[str] = field(default_factory=list)

    def addresses(self, values: Collection[str]) -> tuple[IpamAddress, ...]:
        self.asked.append("addresses")
        return tuple(each for each in self.known if each.address in values)

    def tagged(self, tag: str) -> tuple[IpamAddress, ...]:
        return tuple(each for each in self.known if tag in each.tags)

    def prefixes(self) -> tuple[IpamPrefix, ...]:
        self.asked.append("prefixes")
        return self.around

    def services(self, addresses: Collection[IpamAddress]) -> tuple[IpamService, ...]:
        self.asked.append("services")
        assert set(addresses) <= set(self.known)
        return self.offered

    def contacts(self) -> Mapping[ObjectKey, tuple[str, ...]]:
        self.asked.append("contacts")
        return self.people

    def knows(self, kind: str, slug: str) -> bool:
        assert kind in {"tag", "netbox_site"}
        return slug not in self.unknown
