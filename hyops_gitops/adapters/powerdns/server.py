"""One PowerDNS server itself: version and backends ("HTTP API: Servers" in the PowerDNS documentation)."""

import json
from urllib.parse import quote

from hyops_gitops.adapters.powerdns.http import PowerDnsHttp, quoted
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.core.exchange import ServerInfo

_TIMEOUT_S = 10.0
_OK = 200


def server_info(url: str, server_id: str, api_key: str, ca_file: str | None = None) -> ServerInfo:
    """Version, and the backends where the API tells its configuration.

    Raises:
        OutsideFailure: as `PowerDnsHttp.exchange` does; code `powerdns-bad-reply`.
    """
    http = PowerDnsHttp(url, api_key, ca_file, _TIMEOUT_S)
    path = f"/api/v1/servers/{quote(server_id, safe='')}"
    return ServerInfo(_version(http, path), _backends(http, path))


def _version(http: PowerDnsHttp, path: str) -> str:
    match _get(http, path):
        case {"version": str(version)}:
            return quoted(version)
        case _:
            raise OutsideFailure(f"PowerDNS at {http.url} does not tell its version", code="powerdns-bad-reply")


def _backends(http: PowerDnsHttp, path: str) -> tuple[str, ...]:
    settings = _get(http, f"{path}/config")
    for setting in settings if isinstance(settings, list) else []:
        match setting:
            case {"name": "launch", "value": str(launched)}:
                return tuple(quoted(name) for name in launched.replace(",", " ").split())
    return ()


def _get(http: PowerDnsHttp, path: str) -> object:
    reply = http.exchange("GET", path, {})
    if reply.status != _OK:
        return None
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        return None
