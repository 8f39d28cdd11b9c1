"""GET requests to a forge's REST API, and their failures.

The token reaches exactly the host it was given for: redirects are not followed, `.netrc` is not read, plain HTTP is
for this machine only, and no message or repr holds it. Proxies of the environment do count: a forge is often outside,
where PowerDNS is not.
"""

import json
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from hyops_gitops import __version__
from hyops_gitops.adapters.host.deadline import DeadlinePassed, lateness, within
from hyops_gitops.adapters.host.tls import client_context, tls_failure
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import OutsideFailure

CONNECT_TIMEOUT_S = 5.0
TIMEOUT_S = 15.0  # between two bytes
DEADLINE_S = 60.0  # for one answer, with the connection to the forge or its proxy
MAX_REPLY_BYTES = 8 * 1024 * 1024
PAGE = 50  # the most that Gitea gives by default
_MAX_PAGES = 40
_TRIES = 3
_LONGEST_PAUSE_S = 10.0  # a forge that asks for more than that has to be asked again later
_TOKEN = re.compile(r"[\x21-\x7e]+")
_NUMBER = re.compile(r"[0-9]{1,18}")
_NOT_FOUND, _TOO_MANY, _SERVER_ERROR = 404, 429, 500


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    headers: Mapping[str, str]  # names in any case
    document: object


class _TokenAuth(requests.auth.AuthBase):
    """Sets the token itself, so that requests looks for no other credentials."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"token {self._token}"  # what GitHub and Gitea both take
        return request


class Trusting(HTTPAdapter):
    """Connections by one context; `requests` would add its own authorities."""

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


@dataclass(frozen=True, slots=True)
class ForgeHttp:
    """The API of one forge, read with one token.

    Raises:
        OutsideFailure: on creation: codes `forge-url`, `forge-token`.
    """

    url: str  # the API's base, such as https://api.github.com or https://git.example.net/api/v1
    token: str = field(repr=False)
    timeout_s: float = TIMEOUT_S
    deadline_s: float = DEADLINE_S
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        if not _TOKEN.fullmatch(self.token):
            raise OutsideFailure("expected the forge's token as one word", code="forge-token")
        if not is_fit_for_a_token(self.url):
            raise OutsideFailure(
                f"expected a forge's base URL that a token may be sent to, got {self.url!r}",
                code="forge-url",
                hint="https://HOST/PATH without credentials or query; http only to this machine",
            )

    def get(self, path: str, **params: str) -> object | None:
        """The JSON document at a path; None for a 404.

        Raises:
            OutsideFailure: codes `forge-unreachable`, `forge-redirect`, `forge-unauthorized`, `forge-rate-limited`,
                `forge-status`, `forge-timeout`, `forge-reply`, `forge-tls`.
        """
        reply = self._reply(path, params)
        return None if reply.status == _NOT_FOUND else reply.document

    def pages(self, path: str) -> Iterator[object]:
        """Every item of a list, page by page; empty for a 404.

        Raises:
            OutsideFailure: as `get` does; and `forge-reply` for an endless list or another shape.
        """
        seen = 0
        for page in range(1, _MAX_PAGES + 1):
            # GitHub knows the first name, Gitea the second.
            reply = self._reply(path, {"per_page": str(PAGE), "limit": str(PAGE), "page": str(page)})
            if reply.status == _NOT_FOUND:
                return
            if not isinstance(reply.document, list):
                raise OutsideFailure(f"expected a list from {self.url}{path}", code="forge-reply")
            yield from reply.document
            seen += len(reply.document)
            if not reply.document or not _goes_on(reply.headers, seen):
                return
        raise OutsideFailure(f"{self.url}{path} has more than {_MAX_PAGES} pages", code="forge-reply")

    def _reply(self, path: str, params: Mapping[str, str]) -> _Reply:
        for attempt in range(1, _TRIES + 1):
            last = attempt == _TRIES
            try:
                reply = self._in_time(path, params)
                pause = _pause(reply, attempt)
                if last or pause is None or pause > _LONGEST_PAUSE_S:
                    return self._checked(path, reply)
            except OutsideFailure as failure:
                if last or failure.code != "forge-unreachable":
                    raise
                pause = float(attempt)
            self.sleep(pause)
        raise AssertionError("unreachable: the last try returns or raises")

    def _in_time(self, path: str, params: Mapping[str, str]) -> _Reply:
        try:
            return within(self.deadline_s, lambda: self._exchange(path, params))
        except DeadlinePassed as late:
            slow = f"the forge at {self.url} answers too slowly: {late}"
            raise OutsideFailure(slow, code="forge-timeout", hint="try again later") from None

    def _exchange(self, path: str, params: Mapping[str, str]) -> _Reply:
        try:
            with requests.Session() as session:
                session.trust_env = False
                if self.url.startswith("https:"):
                    session.mount("https://", Trusting(client_context(code="forge-tls")))
                # A proxy sees the inside of plain HTTP, so it gets none.
                proxies = requests.utils.get_environ_proxies(self.url) if self.url.startswith("https:") else {}
                with session.get(
                    self.url.rstrip("/") + path,
                    params=params,
                    headers={"Accept": "application/json", "User-Agent": f"hyops-gitops/{__version__}"},
                    auth=_TokenAuth(self.token),
                    proxies=proxies,
                    timeout=(min(CONNECT_TIMEOUT_S, self.timeout_s), self.timeout_s),
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    return _Reply(response.status_code, response.headers, self._document(path, response))
        except OSError as error:  # requests.RequestException is one
            if isinstance(error, requests.exceptions.SSLError):
                reason, hint = tls_failure(error)
                failed = f"TLS with the forge at {self.url} failed: {reason}"
                raise OutsideFailure(failed, code="forge-tls", hint=hint) from error
            late = lateness(error, min(CONNECT_TIMEOUT_S, self.timeout_s), self.timeout_s)
            reason = late or type(error).__name__
            raise OutsideFailure(
                f"the forge at {self.url} did not answer: {reason}", code="forge-unreachable"
            ) from error

    def _document(self, path: str, response: requests.Response) -> object:
        if not response.ok or response.is_redirect:
            return None
        body = bytearray()
        for chunk in response.iter_content(64 * 1024):
            body += chunk
            if len(body) > MAX_REPLY_BYTES:
                raise OutsideFailure(f"cannot read {self.url}{path}: too long", code="forge-reply")
        try:
            return json.loads(bytes(body))
        except (ValueError, RecursionError):
            raise OutsideFailure(f"expected JSON from {self.url}{path}", code="forge-reply") from None

    def _checked(self, path: str, reply: _Reply) -> _Reply:
        what = f"{self.url}{path} answered {reply.status}"
        match reply.status:
            case 200 | 404:
                return reply
            case 301 | 302 | 303 | 307 | 308:
                hint = "name the repository and the API as they are called now; a redirect is not followed"
                raise OutsideFailure(what, code="forge-redirect", hint=hint)
            case 401:
                hint = "give a token that may read pull requests in HYOPS_FORGE_TOKEN"
                raise OutsideFailure(what, code="forge-unauthorized", hint=hint)
            case 403 | 429 if _is_limited(reply):
                raise OutsideFailure(f"{what}: too many requests", code="forge-rate-limited", hint="try again later")
            case 403:
                hint = "let the token read contents and pull requests of this repository"
                raise OutsideFailure(what, code="forge-unauthorized", hint=hint)
            case _:
                raise OutsideFailure(what, code="forge-status")


def _pause(reply: _Reply, attempt: int) -> float | None:
    """The wait before a retry; None where a retry is useless."""
    if _is_limited(reply):
        after = reply.headers.get("Retry-After", "")
        return float(after) if _NUMBER.fullmatch(after) else _LONGEST_PAUSE_S + 1
    return float(attempt) if reply.status >= _SERVER_ERROR else None


def _is_limited(reply: _Reply) -> bool:
    spent = reply.headers.get("X-RateLimit-Remaining") == "0" or "Retry-After" in reply.headers
    return reply.status == _TOO_MANY or (reply.status == 403 and spent)  # noqa: PLR2004 - GitHub's other way


def _goes_on(headers: Mapping[str, str], seen: int) -> bool:
    """GitHub links to the next page, Gitea counts all items."""
    total = headers.get("X-Total-Count", "")
    return seen < int(total) if _NUMBER.fullmatch(total) else 'rel="next"' in headers.get("Link", "")


def is_fit_for_a_token(url: str) -> bool:
    """Whether a base URL is https, or http to this machine."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises when it is not a number
        host = parts.hostname or ""
        host.encode("idna")  # raises for labels that are empty or too long, as the connection would
    except ValueError:
        return False
    if parts.query or parts.fragment or parts.username or parts.password or not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(host))


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
