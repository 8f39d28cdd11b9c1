"""NetBox's REST API, read through pynetbox by a session that is careful.

The token reaches exactly the host it was given for: redirects are not followed, `.netrc` is not read, and of a link to
the next page the query alone is used. Each exchange has a deadline; nothing is written. Filters that NetBox does not
know are ignored with status 200, so what it answers is held against the question.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlencode, urlsplit

import requests

from hyops_gitops import __version__
from hyops_gitops.adapters.forge.rest import Trusting, is_fit_for_a_token
from hyops_gitops.adapters.host.deadline import DeadlinePassed, lateness, within
from hyops_gitops.adapters.host.tls import client_context, tls_failure
from hyops_gitops.adapters.netbox_shapes import (
    checked_page,
    detail_of,
    parse_document,
    read_address,
    read_contact,
    read_objects,
    read_prefix,
    read_service,
    strange,
)
from hyops_gitops.core.errors import OutsideFailure, UsageError
from hyops_gitops.netbox.ipam import FHRP_GROUP, IpamAddress, IpamPrefix, IpamService, ObjectKey

NETBOX_URL = "HYOPS_NETBOX_URL"
NETBOX_TOKEN = "HYOPS_NETBOX_TOKEN"  # noqa: S105 - a variable's name
NETBOX_TOKEN_FILE = "HYOPS_NETBOX_TOKEN_FILE"  # noqa: S105 - as above
NETBOX_CA_FILE = "HYOPS_NETBOX_CA_FILE"

DEADLINE_S = 60.0  # for one answer
_CONNECT_S = 5.0
_MAX_REPLY_BYTES = 64 * 1024 * 1024
_PAGE = 1000  # the most that NetBox gives by default, whatever is asked for
_MAX_PAGES = 5000
_MAX_LINE = 4000  # bytes of path and query; the server refuses a request line over 4094
_TRIES = 3
_BUSY = frozenset({429, 502, 503, 504})  # statuses of a server that may answer a moment later
_SERVER_FAILED = 500  # and above
_BY_ID = (4, 6)  # the first version that pages by id, so that pages cannot shift

_ADDRESSES, _PREFIXES, _SERVICES = "ipam/ip-addresses", "ipam/prefixes", "ipam/services"
_CONTACTS = "tenancy/contact-assignments"
_FIELDS = {
    _ADDRESSES: "id,address,vrf,status,role,dns_name,tenant,owner,tags,assigned_object_type,assigned_object",
    _PREFIXES: "id,prefix,vrf,scope_type,scope,site,tenant,owner,tags",
    _SERVICES: "id,name,parent_object_type,parent_object_id,device,virtual_machine,port_mappings,protocol,ports,"
    "ipaddresses",
    _CONTACTS: "id,object_type,object_id,contact",
}
_PARENT_FILTERS = {
    "dcim.device": "device_id",
    "virtualization.virtualmachine": "virtual_machine_id",
    FHRP_GROUP: "fhrpgroup_id",
}

_Value = TypeVar("_Value")


class UnknownValue(OutsideFailure):
    """NetBox does not know a value that it was asked for."""


def netbox_from_environment(
    environ: Mapping[str, str], progress: Callable[[str], None], deadline_s: float = DEADLINE_S
) -> "NetboxIpam":
    """The NetBox that the environment names.

    Raises:
        UsageError: code `no-netbox`: URL or token is missing.
        OutsideFailure: codes `no-pynetbox`, `netbox-url`, `netbox-token`, `netbox-tls`.
    """
    url, token = environ.get(NETBOX_URL, "").strip(), environ.get(NETBOX_TOKEN, "").strip()
    file = environ.get(NETBOX_TOKEN_FILE, "")
    if not token and file:
        try:
            token = Path(file).expanduser().read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise UsageError(f"cannot read {NETBOX_TOKEN_FILE}={file}: {why}", code="no-netbox") from None
    if not url or not token:
        missing = NETBOX_TOKEN if url else NETBOX_URL
        hint = f"set {NETBOX_URL}=https://HOST and {NETBOX_TOKEN}, or {NETBOX_TOKEN_FILE} to a file that holds it"
        raise UsageError(f"cannot ask NetBox: {missing} is not set", code="no-netbox", hint=hint)
    ca_file = environ.get(NETBOX_CA_FILE)
    return NetboxIpam(
        CarefulSession(url, str(Path(ca_file).expanduser()) if ca_file else None, deadline_s), token, progress
    )


class CarefulSession(requests.Session):
    """GET requests to one NetBox, whose answers are JSON or an error.

    Raises:
        OutsideFailure: on creation: codes `netbox-url`, `netbox-tls`.
    """

    def __init__(
        self, url: str, ca_file: str | None, deadline_s: float, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        super().__init__()
        self.base = url.rstrip("/").removesuffix("/api")
        if not is_fit_for_a_token(self.base):
            raise OutsideFailure(
                f"expected a NetBox URL that a token may be sent to, got {self.base!r}",
                code="netbox-url",
                hint="https://HOST/PATH without credentials or query; http only to this machine",
            )
        self.trust_env = False
        self.headers["User-Agent"] = f"hyops-gitops/{__version__}"
        if self.base.startswith("https:"):  # a proxy sees the inside of plain HTTP, so it gets none
            self.mount("https://", Trusting(client_context(ca_file, code="netbox-tls")))
            self.proxies.update(requests.utils.get_environ_proxies(self.base))
        self.listed = ""  # the path of the list that is being read
        self.pages: list[Mapping[str, Any]] = []  # of that list
        self.asked: set[str] = set()  # the queries of these pages
        self._deadline_s = deadline_s
        self._sleep = sleep

    def request(self, method: str | bytes, url: str | bytes, **options: Any) -> requests.Response:  # type: ignore[override]
        """One exchange, whatever pynetbox asks for.

        Raises:
            OutsideFailure: codes `netbox-...`.
            UnknownValue: code `netbox-status`: a filter's value is none that NetBox knows.
        """
        if method != "GET":
            raise AssertionError(f"NetBox is only read, not {method!r}")
        path = self.listed or "status"
        query = urlencode(options["params"], doseq=True) if options.get("params") else urlsplit(str(url)).query
        response = self._in_time(path, query, options.get("headers") or {})
        for attempt in range(1, _TRIES):
            if response.status_code not in _BUSY:
                break
            self._sleep(float(attempt))
            response = self._in_time(path, query, options.get("headers") or {})
        self._check(path, response)
        document = parse_document(response.content, f"{self.base}/api/{path}/")
        if self.listed:
            if query in self.asked:
                raise strange(f"a page of {path} leads to itself or to an earlier one")
            self.asked.add(query)
            document = page = checked_page(document)  # pynetbox asks for all of its members
            self.pages.append(page)
            if self.pages[-1]["next"] and not self.pages[-1]["results"]:
                raise strange(f"an empty page of {path} has a next one")
            if len(self.pages) > _MAX_PAGES:
                raise strange(f"{path} has more than {_MAX_PAGES} pages")
        response.json = lambda **_: document  # type: ignore[method-assign]  # parsed once
        return response

    def _in_time(self, path: str, query: str, headers: Mapping[str, str]) -> requests.Response:
        try:
            return within(self._deadline_s, lambda: self._exchange(path, query, headers))
        except DeadlinePassed as late:
            message = f"NetBox at {self.base} answers too slowly: {late}"
            hint = "try again later, or give it more time: --timeout"
            raise OutsideFailure(message, code="netbox-timeout", hint=hint) from None

    def _exchange(self, path: str, query: str, headers: Mapping[str, str]) -> requests.Response:
        try:
            response = super().request(
                "GET",
                f"{self.base}/api/{path}/" + (f"?{query}" if query else ""),
                headers={**headers, "Accept": "application/json"},
                timeout=(min(_CONNECT_S, self._deadline_s), self._deadline_s),
                allow_redirects=False,
                stream=True,
            )
            with response:
                body = bytearray()
                for chunk in response.iter_content(64 * 1024):
                    body += chunk
                    if len(body) > _MAX_REPLY_BYTES:
                        raise strange(f"{path} is too long")
            response._content = bytes(body)  # noqa: SLF001 - where it was already read into
        except OSError as error:  # requests.RequestException is one
            if isinstance(error, requests.exceptions.SSLError):
                reason, hint = tls_failure(error, NETBOX_CA_FILE)
                failed = f"TLS with NetBox at {self.base} failed: {reason}"
                raise OutsideFailure(failed, code="netbox-tls", hint=hint) from error
            late = lateness(error, min(_CONNECT_S, self._deadline_s), self._deadline_s)
            message = f"NetBox at {self.base} did not answer: {late or type(error).__name__}"
            raise OutsideFailure(message, code="netbox-unreachable") from error
        return response

    def _check(self, path: str, response: requests.Response) -> None:
        status = response.status_code
        if status == requests.codes.ok:
            return
        what = f"NetBox at {self.base} answered {status} for {path}"
        detail = detail_of(response.content)
        match status:
            case 301 | 302 | 303 | 307 | 308:
                hint = f"give {NETBOX_URL} the address that it redirects to; a redirect is not followed"
                raise OutsideFailure(what, code="netbox-redirect", hint=hint)
            case 401 | 403:
                hint = "look at the token in NetBox: it may be expired or disabled; its user needs view on this type"
                raise OutsideFailure(f"{what}: {detail or 'forbidden'}", code="netbox-forbidden", hint=hint)
            case 400 if detail:
                raise UnknownValue(f"{what}: {detail}", code="netbox-status")
            case _:
                hint = "" if detail else f"is {NETBOX_URL} NetBox's own address, without /api?"
                hint = "try again later, or look at what NetBox logged" if status >= _SERVER_FAILED else hint
                raise OutsideFailure(f"{what}: {detail}" if detail else what, code="netbox-status", hint=hint)


class NetboxIpam:
    """One NetBox, read as `netbox.ipam.Ipam`.

    Raises:
        OutsideFailure: on creation: codes `no-pynetbox`, `netbox-token`.
    """

    def __init__(self, session: CarefulSession, token: str, progress: Callable[[str], None]) -> None:
        try:
            import pynetbox  # noqa: PLC0415 - an extra, of these commands alone
        except ImportError:
            hint = "pip install 'hyops-gitops[netbox]'"
            raise OutsideFailure("cannot find pynetbox", code="no-pynetbox", hint=hint) from None
        if not token.isascii() or not token.isprintable() or " " in token:
            raise OutsideFailure("expected NetBox's token as one word", code="netbox-token")
        self._session = session
        self._api = pynetbox.api(session.base, token=token)
        self._api.http_session = session
        self._progress = progress
        self._whole: dict[str, list[Any]] = {}

    def addresses(self, values: Collection[str]) -> Sequence[IpamAddress]:
        """Every object of these addresses, in all VRFs."""
        found = self._about(_ADDRESSES, {"address": sorted(values)}, read_address)
        return [each for each in found if each.address in values]

    def tagged(self, tag: str) -> Sequence[IpamAddress]:
        """Every address with this tag."""
        found = read_objects(read_address, self._list(_ADDRESSES, {"tag": tag}), _ADDRESSES)
        return [each for each in found if tag in each.tags]

    def prefixes(self) -> Sequence[IpamPrefix]:
        """All of them."""
        return self._all(_PREFIXES, read_prefix)

    def services(self, addresses: Collection[IpamAddress]) -> Sequence[IpamService]:
        """The services on these addresses, and on what holds them."""
        ids = {each.id for each in addresses}
        holders = {each.holder for each in addresses if each.holder is not None}
        asked: dict[str, list[object]] = {"ip_address_id": [*sorted(ids)]}
        for kind, number in sorted(holders):
            if kind in _PARENT_FILTERS:
                asked.setdefault(_PARENT_FILTERS[kind], []).append(number)
        found = {each.id: each for each in self._about(_SERVICES, asked, read_service)}
        return [each for each in found.values() if each.addresses & ids or each.parent in holders]

    def contacts(self) -> Mapping[ObjectKey, tuple[str, ...]]:
        """The names of all contacts of addresses and prefixes."""
        names: dict[ObjectKey, tuple[str, ...]] = {}
        for kind in ("ipam.ipaddress", "ipam.prefix"):
            for key, name in read_objects(read_contact, self._list(_CONTACTS, {"object_type": kind}), _CONTACTS):
                if key[0] == kind:
                    names[key] = (*names.get(key, ()), name)
        return names

    def knows(self, kind: Literal["tag", "netbox_site"], slug: str) -> bool:
        """Whether there is such a tag or site."""
        path, name = (_ADDRESSES, "tag") if kind == "tag" else (_PREFIXES, "site")
        try:
            self._count(path, {name: slug})
        except UnknownValue:
            return False
        return True

    def _about(
        self, path: str, asked: Mapping[str, Sequence[object]], read: Callable[[Mapping[str, Any]], _Value]
    ) -> list[_Value]:
        """What filters with these values find, or all where that is cheaper."""
        requests_of_it = [(name, part) for name, values in asked.items() for part in _parts(path, name, values)]
        if path in self._whole or (len(requests_of_it) > 1 and self._pages_of(path) < len(requests_of_it)):
            return self._all(path, read)
        found: list[_Value] = []
        for name, part in requests_of_it:
            found += read_objects(read, self._list(path, {name: part}), path)
        return found

    def _all(self, path: str, read: Callable[[Mapping[str, Any]], _Value]) -> list[_Value]:
        if path not in self._whole:
            self._whole[path] = read_objects(read, self._list(path, {}), path)
        return self._whole[path]

    def _pages_of(self, path: str) -> int:
        return -(-self._count(path, {}) // _PAGE)

    def _count(self, path: str, filters: Mapping[str, object]) -> int:
        self._begin(path)
        self._request(path, {**filters, "fields": "id"}, "offset").get_count()
        return self._session.pages[0]["count"] or 0

    def _list(self, path: str, filters: Mapping[str, object]) -> Iterator[object]:
        """Every object of a list.

        Raises:
            OutsideFailure: code `netbox-changed`: its pages do not fit together.
        """
        pagination = "cursor" if self._version >= _BY_ID else "offset"
        self._begin(path)
        seen: set[object] = set()
        for each in self._request(path, {**filters, "fields": _FIELDS[path]}, pagination).get():
            number = each.get("id") if isinstance(each, dict) else None
            if isinstance(number, int) and number in seen:
                raise self._changed(path)  # at once: such pages need not end
            yield each
            seen.add(number)
            if len(seen) % _PAGE == 0:
                self._progress(f"{len(seen)} of {path}")
        self._check_pages(path, len(seen))

    def _check_pages(self, path: str, seen: int) -> None:
        counts = {page["count"] for page in self._session.pages}
        if len(counts) != 1 or counts - {None, seen}:
            raise self._changed(path)

    def _changed(self, path: str) -> OutsideFailure:
        message = f"NetBox at {self._session.base} changed while {path} was read"
        return OutsideFailure(message, code="netbox-changed", hint="run it again")

    def _begin(self, path: str) -> None:
        _ = self._version
        self._session.listed = path
        self._session.pages, self._session.asked = [], set()

    def _request(self, path: str, filters: Mapping[str, object], pagination: str) -> Any:
        from pynetbox.core.query import Request  # noqa: PLC0415 - as above

        return Request(
            base=f"{self._api.base_url}/{path}",
            http_session=self._session,
            token=self._api.token,
            filters=dict(filters),
            limit=_PAGE,
            pagination=pagination,
        )

    @cached_property
    def _version(self) -> tuple[int, ...]:
        """That of NetBox, which also shows whether it takes the token."""
        status = self._api.status()
        text = status.get("netbox-version") if isinstance(status, dict) else None
        if not isinstance(text, str):
            raise strange("status has no netbox-version")
        digits = [part for part in text.split(".")[:2] if part.isascii() and part.isdigit()]
        return tuple(int(part) for part in digits if len(part) < 4)  # noqa: PLR2004 - digits of a version


def _parts(path: str, name: str, values: Iterable[object]) -> Iterator[list[object]]:
    """The values in parts that fit into a request line each."""
    room = _MAX_LINE - len(urlencode({"fields": _FIELDS[path], "limit": _PAGE, "start": 0})) - 100  # of the path
    part: list[object] = []
    length = 0
    for value in values:
        size = len(urlencode({name: value})) + 1
        if part and length + size > room:
            yield part
            part, length = [], 0
        part.append(value)
        length += size
    if part:
        yield part
