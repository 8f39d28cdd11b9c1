"""The servers of an authority file: API addresses, DNS addresses, names."""

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from hyops_gitops.core.contracts.authority import ServerAddress
from hyops_gitops.core.document import KeyPath
from hyops_gitops.core.fields import Fields
from hyops_gitops.core.findings import Finding
from hyops_gitops.core.names import name_problem
from hyops_gitops.core.rules.catalog import finding_at

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
