"""What stands around a lab's authority: a resolver that caches, services that answer."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
import requests

from hyops_gitops.adapters.dns.client import PlainDnsClient
from hyops_gitops.adapters.powerdns.zone_api import PowerDnsWriter
from hyops_gitops.cli.main import execute
from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.core.errors import Exit, InvalidData, OutsideFailure, UsageError
from hyops_gitops.core.exchange import Question
from hyops_gitops.core.zone import RRset
from hyops_gitops.lab import processes, resolver
from hyops_gitops.lab.folder import read_authority
from hyops_gitops.lab.lifecycle import listener_status, start_lab, stop_lab
from hyops_gitops.lab.model import Lab, LabService, load_lab
from hyops_gitops.lab.processes import free_addresses
from hyops_gitops.lab.services import answers, parse_services, start_service, stop_service
from hyops_gitops.lab.zones import create_zone, wait_until

pytestmark = pytest.mark.authority

AUTHORITY = """\
zone: drill.internal
primary: {site: hetzner}
secondaries:
  - {name: onprem, site: onprem, dns: "10.0.0.53:53"}
resolvers:
  # what clients are told to use
  - {name: clients, site: onprem, dns: "10.0.0.54:53"}
  - {name: others, site: gcp, dns: "10.0.0.55:53"}
policy:
  convergence: {timeout_s: 60, require: [primary, secondaries, resolvers]}
"""


def ask(server: ServerAddress, name: str, *, recursive: bool) -> tuple[tuple[str, ...], int]:
    """The addresses at a name and their TTL."""
    question = Question(name, "A")
    (answer,) = PlainDnsClient().ask(server, [question], recursion_desired=recursive, timeout_s=5.0).values()
    assert answer.rcode == "NOERROR"
    return answer.rrsets[0].rdata, answer.rrsets[0].ttl


def test_the_resolver_keeps_an_answer_for_its_ttl_and_no_longer(service_lab: Lab) -> None:
    create_zone(service_lab, "cached.internal")
    assert service_lab.resolver is not None
    clients, secondary = service_lab.resolver.dns, service_lab.secondaries[0].dns
    primary = PowerDnsWriter(service_lab.primary.api_url, "localhost", "cached.internal", service_lab.api_key)
    names = {"long.cached.internal": 3600, "short.cached.internal": 1}

    def move(target: str) -> None:
        primary.patch([], [RRset.of(name, "A", ttl, [target]) for name, ttl in names.items()])
        primary.notify()

        def arrived() -> bool:
            questions = [Question(name, "A") for name in names]
            given = PlainDnsClient().ask(secondary, questions, recursion_desired=False, timeout_s=5.0).values()
            return all(answer.rrsets and answer.rrsets[0].rdata == (target,) for answer in given)

        wait_until(arrived, 20, "the secondary")

    move("10.0.0.1")
    assert [ask(clients, name, recursive=True) for name in names] == [(("10.0.0.1",), 3600), (("10.0.0.1",), 1)]
    move("10.0.0.2")
    wait_until(lambda: ask(clients, "short.cached.internal", recursive=True)[0] == ("10.0.0.2",), 20, "the short TTL")
    target, left = ask(clients, "long.cached.internal", recursive=True)
    assert target == ("10.0.0.1",)
    assert 0 < left < 3600


def test_services_answer_by_tcp_and_http_and_stop_and_start_one_by_one(service_lab: Lab) -> None:
    onprem, gcp = service_lab.services
    assert (onprem.name, onprem.address.host, gcp.name, gcp.address.host) == (
        "onprem",
        "127.0.0.31",
        "gcp",
        "127.0.0.32",
    )
    reply = requests.get(f"http://{gcp.address}/health", headers={"Host": "pg.prod.lab.internal"}, timeout=5)
    assert (reply.status_code, reply.json()) == (200, {"service": "gcp"})
    assert requests.get(f"http://{gcp.address}/other", timeout=5).status_code == 404
    socket.create_connection((onprem.address.host, onprem.address.port), timeout=5).close()
    try:
        stopped = stop_service(service_lab, "gcp")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((gcp.address.host, gcp.address.port), timeout=5)
        assert [one.as_wanted for one in listener_status(stopped)] == [True, True, True]
        assert answers(onprem)
    finally:
        started = start_service(service_lab, "gcp")
    assert [one.answers for one in listener_status(started)] == [True, True, True]
    with pytest.raises(UsageError, match="gcp runs already"):
        start_service(service_lab, "gcp")
    with pytest.raises(UsageError, match="it has onprem, gcp"):
        stop_service(service_lab, "aws")


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A lab's directory; whatever runs in it is ended."""
    (tmp_path / "authority.yaml").write_text(AUTHORITY)
    yield tmp_path / "lab"
    if (tmp_path / "lab" / "lab.json").exists():
        stop_lab(tmp_path / "lab")


def up(directory: Path, *options: str) -> int:
    return execute(
        ["lab", "up", "--dir", str(directory), "--authority", str(directory.parent / "authority.yaml"), *options]
    )


def free_port() -> int:
    return free_addresses(["127.0.0.33"])[0][1].port


def test_up_status_and_down_know_them(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    assert up(directory, "--resolver", "--service", f"pg=127.0.0.33:{port}", "--format", "json") == Exit.OK
    lab = load_lab(directory)
    assert lab.resolver is not None
    told = json.loads(capsys.readouterr().out)
    assert told["resolver"] == {
        "name": "resolver",
        "dns": str(lab.resolver.dns),
        "pid": lab.resolver.pid,
        "running": True,
        "answers": True,
    }
    assert [(one["name"], one["address"], one["answers"]) for one in told["services"]] == [
        ("pg", f"127.0.0.33:{port}", True)
    ]
    written = (directory / "authority.yaml").read_text()
    comment = "# what clients are told to use"
    assert (
        f'resolvers:\n  {comment}\n  - name: clients\n    site: onprem\n    dns: "{lab.resolver.dns}"\npolicy:'
        in written
    )
    assert "require: [primary, secondaries, resolvers]" in written

    assert execute(["lab", "service", "stop", "pg", "--dir", str(directory)]) == Exit.OK
    assert execute(["lab", "status", "--dir", str(directory)]) == Exit.OK  # stopped as it should be
    assert f"service pg  127.0.0.33:{port}  stopped" in capsys.readouterr().out
    assert execute(["lab", "service", "start", "pg", "--dir", str(directory), "--format", "json"]) == Exit.OK
    assert json.loads(capsys.readouterr().out)["services"][0]["answers"] is True
    assert execute(["lab", "service", "stop", "other", "--dir", str(directory)]) == Exit.USAGE
    os.kill(lab.resolver.pid, signal.SIGKILL)
    wait_until(lambda: not processes.is_running(lab.resolver.process) if lab.resolver else True, 20, "its end")
    assert execute(["lab", "status", "--dir", str(directory)]) == Exit.NO

    started = load_lab(directory).processes
    assert execute(["lab", "down", "--dir", str(directory)]) == Exit.OK
    assert not any(map(processes.is_running, started))
    assert not directory.exists()


def test_a_port_that_is_taken_is_said_and_nothing_is_left(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.33", 0)) as listener:
        port = listener.getsockname()[1]
        assert up(directory, "--service", f"pg=127.0.0.33:{port}") == Exit.OUTSIDE
    said = capsys.readouterr().err
    assert f"service pg at 127.0.0.33:{port} ended as soon as it was started" in said
    assert "address already in use" in said
    assert not directory.exists()


def test_a_resolver_whose_port_was_taken_is_given_another(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def occupied_first(hosts: list[str]) -> list[tuple[ServerAddress, ServerAddress]]:
        free = free_addresses(hosts)
        taken.bind((free[0][0].host, free[0][0].port))
        monkeypatch.setattr(resolver, "free_addresses", free_addresses)
        return free

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        monkeypatch.setattr(resolver, "free_addresses", occupied_first)
        lab = start_lab(directory, zone="drill.internal", resolver=True)
        assert lab.resolver is not None
        assert lab.resolver.dns.port != taken.getsockname()[1]


def test_without_a_recursor_its_package_is_named(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    which = shutil.which

    def without(name: str, path: str | None = None) -> str | None:
        return None if name == "pdns_recursor" else which(name, path=path)

    monkeypatch.setattr(shutil, "which", without)
    assert up(directory, "--resolver") == Exit.OUTSIDE
    assert "apt-get install pdns-recursor" in capsys.readouterr().err
    assert not directory.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["pg"],
        ["pg=127.0.0.31"],
        ["pg=:5432"],
        ["pg=localhost:5432"],
        ["pg=10.0.0.1:5432"],
        ["pg=127.0.0.31:0"],
        ["pg=127.0.0.31:65536"],
        ["pg=127.0.0.31:http"],
        ["pg=127.0.0.31:" + "9" * 5000],
        ["../pg=127.0.0.31:5432"],
        ["=127.0.0.31:5432"],
        ["pg=127.0.0.31:5432", "pg=127.0.0.32:5432"],
        ["a=127.0.0.31:5432", "b=127.0.0.31:5432"],
    ],
)
def test_words_that_are_no_services(words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        parse_services(words)
    assert caught.value.code == "lab-service"


def test_an_address_of_the_sixth_version() -> None:
    assert parse_services(["pg=[::1]:5432"]) == (LabService("pg", ServerAddress("::1", 5432)),)


def test_a_failure_of_the_resolver_shows_its_log(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "_HOST", "192.0.2.1")

    def pretended(hosts: list[str]) -> list[tuple[ServerAddress, ServerAddress]]:
        return [(ServerAddress(host, 5353), ServerAddress(host, 5353)) for host in hosts]

    monkeypatch.setattr(resolver, "free_addresses", pretended)
    with pytest.raises(OutsideFailure) as caught:
        start_lab(directory, zone="drill.internal", resolver=True)
    assert "log of resolver:" in caught.value.hint
    assert not directory.exists()


def test_an_authority_file_that_is_nested_too_deeply(tmp_path: Path) -> None:
    (tmp_path / "deep.yaml").write_text("[" * 5000)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(300)  # the time that ruamel takes grows with its square
    try:
        with pytest.raises(InvalidData) as caught:
            read_authority(tmp_path / "deep.yaml")
    finally:
        sys.setrecursionlimit(limit)
    assert caught.value.code == "lab-authority"


def test_a_full_disk_leaves_no_lab(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: Path) -> NoReturn:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(sqlite3, "connect", full)
    assert up(directory) == Exit.OUTSIDE
    assert "database or disk is full" in capsys.readouterr().err
    assert not directory.exists()
