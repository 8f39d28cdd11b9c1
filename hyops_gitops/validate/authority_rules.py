"""Rules about the authority file: servers, limits, branch of the log."""

import ipaddress
import re
from collections.abc import Iterator
from itertools import chain
from urllib.parse import urlsplit

from hyops_gitops.core.authority import DEFAULT_LEASE_S, ServerAddress, default_convergence_s
from hyops_gitops.core.context import ZoneContext, parse_network, ttl_bounds
from hyops_gitops.core.document import Document, Fields, KeyPath, finding_at
from hyops_gitops.core.findings import Finding, Rule, Severity
from hyops_gitops.core.guards import GUARDS, overridable_guards
from hyops_gitops.core.markers import PROTOCOL
from hyops_gitops.core.names import SHARED, EndpointName, label_problem, name_problem, zone_of_name
from hyops_gitops.core.text import suggestion
from hyops_gitops.validate.freeze_rules import check_freezes
from hyops_gitops.validate.netbox_policy import check_netbox

AUTHORITY_ZONE = Rule(
    "authority-zone",
    "zone is a lower-case host name without final dot.",
    "It is compared with names and with what the API says.",
    "Write the zone in lower case, without final dot.",
    "zone: HyOps.internal.",
)
AUTHORITY_FILE_NAME = Rule(
    "authority-file-name",
    "The authority file is called <zone>.yaml.",
    "Who reviews a path must be able to rely on which zone it is about.",
    "Rename the file, or correct zone.",
    "authority/prod.yaml with zone: hyops.internal",
)
AUTHORITY_OVERRIDE = Rule(
    "authority-override",
    "A file given with --authority is for the repository's zone and log.",
    "Contracts of one zone must never be applied to another by a wrong option.",
    "Give the authority file of this zone.",
    "--authority other.yaml with zone: other.internal",
)
AUTHORITY_ENVIRONMENT = Rule(
    "authority-environment",
    "Environments are valid labels, and shared is not among them.",
    "They become labels of names; shared always exists.",
    "Use lower-case letters, digits and hyphens; remove shared.",
    "environments: [dev, Prod, shared]",
)
AUTHORITY_FAILURE_DOMAIN = Rule(
    "authority-failure-domain",
    "The primary's site is not the failure domain, nor is it at the address of a secondary there.",
    "The authority must live outside the primary on-prem failure domain (cutover contract, section 2.1): it is "
    "needed exactly when that site is lost.",
    "Run the primary elsewhere; primary.site says where it really is.",
    "failure_domain: onprem with primary.site: onprem",
)
AUTHORITY_URL = Rule(
    "authority-url",
    "api_url is http(s)://host:port, without path and credentials.",
    "The path is ours to add, and a password in Git is public.",
    "Write scheme, host and port only; the API key comes from the environment.",
    "api_url: https://user:secret@dns.internal:8443/api/v1",
)
AUTHORITY_PLAIN_HTTP = Rule(
    "authority-plain-http",
    "An API that is not on this machine is reached by https.",
    "The API key crosses the network in the clear, and its readers can write the zone.",
    "Put TLS in front of the API; ca_file names your own CA.",
    "api_url: http://10.0.0.53:8081",
    Severity.WARNING,
)
AUTHORITY_ADDRESS = Rule(
    "authority-address",
    "A server's address is host:port with a valid host and a port from 1 to 65535.",
    "An address that cannot be asked can prove nothing.",
    "Write host:port, an IPv6 address in brackets.",
    'dns: "10.0.0.53:99999"',
)
AUTHORITY_DUPLICATE_SERVER = Rule(
    "authority-duplicate-server",
    "Secondaries and resolvers have distinct names.",
    "Evidence and status call servers by name.",
    "Rename one of them.",
    "two secondaries called onprem",
)
AUTHORITY_CONVERGENCE = Rule(
    "authority-convergence",
    "convergence.require names primary only where primary.dns is given, and a role that there are servers of.",
    "A server without address cannot be asked, and where none is required every apply would count as confirmed.",
    "Add primary.dns, or remove primary from convergence.require; name a role that has servers.",
    "require: [primary, secondaries] without primary.dns",
)
AUTHORITY_LEASE = Rule(
    "authority-lease",
    "policy.convergence.timeout_s is at most policy.lease_s.",
    "When the lease and half a minute are over, another applier takes this one for dead and settles its intent; it "
    "must not still be waiting for servers then.",
    "Make lease_s longer, or timeout_s shorter.",
    "lease_s: 30 with convergence: {timeout_s: 60}",
)
AUTHORITY_NETWORK = Rule(
    "authority-network",
    "target_networks are networks in CIDR form.",
    "Every target is checked against them.",
    "Write the network's first address and the prefix length.",
    "target_networks: [10.0.0.1/8]",
)
AUTHORITY_TTL = Rule(
    "authority-ttl",
    "policy.ttl has min <= default <= max.",
    "Contracts without endpoint_ttl get the default, which must be allowed.",
    "Correct the bounds or the default.",
    "ttl: {min: 60, max: 3600, default: 30}",
)
AUTHORITY_OVERRIDABLE = Rule(
    "authority-overridable",
    "policy.overridable lists guards that exist and can be overridden.",
    "A mistyped guard would be missing at three in the morning.",
    "Use the names that `explain` lists.",
    "overridable: [max-delets]",
)
AUTHORITY_ASSERTION = Rule(
    "authority-assertion",
    "policy.assertions names environments that exist and full names of endpoints.",
    "An assertion about something that is not there protects nothing.",
    "Use the environments of this file, and names as endpoint_dns_name has them.",
    "max_environment_cutovers: {production: 3}",
)
AUTHORITY_PROTOCOL = Rule(
    "authority-protocol",
    "protocol is not above the one that this program speaks.",
    "It says how updates of the zone are fenced; a program that knows less would leave the fence open.",
    "Use the version that the file was written for, or a newer one.",
    "protocol: 3",
)
AUTHORITY_BRANCH = Rule(
    "authority-branch",
    "evidence.branch is a valid Git branch name.",
    "The log is pushed to it.",
    "Use letters, digits, hyphens and single slashes, such as evidence.",
    'branch: "evidence..old"',
)


_ADDRESS = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:\[\]]+)):(?P<port>[0-9]{1,5})")
_MAX_PORT = 65535


def parse_server_address(text: str) -> ServerAddress | None:
    """`host:port` with a valid host and port, or None."""
    match = _ADDRESS.fullmatch(text)
    if match is None or not 1 <= int(match["port"]) <= _MAX_PORT:
        return None
    host = match["v6"] or match["host"]
    return ServerAddress(host, int(match["port"])) if _is_host(host, bracketed=bool(match["v6"])) else None


def check_servers(fields: Fields) -> Iterator[Finding]:
    """Every server's addresses, and distinct names."""
    yield from _check_url(fields, ("primary", "api_url"))
    yield from _check_address(fields, ("primary", "dns"))
    for group in ("secondaries", "resolvers"):
        names: dict[str, int] = {}
        for index in range(fields.length(group)):
            yield from _check_url(fields, (group, index, "api_url"))
            yield from _check_address(fields, (group, index, "dns"))
            name = fields.text(group, index, "name")
            if name is not None and names.setdefault(name, index) != index:
                message = f"two {group} are called {name!r}"
                at = (group, index, "name")
                yield finding_at(AUTHORITY_DUPLICATE_SERVER, fields.document, at, message, "rename one of them")


def _check_address(fields: Fields, at: KeyPath) -> Iterator[Finding]:
    text = fields.text(*at)
    if text is not None and parse_server_address(text) is None:
        message = f"{text!r} is not host:port with a valid host and a port from 1 to 65535"
        hint = 'such as "10.0.0.53:53" or "[fd00::53]:53"'
        yield finding_at(AUTHORITY_ADDRESS, fields.document, at, message, hint)


def _check_url(fields: Fields, at: KeyPath) -> Iterator[Finding]:
    url = fields.text(*at)
    if url is None:
        return
    # The URL itself is not repeated in a message: it may hold a password.
    if problem := _url_problem(url):
        hint = "such as https://dns.shared.hyops.internal:8443; the program adds /api/v1"
        yield finding_at(AUTHORITY_URL, fields.document, at, f"api_url {problem}", hint)
    elif urlsplit(url).scheme == "http" and not _is_loopback(urlsplit(url).hostname or ""):
        message = "the API key crosses the network unencrypted"
        yield finding_at(AUTHORITY_PLAIN_HTTP, fields.document, at, message, "use https; ca_file names your own CA")


def _url_problem(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "cannot be read as a URL"
    host = parts.hostname or ""
    checks = (
        (parts.scheme not in ("http", "https"), "does not begin with http:// or https://"),
        (parts.username is not None or "@" in parts.netloc, "holds credentials"),
        (not _is_host(host, bracketed="[" in parts.netloc), "has no valid host"),
        (parts.path not in ("", "/") or bool(parts.query or parts.fragment), "has a path, query or fragment"),
        (url.endswith(("/", "?", "#")), "ends in a delimiter"),
        (port == 0 or parts.netloc.endswith(":"), "has no valid port"),
    )
    return next((problem for wrong, problem in checks if wrong), None)


def _is_host(host: str, *, bracketed: bool) -> bool:
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return not bracketed and name_problem(host) is None and not host.rsplit(".", 1)[-1].isdigit()
    return (version == 6) == bracketed  # noqa: PLR2004 - the IP version


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# git check-ref-format, less what only quoting could bring through a shell
_BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_OUTSIDE = "let the authority live outside of it (cutover contract, section 2.1)"


def check_authority(document: Document, *, in_tree: bool, context: ZoneContext | None = None) -> Iterator[Finding]:
    """Every rule about one authority file.

    Args:
        document: The file, its malformed values marked.
        in_tree: Whether it is the repository's own file, whose name must say the zone.
        context: Its zone among others.
    """
    fields = Fields(document)
    yield from _check_zone(fields, in_tree)
    yield from _check_environments(fields)
    yield from _check_failure_domain(fields)
    yield from check_servers(fields)
    yield from _check_policy(fields)
    yield from check_netbox(fields)
    yield from check_freezes(fields)
    yield from _check_assertions(fields, context)
    yield from _check_convergence(fields)
    yield from _check_lease(fields)
    yield from _check_branch(fields)
    yield from _check_protocol(fields)


def check_override(replacement: Document, own: Document) -> Iterator[Finding]:
    """Check that a replacement file is for the same zone and log."""
    given, expected = Fields(replacement), Fields(own)
    at: KeyPath
    for at in (("zone",), ("evidence", "genesis")):
        here, there = given.text(*at), expected.text(*at)
        # A copy made before `evidence init` has no genesis: it then means the repository's.
        if here is not None and here != there and (there is not None or at != ("zone",)):
            message = f"{'.'.join(map(str, at))} is {here}, but the repository's {own.path} says {there or 'none'}"
            hint = "--authority takes a file for the same zone and the same log"
            yield finding_at(AUTHORITY_OVERRIDE, replacement, at, message, hint)


def _check_zone(fields: Fields, in_tree: bool) -> Iterator[Finding]:
    zone = fields.text("zone")
    if zone is None:
        return
    document = fields.document
    if problem := name_problem(zone):
        yield finding_at(AUTHORITY_ZONE, document, ("zone",), f"{zone!r}: {problem}")
    elif in_tree and document.path != f"authority/{zone}.yaml":
        message = f"the authority file of {zone} must be authority/{zone}.yaml, not {document.path}"
        yield finding_at(AUTHORITY_FILE_NAME, document, ("zone",), message, "rename the file, or correct zone")


def _check_environments(fields: Fields) -> Iterator[Finding]:
    for index, name in fields.texts("environments"):
        at = ("environments", index)
        if name == SHARED:
            hint = "delete it"
            yield finding_at(AUTHORITY_ENVIRONMENT, fields.document, at, f"{SHARED} always exists", hint)
        elif problem := label_problem(name):
            yield finding_at(AUTHORITY_ENVIRONMENT, fields.document, at, problem)


def _check_failure_domain(fields: Fields) -> Iterator[Finding]:
    site, domain = fields.text("primary", "site"), fields.text("failure_domain")
    if site is not None and site == domain:
        message = f"the primary stands in the failure domain {domain}"
        yield finding_at(AUTHORITY_FAILURE_DOMAIN, fields.document, ("primary", "site"), message, _OUTSIDE)
    for index in range(fields.length("secondaries")):
        at = ("secondaries", index)
        for key in ("dns", "api_url"):  # as after a promotion that left it in the list
            if fields.text(*at, "site") == domain and fields.text(*at, key) == fields.text("primary", key) is not None:
                message = f"the primary's {key} is that of a secondary in the failure domain {domain}"
                yield finding_at(AUTHORITY_FAILURE_DOMAIN, fields.document, ("primary", key), message, _OUTSIDE)


def _check_policy(fields: Fields) -> Iterator[Finding]:
    document = fields.document
    bounds = ttl_bounds(fields)
    if bounds is not None and not bounds.minimum <= bounds.default <= bounds.maximum:
        message = f"min {bounds.minimum} <= default {bounds.default} <= max {bounds.maximum} does not hold"
        yield finding_at(AUTHORITY_TTL, document, ("policy", "ttl"), message)
    for index, text in fields.texts("policy", "target_networks"):
        if parse_network(text) is None:
            message = f"expected a network in CIDR form without host bits, got {text!r}"
            hint = "such as 10.0.0.0/8 or fd00::/8"
            yield finding_at(AUTHORITY_NETWORK, document, ("policy", "target_networks", index), message, hint)
    for index, guard in fields.texts("policy", "overridable"):
        if guard not in GUARDS or not GUARDS[guard].overridable:
            what = "can never be overridden" if guard in GUARDS else "is unknown"
            hint = suggestion(guard, overridable_guards(), "guards that can be overridden")
            at = ("policy", "overridable", index)
            yield finding_at(AUTHORITY_OVERRIDABLE, document, at, f"guard {guard!r} {what}", hint)


def _check_assertions(fields: Fields, context: ZoneContext | None) -> Iterator[Finding]:
    other_zones, folder = (context.other_zones, context.folder) if context else ((), "")
    zone, environments = fields.text("zone"), [name for _, name in fields.texts("environments")]
    at = ("policy", "assertions", "max_environment_cutovers")
    for name in fields.mapping(*at):
        if environments and name not in (*environments, SHARED):
            hint = suggestion(name, [*environments, SHARED], "environments")
            yield finding_at(
                AUTHORITY_ASSERTION, fields.document, (*at, name), f"expected an environment, got {name!r}", hint
            )
    groups = ("policy", "assertions", "move_together")
    for index in range(fields.length(*groups)):
        for place, name in fields.texts(*groups, index):
            if zone is None or name_problem(zone):
                continue
            if (owner := zone_of_name(name, (zone, *other_zones))) not in (zone, None):
                message = f"{name} is in the zone {owner}: names of two zones cannot move in one update"
                hint = "keep what moves together in one zone; an alias in the other may point there"
                yield finding_at(AUTHORITY_ASSERTION, fields.document, (*groups, index, place), message, hint)
                continue
            named, service = EndpointName.parse(name, zone, folder), name.partition(".")[0]
            if name_problem(name) or named is None or named.environment not in (*environments, SHARED):
                hint = f"write it as <service>.<env>.{zone}" + (f", such as {service}.prod.{zone}" if service else "")
                message = f"{name!r} is not the name of an endpoint"
                yield finding_at(AUTHORITY_ASSERTION, fields.document, (*groups, index, place), message, hint)


def _check_convergence(fields: Fields) -> Iterator[Finding]:
    at = ("policy", "convergence", "require")
    has_address = "dns" in fields.mapping("primary")
    for index, role in fields.texts(*at):
        if role == "primary" and not has_address and fields.mapping("primary"):
            message = "the primary is required, but primary.dns is not given"
            hint = "add primary.dns, or remove primary here"
            yield finding_at(AUTHORITY_CONVERGENCE, fields.document, (*at, index), message, hint)
    roles = [role for _, role in fields.texts(*at)]
    are_read = all(fields.document.is_sound(role) for role in roles)
    if roles and are_read and not any(role == "primary" or fields.length(role) for role in roles):
        message = f"no server is required: there are no {' and no '.join(roles)}"
        yield finding_at(AUTHORITY_CONVERGENCE, fields.document, at, message, "name a role that has servers")


def _check_lease(fields: Fields) -> Iterator[Finding]:
    """Check that a lease is not shorter than the wait for servers.

    An applier that still waits must not be taken for dead.
    """
    lease_at, timeout_at = ("policy", "lease_s"), ("policy", "convergence", "timeout_s")
    if not (fields.document.is_sound(*lease_at) and fields.document.is_sound(*timeout_at)):
        return
    lease = fields.number(*lease_at) or DEFAULT_LEASE_S
    given = fields.number(*timeout_at)
    timeout = given or default_convergence_s(fields.text("policy", "replication"), lease)
    if timeout > lease:
        message = f"convergence.timeout_s is {timeout}, longer than lease_s, which is {lease}"
        hint = f"make lease_s at least {timeout}, or timeout_s at most {lease}"
        at = timeout_at if given else lease_at
        yield finding_at(AUTHORITY_LEASE, fields.document, at, message, hint)


def _check_branch(fields: Fields) -> Iterator[Finding]:
    branch = fields.text("evidence", "branch")
    if branch is None:
        return
    parts = branch.split("/")
    endings = chain.from_iterable((part.endswith((".lock", ".")), ".." in part) for part in parts)
    if not _BRANCH.fullmatch(branch) or any(endings) or parts[0] == "refs" or branch in ("HEAD", "main", "master"):
        message = f"{branch!r} cannot be the branch of the log"
        hint = "use a plain branch name of its own, such as evidence"
        yield finding_at(AUTHORITY_BRANCH, fields.document, ("evidence", "branch"), message, hint)


def _check_protocol(fields: Fields) -> Iterator[Finding]:
    wanted = fields.number("protocol")
    if wanted is not None and wanted > PROTOCOL:
        message = f"appliers must speak protocol {wanted}, this program speaks {PROTOCOL}"
        hint = "use the version that this was written for, or a newer one"
        yield finding_at(AUTHORITY_PROTOCOL, fields.document, ("protocol",), message, hint)
