"""Contracts and what a NetBox knows of them: 3,000 addresses in two VRFs, twenty of them wrong.

Written from docs/netbox.md, not from the program that checks it. `CASES` says what is wrong and which rule has to find
it; what looks wrong and is right has no rule. `make_scene` puts them among as many ordinary services as are asked for.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

ZONE = "hyops.internal"
AUTHORITY = f"authority/{ZONE}.yaml"
ADDRESSES = 3000
SITES = ("onprem", "gcp")
NETBOX_SITES = {"onprem": "dc-onprem", "gcp": "ew1"}
VRFS = {"prod": "65000:1", "dev": "65000:2"}  # name -> route distinguisher
NETWORKS = {("prod", "onprem"): "10.12", ("prod", "gcp"): "10.72", ("dev", "onprem"): "10.13", ("dev", "gcp"): "10.73"}
OWNERS = {"platform": "Platform", "data-platform": "Data Platform", "finance": "finance", "web": "WEB"}
TENANTS = ("internal", "customers")
TAGS = ("dns-endpoint", "cloud")
PORTS = (443, 5432, 8080, 6379)
HIDDEN = "of another department"  # the description of what the reader may not see

POLICY = """\
policy:
  target_networks: [10.0.0.0/8, 172.16.0.0/12, "fd00::/8"]
  netbox:
    tag: dns-endpoint
    vrfs: [prod, "65000:2"]
    places:
      - {prefix: 10.12.0.0/16, site: onprem, environments: [prod], vrf: prod}
      - {prefix: 10.13.0.0/16, site: onprem, environments: [dev], vrf: "65000:2"}
      - {prefix: 10.72.0.0/16, site: gcp, vrf: prod}
      - {prefix: 10.90.0.0/16, site: onprem}
      - {prefix: "fd00:12::/32", site: onprem}
      - {netbox_site: dc-onprem, site: onprem}
      - {netbox_site: ew1, site: gcp}
      - {tag: cloud, site: gcp}
"""
UNKNOWN_TAG = "      - {tag: nowhere, site: hetzner}\n"
HEAD = f"""\
zone: {ZONE}
environments: [prod, dev]
failure_domain: onprem
primary: {{api_url: "https://[fd00::53]:8443", api_key_env: KEY, site: hetzner}}
secondaries: [{{name: s1, site: onprem, dns: "[fd00::53]:53"}}]
"""


@dataclass(frozen=True, kw_only=True)
class Address:
    """An address of NetBox; the length is the network's where it has none."""

    address: str
    vrf: str | None
    dns_name: str = ""
    status: str = "active"
    role: str = ""
    owner: str | None = None
    tenant: str | None = None
    tags: tuple[str, ...] = ()
    description: str = ""
    machine: str | None = None  # whose interface holds it


@dataclass(frozen=True)
class Service:
    """A service of NetBox, on a machine, and the addresses that it lists, each with its VRF."""

    name: str
    mappings: tuple[str, ...]
    addresses: tuple[tuple[str, str | None], ...]
    machine: str


@dataclass(frozen=True)
class Prefix:
    """A prefix of NetBox."""

    prefix: str
    vrf: str | None
    site: str | None = None
    owner: str | None = None


@dataclass(frozen=True)
class Case:
    """One service that is not like the others, at one of its two sites."""

    name: str
    rule: str | None = None  # what a check finds at that site's target
    site: str = "onprem"
    env: str = "prod"
    target: str = ""  # in place of an ordinary address
    address: Mapping[str, Any] | None = field(default_factory=dict)  # what NetBox has otherwise; None: nothing
    also: Sequence[Mapping[str, Any]] = ()  # the same address once more, with these differences
    service: tuple[str, ...] = ("tcp/443",)
    contract: str = ""  # more lines of it


CASES = (
    Case("missing", "netbox-address", address=None),
    Case("missing-at-standby", "netbox-address", "gcp", address=None),
    Case("hidden", "netbox-address", address={"description": HIDDEN}),
    Case("reserved", "netbox-status", address={"status": "reserved"}),
    Case("deprecated", "netbox-status", "gcp", address={"status": "deprecated"}),
    Case("by-dhcp", "netbox-status", address={"status": "dhcp"}),
    Case("in-other-vrf", "netbox-vrf", address={"vrf": "dev"}),
    Case("in-global-table", "netbox-vrf", "gcp", address={"vrf": None}),
    Case("in-two-vrfs", "netbox-vrf", target="10.90.0.1", also=[{"vrf": "dev"}]),
    Case("in-prefix-of-other-site", "netbox-site", "gcp", target="10.12.240.200"),
    Case("in-scope-of-other-site", "netbox-site", target="10.12.241.1"),
    Case("tagged-with-other-site", "netbox-site", address={"tags": ("cloud",)}),
    Case("nowhere", "netbox-site", target="172.20.0.1"),
    Case("in-other-environment", "netbox-environment", env="dev", target="10.12.242.1", address={"vrf": "prod"}),
    Case("other-name", "netbox-dns-name", address={"dns_name": f"old.prod.{ZONE}"}),
    Case("other-name-final-dot", "netbox-dns-name", "gcp", address={"dns_name": f"old.prod.{ZONE}."}),
    Case("other-owner", "netbox-owner", address={"owner": "finance"}),
    Case("prefix-of-other-owner", "netbox-owner", target="10.12.243.1", address={"owner": None}),
    Case("other-port", "netbox-service", service=("tcp/8443", "udp/53")),
    Case("other-protocol", "netbox-service", "gcp", service=("udp/443",)),
    # Right, each in a way of its own.
    Case("final-dot", address={"dns_name": f"final-dot.prod.{ZONE}."}),
    Case("capitals", address={"dns_name": f"Capitals.Prod.{ZONE.upper()}"}),
    Case("no-name", address={"dns_name": ""}),
    Case("no-owner", address={"owner": None}),
    Case("no-service", service=()),
    Case("both-protocols", service=("tcp/443", "udp/443")),
    Case("of-its-machine", address={"machine": "of-its-machine"}),
    Case("anycast", address={"role": "anycast"}, also=[{"role": "anycast", "dns_name": f"elsewhere.prod.{ZONE}"}]),
    Case("in-child-prefix", target="10.12.244.1"),
    Case("on-both-families", target="fd00:12::20"),
    Case(
        "renamed",
        address={"dns_name": f"before.prod.{ZONE}"},
        contract=f'endpoint_aliases: [{{name: before.prod.{ZONE}, until: "2099-12-31"}}]\n',
    ),
)
PREFIXES = (
    *(Prefix(f"{network}.0.0/16", env, site) for (env, site), network in NETWORKS.items()),
    Prefix("10.12.0.0/16", "dev", "gcp"),  # the same numbers once more
    Prefix("10.90.0.0/16", "prod"),
    Prefix("10.90.0.0/16", "dev"),
    Prefix("10.12.241.0/24", "prod", "gcp"),
    Prefix("10.12.243.0/24", "prod", "onprem", owner="finance"),
    Prefix("10.12.244.0/24", "prod"),
    Prefix("172.20.0.0/16", "prod"),
    Prefix("fd00:12::/32", "prod", "onprem"),
)
# Marked for drafts, and the outcome of each; None: not drafted.
DRAFTS: dict[str, str | None] = {
    f"fresh.prod.{ZONE}": "new",
    f"virtual.dev.{ZONE}": "new",
    f"portless.prod.{ZONE}": "refused",
    f"two-ports.prod.{ZONE}": "refused",
    f"half-placed.prod.{ZONE}": "refused",
    f"*.prod.{ZONE}": "refused",
    f"app00000.prod.{ZONE}": "exists",
    f"set-aside.prod.{ZONE}": None,
    "www.example.net": None,
}


@dataclass
class Scene:
    """Files of a repository, what NetBox has, and what a check has to find."""

    files: dict[str, str] = field(default_factory=dict)
    addresses: list[Address] = field(default_factory=list)
    services: list[Service] = field(default_factory=list)
    machines: list[str] = field(default_factory=lambda: list(SITES))
    expected: list[tuple[str, str, str]] = field(default_factory=list)  # path, rule, a part of the line it stands at

    def add(self, service: str, env: str, targets: Mapping[str, str], port: int, owner: str, more: str = "") -> None:
        """A contract, active at its first site."""
        sites = "".join(f"  {site}: {target}\n" for site, target in targets.items())
        self.files[f"endpoints/{env}/{service}.yaml"] = (
            f"endpoint_dns_name: {service}.{env}.{ZONE}\nendpoint_target: {next(iter(targets.values()))}\n"
            f"endpoint_target_type: host\nendpoint_port: {port}\nendpoint_cutover_required: true\n"
            f"endpoint_owner: {owner}\nendpoint_sites:\n{sites}{more}"
        )


def make_scene(count: int = 1400, addresses: int = ADDRESSES) -> Scene:
    """So many ordinary contracts with two addresses each, the cases, and more addresses that no contract has."""
    scene = Scene({AUTHORITY: HEAD + POLICY + UNKNOWN_TAG})
    for number in range(count):
        _ordinary(scene, number)
    for number, case in enumerate(CASES, 1):
        _case(scene, case, number)
    scene.files["endpoints/prod/by-name.yaml"] = (
        f"endpoint_dns_name: by-name.prod.{ZONE}\nendpoint_target: app00000.prod.{ZONE}\nendpoint_target_type: dns\n"
        "endpoint_port: 443\nendpoint_cutover_required: false\n"
    )
    scene.expected.append((AUTHORITY, "netbox-policy", "nowhere"))
    _drafts(scene)
    scene.addresses += _others(addresses - len(scene.addresses))
    return scene


def _ordinary(scene: Scene, number: int) -> None:
    env = "dev" if number % 2 else "prod"
    service, port, owner = f"app{number:05}", PORTS[number % 4], list(OWNERS)[number // 2 % 4]
    targets = {site: f"{NETWORKS[env, site]}.{number // 2 // 250}.{number // 2 % 250 + 1}" for site in SITES}
    udp = number % 10 == 9
    more = 'endpoint_protocol: udp\nendpoint_readiness: [{type: none, reason: "datagrams"}]\n' if udp else ""
    scene.add(service, env, targets, port, owner, more)
    dotted = "." if number % 50 == 0 else ""
    for target in targets.values():
        tags = ("dns-endpoint",) if number == 0 else ()
        scene.addresses.append(
            Address(
                address=target,
                vrf=env,
                dns_name=f"{service}.{env}.{ZONE}{dotted}",
                owner=owner,
                tenant=TENANTS[number % 2],
                tags=tags,
            )
        )
    listed = tuple((target, env) for target in targets.values())
    scene.services.append(Service(service, (f"{'udp' if udp else 'tcp'}/{port}",), listed, SITES[0]))


def _case(scene: Scene, case: Case, number: int) -> None:
    targets = {site: f"{NETWORKS[case.env, site]}.240.{number}" for site in SITES}
    targets[case.site] = case.target or targets[case.site]
    scene.add(case.name, case.env, targets, 443, "web", case.contract)
    for site, target in targets.items():
        plain = Address(
            address=target, vrf=case.env, dns_name=f"{case.name}.{case.env}.{ZONE}", owner="web", tenant=TENANTS[0]
        )
        if site != case.site:
            made, mappings = [plain], Case.service
        else:
            variants = [] if case.address is None else [case.address, *({**case.address, **more} for more in case.also)]
            made, mappings = [replace(plain, **differences) for differences in variants], case.service
        scene.addresses += made
        machine = made[0].machine if made else None
        if machine is not None:
            scene.machines.append(machine)
        if made and mappings:
            listed = () if machine else ((made[0].address, made[0].vrf),)
            scene.services.append(Service(case.name, mappings, listed, machine or site))
    if case.rule is not None:
        place = "endpoint_owner" if case.rule == "netbox-owner" else f"{case.site}: {targets[case.site]}"
        scene.expected.append((f"endpoints/{case.env}/{case.name}.yaml", case.rule, place))


def _drafts(scene: Scene) -> None:
    """Addresses that are marked, of services without a contract."""
    prod: Mapping[str, Any] = {"vrf": "prod", "owner": "platform", "tags": ("dns-endpoint",)}
    numbers = {name: number for number, name in enumerate(DRAFTS, 1)}
    for name, number in numbers.items():
        if name.startswith(("app", "virtual")):
            continue
        status = "reserved" if name.startswith("set-aside") else "active"
        scene.addresses.append(Address(address=f"10.12.250.{number}", dns_name=name, status=status, **prod))
        if not name.startswith("portless"):
            mappings = ("tcp/80", "tcp/81") if name.startswith("two-ports") else ("tcp/8443",)
            scene.services.append(Service("web", mappings, ((f"10.12.250.{number}", "prod"),), "onprem"))
    fresh, half, virtual = f"fresh.prod.{ZONE}", f"half-placed.prod.{ZONE}", f"virtual.dev.{ZONE}"
    scene.addresses += [
        Address(address="10.72.250.1", dns_name=fresh, **prod),
        Address(address="172.20.0.9", dns_name=half, **prod),
        Address(**{**prod, "vrf": "dev"}, address="10.13.250.2", dns_name=f"{virtual}.", role="vip"),
    ]
    scene.services.append(Service("dns", ("udp/53",), (("10.13.250.2", "dev"),), "onprem"))


def _others(count: int) -> Iterator[Address]:
    """What no contract has: numbers of prod in the VRF of dev, wrong in every way, were they looked at."""
    assert count >= 0, count
    for number in range(count):
        at = f"{number // 250}.{number % 250 + 1}"
        yield Address(address=f"10.12.{at}", vrf="dev", dns_name=f"other{number}.example.net", status="deprecated")
