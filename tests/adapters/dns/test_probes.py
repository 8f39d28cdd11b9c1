"""What one probe says of a service that really listens, or does not."""

import socket
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from hyops_gitops.adapters.dns.probes import NetworkProber
from hyops_gitops.core.readiness import Probe
from tests.support.services import Authority, Service, answering, free_port, listening

NAME = "web.prod.z.internal"
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def probe(service: Service, kind: str = "tcp", **options: object) -> tuple[str, str]:
    """Verdict and detail."""
    asked = Probe(kind, NAME, service.address, service.port, 1, LOOPBACK)
    report = NetworkProber().probe(replace(asked, **options))  # type: ignore[arg-type]  # options by name
    return report.verdict, report.detail


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(autouse=True)
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_port_that_accepts_is_ready(address: str) -> None:
    with listening(address) as service:
        assert probe(service) == ("ready", "accepts connections")


def test_a_closed_port_is_not_ready() -> None:
    closed = Service("127.0.0.1", free_port())
    assert probe(closed) == ("not-ready", "refuses the connection")


def test_an_address_that_drops_everything_is_unknown() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]  # the kernel drops what finds the queue full
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        assert probe(Service("127.0.0.1", port)) == ("unknown", "does not answer within 1 s")
        for one in waiting:
            one.close()


def test_an_address_that_no_route_leads_to_is_unknown() -> None:
    nowhere = Service("255.255.255.255", 80)
    assert probe(nowhere, networks=())[0] == "unknown"


def test_an_address_outside_the_target_networks_is_not_asked() -> None:
    with answering("HTTP/1.1 200 OK\r\n\r\n") as service:
        verdict = probe(service, "http", networks=(ip_network("10.0.0.0/8"),))
        assert verdict == ("unknown", "is outside policy.target_networks and was not asked")
        assert service.heard == []


def test_http_asks_for_the_path_by_the_dns_name() -> None:
    with answering("HTTP/1.1 204 No Content\r\n\r\n") as service:
        assert probe(service, "http", path="/health", expect_status=204) == ("ready", "answers 204")
        assert service.heard[0].startswith(b"GET /health HTTP/1.1\r\nHost: %s:%d\r\n" % (NAME.encode(), service.port))


def test_http_with_another_status_is_not_ready() -> None:
    with answering("HTTP/1.1 503 Unavailable\r\n\r\n") as service:
        assert probe(service, "http") == ("not-ready", "answers 503, expected 200")


def test_a_redirect_is_not_followed() -> None:
    with answering("HTTP/1.1 200 OK\r\n\r\n") as other:
        head = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{other.port}/\r\n\r\n"
        with answering(head) as service:
            assert probe(service, "http") == ("not-ready", "answers 302, expected 200")
        assert other.heard == []


@pytest.mark.parametrize("said", ["", "SSH-2.0-nonsense\r\n", "HTTP/9.9 200 OK\r\n", "x" * 10_000])
def test_what_is_no_http_is_not_ready(said: str) -> None:
    with answering(said) as service:
        assert probe(service, "http")[0] == "not-ready"


def test_an_answer_a_byte_at_a_time_does_not_outlast_the_probe() -> None:
    def drip(connection: socket.socket) -> None:
        for _ in range(50):
            connection.sendall(b"H")
            connection.settimeout(0.2)
            try:
                connection.recv(4096)
            except TimeoutError:
                continue

    with listening(talk=drip) as service:
        assert probe(service, "http") == ("unknown", "does not answer within 1 s")


def test_a_good_certificate_is_ready(authority: Authority) -> None:
    with answering("HTTP/1.1 200 OK\r\n\r\n", tls=authority.server(NAME)) as service:
        assert probe(service, "tls", min_days=30) == ("ready", "has a certificate that is valid for 30 more days")
        assert probe(service, "http", https=True) == ("ready", "answers 200")


def test_a_certificate_that_ends_too_soon_is_not_ready(authority: Authority) -> None:
    with answering("", tls=authority.server(NAME, 3)) as service:
        said = "has a certificate that is valid for 3 more days, expected 14"
        assert probe(service, "tls", min_days=14) == ("not-ready", said)


@pytest.mark.parametrize("kind", ["tls", "http"])
@pytest.mark.parametrize(("name", "days"), [("other.prod.z.internal", 30), (NAME, -1)])
def test_a_certificate_of_another_name_or_past_its_end_is_not_ready(
    authority: Authority, kind: str, name: str, days: int
) -> None:
    with answering("HTTP/1.1 200 OK\r\n\r\n", tls=authority.server(name, days)) as service:
        verdict, detail = probe(service, kind, https=True)
        assert verdict == "not-ready"
        assert detail.startswith("does not prove who it is: its certificate ")
        assert service.heard == []


def test_a_certificate_of_an_unknown_authority_is_not_ready(tmp_path: Path) -> None:
    with answering("", tls=Authority(tmp_path).server(NAME)) as service:
        assert probe(service, "tls")[0] == "not-ready"


def test_what_talks_no_tls_is_not_ready() -> None:
    with answering("HTTP/1.1 400 Bad Request\r\n\r\n") as service:
        assert probe(service, "tls")[0] == "not-ready"


def test_a_server_that_ends_the_handshake_is_not_ready() -> None:
    with listening() as service:
        assert probe(service, "tls")[0] == "not-ready"
