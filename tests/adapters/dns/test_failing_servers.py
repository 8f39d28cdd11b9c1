"""Servers that answer that they cannot answer: nothing is concluded from SERVFAIL and REFUSED."""

import itertools
import shutil
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hyops_gitops.adapters.dns.client import PlainDnsClient
from hyops_gitops.adapters.dns.zone_source import transfer
from hyops_gitops.adapters.powerdns.http import PowerDnsHttp
from hyops_gitops.cli.main import execute
from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.core.errors import Exit, OutsideFailure
from hyops_gitops.core.exchange import Question
from hyops_gitops.lab.lifecycle import start_lab, stop_lab
from hyops_gitops.lab.model import Lab
from hyops_gitops.lab.zones import create_zone, wait_until
from hyops_gitops.log.entries import Result
from tests.support.clone import CLOSED
from tests.support.world import World

authority = pytest.mark.authority
_numbers = itertools.count(1)


@pytest.fixture
def own_lab(tmp_path: Path) -> Iterator[Lab]:
    """A lab whose secondary may be broken; it caches nothing."""
    if shutil.which("pdns_server") is None:
        pytest.skip("pdns_server is not installed: apt-get install pdns-server pdns-backend-sqlite3")
    settings = {"xfr-cycle-interval": "3600", "cache-ttl": "0", "query-cache-ttl": "0", "negquery-cache-ttl": "0"}
    running = start_lab(tmp_path / "lab", zone="lab.internal", settings=settings)
    try:
        yield running
    finally:
        stop_lab(running)


@pytest.fixture
def world(own_lab: Lab, tmp_path: Path) -> World:
    """A world with `first.prod` applied."""
    zone = f"fail{next(_numbers)}.internal"
    create_zone(own_lab, zone)
    world = World.make(
        tmp_path / "world", zone, own_lab, convergence={"timeout_s": 2, "require": ["primary", "secondaries"]}
    )
    assert world.apply().exit_code == Exit.OK
    return world


def rcode(world: World) -> str:
    """What the secondary answers for the zone."""
    assert world.lab is not None
    question = Question(world.zone, "SOA")
    server = world.lab.secondaries[0].dns
    return PlainDnsClient().ask(server, [question], recursion_desired=False, timeout_s=2)[question].rcode


def servfail(world: World) -> None:
    """The secondary's SOA cannot be read, and nothing mends it."""
    assert world.lab is not None
    world.put_zone({"masters": [CLOSED]}, secondary=0)
    file = next(world.lab.folder(world.lab.secondaries[0]).glob("*.sqlite3"))
    with sqlite3.connect(file, timeout=20) as database:
        nonsense = "UPDATE records SET content = 'nonsense' WHERE type = 'SOA'"
        database.execute(nonsense)
        # A transfer that is under way would mend it.
        database.execute(f"CREATE TRIGGER broken AFTER INSERT ON records WHEN NEW.type = 'SOA' BEGIN {nonsense}; END")
    database.close()
    wait_until(lambda: rcode(world) == "SERVFAIL", 20, "the secondary's failure")


def refused(world: World) -> None:
    """The secondary has no such zone."""
    assert world.lab is not None
    server = world.lab.secondaries[0]
    http = PowerDnsHttp(server.api_url, world.lab.api_key, None, 10.0)
    assert http.exchange("DELETE", f"/api/v1/servers/localhost/zones/{world.zone}.", {}, None).status == 204
    wait_until(lambda: rcode(world) == "REFUSED", 20, "the zone to be gone")


FAILURES = {"SERVFAIL": servfail, "REFUSED": refused}


@authority
@pytest.mark.parametrize("failure", FAILURES)
def test_what_fails_to_answer_is_neither_stale_nor_tampered_with(world: World, failure: str) -> None:
    FAILURES[failure](world)
    audit, drift, status, doctor = map(world.cli, ("audit", "drift", "status", "doctor"))
    world.contract("second", "10.0.0.2")
    world.commit()
    receipt = world.apply()
    said = f"cannot conclude: it answered {failure}"
    assert (audit.exit, "FAILED" in audit.out, f"it answered {failure}" in audit.out) == (4, False, True), audit
    assert audit.out.splitlines()[-1] == "CANNOT CONCLUDE: 1 check could not be made"
    assert (drift.exit, said in drift.out, "older zone" in drift.out) == (4, True, False), drift
    assert (status.exit, said in status.out, "DIFFERS" in status.out) == (4, True, False), status
    assert f"answered {failure}" in doctor.out
    result = world.bodies()[-1]
    assert isinstance(result, Result)
    (secondary,) = [one for one in result.servers if one.role == "secondary"]
    assert (secondary.verdict, secondary.rcode) == ("silent", failure)
    assert secondary.verdict_text == f"cannot conclude: answered {failure}"
    assert (receipt.exit_code, failure in receipt.reason, "stale" in receipt.reason) == (5, True, False)


@contextmanager
def closing() -> Iterator[ServerAddress]:
    """A server that takes a connection, and the question, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    client.recv(4096)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield ServerAddress("127.0.0.1", server.getsockname()[1])
        finally:
            stop.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_connection_that_is_closed_is_a_failure_of_the_outside() -> None:
    with closing() as server, pytest.raises(OutsideFailure) as caught:
        transfer(server, "z.internal")
    assert caught.value.code == "axfr-failed"
    assert caught.value.message.endswith(f"from {server}: the server closed the connection")


def test_init_from_a_zone_whose_server_closes_the_connection_ends_with_4(tmp_path: Path) -> None:
    with closing() as server:
        options = ("--primary-url", "http://127.0.0.1:9", "--primary-dns", str(server), "--primary-site", "hetzner")
        take = ("--from-zone", "axfr", "--default-port", "443")
        ran = execute(["init", str(tmp_path / "new"), "--zone", "z.internal", *options, *take])
    assert ran == Exit.OUTSIDE


def test_an_end_of_file_that_nobody_foresaw_is_a_bug_and_no_interrupt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def closed(_: object) -> None:
        raise EOFError

    monkeypatch.setattr("hyops_gitops.cli.validate.echo", closed)
    assert execute(["explain", "drift"]) == Exit.BUG
    assert "EOFError" in capsys.readouterr().err
