"""The campaign's second machine: it reaches the first over a link alone, and nothing of it is left."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from campaign.second_machine import SecondMachine, can_have_another, enter
from tests.support.repository import ROOT

WAIT_S = 10.0
LINKS = Path("/sys/class/net")
BE_KILLED = """
from campaign.second_machine import SecondMachine
machine = SecondMachine()
print(machine.link, flush=True)
input()
"""


@pytest.fixture
def machine() -> Iterator[SecondMachine]:
    if not can_have_another():
        pytest.skip("only who may make network namespaces has a second machine")
    made = SecondMachine()
    yield made
    made.close()


@pytest.fixture
def there(machine: SecondMachine) -> Iterator[ThreadPoolExecutor]:
    """Runs functions on it."""
    with ThreadPoolExecutor(1, initializer=enter, initargs=(machine.path,)) as thread:
        yield thread


def test_the_second_machine_reaches_the_first_by_its_link_alone(
    machine: SecondMachine, there: ThreadPoolExecutor
) -> None:
    assert there.submit(lambda: {name for _, name in socket.if_nameindex()}).result() == {"lo", machine.link}
    with socket.create_server(("127.0.0.1", 0)) as server:
        with there.submit(socket.create_connection, server.getsockname(), WAIT_S).result() as client:
            accepted, seen = server.accept()
            with accepted:
                accepted.sendall(b"here")
                assert client.recv(4) == b"here"
        assert seen[0].startswith("198.18.")


def test_nothing_passes_while_the_two_are_parted(machine: SecondMachine, there: ThreadPoolExecutor) -> None:
    with (
        socket.socket(type=socket.SOCK_DGRAM) as server,
        there.submit(socket.socket, type=socket.SOCK_DGRAM).result() as client,
    ):
        server.bind(("127.0.0.1", 0))
        machine.cut()
        server.settimeout(0.05)
        client.sendto(b"lost, or late", server.getsockname())
        with pytest.raises(TimeoutError):
            server.recv(16)
        machine.join()
        server.settimeout(WAIT_S)
        client.sendto(b"later", server.getsockname())
        assert server.recv(16) in (b"lost, or late", b"later")


def test_the_link_ends_with_a_process_that_is_killed() -> None:
    if not can_have_another():
        pytest.skip("only who may make network namespaces has a second machine")
    command = [sys.executable, "-c", BE_KILLED]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        link = LINKS / process.stdout.readline().strip()
        assert link.exists()
        process.send_signal(signal.SIGKILL)
    until = time.monotonic() + WAIT_S
    while link.exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert not link.exists()
