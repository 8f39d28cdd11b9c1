"""One PowerDNS server: version, backends, isolation, and how it signs a zone.

Measured on 4.7.3, 4.9.18 and 5.1.5: a zone's JSON says `api_rectify: false` for "no" and for "as in pdns.conf".
"""

import json
import re
from collections.abc import Collection
from urllib.parse import quote

from hyops_gitops.adapters.powerdns.http import PowerDnsHttp, quoted
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.core.exchange import ServerInfo, ZoneSigning

_TIMEOUT_S = 10.0
_OK = 200
_MAX_BODY = "webserver-max-bodysize"
_LOOKED_AT = ("launch", "gpgsql-extra-connection-parameters", "gmysql-innodb-read-committed", _MAX_BODY)
_MEBIBYTES = re.compile("[0-9]{1,9}")
_ISOLATION = re.compile(
    r"default_transaction_isolation\s*=\s*'?(?P<level>serializable|(?:repeatable|read)\\{0,2}\s+(?:read|committed|uncommitted))",
    re.IGNORECASE,
)


def server_info(url: str, server_id: str, api_key: str, ca_file: str | None = None) -> ServerInfo:
    """Version; backends, isolation and limit where the API tells its configuration.

    Raises:
        OutsideFailure: as `PowerDnsHttp.exchange` does; code `powerdns-bad-reply`.
    """
    http = PowerDnsHttp(url, api_key, ca_file, _TIMEOUT_S)
    path = f"/api/v1/servers/{quote(server_id, safe='')}"
    version = _version(http, path)
    settings = settings_of(http, path, _LOOKED_AT)
    launched = tuple(quoted(name) for name in settings.get("launch", "").replace(",", " ").split())
    limit = settings.get(_MAX_BODY, "")
    return ServerInfo(
        version, launched, _isolation(launched, settings), int(limit) if _MEBIBYTES.fullmatch(limit) else None
    )


def _version(http: PowerDnsHttp, path: str) -> str:
    match document_at(http, path):
        case {"version": str(version)}:
            return quoted(version)
        case _:
            raise OutsideFailure(f"expected a version from PowerDNS at {http.url}", code="powerdns-bad-reply")


def settings_of(http: PowerDnsHttp, path: str, wanted: Collection[str]) -> dict[str, str]:
    """A few settings; the others may hold secrets and stay unread."""
    settings = document_at(http, f"{path}/config")
    found: dict[str, str] = {}
    for setting in settings if isinstance(settings, list) else []:
        match setting:
            case {"name": str(name)} if name in wanted:
                found[name] = str(setting.get("value", ""))
    return found


def _isolation(backends: tuple[str, ...], settings: dict[str, str]) -> str:
    names = {name.partition(":")[0] for name in backends}
    if names == {"gpgsql"}:
        asked = _ISOLATION.search(settings.get("gpgsql-extra-connection-parameters", ""))
        return asked["level"].replace("\\", "").lower() if asked else ""
    if names == {"gmysql"} and settings.get("gmysql-innodb-read-committed") in ("yes", "", "on", "true"):
        return "read committed"  # PowerDNS says so at the beginning of each session, whatever the server's is
    return ""


def document_at(http: PowerDnsHttp, path: str) -> object:
    """A JSON document, None where the server does not give it."""
    reply = http.exchange("GET", path, {})
    if reply.status != _OK:
        return None
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        return None


_DEFAULTS = ("default-api-rectify", "default-soa-edit", "default-soa-edit-signed")


def read_signing(http: PowerDnsHttp, zone_path: str, *, rectify: bool) -> ZoneSigning:
    """The zone's signing, as far as this key sees it.

    Raises:
        OutsideFailure: it cannot be reached.
    """
    metadata = _metadata(http, zone_path)
    settings = settings_of(http, zone_path.partition("/zones/")[0], _DEFAULTS)
    default = settings.get("default-api-rectify")
    rectified: bool | None = True
    if not rectify:
        by_default = None if default is None else default.lower() in ("yes", "on", "true", "1", "")
        rectified = None if metadata is None else False if metadata.get("API-RECTIFY") else by_default
    presigned = None if metadata is None else metadata.get("PRESIGNED") == "1"
    soa_edit = settings.get("default-soa-edit-signed") or settings.get("default-soa-edit")
    return ZoneSigning(rectified, presigned, soa_edit)


def usable_keys(http: PowerDnsHttp, zone_path: str) -> tuple[bool, ...] | None:
    """For each key, whether it signs and is published, if visible."""
    keys = document_at(http, f"{zone_path}/cryptokeys")
    if not isinstance(keys, list):
        return None
    known = (key for key in keys if isinstance(key, dict))
    return tuple(key.get("active") is True and key.get("published") is not False for key in known)


def _metadata(http: PowerDnsHttp, zone_path: str) -> dict[str, str] | None:
    """The first value of each kind."""
    listed = document_at(http, f"{zone_path}/metadata")
    if not isinstance(listed, list):
        return None
    found: dict[str, str] = {}
    for item in listed:
        match item:
            case {"kind": str(kind), "metadata": [str(value), *_]}:
                found[kind] = value
    return found
