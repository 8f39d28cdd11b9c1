"""One zone of one PowerDNS Authoritative server, through its HTTP API.

Facts come from the PowerDNS documentation ("HTTP API: Zones") and from measurements on 4.7.3. PowerDNS's words
(`changetype`, `kind`) stay in here. A reader has no method that writes; requests that read are tried three times,
requests that write are sent once.
"""

import random
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote, urlsplit

from hyops_gitops.adapters.powerdns.http import PowerDnsHttp, Reply, quoted, server_failure
from hyops_gitops.adapters.powerdns.json_form import (
    BadShape,
    ZoneJson,
    decode_found,
    decode_header,
    decode_rrsets,
    decode_zone,
    encode_patch,
    error_text,
    has_escapes,
    probe,
    resolves_twice,
)
from hyops_gitops.adapters.powerdns.server import read_signing, usable_keys
from hyops_gitops.core.authority import DEFAULT_MAX_BODY_MIB
from hyops_gitops.core.errors import OutsideFailure, Refused, ReplyLost, ServerRefused
from hyops_gitops.core.exchange import PatchReceipt, ZoneHeader, ZoneSigning
from hyops_gitops.core.names import absolute, is_below
from hyops_gitops.core.network import FEW_NAMES
from hyops_gitops.core.zone import Key, Operation, RRset

DEFAULT_TIMEOUT_S = 30.0
_RRSET_S = 0.02  # of waiting for a PATCH, in addition: PostgreSQL and MariaDB on a busy machine need a fifth of it
MIB = 1024 * 1024
_MARKERS_BYTES = 64 * 1024  # room for lock, turn, claim, anchor and expired markers
READ_TRIES = 3
MOST_FOUND = 2000  # rows of one search; at as many it may be cut
_SEARCHABLE = re.compile(r"[a-z0-9._*-]+")  # `*` fits more names, which are left out again
_READ_PAUSE_S = 0.1  # before the second try, doubled before the third, with up to as much again at random
_SERIAL = re.compile(r"[0-9]{1,10}")
_TRANSIENT = frozenset({"powerdns-unreachable", "powerdns-connection-lost", "powerdns-server-error"})


class _ZoneApi:
    """The requests about one zone, and the meaning of the replies' status."""

    __slots__ = ("_http", "_max_body_mib", "_path", "_searches", "_signing", "_sleep", "_zone", "_zones")

    def __init__(
        self,
        url: str,
        server_id: str,
        zone: str,
        api_key: str,
        ca_file: str | None = None,
        *,
        max_body_mib: int = DEFAULT_MAX_BODY_MIB,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            url: scheme://host:port, without path.
            server_id: `localhost` unless a proxy says otherwise.
            zone: The zone's canonical name.
            api_key: The secret; it goes into one header of requests to `url` and nowhere else.
            ca_file: PEM file of the authorities to trust in place of the machine's.
            max_body_mib: The largest request that the server takes, in MiB. It answers a larger one with the same
                "Bad Request" as broken JSON.
            timeout_s: The longest silence to bear, in seconds; longer after a PATCH of many RRsets.
            sleep: Waits between tries of a read.

        Raises:
            OutsideFailure: codes `powerdns-key` and `powerdns-url`.
        """
        self._http = PowerDnsHttp(url, api_key, ca_file, timeout_s)
        self._max_body_mib = max_body_mib
        self._zone = zone
        self._zones = f"/api/v1/servers/{quote(server_id, safe='')}/zones"
        self._path = f"{self._zones}/{_zone_id(zone)}"
        self._sleep = sleep
        self._signing: ZoneSigning | None = None
        self._searches: bool | None = None  # whether a search shows what the zone holds; None: not known yet

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._http.url!r}, {self._zone!r})"

    def _send(self, method: str, path: str, body: bytes | None = None, rrsets: int = 0) -> Reply:
        """One request that changes something, once; the reply says 2xx."""
        http = replace(self._http, timeout_s=self._http.timeout_s + rrsets * _RRSET_S)
        reply = http.exchange(method, path, {}, body)
        self._check(reply, body)
        return reply

    def _flush(self) -> None:
        """Flush the zone's names from the server's caches."""
        flush = self._zones.removesuffix("/zones") + "/cache/flush"
        self._check(self._http.exchange("PUT", flush, {"domain": absolute(self._zone)}, b""), b"")

    def _check(self, reply: Reply, body: bytes | None) -> None:
        """Raise the error of a status other than 2xx.

        `body` is the upload, None when there was none.
        """
        if 200 <= reply.status < 300:  # noqa: PLR2004 - the bounds of a class of HTTP status (RFC 9110)
            return
        server = f"PowerDNS at {self._http.url}"
        reason = self._http.quote(error_text(reply.body))
        match reply.status:
            case status if 300 <= status < 400:  # noqa: PLR2004 - as above
                raise OutsideFailure(
                    f"{server} answered {status}, a redirect to {_host(reply.headers.get('location', ''))}",
                    code="powerdns-redirect",
                    hint="give the API's own address: no redirect is followed, since the API key would go with it",
                )
            case 401 | 403:
                raise OutsideFailure(
                    f"the API key is not accepted by {server} ({reply.status} {reason})",
                    code="powerdns-unauthorized",
                    hint="compare the key in the environment with `api-key` in that server's pdns.conf, and what a "
                    "proxy before it allows",
                )
            case 404:
                kind = OutsideFailure if body is None else ServerRefused
                raise kind(
                    f"{server} has no zone {self._zone} ({reply.status} {reason})",
                    code="powerdns-no-zone",
                    hint="create it on the server, since an apply never does, or check primary.server_id",
                )
            case 400 if body is not None:
                raise ServerRefused(
                    f"{server} refused the change ({reason}): it was malformed or too big; it had {len(body)} bytes, "
                    f"primary.max_body_mib allows {self._max_body_mib * MIB}",
                    code="powerdns-refused",
                    hint="see the server's log for which; if too big, compare its webserver-max-bodysize, and the "
                    "limit of a proxy before it, with primary.max_body_mib in the authority file",
                )
            case status if 400 <= status < 500:  # noqa: PLR2004 - as above
                raise ServerRefused(f"{server} refused the request ({status}): {reason}", code="powerdns-refused")
            case status:
                kind = OutsideFailure if body is None else ReplyLost
                message, hint = server_failure(server, status, reason)
                raise kind(message, code="powerdns-server-error", hint=hint)


class PowerDnsReader(_ZoneApi):
    """Meets `core.ports.ZoneReader`."""

    __slots__ = ()

    def header(self) -> ZoneHeader:
        """The zone without its RRsets."""
        reply, zone = self._read({"rrsets": "false"})
        with _checked(self._http.url):
            header = decode_header(zone, _http_date(reply.headers.get("date", "")))
        return replace(header, signing=self._signing_of(zone)) if zone.get("dnssec") is True else header

    def _signing_of(self, zone: ZoneJson) -> ZoneSigning:
        """The signing, read once: two requests that a proxy may refuse."""
        if self._signing is None:
            rectify = zone.get("api_rectify") is True
            self._signing = read_signing(self._http, self._path, rectify=rectify)
        return self._signing

    def rrsets(self) -> tuple[RRset, ...]:
        """Every RRset of the zone as stored."""
        _, zone = self._read({})
        with _checked(self._http.url):
            return tuple(decode_rrsets(zone))

    def rrsets_at(self, names: Collection[str]) -> tuple[RRset, ...]:
        """Every RRset at exactly these canonical owner names.

        The API's own filter, `rrset_name`, leaves out disabled records before 5.0, and a later REPLACE would remove
        what was never seen. A search lists them, so few names are searched for one by one; where the server does not
        search (LMDB before 5.0), and for many names, the zone is read whole.
        """
        wanted = set(names)
        if not wanted:
            return ()
        if len(wanted) <= FEW_NAMES and (found := self._found_at(sorted(wanted))) is not None:
            return found
        _, zone = self._read({})
        with _checked(self._http.url):
            return tuple(decode_rrsets(zone, wanted))

    def rrsets_below(self, name: str) -> tuple[RRset, ...] | None:
        """The RRsets at and below a name; None where none are found."""
        found = self._search(f"*{name}")
        below = tuple(rrset for rrset in found or () if rrset.name == name or is_below(rrset.name, name))
        self._searches = self._searches or bool(below)
        return below or None

    def _found_at(self, names: Sequence[str]) -> tuple[RRset, ...] | None:
        """The RRsets at these names; None where no search shows them."""
        if self._searches is None:  # the SOA, which every zone has, shows whether this server searches
            apex = self._search(self._zone)
            self._searches = any(rrset.key == (self._zone, "SOA") for rrset in apex or ())
        found: list[RRset] = []
        for name in names if self._searches else ():
            listed = self._search(name)
            if listed is None:
                return None
            found += (rrset for rrset in listed if rrset.name == name)
        return tuple(found) if self._searches else None

    def _search(self, pattern: str) -> tuple[RRset, ...] | None:
        """The RRsets that fit a pattern; None where not all are listed."""
        if not _SEARCHABLE.fullmatch(pattern):
            return None
        params = {"q": pattern, "max": str(MOST_FOUND), "object_type": "record"}
        reply = self._get(self._zones.removesuffix("/zones") + "/search-data", params, refusable=True)
        if reply.status != 200:  # noqa: PLR2004 - a proxy or an old version that does not let us
            return None
        with _checked(self._http.url):
            return decode_found(reply.body, self._zone, MOST_FOUND)

    def rows_at(self, names: Sequence[str]) -> tuple[RRset, ...]:
        """Every served record at these names, from the database.

        Few names are asked for one by one, in this order, with the API's own filter, which leaves out disabled
        records; for many the zone is read whole.
        """
        if len(names) > FEW_NAMES:
            return self.rrsets_at(names)
        return tuple(rrset for name in names for rrset in self._at(name))

    def _at(self, name: str) -> list[RRset]:
        _, zone = self._read({"rrset_name": absolute(name)})
        with _checked(self._http.url):
            return [rrset for rrset in decode_rrsets(zone) if rrset.name == name]

    def _read(self, params: Mapping[str, str]) -> tuple[Reply, ZoneJson]:
        """GET the zone."""
        reply = self._get(self._path, params)
        with _checked(self._http.url):
            return reply, decode_zone(reply.body, self._zone)

    def _get(self, path: str, params: Mapping[str, str], *, refusable: bool = False) -> Reply:
        """GET, with a second try after a failure.

        Args:
            path: Below the server's URL.
            params: Of the query.
            refusable: Whether a reply of 4xx is an answer too.
        """
        for attempt in range(1, READ_TRIES + 1):
            try:
                reply = self._http.exchange("GET", path, params)
                if not (refusable and 400 <= reply.status < 500):  # noqa: PLR2004 - the bounds of a class (RFC 9110)
                    self._check(reply, None)
            except OutsideFailure as error:
                if error.code not in _TRANSIENT or attempt == READ_TRIES:
                    raise
            else:
                return reply
            pause = _READ_PAUSE_S * 2 ** (attempt - 1)
            self._sleep(pause + random.uniform(0, pause))  # noqa: S311 - spreads retries, guards nothing
        raise AssertionError("the last try returns or raises")


class PowerDnsWriter(PowerDnsReader):
    """Meets `core.ports.ZoneWriter`."""

    __slots__ = ()

    def check_size(self, deletes: Sequence[Key], replaces: Sequence[RRset]) -> None:
        """Check that these, with markers, fit one request.

        Raises:
            Refused: guard `request-size`.
        """
        body = encode_patch([*deletes, *replaces], twice=has_escapes(replaces))
        self._check_room(body, "the change", "apply fewer contracts in one commit")

    def patch(self, deletes: Sequence[Key], replaces: Sequence[RRset], first: Sequence[Operation] = ()) -> PatchReceipt:
        """Send one PATCH, stored whole or not at all, in its order.

        Raises:
            ServerRefused: codes `powerdns-refused`, `powerdns-no-zone`; nothing was stored.
            ReplyLost: the request may have been stored.
            OutsideFailure: it was not.
            ValueError: nothing to send (an empty PATCH still moves the serial), or a replace without records (which
                PowerDNS takes for a delete).
        """
        operations = [*first, *deletes, *replaces]
        if not operations:
            raise ValueError("an empty PATCH")
        body = encode_patch(operations, twice=has_escapes(replaces) and self._resolves_twice())
        reply = self._send("PATCH", self._path, body, len(operations))
        if reply.status != 204:  # noqa: PLR2004 - "No Content", the one documented success
            raise ReplyLost(
                f"PowerDNS at {self._http.url} answered a PATCH with {reply.status}, expected 204",
                code="powerdns-bad-reply",
                hint="check proxies between here and the server",
            )
        serial = reply.headers.get("x-pdns-new-serial", "")
        return PatchReceipt(int(serial) if _SERIAL.fullmatch(serial) else None)

    def _resolves_twice(self, creates: Mapping[str, object] | None = None) -> bool:
        """Ask whether the server resolves escapes twice."""
        method, path = ("PATCH", self._path) if creates is None else ("POST", self._zones)
        reply = self._http.exchange(method, path, {}, probe(self._zone, creates=creates))
        if reply.status == 422:  # noqa: PLR2004 - "Unprocessable Content", PowerDNS's refusal of a record
            return resolves_twice(error_text(reply.body))
        self._check(reply, None)
        return False

    def _check_room(self, body: bytes, what: str, instead: str) -> None:
        size, limit = len(body) + _MARKERS_BYTES, self._max_body_mib * MIB
        if size > limit:
            needed = -(-size // MIB)
            raise Refused(
                f"{what} needs {size} bytes in one request, primary.max_body_mib allows {limit}",
                guard="request-size",
                hint=f"set webserver-max-bodysize={needed} in the server's pdns.conf (and the limit of a proxy before "
                f"it), then primary.max_body_mib: {needed} in the authority file; or {instead}",
            )

    def notify(self) -> None:
        """Ask for NOTIFY to every secondary, sent within a second."""
        self._send("PUT", f"{self._path}/notify")


class PowerDnsZoneKeys(_ZoneApi):
    """The zone's DNSSEC keys, for `doctor`."""

    __slots__ = ()

    def usable(self) -> tuple[bool, ...] | None:
        """For each key, whether it signs and is published, if visible."""
        return usable_keys(self._http, self._path)


class PowerDnsTransferRequester(_ZoneApi):
    """Meets `core.ports.Refresher`; for the API of a secondary that transfers the zone."""

    __slots__ = ()

    def refresh(self) -> None:
        """Ask the secondary to transfer the zone now, whatever its serial."""
        self._send("PUT", f"{self._path}/axfr-retrieve")

    def forget_answers(self) -> None:
        """Flush its answers; one made during a transfer may outlive that."""
        self._flush()


class PowerDnsCacheFlusher(_ZoneApi):
    """Meets `core.ports.Refresher`; for the API of a server on the primary's database."""

    __slots__ = ()

    def refresh(self) -> None:
        """Flush its answers; a zone new to it becomes known."""
        self._flush()

    def forget_answers(self) -> None:
        self._flush()


@contextmanager
def _checked(url: str) -> Iterator[None]:
    """Turn a reply of the wrong shape into our error."""
    try:
        yield
    except BadShape as error:
        message = f"PowerDNS at {url} sent a reply that cannot be used: {error}"
        raise OutsideFailure(message, code="powerdns-bad-reply") from error


def _zone_id(zone: str) -> str:
    """PowerDNS's own quoting (`=2F` for a slash), which 4.7 needs."""
    return "".join(c if re.match(r"[a-z0-9._-]", c) else f"={ord(c):02X}" for c in absolute(zone))


def _host(location: str) -> str:
    try:
        return quoted(urlsplit(location).hostname or "the same host")
    except ValueError:
        return "an address that cannot be read"


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else None
