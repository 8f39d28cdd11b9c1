"""One HTTP exchange with a PowerDNS API, and its failures.

The key reaches exactly the host it was given for: redirects are not followed, proxies and `.netrc` are ignored, the
certificate is verified (`ca_file`, else the machine's authorities), and no message or repr holds it. PowerDNS answers
every request with `Connection: close`, so a connection per request costs nothing and leaves no socket behind. It is
made by the standard library: `requests` takes a tenth of a second to load, and three times as long for each request.

Whether a request may have reached the server is known, not guessed: an upload notes when its first byte is taken,
which happens only after the connection (and TLS) stands and the headers are out. Without its body PowerDNS does
nothing (measured on 4.7.3), so an untouched upload was not sent.

A 5xx means that the database failed the request, or that a proxy did not reach PowerDNS. Measured: 4.7 answers 500
with "Internal Server Error" alone, and its log has the database's words; 4.9.18 and 5.1.5 repeat them in the reply.
"""

import contextlib
import io
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import cast
from urllib.parse import urlencode, urlsplit

from hyops_gitops import __version__
from hyops_gitops.adapters.host.deadline import Deadline, DeadlinePassed, TimedSocket
from hyops_gitops.adapters.host.tls import causes, client_context, note_certificate, tls_failure
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import OutsideFailure, ReplyLost

CONNECT_TIMEOUT_S = 5.0
MAX_REPLY_BYTES = 256 * 1024 * 1024  # about two million RRsets; PowerDNS sends 130 bytes for one
DEADLINE_SILENCES = 4  # a whole exchange takes no longer than so many of its longest silences
_CHUNK_BYTES = 1024 * 1024
_MAX_QUOTED_CHARACTERS = 300
_KEY = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply; a long body is cut just above MAX_REPLY_BYTES."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


class _Upload(io.BytesIO):
    """A request body that knows whether sending it has begun."""

    begun = False

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes."""
        self.begun = True
        return super().read(size)


@dataclass(frozen=True, slots=True)
class PowerDnsHttp:
    """The API of one server.

    Raises:
        OutsideFailure: on creation: code `powerdns-key` for a key that no header can carry, `powerdns-url` for a URL
            that is not scheme://host[:port].
    """

    url: str
    api_key: str = field(repr=False)
    ca_file: str | None
    timeout_s: float  # between two bytes

    def __post_init__(self) -> None:
        if not _KEY.fullmatch(self.api_key):
            raise OutsideFailure(
                "the API key is empty or holds spaces, line ends, control or non-ASCII characters",
                code="powerdns-key",
                hint="give the key alone; `read -r` and `$(cat FILE)` drop the line end of a key file",
            )
        if not _is_base_url(self.url):
            raise OutsideFailure(
                f"{quoted(self.url)} is not the base URL of an API, scheme://host:port with http or https",
                code="powerdns-url",
            )

    def exchange(self, method: str, path: str, params: Mapping[str, str], body: bytes | None = None) -> Reply:
        """Send one request, once.

        Args:
            method: HTTP method.
            path: Below the base URL, beginning with `/`, already quoted.
            params: Query parameters.
            body: JSON to upload.

        Raises:
            OutsideFailure: no reply, and either nothing was uploaded or there was nothing to upload. Codes
                `powerdns-unreachable`, `powerdns-connection-lost`, `powerdns-timeout`, `powerdns-tls`.
            ReplyLost: no reply, and some of the body was sent; the same codes.
        """
        upload = None if body is None else _Upload(body)
        headers = {
            "X-API-Key": self.api_key,
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # a reply cannot grow in our memory
            "Content-Type": "application/json",
            "User-Agent": f"hyops-gitops/{__version__}",
            **({} if body is None else {"Content-Length": str(len(body))}),
        }
        connection = self._connection()
        target = f"{path}?{urlencode(params)}" if params else path
        with contextlib.closing(connection):
            try:
                self._connect(connection)
            except OSError as error:
                raise self._failure(error, connected=False, sent=False) from error
            try:
                # A server that refuses a body by its size replies and closes while we still send: the reply counts.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    connection.request(method, target, body=upload, headers=headers)
                with connection.getresponse() as response:
                    lowered = {name.lower(): value for name, value in response.getheaders()}
                    return Reply(response.status, lowered, _body(response))
            except (OSError, HTTPException) as error:
                sent = upload is not None and upload.begun
                raise self._failure(error, connected=True, sent=sent) from error

    def _connection(self) -> HTTPConnection:
        parts = urlsplit(self.url)
        if parts.scheme == "https":
            context = client_context(self.ca_file, code="powerdns-tls")
            return HTTPSConnection(parts.hostname or "", parts.port, context=context)
        return HTTPConnection(parts.hostname or "", parts.port)

    def _connect(self, connection: HTTPConnection) -> None:
        silence = min(CONNECT_TIMEOUT_S, self.timeout_s)
        deadline = Deadline(DEADLINE_SILENCES * self.timeout_s)
        sock = deadline.connect(connection.host, connection.port, silence)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if isinstance(connection, HTTPSConnection):
                deadline.limit(sock, silence)
                context = client_context(self.ca_file, code="powerdns-tls")
                sock = context.wrap_socket(sock, server_hostname=connection.host)
                note_certificate(f"{connection.host}:{connection.port}", sock)
        except BaseException:
            sock.close()
            raise
        connection.sock = cast("socket.socket", TimedSocket(sock, deadline, self.timeout_s))

    def quote(self, text: str) -> str:
        """The server's text safe to print, never with the key."""
        return quoted(text.replace(self.api_key, "[api key]"))

    def _failure(self, error: OSError | HTTPException, *, connected: bool, sent: bool) -> OutsideFailure:
        kind = ReplyLost if sent else OutsideFailure
        reason = self.quote(_root_reason(error))
        match error:
            case ssl.SSLError():
                reason, hint = tls_failure(error, "ca_file")
                failed = f"TLS with PowerDNS at {self.url} failed: {self.quote(reason)}"
                return kind(failed, code="powerdns-tls", hint=hint)
            case DeadlinePassed():
                slow = f"PowerDNS at {self.url} answers too slowly: {error}"
                return kind(slow, code="powerdns-timeout", hint="look at the load of that server, and at the network")
            case TimeoutError():
                during = "to the request" if connected else "to connect"
                return kind(f"PowerDNS at {self.url} did not answer {during} in time", code="powerdns-timeout")
            case _ if not connected:
                hint = (
                    "check that it is up and reachable from here; PowerDNS ends itself where its database goes away, "
                    "and needs a supervisor that starts it again; rebuild a lost primary by `hyops-gitops restore`"
                )
                return kind(f"cannot reach PowerDNS at {self.url}: {reason}", code="powerdns-unreachable", hint=hint)
            case _:
                return kind(
                    f"the connection to PowerDNS at {self.url} broke before the reply was complete: {reason}",
                    code="powerdns-connection-lost",
                )


def quoted(text: str) -> str:
    """Foreign text on one line, escaped and cut."""
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text.strip())
    return escaped if len(escaped) <= _MAX_QUOTED_CHARACTERS else escaped[:_MAX_QUOTED_CHARACTERS] + "..."


def _is_base_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises when it is not a number
        (parts.hostname or "").encode("idna")  # raises for labels that are empty or too long, as the connection would
    except ValueError:
        return False
    bare = not (parts.query or parts.fragment or parts.username or parts.password) and parts.path in ("", "/")
    return bare and parts.scheme in ("http", "https") and bool(parts.hostname)


class _CutShort(HTTPException):
    """The reply ended early."""


def _body(response: HTTPResponse) -> bytes:
    """The body, cut just above MAX_REPLY_BYTES.

    Raises:
        HTTPException, OSError: it is not complete, and the status is that of a success.
    """
    body = bytearray()
    try:
        while len(body) <= MAX_REPLY_BYTES and (chunk := response.read(_CHUNK_BYTES)):
            body += chunk
        if response.length and len(body) <= MAX_REPLY_BYTES:  # http.client takes an early end for the end
            raise _CutShort(f"{response.length} bytes of the reply are missing")
    except (OSError, HTTPException):
        if 200 <= response.status < 400:  # noqa: PLR2004 - the bounds of classes of HTTP status (RFC 9110)
            raise
        # The status alone decides what an error means; a cut explanation must not turn it into something else.
    return bytes(body)


def _root_reason(error: BaseException) -> str:
    root = list(causes(error))[-1]
    if isinstance(root, OSError) and root.strerror:
        return root.strerror.lower()
    return str(root)


_LOG = "PowerDNS's log has the database's own words"
_WHERE = "look for `HTTP ISE` in the log of that PowerDNS"
# What PostgreSQL, MariaDB and SQLite say, what it means, and what to do.
_CAUSES = (
    (
        re.compile(r"read[- ]?only", re.IGNORECASE),
        "its database is read-only",
        "let PowerDNS write to the database's primary: this is a standby, promoted too late or not at all",
    ),
    (
        re.compile(
            r"deadlock|serializ|changed since last read|lock wait|lock timeout|database is locked|snapshot isolation",
            re.IGNORECASE,
        ),
        "its database ended the transaction in favour of another one",
        "run the command again; if this continues, find the other writers of that database",
    ),
    (
        re.compile(
            r"connect|gone away|server closed|shutting down|starting up|terminating|recovery mode|lost connection"
            r"|unable to launch",
            re.IGNORECASE,
        ),
        "its database is away, or is being failed over",
        "look at the database server; run the command again when it is back: an open intent is settled then",
    ),
    (
        re.compile(r"no such (table|column)|does not exist|doesn't exist|unknown column|permission denied|denied for"),
        "its database has another schema than this PowerDNS expects, or denies it the access",
        "compare the schema with the one of PowerDNS's packages, and the rights of PowerDNS's role",
    ),
)


def server_failure(server: str, status: int, reply: str) -> tuple[str, str]:
    """The message and the hint for a reply of class 5xx.

    Args:
        server: The server, for the message.
        status: The reply's status.
        reply: The reply's text, safe to print.
    """
    if status != 500:  # noqa: PLR2004 - "Internal Server Error", the only one that PowerDNS itself sends
        return (
            f"{server} failed ({status}): {reply}",
            "PowerDNS itself answers 500 only: a proxy before it says this, and its log says why",
        )
    for pattern, cause, remedy in _CAUSES:
        if pattern.search(reply):
            return f"{server} failed (500): {cause}: {reply}", f"{remedy}; {_WHERE}"
    return (
        f"{server} failed (500), as a rule because its database did; {_LOG} ({reply})",
        f"{_WHERE}; usual causes: the database is away, a read-only standby, or ended the transaction (deadlock)",
    )
