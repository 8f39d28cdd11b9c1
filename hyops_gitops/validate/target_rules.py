"""Rules about targets, TTLs, sites and probes."""

import ipaddress
import re
from collections.abc import Iterator

from hyops_gitops.core.context import ZoneContext
from hyops_gitops.core.contract import TargetType
from hyops_gitops.core.document import Fields, KeyPath, finding_at
from hyops_gitops.core.findings import Finding, Rule, Severity
from hyops_gitops.core.names import canonical_name, name_problem
from hyops_gitops.core.text import suggestion
from hyops_gitops.core.zone import canonical_address
from hyops_gitops.validate.building import ContractDraft, TargetDraft

TARGET_TYPE = Rule(
    "target-type",
    "host and vip point at addresses, dns at one name.",
    "host and vip become A and AAAA records, dns becomes a CNAME; a CNAME cannot hold an address.",
    "Correct endpoint_target or endpoint_target_type.",
    "endpoint_target: db.example.com with endpoint_target_type: host",
)
TARGET_NAME = Rule(
    "target-name",
    "The target of a dns endpoint is a valid host name.",
    "PowerDNS refuses the whole change for one malformed name.",
    "Write the name in lower case, without final dot.",
    "endpoint_target: bad_name.example.com",
)
TARGET_ADDRESS = Rule(
    "target-address",
    "A target is an address that a client elsewhere can connect to.",
    "Unspecified, multicast, broadcast, link-local, zone-scoped and IPv4-mapped addresses mean something else, or "
    "nothing, on the client's machine.",
    "Use the service's own unicast address.",
    "endpoint_target: fe80::1%eth0",
)
TARGET_NETWORK = Rule(
    "target-network",
    "Each address lies in one of policy.target_networks.",
    "An internal name must not be pointed at an address outside of the networks that were agreed on.",
    "Correct the address, or have the network added to the authority file in a pull request of its own.",
    "endpoint_target: 8.8.8.8",
)
TARGET_DUPLICATE = Rule(
    "target-duplicate",
    "A list of addresses holds each address once.",
    "DNS stores it once; the second one is a typing mistake for another address.",
    "Delete or correct the second one.",
    "endpoint_target: [10.0.0.1, 10.0.0.1]",
)
TARGET_SELF = Rule(
    "target-self",
    "A name does not point at itself.",
    "HybridOps publishes endpoint_target equal to endpoint_dns_name where a name exists; copied as it is, such a "
    "contract points at itself and resolves nowhere.",
    "Use the address that the publisher gives in endpoint_host, with endpoint_target_type host or vip.",
    "endpoint_target equal to endpoint_dns_name",
)
TTL_BOUNDS = Rule(
    "ttl-bounds",
    "endpoint_ttl lies within policy.ttl.",
    "The TTL bounds how long clients keep the old target after a cutover.",
    "Use a TTL within the bounds, or leave the key out for the default.",
    "endpoint_ttl: 86400",
)
TTL_CUTOVER = Rule(
    "ttl-cutover",
    "The TTL of an endpoint that may be cut over is at most policy.cutover_ttl_max.",
    "Caches keep the old target as long as the TTL that they got with it; lowering it later does not help them.",
    "Lower endpoint_ttl, or raise policy.cutover_ttl_max.",
    "endpoint_ttl: 3600 with endpoint_cutover_required: true",
    Severity.WARNING,
)
SITE_ACTIVE = Rule(
    "site-active",
    "One of endpoint_sites equals the contract's own target, type and port.",
    "The active site is found by comparing; without it a failover cannot say where from.",
    "Make endpoint_target one of the sites' targets.",
    "endpoint_target: 10.0.0.9 with sites at 10.0.0.1 and 10.0.0.2",
)
SITE_HOME = Rule(
    "site-home",
    "endpoint_home names one of endpoint_sites.",
    "Failback goes there.",
    "Name one of the sites, or add the site.",
    "endpoint_home: onprm",
)
READINESS_UDP = Rule(
    "readiness-udp",
    "A udp endpoint's tcp, http and tls probes name their own port.",
    "Nothing accepts TCP connections on a UDP port, so the probe would always say not ready.",
    "Add `port`, or use {type: none, reason: ...}.",
    "endpoint_protocol: udp with endpoint_readiness: [{type: tcp}]",
)
READINESS_NONE = Rule(
    "readiness-none",
    "A probe of type none stands alone.",
    "Either readiness is checked, or there is a reason why it is not.",
    "Delete the none entry or the others.",
    "endpoint_readiness: [{type: tcp}, {type: none, reason: ...}]",
)


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_MULTICAST = 224  # the first octet of IPv4 addresses that are none of one machine, from here on
_LINK_LOCAL = (169, 254)
_LIKE_AN_ADDRESS = re.compile(r"[0-9.]+(?:[:/][0-9]+)?|(?=[^:%/]*:)[0-9A-Fa-f:.\[\]]+(?:[%/].*)?")


def check_targets(draft: ContractDraft, context: ZoneContext) -> Iterator[Finding]:
    """The main target and those of the sites."""
    for target in draft.targets():
        yield from _check_target(draft, target, context)


def check_ttl(draft: ContractDraft, context: ZoneContext) -> Iterator[Finding]:
    """endpoint_ttl within policy.ttl."""
    bounds = context.ttl
    if draft.ttl is None or bounds is None or bounds.minimum <= draft.ttl <= bounds.maximum:
        return
    message = f"TTL {draft.ttl} s is outside policy.ttl, {bounds.minimum} to {bounds.maximum} s"
    hint = f"leave endpoint_ttl out for the default of {bounds.default} s"
    yield finding_at(TTL_BOUNDS, draft.document, ("endpoint_ttl",), message, hint)


def check_cutover_ttl(draft: ContractDraft, context: ZoneContext) -> Iterator[Finding]:
    """Warn of a TTL that makes a cutover slow."""
    if context.cutover_ttl_max is None or context.ttl is None:
        return
    may_move = len(draft.sites) > 1 or draft.cutover_required
    ttl = context.ttl.default if draft.ttl is None else draft.ttl
    if may_move and context.cutover_ttl_max < ttl <= context.ttl.maximum:
        at = ("endpoint_dns_name",) if draft.ttl is None else ("endpoint_ttl",)
        message = f"TTL {ttl} s: after a cutover clients may keep the old target that long"
        hint = f"policy.cutover_ttl_max is {context.cutover_ttl_max} s; `hyops-gitops cutover NAME --prepare` sets it"
        yield finding_at(TTL_CUTOVER, draft.document, at, message, hint)


def _check_target(draft: ContractDraft, target: TargetDraft, context: ZoneContext) -> Iterator[Finding]:
    if target.type is TargetType.DNS and target.listed:
        message = "a dns endpoint points at one name, not at a list"
        yield finding_at(TARGET_TYPE, draft.document, target.at, message, "a list of addresses needs host or vip")
        return
    seen: dict[str, str] = {}
    for at, value in target.values:
        if draft.name is not None and canonical_name(value) == canonical_name(draft.name):
            yield _points_at_itself(draft, at, value)
        elif target.type is TargetType.DNS:
            yield from _check_name(draft, at, value)
        elif target.type is not None:
            yield from _check_address(draft, at, value, target.type, context)
            if (spelling := canonical_address(value)) in seen:
                message = f"{value} is listed twice" + (
                    f", first as {seen[spelling]}" if seen[spelling] != value else ""
                )
                yield finding_at(TARGET_DUPLICATE, draft.document, at, message, "delete or correct one of the two")
            seen.setdefault(spelling, value)


def _points_at_itself(draft: ContractDraft, at: KeyPath, value: str) -> Finding:
    hint = (
        "HybridOps publishes the name itself as endpoint_target; use the address in the publisher's endpoint_host, "
        "with endpoint_target_type host or vip"
    )
    return finding_at(TARGET_SELF, draft.document, at, f"{value} points at itself", hint)


def _check_name(draft: ContractDraft, at: KeyPath, value: str) -> Iterator[Finding]:
    if _parse(value) is not None:
        message = f"endpoint_target_type is dns, but {value} is an address"
        yield finding_at(TARGET_TYPE, draft.document, at, message, "an address needs endpoint_target_type host or vip")
    elif problem := _host_name_problem(value):
        spelt = canonical_name(value)
        form = "write the full name in lower case, without final dot"
        if _LIKE_AN_ADDRESS.fullmatch(value):
            form = _address_hint(value)
        hint = form if _host_name_problem(spelt) else f"write {spelt}"
        yield finding_at(TARGET_NAME, draft.document, at, f"expected a host name, got {value!r}: {problem}", hint)


def _host_name_problem(name: str) -> str | None:
    # Outside our zone internationalised labels are host names like any other.
    problem = name_problem(".".join(re.sub("^xn--", "xn", label) for label in name.split(".")))
    if problem is not None:
        return problem
    if "." not in name:
        return "it has a single label"
    return "its last label is a number" if name.rsplit(".", 1)[1].isdigit() else None


def _check_address(
    draft: ContractDraft, at: KeyPath, value: str, kind: TargetType, context: ZoneContext
) -> Iterator[Finding]:
    address = _parse(value)
    if address is None:
        yield _no_address(draft, at, value, kind)
    elif problem := _address_problem(address):
        hint = "use the service's own unicast address"
        yield finding_at(TARGET_ADDRESS, draft.document, at, f"{value} {problem}", hint)
    elif context.networks and not any(address in network for network in context.networks):
        message = f"{value} is in none of policy.target_networks"
        hint = f"allowed: {', '.join(map(str, context.networks))}"
        yield finding_at(TARGET_NETWORK, draft.document, at, message, hint)


def _no_address(draft: ContractDraft, at: KeyPath, value: str, kind: TargetType) -> Finding:
    if _LIKE_AN_ADDRESS.fullmatch(value):
        message = f"{value!r} is not a valid IPv4 or IPv6 address"
        return finding_at(TARGET_ADDRESS, draft.document, at, message, _address_hint(value))
    message = f"endpoint_target_type is {kind}, but {value!r} is not an address"
    hint = "give a name endpoint_target_type dns; the address behind a published name is in endpoint_host"
    return finding_at(TARGET_TYPE, draft.document, at, message, hint)


def _address_hint(value: str) -> str:
    if re.fullmatch(r"[0-9.]+", value):
        return "an IPv4 address is four numbers from 0 to 255, such as 10.12.0.31"
    if re.fullmatch(r"[0-9A-Fa-f:.]*", value) and value.count(":") > 1:
        return "an IPv6 address is eight groups of hexadecimal digits, or fewer with one ::, such as fd00:12::31"
    return "write the address alone: the port goes into endpoint_port, a prefix length nowhere"


def _parse(value: str) -> _Address | None:
    try:
        return ipaddress.ip_address(value)
    except ValueError:
        return None


def _address_problem(address: _Address) -> str | None:
    if isinstance(address, ipaddress.IPv4Address):
        first, second = address.packed[:2]
        if 0 < first < _MULTICAST and (first, second) != _LINK_LOCAL:
            return None  # nearly every address there is
    else:
        if address.scope_id is not None:
            return "has a zone id, which means something on one machine only"
        if address.ipv4_mapped is not None:
            return f"is an IPv4-mapped IPv6 address, write {address.ipv4_mapped}"
    problems = (
        (address.is_unspecified, "is the unspecified address"),
        (address.is_multicast, "is a multicast address"),
        (str(address) == "255.255.255.255", "is the broadcast address"),
        (address.is_link_local, "is a link-local address"),
        (address.version == 4 and int(address) >> 24 == 0, "is in 0.0.0.0/8, which means this network"),  # noqa: PLR2004
    )
    return next((text for wrong, text in problems if wrong), None)


def check_sites(draft: ContractDraft) -> Iterator[Finding]:
    """Check that one site is active, given sound targets."""
    written = Fields(draft.document).mapping("endpoint_sites")
    if draft.target is None or not written or len(draft.sites) != len(written):
        return
    active = _comparable(draft.target)
    if active is not None and all(_comparable(site) not in (active, None) for site in draft.sites.values()):
        listed = "; ".join(f"{name}: {_shown(site)}" for name, site in sorted(draft.sites.items()))
        message = f"{_shown(draft.target)} is none of endpoint_sites"
        yield finding_at(SITE_ACTIVE, draft.document, draft.target.at, message, f"sites are {listed}")


def check_home(draft: ContractDraft) -> Iterator[Finding]:
    """endpoint_home names a site."""
    if draft.home is None or not draft.document.is_sound("endpoint_sites"):
        return
    sites = Fields(draft.document).mapping("endpoint_sites")
    if draft.home not in sites:
        hint = suggestion(draft.home, sites, "sites") if sites else "add endpoint_sites, or delete endpoint_home"
        message = f"endpoint_home {draft.home!r} is none of endpoint_sites"
        yield finding_at(SITE_HOME, draft.document, ("endpoint_home",), message, hint)


def check_readiness(draft: ContractDraft) -> Iterator[Finding]:
    """Report probes that can never be ready, and needless reasons."""
    for at, probe in draft.readiness:
        if probe.type == "none" and len(draft.readiness) > 1:
            message = "a probe of type none stands beside others"
            yield finding_at(READINESS_NONE, draft.document, at, message, "delete it, or the others")
        elif probe.type != "none" and draft.protocol == "udp" and "port" not in probe.options:
            message = f"a {probe.type} probe cannot ask the udp port of this endpoint"
            hint = "give the probe its own port, or use {type: none, reason: ...}"
            yield finding_at(READINESS_UDP, draft.document, at, message, hint)


def _shown(target: TargetDraft) -> str:
    return f"{target.type} {', '.join(target.canonical_values())} port {target.port}"


def _comparable(target: TargetDraft) -> tuple[TargetType, tuple[str, ...], int] | None:
    """The parts by which targets are compared, None with a finding."""
    if target.type is None or target.port is None:
        return None
    return (target.type, target.canonical_values(), target.port)
