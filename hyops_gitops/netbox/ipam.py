"""What IPAM knows of addresses, as values, and the port to it.

Every text in a value comes from NetBox and is untrusted.
"""

import ipaddress
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Literal, Protocol

from hyops_gitops.core.authority import Network
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.validate.netbox_policy import NetboxPlace, NetboxPolicy, PlaceKind

ObjectKey = tuple[str, int]  # a type such as dcim.device, and an id
_SHARED_ROLES = frozenset({"anycast", "vip", "vrrp", "hsrp", "glbp", "carp"})
FHRP_GROUP = "ipam.fhrpgroup"


@dataclass(frozen=True, slots=True)
class IpamVrf:
    """A VRF; the table without one has no id."""

    id: int | None
    names: tuple[str, ...]  # its name and route distinguisher

    def __str__(self) -> str:
        return self.names[0]

    def is_one_of(self, expected: Collection[str]) -> bool:
        """Whether one of these names is its own."""
        return any(name in expected for name in self.names)


@dataclass(frozen=True, slots=True)
class IpamAddress:
    """One address object; an address can have several."""

    id: int
    address: str  # canonical, without length
    vrf: IpamVrf
    status: str
    dns_name: str  # as it stands there
    role: str | None = None
    owner: tuple[str, ...] = ()  # the names of each of these that could be meant, the best first
    tenant: tuple[str, ...] = ()
    tags: frozenset[str] = frozenset()  # slugs
    holder: ObjectKey | None = None  # the device, machine or group that has it

    @property
    def key(self) -> ObjectKey:
        return "ipam.ipaddress", self.id

    @property
    def is_shared(self) -> bool:
        """Whether it can be at more than one machine."""
        return self.role in _SHARED_ROLES or (self.holder is not None and self.holder[0] == FHRP_GROUP)


@dataclass(frozen=True, slots=True)
class IpamPrefix:
    """One prefix object."""

    id: int
    network: Network
    vrf: int | None  # its id
    site: str | None = None  # its slug
    owner: tuple[str, ...] = ()
    tenant: tuple[str, ...] = ()
    tags: frozenset[str] = frozenset()

    @property
    def key(self) -> ObjectKey:
        return "ipam.prefix", self.id


@dataclass(frozen=True, slots=True)
class IpamService:
    """One service, with its ports by protocol."""

    id: int
    name: str
    ports: frozenset[tuple[str, int]]  # (protocol, port)
    addresses: frozenset[int]  # ids; empty: all of the parent
    parent: ObjectKey | None = None


class Ipam(Protocol):
    """Reads NetBox. What it returns was asked for, and no more.

    Raises:
        OutsideFailure: NetBox cannot be reached, refuses, or cannot be understood.
    """

    def addresses(self, values: Collection[str]) -> Sequence[IpamAddress]:
        """Every object of these addresses, in all VRFs."""

    def tagged(self, tag: str) -> Sequence[IpamAddress]:
        """Every address with this tag."""

    def prefixes(self) -> Sequence[IpamPrefix]:
        """All of them."""

    def services(self, addresses: Collection[IpamAddress]) -> Sequence[IpamService]:
        """The services on these addresses, and on what holds them."""

    def contacts(self) -> Mapping[ObjectKey, tuple[str, ...]]:
        """The names of all contacts of addresses and prefixes."""

    def knows(self, kind: Literal["tag", "netbox_site"], slug: str) -> bool:
        """Whether there is such a tag or site."""


_NO_LETTER = re.compile(r"[\W_]+")


def owner_form(name: str) -> str:
    """The letters and digits by which owners are compared."""
    return _NO_LETTER.sub("-", name.casefold()).strip("-")


class Inventory:
    """What NetBox says about some addresses; read lazily, once."""

    def __init__(self, ipam: Ipam, policy: NetboxPolicy, addresses: Sequence[IpamAddress]) -> None:
        self._ipam = ipam
        self.policy = policy
        self.addresses = addresses
        self._networks = [
            (place.network.version, int(place.network.network_address), int(place.network.netmask), place)
            for place in sorted(policy.places, key=lambda place: place.network.prefixlen if place.network else 0)[::-1]
            if place.network is not None
        ]

    @cached_property
    def by_address(self) -> Mapping[str, Sequence[IpamAddress]]:
        """The objects of each address."""
        found: dict[str, list[IpamAddress]] = {}
        for each in self.addresses:
            found.setdefault(each.address, []).append(each)
        return found

    @cached_property
    def _prefixes(self) -> tuple[dict[tuple[int | None, int, int, int], IpamPrefix], dict[int, list[int]]]:
        """Prefixes by VRF, version, length and first address; the lengths by version."""
        found: dict[tuple[int | None, int, int, int], IpamPrefix] = {
            (each.vrf, each.network.version, each.network.prefixlen, int(each.network.network_address)): each
            for each in self._ipam.prefixes()
        }
        lengths = {version: sorted({key[2] for key in found if key[1] == version})[::-1] for version in (4, 6)}
        return found, lengths

    def covering(self, address: IpamAddress) -> Iterator[IpamPrefix]:
        """The prefixes of its VRF around an address, the longest first."""
        found, lengths = self._prefixes
        parsed = ipaddress.ip_address(address.address)
        for length in lengths[parsed.version]:
            host_bits = parsed.max_prefixlen - length
            first = int(parsed) >> host_bits << host_bits
            if (prefix := found.get((address.vrf.id, parsed.version, length, first))) is not None:
                yield prefix

    @cached_property
    def _contacts(self) -> Mapping[ObjectKey, tuple[str, ...]]:
        return self._ipam.contacts()

    def owner_names(self, address: IpamAddress) -> tuple[str, ...]:
        """The address's own owner as the policy means it, else its prefix's."""
        if self.policy.owner == "none":
            return ()
        own = self._names(address)
        return own or next((names for prefix in self.covering(address) if (names := self._names(prefix))), ())

    def _names(self, thing: IpamAddress | IpamPrefix) -> tuple[str, ...]:
        match self.policy.owner:
            case "owner":
                return thing.owner
            case "tenant":
                return thing.tenant
            case "contact":
                return self._contacts.get(thing.key, ())
            case "none":
                return ()

    @cached_property
    def _services(self) -> tuple[Mapping[int, Sequence[IpamService]], Mapping[ObjectKey, Sequence[IpamService]]]:
        """Services by address id, and those of all addresses of a parent."""
        listed: dict[int, list[IpamService]] = {}
        whole: dict[ObjectKey, list[IpamService]] = {}
        for service in self._ipam.services(self.addresses):
            for each in service.addresses:
                listed.setdefault(each, []).append(service)
            if not service.addresses and service.parent is not None:
                whole.setdefault(service.parent, []).append(service)
        return listed, whole

    def services_on(self, address: IpamAddress) -> tuple[IpamService, ...]:
        """The services on an address, those of all addresses included."""
        listed, whole = self._services
        return (*listed.get(address.id, ()), *(whole.get(address.holder, ()) if address.holder else ()))

    def expected_vrfs(self, address: str) -> tuple[str, ...]:
        """The VRFs that an address may be in."""
        place = next((place for place in self._prefix_places(address) if place.vrf is not None), None)
        return self.policy.vrfs if place is None or place.vrf is None else (place.vrf,)

    def _prefix_places(self, address: str) -> Iterator[NetboxPlace]:
        """The places whose prefix holds an address, the longest first."""
        parsed = ipaddress.ip_address(address)
        number, version = int(parsed), parsed.version
        return (place for family, first, mask, place in self._networks if family == version and number & mask == first)

    def site_places(self, address: IpamAddress) -> Mapping[PlaceKind, tuple[NetboxPlace, ...]]:
        """The places that say an address's site, by kind."""
        return self._places(address, [place for place in self.policy.places if place.site is not None])

    def environment_places(self, address: IpamAddress) -> Mapping[PlaceKind, tuple[NetboxPlace, ...]]:
        """The places that say an address's environments, by kind."""
        return self._places(address, [place for place in self.policy.places if place.environments])

    def _places(
        self, address: IpamAddress, places: Sequence[NetboxPlace]
    ) -> Mapping[PlaceKind, tuple[NetboxPlace, ...]]:
        around = [place for place in self._prefix_places(address.address) if place in places]
        found: dict[PlaceKind, tuple[NetboxPlace, ...]] = {
            "prefix": tuple(place for place in around if place.network == around[0].network)
        }
        if any(place.kind == "netbox_site" for place in places):
            site = next((prefix.site for prefix in self.covering(address) if prefix.site is not None), None)
            found["netbox_site"] = tuple(p for p in places if p.kind == "netbox_site" and p.value == site)
        if any(place.kind == "tag" for place in places):
            longest = next(self.covering(address), None)
            tags = address.tags | (longest.tags if longest else frozenset())
            found["tag"] = tuple(place for place in places if place.kind == "tag" and place.value in tags)
        return {kind: matched for kind, matched in found.items() if matched}
