"""What the adapter makes of broken servers: real sockets, no PowerDNS needed."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import pytest

from hyops_gitops.adapters.powerdns import json_form as powerdns_json
from hyops_gitops.adapters.powerdns.zone_api import PowerDnsReader, PowerDnsTransferRequester, PowerDnsWriter
from hyops_gitops.core.errors import OutsideFailure, Refused, ReplyLost, ServerRefused
from hyops_gitops.core.zone import RRset

SECRET = "s3cret-of-the-primary"
ZONE = "z.internal"
RECORD = RRset.of("a.z.internal", "A", 60, ["127.0.0.1"])
GOOD_HEADER = b'{"name":"z.internal.","kind":"Master","serial":7}'


Behaviour = Callable[[socket.socket, bytes], None]
StartServer = Callable[..., "RawServer"]


@dataclass
class RawServer:
    """One TCP port on loopback; `behaviours` are used up one a connection, the last one stays."""

    listener: socket.socket
    behaviours: list[Behaviour]
    requests: list[bytes] = field(default_factory=list)
    reads_bodies: bool = True

    @property
    def url(self) -> str:
        host, port = self.listener.getsockname()
        return f"http://{host}:{port}"

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return  # closed: the test is over
            with connection:
                request = _read_request(connection) if self.reads_bodies else connection.recv(1)
                self.requests.append(request)
                behaviour = self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]
                behaviour(connection, request)


def _read_request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        if not (more := connection.recv(65536)):
            return received
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while lengths and len(body) < lengths[0] and (more := connection.recv(65536)):
        body += more
    return head + b"\r\n\r\n" + body


@pytest.fixture
def raw_server() -> Iterator[StartServer]:
    """Start such servers."""
    started: list[tuple[RawServer, threading.Thread]] = []

    def start(*behaviours: Behaviour) -> RawServer:
        server = RawServer(socket.create_server(("127.0.0.1", 0)), list(behaviours))
        thread = threading.Thread(target=server.serve)
        thread.start()
        started.append((server, thread))
        return server

    yield start
    for server, thread in started:
        server.listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        server.listener.close()
        thread.join()


def reply(status: str, body: bytes = b"", *headers: str) -> Behaviour:
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""])
    return lambda connection, _: connection.sendall(head.encode() + body)


def hang_up(_connection: socket.socket, _request: bytes) -> None:
    """Close after reading, without a word."""


def reset(connection: socket.socket, _request: bytes) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def stay_silent(connection: socket.socket, _request: bytes) -> None:
    connection.recv(1)  # returns when the client gives up


def reader(url: str) -> PowerDnsReader:
    pauses: list[float] = []
    return PowerDnsReader(url, "localhost", ZONE, SECRET, timeout_s=0.3, sleep=pauses.append)


def writer(url: str) -> PowerDnsWriter:
    return PowerDnsWriter(url, "localhost", ZONE, SECRET, timeout_s=0.3)


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_reader_has_nothing_that_writes() -> None:
    public = {name for name in dir(PowerDnsReader) if not name.startswith("_")}
    assert public == {"header", "rrsets", "rrsets_at", "rrsets_below", "rows_at"}


@pytest.mark.parametrize("kind", [PowerDnsReader, PowerDnsWriter, PowerDnsTransferRequester])
def test_the_key_is_in_no_repr(kind: type[PowerDnsReader]) -> None:
    made = kind("http://127.0.0.1:1", "localhost", ZONE, SECRET)
    assert repr(made) == f"{kind.__name__}('http://127.0.0.1:1', 'z.internal')"


@pytest.mark.parametrize("key", ["", "abc\n", "a b", "schl\u00fcssel", "a\x00b", "a\rb"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(key: str) -> None:
    with pytest.raises(OutsideFailure) as caught:
        PowerDnsReader("http://127.0.0.1:1", "localhost", ZONE, key)
    assert caught.value.code == "powerdns-key"
    assert not key or key not in caught.value.message


@pytest.mark.parametrize(
    "url",
    [
        "ftp://h",
        "http://u:p@h",
        "http://h/api/v1",
        "h:8081",
        "http://",
        "http://h:port",
        "http://h?x=1",
        "http://a..b",
        "",
    ],
)
def test_only_a_base_url_is_taken(url: str) -> None:
    with pytest.raises(OutsideFailure) as caught:
        PowerDnsReader(url, "localhost", ZONE, SECRET)
    assert caught.value.code == "powerdns-url"


def test_nothing_reaches_a_closed_port() -> None:
    url = closed_port()
    with pytest.raises(OutsideFailure) as read:
        reader(url).header()
    assert (type(read.value), read.value.code) == (OutsideFailure, "powerdns-unreachable")
    assert read.value.message == f"cannot reach PowerDNS at {url}: connection refused"
    with pytest.raises(OutsideFailure) as write:
        writer(url).patch([], [RECORD])
    assert (type(write.value), write.value.code) == (OutsideFailure, "powerdns-unreachable")


def test_an_unknown_host_is_unreachable() -> None:
    with pytest.raises(OutsideFailure) as caught:
        writer("http://no-such-host.invalid:8081").patch([], [RECORD])
    assert (type(caught.value), caught.value.code) == (OutsideFailure, "powerdns-unreachable")


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (hang_up, "powerdns-connection-lost"),
        (reset, "powerdns-connection-lost"),
        (stay_silent, "powerdns-timeout"),
        (reply("500 Internal Server Error", b"Internal Server Error"), "powerdns-server-error"),
        (reply("502 Bad Gateway"), "powerdns-server-error"),
        (reply("200 OK", b"hello"), "powerdns-bad-reply"),
        (lambda connection, _: connection.sendall(b"nonsense\r\n\r\n"), "powerdns-connection-lost"),
    ],
)
def test_a_write_whose_reply_is_lost_may_have_landed_and_is_sent_once(
    raw_server: StartServer, behaviour: Behaviour, code: str
) -> None:
    server = raw_server(behaviour)
    with pytest.raises(ReplyLost) as caught:
        writer(server.url).patch([], [RECORD])
    assert caught.value.code == code
    assert len(server.requests) == 1


def test_a_patch_of_many_rrsets_is_given_more_time(raw_server: StartServer) -> None:
    def answer_late(connection: socket.socket, request: bytes) -> None:
        time.sleep(0.6)  # twice the silence that this writer bears
        reply("204 No Content")(connection, request)

    many = [RRset.of(f"n{number}.{ZONE}", "A", 60, ["127.0.0.9"]) for number in range(1000)]
    server = raw_server(answer_late)
    writer(server.url).patch([], many)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("cannot execute DELETE in a read-only transaction", "read-only"),  # PostgreSQL, a standby
        ("The MariaDB server is running with the --read-only option so it cannot execute this statement", "read-only"),
        ("attempt to write a readonly database", "read-only"),  # SQLite
        ("deadlock detected", "in favour of another"),
        ("Deadlock found when trying to get lock; try restarting transaction", "in favour of another"),
        ("could not serialize access due to concurrent update", "in favour of another"),
        ("Record has changed since last read in table 'records'", "in favour of another"),
        ("canceling statement due to lock timeout", "in favour of another"),
        ("Lock wait timeout exceeded; try restarting transaction", "in favour of another"),
        ("Error while retrieving SQLite query results: database is locked (517)", "in favour of another"),
        ("server closed the connection unexpectedly", "is away"),
        ("Unable to connect to database: Connection refused", "is away"),
        ("FATAL: the database system is shutting down", "is away"),
        ("Lost connection to server during query", "is away"),
        ("MySQL server has gone away", "is away"),
        ('relation "records" does not exist', "another schema"),
        ("Table 'pdns.records' doesn't exist", "another schema"),
        ("permission denied for table records", "denies it"),
        ("Internal Server Error", "as a rule because its database did"),  # all that 4.7 says
    ],
)
def test_a_500_is_told_as_the_databases_failure_with_where_to_look(
    raw_server: StartServer, said: str, meaning: str
) -> None:
    server = raw_server(reply("500 Internal Server Error", json.dumps({"error": said}).encode()))
    for attempt in (reader(server.url).header, partial(writer(server.url).patch, [], [RECORD])):
        with pytest.raises(OutsideFailure) as caught:
            attempt()
        assert (caught.value.code, caught.value.exit_code) == ("powerdns-server-error", 4)
        assert meaning in caught.value.message
        assert said in caught.value.message
        assert "the log of that PowerDNS" in caught.value.hint


@pytest.mark.parametrize("status", ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Time-out"])
def test_what_a_proxy_answers_is_not_blamed_on_the_database(raw_server: StartServer, status: str) -> None:
    with pytest.raises(ReplyLost) as caught:
        writer(raw_server(reply(status)).url).patch([], [RECORD])
    assert "database" not in f"{caught.value.message}{caught.value.hint}"
    assert "proxy" in caught.value.hint


def test_a_tls_handshake_that_fails_sent_nothing(raw_server: StartServer) -> None:
    server = raw_server(reply("200 OK"))
    with pytest.raises(OutsideFailure) as caught:
        writer(server.url.replace("http:", "https:")).patch([], [RECORD])
    assert type(caught.value) is OutsideFailure
    assert SECRET.encode() not in b"".join(server.requests)


def test_a_missing_ca_file_is_named() -> None:
    with pytest.raises(OutsideFailure) as caught:
        PowerDnsReader("https://127.0.0.1:1", "localhost", ZONE, SECRET, "no-such-ca.pem").header()
    assert caught.value.code == "powerdns-tls"
    assert "no-such-ca.pem" in caught.value.message


def test_a_redirect_is_never_followed_and_no_secret_goes_there(raw_server: StartServer) -> None:
    target = raw_server(reply("200 OK", GOOD_HEADER))
    for status in ("301 Moved", "302 Found", "307 Temporary", "308 Permanent"):
        server = raw_server(reply(status, b"", f"Location: {target.url}/steal?token=abc"))
        for attempt in (reader(server.url).header, partial(writer(server.url).patch, [], [RECORD])):
            with pytest.raises(OutsideFailure) as caught:
                attempt()
            assert (type(caught.value), caught.value.code) == (OutsideFailure, "powerdns-redirect")
            assert "127.0.0.1" in caught.value.message
            assert "token" not in caught.value.message
    assert target.requests == []


def test_reads_are_tried_again_after_a_5xx_or_a_lost_connection(raw_server: StartServer) -> None:
    server = raw_server(reply("500 Oops"), hang_up, reply("200 OK", GOOD_HEADER))
    assert reader(server.url).header().serial == 7
    assert len(server.requests) == 3


@pytest.mark.parametrize("behaviour", [reply("401 Unauthorized"), reply("404 Not Found"), stay_silent])
def test_other_reads_are_not(raw_server: StartServer, behaviour: Behaviour) -> None:
    server = raw_server(behaviour)
    with pytest.raises(OutsideFailure):
        reader(server.url).header()
    assert len(server.requests) == 1


def test_the_environment_changes_nothing(raw_server: StartServer, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = raw_server(reply("200 OK", GOOD_HEADER))
    server = raw_server(reply("200 OK", GOOD_HEADER))
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("ALL_PROXY", proxy.url)
    assert reader(server.url).header().serial == 7
    assert proxy.requests == []
    assert server.requests[0].count(SECRET.encode()) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"[" * 100_000,
        b'{"name":"z.internal.","kind":"Master"}',
        b'{"name":"z.internal.","kind":"Master","serial":true}',
        b'{"name":"z.internal.","kind":"Master","serial":-1}',
        b'{"name":"z.internal.","kind":"Master","serial":4294967296}',
        b'{"name":"other.internal.","kind":"Master","serial":7}',
        b'{"name":"z.internal.","kind":"Ma\\nster","serial":7}',
        b'{"name":"z.internal.","kind":"Master","serial":' + b"9" * 10_000 + b"}",
        b"\xff\xfe",
    ],
)
def test_a_reply_of_another_shape(raw_server: StartServer, body: bytes) -> None:
    server = raw_server(reply("200 OK", body))
    with pytest.raises(OutsideFailure) as caught:
        reader(server.url).header()
    assert caught.value.code == "powerdns-bad-reply"


@pytest.mark.parametrize("content", ["a\\nb", "\\ud800", "\\u2028", "\\u0000"])
def test_records_that_would_span_lines_are_no_records(raw_server: StartServer, content: str) -> None:
    record = f'{{"name":"a.z.internal.","type":"TXT","ttl":1,"records":[{{"content":"{content}","disabled":false}}]}}'
    server = raw_server(reply("200 OK", f'{{"name":"z.internal.","rrsets":[{record}]}}'.encode()))
    with pytest.raises(OutsideFailure) as caught:
        reader(server.url).rrsets()
    assert caught.value.code == "powerdns-bad-reply"


@pytest.mark.parametrize(
    "owner", ['"name":"a b.z.internal.","type":"TXT"', '"name":"a.z.internal.","type":"A IN"', '"name":"","type":"A"']
)
def test_what_no_line_of_a_zone_file_can_say_is_no_rrset(raw_server: StartServer, owner: str) -> None:
    body = f'{{"name":"z.internal.","rrsets":[{{{owner},"ttl":1,"records":[]}}]}}'
    server = raw_server(reply("200 OK", body.encode()))
    with pytest.raises(OutsideFailure, match="is not one word"):
        reader(server.url).rrsets()


def test_a_huge_reply_is_not_read_to_its_end(raw_server: StartServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyops_gitops.adapters.powerdns.http.MAX_REPLY_BYTES", 1000)
    monkeypatch.setattr(powerdns_json, "MAX_REPLY_BYTES", 1000)
    server = raw_server(reply("200 OK", b" " * 200_000 + GOOD_HEADER))
    with pytest.raises(OutsideFailure, match="larger than 1000 bytes"):
        reader(server.url).header()


def test_the_date_header_becomes_the_servers_time(raw_server: StartServer) -> None:
    server = raw_server(reply("200 OK", GOOD_HEADER, "Date: Sun, 22 Nov 2026 15:50:21 GMT"))
    moment = reader(server.url).header().server_time
    assert moment is not None
    assert moment.isoformat() == "2026-11-22T15:50:21+00:00"


@pytest.mark.parametrize("date", ["", "Sun, 22 Nov 99999999999999999999 15:50:21 GMT", "Sun, 22 Nov 2026 15:50:21"])
def test_a_date_that_is_none_is_not_known(raw_server: StartServer, date: str) -> None:
    server = raw_server(reply("200 OK", GOOD_HEADER, f"Date: {date}"))
    assert reader(server.url).header().server_time is None


def test_a_new_serial_that_is_none_is_not_known(raw_server: StartServer) -> None:
    server = raw_server(reply("204 No Content", b"", f"X-PDNS-New-Serial: {'9' * 5000}"))
    assert writer(server.url).patch([], [RECORD]).new_serial is None


def test_what_a_server_says_is_bounded_escaped_and_never_the_key(raw_server: StartServer) -> None:
    said = f'{{"error":"no \\u001b[31m{SECRET} {"x" * 5000}"}}'.encode()
    server = raw_server(reply("422 Unprocessable", said))
    with pytest.raises(ServerRefused) as caught:
        writer(server.url).patch([], [RECORD])
    assert caught.value.code == "powerdns-refused"
    assert "\\x1b[31m[api key]" in caught.value.message
    assert len(caught.value.message) < 500


@pytest.mark.parametrize("key", ["k\"e\\y%41<&'$", "x", "%6b%65", "(.*)", "{key}"])
def test_an_unusual_key_is_sent_as_it_is_and_said_by_nobody(raw_server: StartServer, key: str) -> None:
    for said in (json.dumps({"error": f"no {key}!"}), f"no {key}!"):
        server = raw_server(reply("422 Unprocessable", said.encode()))
        with pytest.raises(ServerRefused, match=r"no \[api key\]!") as caught:
            PowerDnsWriter(server.url, "localhost", ZONE, key).patch([], [RECORD])
        assert f"no {key}" not in repr(caught.value)
        assert f"X-API-Key: {key}\r\n".encode() in server.requests[0]


def test_a_cut_explanation_of_a_refusal_is_still_a_refusal(raw_server: StartServer) -> None:
    cut = b"HTTP/1.1 422 No\r\nContent-Length: 500\r\nConnection: close\r\n\r\n{"
    server = raw_server(lambda connection, _: connection.sendall(cut))
    with pytest.raises(ServerRefused):
        writer(server.url).patch([], [RECORD])


def test_a_refusal_that_arrives_while_the_body_is_sent_is_a_refusal(raw_server: StartServer) -> None:
    server = raw_server(reply("400 Bad Request", b"Request Body too large"))
    server.reads_bodies = False
    many = [RRset.of(f"n{number}.{ZONE}", "A", 60, ["10.0.0.1"]) for number in range(60_000)]
    with pytest.raises(ServerRefused):
        writer(server.url).patch([], many)


def test_what_is_too_big_is_refused_before_anything_is_sent(raw_server: StartServer) -> None:
    server = raw_server(reply("204 No Content"))
    many = [RRset.of(f"n{number}.{ZONE}", "A", 60, ["10.0.0.1"]) for number in range(10_000)]
    with pytest.raises(Refused) as caught:
        PowerDnsWriter(server.url, "localhost", ZONE, "key", max_body_mib=1).check_size([], many)
    assert caught.value.guard == "request-size"
    assert "webserver-max-bodysize=2 in the server's pdns.conf" in caught.value.hint
    assert "primary.max_body_mib: 2 in the authority file" in caught.value.hint
    PowerDnsWriter(server.url, "localhost", ZONE, "key", max_body_mib=2).check_size([], many)
    assert server.requests == []


def test_a_patch_that_would_do_harm_by_itself_is_a_mistake() -> None:
    made = writer("http://127.0.0.1:1")
    with pytest.raises(ValueError, match="empty PATCH"):
        made.patch([], [])
    with pytest.raises(ValueError, match="without records"):
        made.patch([("b.z.internal", "A")], [RRset.of("a.z.internal", "A", 60, [])])


def test_a_server_that_never_accepts_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listener, pytest.raises(ReplyLost) as caught:
        # The kernel completes the connection; nobody ever reads what is sent.
        writer(f"http://127.0.0.1:{listener.getsockname()[1]}").patch([], [RECORD])
    assert caught.value.code == "powerdns-timeout"


def test_a_zone_name_is_quoted_as_powerdns_quotes_it(raw_server: StartServer) -> None:
    server = raw_server(reply("404 Not Found"))
    with pytest.raises(OutsideFailure):
        PowerDnsReader(server.url, "local host/..", "0/25.10.in-addr.arpa", SECRET).header()
    path = b"/api/v1/servers/local%20host%2F../zones/0=2F25.10.in-addr.arpa.?rrsets=false"
    assert server.requests[0].startswith(b"GET " + path + b" ")
