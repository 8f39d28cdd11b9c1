"""How a zone is signed, as far as the API shows it: metadata, keys, and the defaults of pdns.conf.

Measured on 4.7.3, 4.9.18 and 5.1.5: a zone's JSON says `api_rectify: false` for "no" and for "as in pdns.conf".
"""

from hyops_gitops.adapters.powerdns.http import PowerDnsHttp
from hyops_gitops.adapters.powerdns.server import document_at, settings_of
from hyops_gitops.core.exchange import ZoneSigning

_DEFAULTS = ("default-api-rectify", "default-soa-edit", "default-soa-edit-signed")


def look_at_signing(http: PowerDnsHttp, zone_path: str, *, told_to_rectify: bool) -> ZoneSigning:
    """What the API shows to this key.

    Raises:
        OutsideFailure: it cannot be reached.
    """
    metadata = _metadata(http, zone_path)
    settings = settings_of(http, zone_path.partition("/zones/")[0], _DEFAULTS)
    default = settings.get("default-api-rectify")
    rectified: bool | None = True
    if not told_to_rectify:
        by_default = None if default is None else default.lower() in ("yes", "on", "true", "1", "")
        rectified = None if metadata is None else False if metadata.get("API-RECTIFY") else by_default
    presigned = None if metadata is None else metadata.get("PRESIGNED") == "1"
    soa_edit = settings.get("default-soa-edit-signed") or settings.get("default-soa-edit")
    return ZoneSigning(rectified, presigned, soa_edit)


def usable_keys(http: PowerDnsHttp, zone_path: str) -> tuple[bool, ...] | None:
    """For each key of a zone whether it signs and is published; None where that is not shown."""
    keys = document_at(http, f"{zone_path}/cryptokeys")
    if not isinstance(keys, list):
        return None
    return tuple(key.get("active") is True and key.get("published") is not False for key in keys)


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
            case _:
                pass
    return found
