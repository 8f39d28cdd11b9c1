"""HTTPS by `requests`, with the authorities of `tls` and no others."""

import ssl
from collections.abc import Iterator
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from hyops_gitops.adapters.host.tls import client_context, why_not_accepted


def trusting(session: requests.Session, url: str, ca_file: str | None, *, code: str) -> None:
    """Let a session verify what it meets at an https URL.

    Raises:
        OutsideFailure: the authorities cannot be read.
    """
    if url.startswith("https:"):
        session.mount("https://", _Trusting(client_context(ca_file, code=code)))


def tls_failure(error: BaseException, ca_setting: str = "") -> tuple[str, str]:
    """What TLS failed of, and how to mend it."""
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return why_not_accepted(cause, ca_setting)
    reason = str(getattr(list(causes(error))[-1], "reason", None) or list(causes(error))[-1])
    no_tls = reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST")
    return reason, "what answers there speaks no TLS: is it http?" if no_tls else ""


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it, outermost first."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


class _Trusting(HTTPAdapter):
    """Connections by one context; `requests` would add the authorities that came with it."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """With our context."""
        super().init_poolmanager(*arguments, ssl_context=self._context, **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """With our context for what is behind the proxy."""
        return super().proxy_manager_for(proxy, ssl_context=self._context, **options)

    def cert_verify(self, *_arguments: object) -> None:
        """Nothing to add to the context."""
