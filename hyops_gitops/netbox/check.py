"""`netbox check`: contracts against what NetBox says of their addresses."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.contract import Contract, Target, TargetType
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.document import KeyPath, finding_at
from hyops_gitops.core.findings import Finding, Rule, Severity
from hyops_gitops.core.names import canonical_name
from hyops_gitops.core.text import first_few
from hyops_gitops.core.zone import canonical_address
from hyops_gitops.netbox.ipam import Inventory, Ipam, IpamAddress, owner_form
from hyops_gitops.validate.building import TargetDraft, draft_contract
from hyops_gitops.validate.netbox_policy import NetboxPlace, NetboxPolicy, PlaceKind, netbox_policy

ADDRESS = Rule(
    "netbox-address",
    "NetBox has each address of a contract (`netbox check`).",
    "An address that IPAM does not know can be given to another machine tomorrow.",
    "Add the address to NetBox, correct the contract, or let the token see it: a permission's constraint hides objects "
    "without a word.",
    "endpoint_target: 10.12.0.13, which NetBox does not have",
)
VRF = Rule(
    "netbox-vrf",
    "The address is in one of the expected VRFs: the vrf of its place in policy.netbox, else policy.netbox.vrfs.",
    "The same address in another VRF is another machine.",
    "Correct the contract or the address's VRF; where it is in two of them, give its place a vrf.",
    "10.12.0.31, which NetBox has in the VRF Lab alone",
)
STATUS = Rule(
    "netbox-status",
    "The address's status is one of policy.netbox.statuses.",
    "A reserved address has no machine yet, a deprecated one is about to lose it, one of DHCP can be at any machine.",
    "Set the status in NetBox, or correct the contract.",
    "10.12.0.31 with status deprecated",
)
DNS_NAME = Rule(
    "netbox-dns-name",
    "The address's dns_name is empty, or a name or alias of a contract that points at it.",
    "One of both is about another machine.",
    "Correct dns_name in NetBox, or the contract's address.",
    "10.12.0.31 with dns_name redis.prod.hyops.internal, in the contract of postgres.prod.hyops.internal",
)
OWNER = Rule(
    "netbox-owner",
    "The owner, tenant or contact of the address, or else of its prefix, is endpoint_owner (policy.netbox.owner).",
    "Who is called when the service fails must not depend on where one looks.",
    "Correct endpoint_owner, or NetBox.",
    "endpoint_owner: platform with the owner Data Platform in NetBox",
)
SERVICE = Rule(
    "netbox-service",
    "Where NetBox has services on the address, one of them has the contract's port and protocol.",
    "A port that nothing is documented on is a mistake in one of the two.",
    "Correct endpoint_port or endpoint_protocol, or add the port to the service in NetBox.",
    "endpoint_port: 5432 with a service on tcp/5433 alone",
)
SITE = Rule(
    "netbox-site",
    "The address belongs to the site that endpoint_sites has it at, as policy.netbox.places say.",
    "A failover to a standby that stands at the lost site moves nothing to safety.",
    "Correct endpoint_sites, or the site, prefix or tag in NetBox.",
    "endpoint_sites: {gcp: 10.12.0.31} with the place {prefix: 10.12.0.0/16, site: onprem}",
)
ENVIRONMENT = Rule(
    "netbox-environment",
    "The address belongs to the contract's environment, as policy.netbox.places say.",
    "A production name on a test machine answers, until the tests are over.",
    "Correct the contract's address, or environments of the place.",
    "a contract of prod at 10.16.0.31 with the place {prefix: 10.16.0.0/16, environments: [dev]}",
)
POLICY = Rule(
    "netbox-policy",
    "NetBox knows each tag and site that policy.netbox names.",
    "A misspelt slug fits no address, and says nothing about it.",
    "Correct the slug; NetBox shows it at the tag or site.",
    "places: [{netbox_site: fns1, site: hetzner}]",
)
NETBOX_RULES = (ADDRESS, VRF, STATUS, DNS_NAME, OWNER, SERVICE, SITE, ENVIRONMENT, POLICY)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One address of a contract, and where it stands."""

    contract: Contract
    at: KeyPath
    address: str  # canonical
    target: Target  # that it is of
    site: str | None

    def finding(self, rule: Rule, message: str, hint: str = "") -> Finding:
        return finding_at(rule, self.contract.document, self.at, message, hint)


def check_contracts(
    contracts: Sequence[Contract], authority: Authority, ipam: Ipam, about: Collection[str] | None = None
) -> tuple[Finding, ...]:
    """Where NetBox disagrees with contracts, sorted.

    Args:
        contracts: All valid ones: several can point at one address.
        authority: Their authority file, with the policy.
        ipam: NetBox.
        about: The paths of the contracts to look at; None: all.

    Raises:
        OutsideFailure: as `Ipam` does.
    """
    policy = netbox_policy(authority.document)
    asked = list(_all_asked(each for each in contracts if about is None or each.path in about))
    inventory = Inventory(ipam, policy, ipam.addresses({each.address for each in asked}))
    check = _Check(inventory, _names_by_address(contracts))
    found = [finding for each in asked for finding in check.findings(each)]
    return tuple(sorted(_weighed([*found, *_about_policy(authority, policy, ipam)], policy.findings)))


def check_zones(
    zones: Sequence[tuple[Authority, Sequence[Contract]]], ipam: Ipam, about: Collection[str] | None = None
) -> tuple[Finding, ...]:
    """As `check_contracts`, each zone's contracts by its own policy.

    Raises:
        OutsideFailure: as `Ipam` does.
    """
    if len(zones) == 1:
        return check_contracts(zones[0][1], zones[0][0], ipam, about)
    everything = [contract for _, contracts in zones for contract in contracts]
    found: set[Finding] = set()
    for authority, contracts in zones:
        own = {contract.path for contract in contracts if about is None or contract.path in about}
        found.update(check_contracts(everything, authority, ipam, own))
    return tuple(sorted(found))


def _weighed(findings: Iterable[Finding], weights: Mapping[str, str]) -> Iterator[Finding]:
    """The findings with the severity that the policy gives them."""
    for finding in findings:
        weight = weights.get(finding.rule, finding.severity.value)
        if weight != "ignore":
            yield replace(finding, severity=Severity(weight))


def _all_asked(contracts: Iterable[Contract]) -> Iterator[_Asked]:
    """Each address of each contract, those of every site included."""
    for contract in contracts:
        draft = draft_contract(contract.document)
        targets: list[tuple[str | None, TargetDraft | None, Target]] = [(None, draft.target, contract.target)]
        if contract.sites:  # the contract's own target is one of theirs
            targets = [(site, draft.sites[site], target) for site, target in contract.sites.items()]
        for site, written, target in targets:
            if written is not None and target.type is not TargetType.DNS:
                for at, value in written.values:
                    yield _Asked(contract, at, canonical_address(value), target, site)


def _names_by_address(contracts: Iterable[Contract]) -> Mapping[str, frozenset[str]]:
    """The names and aliases that may stand at an address."""
    names: dict[str, set[str]] = {}
    for contract in contracts:
        for target in (contract.target, *contract.sites.values()):
            for value in target.values if target.type is not TargetType.DNS else ():
                names.setdefault(value, set()).update((str(contract.name), *(a.name for a in contract.aliases)))
    return {address: frozenset(found) for address, found in names.items()}


def _about_policy(authority: Authority, policy: NetboxPolicy, ipam: Ipam) -> Iterator[Finding]:
    """Tags and sites of the policy that NetBox does not know."""
    at = ("policy", "netbox")
    named: list[tuple[KeyPath, PlaceKind, str]] = [
        ((*at, "places", index, place.kind), place.kind, place.value) for index, place in enumerate(policy.places)
    ]
    if policy.tag is not None:
        named.insert(0, ((*at, "tag"), "tag", policy.tag))
    known: dict[tuple[str, str], bool] = {}
    for place, kind, slug in named:
        if kind == "prefix":
            continue
        if (kind, slug) not in known:
            known[kind, slug] = ipam.knows(kind, slug)
        if not known[kind, slug]:
            what = "tag" if kind == "tag" else "site"
            yield finding_at(POLICY, authority.document, place, f"NetBox knows no {what} {slug!r}")


class _Check:
    """The checks of one address."""

    def __init__(self, inventory: Inventory, names: Mapping[str, frozenset[str]]) -> None:
        self._inventory = inventory
        self._policy = inventory.policy
        self._names = names

    def findings(self, asked: _Asked) -> Sequence[Finding]:
        """The findings about an address."""
        known = self._inventory.by_address.get(asked.address, ())
        if not known:
            message = f"{asked.address} is not found in NetBox, or not visible to this token"
            return [asked.finding(ADDRESS, message)]
        expected = self._inventory.expected_vrfs(asked.address)
        inside = [each for each in known if each.vrf.is_one_of(expected)]
        vrfs = {each.vrf.id: str(each.vrf) for each in inside or known}
        if not inside:
            message = f"expected {asked.address} in VRF {' or '.join(expected)}, got {_listed(vrfs.values())}"
            return [asked.finding(VRF, message)]
        if len(vrfs) > 1:
            message = f"{asked.address} is in {len(vrfs)} of the expected VRFs: {_listed(vrfs.values())}"
            return [asked.finding(VRF, message)]
        return min((tuple(self._about(asked, each)) for each in inside), key=len)

    def _about(self, asked: _Asked, known: IpamAddress) -> Iterator[Finding]:
        """The findings about one object of NetBox."""
        if known.status not in self._policy.statuses:
            expected = " or ".join(self._policy.statuses)
            yield asked.finding(STATUS, f"expected status {expected} of {asked.address} in NetBox, got {known.status}")
        name = canonical_name(known.dns_name)
        if name and name not in self._names[asked.address]:
            message = f"expected dns_name {asked.contract.name} of {asked.address} in NetBox, got {name}"
            yield asked.finding(DNS_NAME, message)
        yield from self._about_owner(asked, known)
        if self._policy.findings.get(SERVICE.id) != "ignore":
            yield from self._about_service(asked, known)
        yield from self._about_site(asked, known)
        yield from self._about_environment(asked, known)

    def _about_owner(self, asked: _Asked, known: IpamAddress) -> Iterator[Finding]:
        wanted = asked.contract.owner
        if wanted is None:
            return
        names = self._inventory.owner_names(known)
        if names and owner_form(wanted) not in map(owner_form, names):
            message = f"endpoint_owner is {wanted}, but NetBox's {self._policy.owner} of {asked.address} is {names[0]}"
            yield finding_at(OWNER, asked.contract.document, ("endpoint_owner",), message)

    def _about_service(self, asked: _Asked, known: IpamAddress) -> Iterator[Finding]:
        services = self._inventory.services_on(known)
        wanted = (asked.contract.protocol, asked.target.port)
        ports = {port for service in services for port in service.ports}
        if wanted in ports or (not services and self._policy.services == "optional"):
            return
        listed = _listed(f"{protocol}/{port}" for protocol, port in sorted(ports)) or "none"
        message = f"expected a service on {wanted[0]}/{wanted[1]} of {asked.address} in NetBox, got {listed}"
        yield asked.finding(SERVICE, message)

    def _about_site(self, asked: _Asked, known: IpamAddress) -> Iterator[Finding]:
        if asked.site is None:
            return
        found = self._inventory.site_places(known)
        others = [
            f"{_words(places[0])} stands for {_listed(str(place.site) for place in places)}"
            for places in found.values()
            if asked.site not in {place.site for place in places}
        ]
        wanted = [place for place in self._policy.places if place.site == asked.site]
        if others:
            yield asked.finding(SITE, f"{asked.address} is at {asked.site} in endpoint_sites, but {', '.join(others)}")
        elif not found and wanted:
            listed = first_few([_words(place) for place in wanted], separator=" or ")
            yield asked.finding(SITE, f"expected {asked.address} in {listed}, which {asked.site} stands for")

    def _about_environment(self, asked: _Asked, known: IpamAddress) -> Iterator[Finding]:
        environment = asked.contract.name.environment
        others = [
            f"{_words(places[0])} is for {_listed(name for place in places for name in place.environments)}"
            for places in self._inventory.environment_places(known).values()
            if environment not in {name for place in places for name in place.environments}
        ]
        if others:
            yield asked.finding(ENVIRONMENT, f"{asked.address} is of {environment}, but {', '.join(others)}")


def _words(place: NetboxPlace) -> str:
    return f"{'site' if place.kind == 'netbox_site' else place.kind} {place.value}"


def _listed(names: Iterable[str]) -> str:
    return first_few(sorted(set(names)))
