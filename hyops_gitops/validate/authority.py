"""The meaning of the authority file: who is written to, and under which limits."""

import ipaddress
import re
from collections.abc import Iterator
from itertools import chain
from urllib.parse import urlsplit

from hyops_gitops.core.authority import DEFAULT_LEASE_S, ServerAddress, default_convergence_s
from hyops_gitops.core.context import parse_network, suggestion, ttl_bounds
from hyops_gitops.core.document import Document, Fields, KeyPath
from hyops_gitops.core.findings import Finding
from hyops_gitops.core.guards import GUARDS, overridable_guards
from hyops_gitops.core.markers import PROTOCOL
from hyops_gitops.core.names import SHARED, is_below, label_problem, name_problem
from hyops_gitops.core.rules import finding_at

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
                yield finding_at("authority-duplicate-server", fields.document, at, message, "rename one of them")


def _check_address(fields: Fields, at: KeyPath) -> Iterator[Finding]:
    text = fields.text(*at)
    if text is not None and parse_server_address(text) is None:
        message = f"{text!r} is not host:port with a valid host and a port from 1 to 65535"
        hint = 'such as "10.0.0.53:53" or "[fd00::53]:53"'
        yield finding_at("authority-address", fields.document, at, message, hint)


def _check_url(fields: Fields, at: KeyPath) -> Iterator[Finding]:
    url = fields.text(*at)
    if url is None:
        return
    # The URL itself is not repeated in a message: it may hold a password.
    if problem := _url_problem(url):
        hint = "such as https://dns.shared.hyops.internal:8443; the program adds /api/v1"
        yield finding_at("authority-url", fields.document, at, f"api_url {problem}", hint)
    elif urlsplit(url).scheme == "http" and not _is_loopback(urlsplit(url).hostname or ""):
        message = "the API key crosses the network unencrypted"
        yield finding_at("authority-plain-http", fields.document, at, message, "use https; ca_file names your own CA")


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


def check_authority(document: Document, *, in_tree: bool) -> Iterator[Finding]:
    """Every rule about one authority file.

    Args:
        document: The file, its malformed values marked.
        in_tree: Whether it is the repository's own file, whose name must say the zone.
    """
    fields = Fields(document)
    yield from _check_zone(fields, in_tree)
    yield from _check_environments(fields)
    yield from _check_failure_domain(fields)
    yield from check_servers(fields)
    yield from _check_policy(fields)
    yield from _check_assertions(fields)
    yield from _check_convergence(fields)
    yield from _check_lease(fields)
    yield from _check_branch(fields)
    yield from _check_protocol(fields)


def check_override(replacement: Document, own: Document) -> Iterator[Finding]:
    """A file given in place of the repository's own is for the same zone and the same log."""
    given, expected = Fields(replacement), Fields(own)
    at: KeyPath
    for at in (("zone",), ("evidence", "genesis")):
        here, there = given.text(*at), expected.text(*at)
        # A copy made before `evidence init` has no genesis: it then means the repository's.
        if here is not None and here != there and (there is not None or at != ("zone",)):
            message = f"{'.'.join(map(str, at))} is {here}, but the repository's {own.path} says {there or 'none'}"
            hint = "--authority takes a file for the same zone and the same log"
            yield finding_at("authority-override", replacement, at, message, hint)


def _check_zone(fields: Fields, in_tree: bool) -> Iterator[Finding]:
    zone = fields.text("zone")
    if zone is None:
        return
    document = fields.document
    if problem := name_problem(zone):
        yield finding_at("authority-zone", document, ("zone",), f"{zone!r}: {problem}")
    elif in_tree and document.path != f"authority/{zone}.yaml":
        message = f"the authority file of {zone} must be authority/{zone}.yaml, not {document.path}"
        yield finding_at("authority-file-name", document, ("zone",), message, "rename the file, or correct zone")


def _check_environments(fields: Fields) -> Iterator[Finding]:
    for index, name in fields.texts("environments"):
        at = ("environments", index)
        if name == SHARED:
            hint = "delete it"
            yield finding_at("authority-environment", fields.document, at, f"{SHARED} always exists", hint)
        elif problem := label_problem(name):
            yield finding_at("authority-environment", fields.document, at, problem)


def _check_failure_domain(fields: Fields) -> Iterator[Finding]:
    site, domain = fields.text("primary", "site"), fields.text("failure_domain")
    if site is not None and site == domain:
        message = f"the primary stands in the failure domain {domain}"
        hint = "the authority must live outside of it (cutover contract, section 2.1)"
        yield finding_at("authority-failure-domain", fields.document, ("primary", "site"), message, hint)


def _check_policy(fields: Fields) -> Iterator[Finding]:
    document = fields.document
    bounds = ttl_bounds(fields)
    if bounds is not None and not bounds.minimum <= bounds.default <= bounds.maximum:
        message = f"min {bounds.minimum} <= default {bounds.default} <= max {bounds.maximum} does not hold"
        yield finding_at("authority-ttl", document, ("policy", "ttl"), message)
    for index, text in fields.texts("policy", "target_networks"):
        if parse_network(text) is None:
            message = f"{text!r} is no network in CIDR form, or has bits set beyond its prefix"
            hint = "such as 10.0.0.0/8 or fd00::/8"
            yield finding_at("authority-network", document, ("policy", "target_networks", index), message, hint)
    for index, guard in fields.texts("policy", "overridable"):
        if guard not in GUARDS or not GUARDS[guard].overridable:
            what = "can never be overridden" if guard in GUARDS else "is no guard"
            hint = suggestion(guard, overridable_guards(), "guards that can be overridden")
            at = ("policy", "overridable", index)
            yield finding_at("authority-overridable", document, at, f"{guard!r} {what}", hint)


def _check_assertions(fields: Fields) -> Iterator[Finding]:
    zone, environments = fields.text("zone"), [name for _, name in fields.texts("environments")]
    at = ("policy", "assertions", "max_environment_cutovers")
    for name in fields.mapping(*at):
        if environments and name not in (*environments, SHARED):
            hint = suggestion(name, [*environments, SHARED], "environments")
            yield finding_at("authority-assertion", fields.document, (*at, name), f"{name!r} is no environment", hint)
    groups = ("policy", "assertions", "move_together")
    for index in range(fields.length(*groups)):
        for place, name in fields.texts(*groups, index):
            if zone is None or name_problem(zone):
                continue
            service, _, environment = name.removesuffix(f".{zone}").partition(".")
            if name_problem(name) or not is_below(name, zone) or environment not in (*environments, SHARED):
                hint = f"the form is <service>.<env>.{zone}" + (f", such as {service}.prod.{zone}" if service else "")
                message = f"{name!r} is not the name of an endpoint"
                yield finding_at("authority-assertion", fields.document, (*groups, index, place), message, hint)


def _check_convergence(fields: Fields) -> Iterator[Finding]:
    at = ("policy", "convergence", "require")
    has_address = "dns" in fields.mapping("primary")
    for index, role in fields.texts(*at):
        if role == "primary" and not has_address and fields.mapping("primary"):
            message = "the primary is required, but primary.dns is not given"
            hint = "add primary.dns, or remove primary here"
            yield finding_at("authority-convergence", fields.document, (*at, index), message, hint)


def _check_lease(fields: Fields) -> Iterator[Finding]:
    """Whoever waits for an intent's lease to end must not take an applier for dead that is still proving its change."""
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
        yield finding_at("authority-lease", fields.document, at, message, hint)


def _check_branch(fields: Fields) -> Iterator[Finding]:
    branch = fields.text("evidence", "branch")
    if branch is None:
        return
    parts = branch.split("/")
    endings = chain.from_iterable((part.endswith((".lock", ".")), ".." in part) for part in parts)
    if not _BRANCH.fullmatch(branch) or any(endings) or parts[0] == "refs" or branch in ("HEAD", "main", "master"):
        message = f"{branch!r} cannot be the branch of the log"
        hint = "use a plain branch name of its own, such as evidence"
        yield finding_at("authority-branch", fields.document, ("evidence", "branch"), message, hint)


def _check_protocol(fields: Fields) -> Iterator[Finding]:
    wanted = fields.number("protocol")
    if wanted is not None and wanted > PROTOCOL:
        message = f"appliers must speak protocol {wanted}, this program speaks {PROTOCOL}"
        hint = "use the version that this was written for, or a newer one"
        yield finding_at("authority-protocol", fields.document, ("protocol",), message, hint)
