"""The DNS client against real servers, and against silence."""

import socket
import threading

import dns.flags
import dns.message
import dns.rrset
import pytest

from hyops_gitops.adapters.dns.client import PlainDnsClient, chaos_text
from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.core.exchange import Answer, Question
from hyops_gitops.core.zone import RRset
from hyops_gitops.lab.model import Lab
from tests.support.served_zone import PatientWriter

QUESTION = Question("a.z.internal", "A")


def ask(server: ServerAddress, *questions: Question, timeout_s: float = 3) -> dict[Question, Answer]:
    return dict(PlainDnsClient().ask(server, questions, recursion_desired=False, timeout_s=timeout_s))


@pytest.mark.authority
def test_answers_of_an_authority(lab: Lab, zone_name: str) -> None:
    address = RRset.of(f"a.{zone_name}", "A", 60, ["127.0.0.9", "127.0.0.8"])
    alias = RRset.of(f"c.{zone_name}", "CNAME", 30, [f"a.{zone_name}"])
    text = RRset.of(f"t.{zone_name}", "TXT", 30, ['"v=1 \\"quoted\\" \\\\ \\233"'])
    writer = PatientWriter(lab.primary.api_url, "localhost", zone_name, lab.api_key)
    writer.patch([], [address, alias, text])
    there, chain, quoted, missing, other = (
        Question(f"a.{zone_name}", "A"),
        Question(f"c.{zone_name}", "A"),
        Question(f"t.{zone_name}", "TXT"),
        Question(f"x.{zone_name}", "A"),
        Question(f"a.{zone_name}", "AAAA"),
    )
    answers = ask(lab.primary.dns, there, chain, quoted, missing, other, there)
    assert len(answers) == 5
    assert {(answer.rcode, answer.authoritative) for answer in answers.values()} == {
        ("NOERROR", True),
        ("NXDOMAIN", True),
    }
    assert answers[there].rrsets == (address,)
    assert set(answers[chain].rrsets) == {alias, address}
    assert answers[quoted].rrsets == writer.rrsets_at([text.name])
    assert (answers[missing].rcode, answers[missing].rrsets) == ("NXDOMAIN", ())
    assert (answers[other].rcode, answers[other].rrsets) == ("NOERROR", ())


@pytest.mark.authority
def test_a_zone_that_the_server_does_not_have(lab: Lab) -> None:
    question = Question("a.nowhere.example", "A")
    answer = ask(lab.primary.dns, question)[question]
    assert (answer.rcode, answer.authoritative) == ("REFUSED", False)


@pytest.mark.authority
def test_an_answer_too_big_for_udp_comes_by_tcp(lab: Lab, zone_name: str) -> None:
    big = RRset.of(f"big.{zone_name}", "TXT", 60, [f'"{number:03} {"x" * 200}"' for number in range(40)])
    PatientWriter(lab.primary.api_url, "localhost", zone_name, lab.api_key).patch([], [big])
    question = Question(big.name, "TXT")
    assert ask(lab.primary.dns, question)[question].rrsets == (big,)


@pytest.mark.authority
def test_a_thousand_questions(lab: Lab, zone_name: str) -> None:
    names = [f"n{number}.{zone_name}" for number in range(1000)]
    writer = PatientWriter(lab.primary.api_url, "localhost", zone_name, lab.api_key)
    writer.patch([], [RRset.of(name, "A", 60, ["127.0.0.9"]) for name in names])
    answers = ask(lab.primary.dns, *(Question(name, "A") for name in names))
    assert all(answers[Question(name, "A")].rrsets[0].name == name for name in names)


def test_silence_is_an_answer() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        answers = ask(ServerAddress("127.0.0.1", silent.getsockname()[1]), QUESTION, timeout_s=0.2)
    assert answers[QUESTION] == Answer("SILENT", authoritative=False, rrsets=(), elapsed_ms=0)


def test_a_closed_port_is_silent() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert ask(ServerAddress("127.0.0.1", port), QUESTION, timeout_s=30)[QUESTION].rcode == "SILENT"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "bad..name", ""])
def test_a_host_that_does_not_resolve_is_silent(host: str) -> None:
    assert ask(ServerAddress(host, 53), QUESTION, timeout_s=0.2)[QUESTION].rcode == "SILENT"


def test_a_host_name_and_no_questions() -> None:
    assert ask(ServerAddress("localhost", 9)) == {}
    assert chaos_text(ServerAddress("no-such-host.invalid", 9), "id.server", 0.1) is None


def test_noise_is_not_taken_for_the_answer_and_a_lost_datagram_is_sent_again() -> None:
    """The first query is dropped; the second gets rubbish, another id, another question, then its answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            server.recvfrom(4096)
            wire, client = server.recvfrom(4096)
            reply = dns.message.make_response(dns.message.from_wire(wire))
            reply.flags |= dns.flags.AA
            stranger = dns.message.make_response(dns.message.make_query("b.z.internal.", "A", id=reply.id))
            other_id = bytes([wire[0] ^ 1]) + reply.to_wire()[1:]
            for datagram in (b"", b"rubbish", wire, other_id, stranger.to_wire(), reply.to_wire()):
                server.sendto(datagram, client)

        thread = threading.Thread(target=serve)
        thread.start()
        answer = ask(ServerAddress("127.0.0.1", server.getsockname()[1]), QUESTION)[QUESTION]
        thread.join()
    assert (answer.rcode, answer.authoritative, answer.rrsets) == ("NOERROR", True, ())


@pytest.mark.parametrize(
    "answer", [("id.server.", 0, "CH", "CNAME", "x."), ("id.server.", 0, "CH", "TXT", '"a"'), None], ids=str
)
def test_the_servers_own_name_is_a_text_or_not_known(answer: tuple[str, int, str, str, str] | None) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            wire, client = server.recvfrom(4096)
            reply = dns.message.make_response(dns.message.from_wire(wire))
            if answer is not None:
                reply.answer.append(dns.rrset.from_text(*answer))
            server.sendto(reply.to_wire(), client)

        thread = threading.Thread(target=serve)
        thread.start()
        name = chaos_text(ServerAddress("127.0.0.1", server.getsockname()[1]), "id.server", 3)
        thread.join()
    assert name == ("a" if answer is not None and answer[3] == "TXT" else None)
