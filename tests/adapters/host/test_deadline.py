"""Servers that drip, or never end: each exchange is over by its deadline, with its own words."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from hyops_gitops.adapters.dns import client as dns_client
from hyops_gitops.adapters.dns.client import PlainDnsClient
from hyops_gitops.adapters.dns.zone_source import transfer
from hyops_gitops.adapters.forge.rest import ForgeHttp
from hyops_gitops.adapters.powerdns.zone_api import PowerDnsReader, PowerDnsWriter
from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.core.errors import OutsideFailure, ReplyLost
from hyops_gitops.core.exchange import Question
from hyops_gitops.core.zone import RRset
from tests.support.dripping import dripping

ZONE = "z.internal"
SILENCE_S = 0.1  # the deadline is four of them
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
DRIPS = {
    "status line": (b"HTTP/1.1 200 ", b"x"),
    "header": (OK + b"X-Long: ", b"x"),
    "headers": (OK, b"X-More: x\r\n"),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": (OK + b"Content-Length: 1000000\r\n\r\n{", b" "),
    "body without length": (OK + b"\r\n{", b" "),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "chunk size": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
}
each_drip = pytest.mark.parametrize(("head", "drip"), DRIPS.values(), ids=DRIPS)


@each_drip
def test_a_read_of_the_api(head: bytes, drip: bytes) -> None:
    with dripping(head, drip) as server, pytest.raises(OutsideFailure) as caught:
        PowerDnsReader(server.url, "localhost", ZONE, "key", timeout_s=SILENCE_S).header()

    assert caught.value.code in ("powerdns-timeout", "powerdns-connection-lost")  # too many headers, too long a line
    assert server.connections == (1 if caught.value.code == "powerdns-timeout" else 3)


@each_drip
def test_a_reply_to_a_patch_is_lost(head: bytes, drip: bytes) -> None:
    record = RRset.of("a.z.internal", "A", 60, ["127.0.0.1"])
    with dripping(head, drip) as server, pytest.raises(ReplyLost) as caught:
        PowerDnsWriter(server.url, "localhost", ZONE, "key", timeout_s=SILENCE_S).patch([], [record])

    assert f"PowerDNS at {server.url} answers too slowly: not over within 0.48 s" in caught.value.message
    assert server.connections == 1


def test_a_server_that_takes_an_upload_byte_by_byte() -> None:
    long = RRset.of("a.z.internal", "TXT", 60, [f'"{number:0250}"' for number in range(30_000)])
    with dripping(reads=False, drip=b"") as server, pytest.raises(ReplyLost) as caught:
        PowerDnsWriter(server.url, "localhost", ZONE, "key", timeout_s=SILENCE_S, max_body_mib=64).patch([], [long])

    assert caught.value.code == "powerdns-timeout"


def test_a_dripped_explanation_leaves_the_status_as_the_answer() -> None:
    refusal = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 1000\r\n\r\n"
    with dripping(refusal, b" ") as server, pytest.raises(OutsideFailure) as caught:
        PowerDnsReader(server.url, "localhost", ZONE, "key", timeout_s=SILENCE_S).header()

    assert caught.value.code == "powerdns-unauthorized"


@each_drip
def test_a_forge_is_asked_once(head: bytes, drip: bytes) -> None:
    with dripping(head, drip) as server, pytest.raises(OutsideFailure) as caught:
        ForgeHttp(server.url, "token", timeout_s=SILENCE_S, deadline_s=0.3).get("/repos/a/b")

    assert caught.value.code == "forge-timeout"
    assert caught.value.message == f"the forge at {server.url} answers too slowly: not over within 0.3 s"
    assert server.connections == 1


@pytest.mark.parametrize("message", [b"\x00\xff", b""], ids=["inside a message", "length"])
def test_a_transfer_in_bytes(message: bytes) -> None:
    with dripping(message, b"\x00") as server, pytest.raises(OutsideFailure) as caught:
        transfer(ServerAddress("127.0.0.1", server.port), ZONE, 0.3)

    assert caught.value.code == "axfr-failed"


def test_a_transfer_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.randbelow", lambda _: 0x0707)
    record = b"\x01a\x00" + b"\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x7f\x00\x00\x01"
    wire = b"\x07\x07\x84\x00\x00\x00\x00\x01\x00\x00\x00\x00" + record
    endless = len(wire).to_bytes(2, "big") + wire

    with dripping(b"", endless) as server, pytest.raises(OutsideFailure) as caught:
        transfer(ServerAddress("127.0.0.1", server.port), ZONE, 0.3)
    assert caught.value.message.endswith(": not over within 0.3 s")

    monkeypatch.setattr("hyops_gitops.adapters.dns.zone_source._MOST_OCTETS", 10_000)
    with dripping(b"", endless * 100, at_once=True) as server, pytest.raises(OutsideFailure) as caught:
        transfer(ServerAddress("127.0.0.1", server.port), ZONE, 5)
    assert caught.value.message.endswith(": more than 10000 octets")


def test_all_answers_that_were_cut_share_one_deadline() -> None:
    """Not one a connection: a server could hold as many as there are questions."""
    questions = [Question(f"n{number}.z.internal", "A") for number in range(40)]
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(type=socket.SOCK_DGRAM) as cutting:
        cutting.bind(listener.getsockname())

        def cut() -> None:
            for _ in questions:
                wire, client = cutting.recvfrom(4096)
                cutting.sendto(wire[:2] + b"\x86\x00" + wire[4:], client)

        thread = threading.Thread(target=cut)
        thread.start()
        with dripping(b"\x00\xff", b"x", listener=listener) as server:
            address = ServerAddress("127.0.0.1", server.port)
            answers = PlainDnsClient().ask(address, questions, recursion_desired=False, timeout_s=0.15)
        thread.join()

    assert {answer.rcode for answer in answers.values()} == {"SILENT"}
    assert server.connections <= dns_client._TCP_WORKERS


def test_a_flood_of_datagrams_does_not_stop_the_clock() -> None:
    """A real sender is hardly ever faster than the receiver, so the socket is made up."""

    class Flood(socket.socket):
        def recv(self, _octets: int, _flags: int = 0, /) -> bytes:
            return b"noise that never ends"

    batch = dns_client._batch([Question(ZONE, "SOA")], recursion_desired=False, timeout_s=1)
    with Flood(type=socket.SOCK_DGRAM) as flood, ThreadPoolExecutor(1) as pool:
        dns_client._receive(batch, flood, (), pool)

    assert len(batch.unanswered) == 1


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"], ids=["nothing", "half"])
def test_a_forge_that_falls_silent_is_told_in_words_and_seconds(head: bytes) -> None:
    with dripping(head, b"") as server, pytest.raises(OutsideFailure) as caught:
        ForgeHttp(server.url, "token", timeout_s=SILENCE_S, deadline_s=30, sleep=lambda _: None).get("/repos/a/b")

    assert caught.value.message == f"the forge at {server.url} did not answer: nothing came within {SILENCE_S:g} s"
