"""Where an apply connects to: what `main` lists, whatever contract, answer or environment say."""

import http.server
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hyops_gitops.core.findings import FindingsError
from hyops_gitops.lab.model import Lab
from tests.support.world import World

pytestmark = pytest.mark.authority

SERVICE, TRAP = "127.0.1.66", "127.0.1.99"
_seen: list[str] | None = None


def _note(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook, which cannot be taken out again: the host of each connection, datagram and name looked up."""
    if _seen is None:
        return
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg") and isinstance(arguments[1], tuple):
        _seen.append(str(arguments[1][0]))
    elif event == "socket.getaddrinfo":
        _seen.append(str(arguments[0]))


@contextmanager
def connections() -> Iterator[list[str]]:
    """Every host that this process has to do with meanwhile."""
    global _seen  # noqa: PLW0603 - a hook has no other place to look
    sys.addaudithook(_note)
    _seen = []
    try:
        yield _seen
    finally:
        _seen = None


class _Elsewhere(http.server.BaseHTTPRequestHandler):
    """Redirects every request to the trap, and keeps its path."""

    def do_GET(self) -> None:
        """Any path."""
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.send_response(302)
        self.send_header("Location", f"http://{TRAP}:{self.server.server_port}/")  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def service() -> Iterator[http.server.HTTPServer]:
    """A service of a contract that sends its callers elsewhere."""
    server = http.server.HTTPServer((SERVICE, 0), _Elsewhere)
    server.asked = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def listed(lab: Lab) -> set[str]:
    """The hosts of the authority file."""
    addresses = [server.dns.host for server in lab.servers]
    return {*addresses, *(str(server.api_url).split("//")[1].rpartition(":")[0] for server in lab.servers)}


def test_no_contract_answer_or_variable_leads_a_request_elsewhere(
    small_lab: Lab,
    served: World,
    service: http.server.HTTPServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trap = f"http://{TRAP}:{service.server_port}"
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, trap)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text(f"machine {SERVICE} login me password marked\n")
    world = World(served.root, served.zone, dict(os.environ) | served.environ, small_lab, served.remote, served.key)
    world.policy = {**served.policy, "target_networks": ["10.0.0.0/8", f"{SERVICE}/32"]}
    text = world.read(world.authority_path).replace("fd00::/8", f"{SERVICE}/32")
    world.write(world.authority_path, text)
    world.contract("second", "10.0.0.2", endpoint_cutover_required=True)
    world.commit("Services stand there")
    assert world.apply().outcome == "applied"
    path = f"/@{TRAP}:{service.server_port}/http://{TRAP}/"
    world.contract(
        "second",
        SERVICE,
        endpoint_port=service.server_port,
        endpoint_cutover_required=True,
        endpoint_readiness=[{"type": "http", "path": path}, {"type": "tcp"}],
    )
    world.commit("A service that redirects")
    with connections() as seen:
        receipt = world.apply()

    assert receipt.outcome == "refused"  # answers 302, expected 200
    assert service.asked == [path]  # type: ignore[attr-defined]
    assert set(seen) - listed(small_lab) == {SERVICE}
    assert {TRAP} & set(seen) == set()


@pytest.mark.parametrize("target", ["169.254.169.254", "127.0.0.99", "::1", "0.0.0.0"])  # noqa: S104 - as a target
def test_a_contract_that_names_another_place_is_refused_unasked(target: str, served: World) -> None:
    readiness = [{"type": "http", "path": "/latest/meta-data/"}]
    served.contract("second", target, endpoint_port=80, endpoint_readiness=readiness)
    served.commit("Somewhere else")
    with connections() as seen, pytest.raises(FindingsError) as refused:
        served.apply()

    assert [finding.path for finding in refused.value.findings] == ["endpoints/prod/second.yaml"]
    assert target not in seen


def test_the_hook_sees_what_connects() -> None:
    with connections() as seen, socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()

    assert "127.0.0.1" in seen
