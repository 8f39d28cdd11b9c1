"""API keys from the environment, each bound to the server it may be sent to.

A merged pull request could point `api_url` anywhere. So the URL is kept a second time, beside the key: in
`HYOPS_PRIMARY_URL` for the primary's and in `HYOPS_SECONDARY_URLS` (comma-separated) for the secondaries'. A key whose
binding disagrees is not even read.
"""

import re
from collections.abc import Mapping

from hyops_gitops.core.contracts.authority import ApiEndpoint
from hyops_gitops.core.errors import OutsideFailure, Refused

PRIMARY_URL = "HYOPS_PRIMARY_URL"
SECONDARY_URLS = "HYOPS_SECONDARY_URLS"


def primary_key(api: ApiEndpoint, environ: Mapping[str, str]) -> str:
    """The primary's API key.

    Raises:
        Refused: guard `primary-url`: the binding disagrees, or is missing where CI is set.
        OutsideFailure: code `powerdns-no-key`: the variable is not set.
    """
    bound = environ.get(PRIMARY_URL, "")
    if not bound and environ.get("CI"):
        raise Refused(
            f"{PRIMARY_URL} is not set: in CI the API key must be bound to its server",
            guard="primary-url",
            hint=f"keep {PRIMARY_URL}={api.url} beside {api.key_env}, where pull requests cannot change it",
        )
    if bound and bound.rstrip("/") != api.url:
        raise Refused(
            f"primary.api_url is {api.url}, but {PRIMARY_URL} says {_shown(bound)}: the API key is not sent there",
            guard="primary-url",
            hint=f"if the primary really moved, change {PRIMARY_URL} where the key is kept",
        )
    key = environ.get(api.key_env, "")
    if not key:
        raise OutsideFailure(
            f"no API key: {api.key_env} is not set",
            code="powerdns-no-key",
            hint=f"put the key of {api.url} into {api.key_env}",
        )
    return key


def secondary_key(api: ApiEndpoint, environ: Mapping[str, str]) -> str | None:
    """A secondary's API key, or None where it is not set or not bound to this URL: NOTIFY does its work then."""
    allowed = {url.strip().rstrip("/") for url in environ.get(SECONDARY_URLS, "").split(",")}
    return environ.get(api.key_env) or None if api.url in allowed else None


def _shown(url: str) -> str:
    """A URL without the credentials that somebody may have put into it."""
    return re.sub(r"//[^/]*@", "//***@", url)
