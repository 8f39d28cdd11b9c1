"""`lab up`, `lab down` and `lab status`, through the command line wherever a user would see it."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyops_gitops.cli.main import execute
from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.core.errors import Exit, InvalidData, OutsideFailure, UsageError
from hyops_gitops.lab import lifecycle as run
from hyops_gitops.lab import processes
from hyops_gitops.lab.containers import exclusive
from hyops_gitops.lab.lifecycle import start_lab, stop_lab
from hyops_gitops.lab.model import BACKENDS, Backend, Lab, load_lab
from hyops_gitops.lab.processes import free_addresses
from tests.support.databases import require

pytestmark = pytest.mark.authority

AUTHORITY = """\
# who serves the zone
zone: drill.internal
environments: [dev, prod]
primary:  # the writable one
  api_url: "https://ns1.example:8081"
  api_key_env: SOME_KEY
  site: hetzner
  ca_file: ca.pem
failure_domain: onprem
secondaries:
  - {name: onprem, site: onprem, dns: "10.0.0.53:53"}
resolvers: [{name: clients, site: onprem, dns: "10.0.0.54:53"}]
policy:
  convergence: {timeout_s: 60, require: [primary, secondaries, resolvers]}
evidence:
  branch: evidence  # the log
  mirrors: [backup]
  genesis: "sha256:0000000000000000000000000000000000000000000000000000000000000000"
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "repository" / "authority").mkdir(parents=True)
    (tmp_path / "repository" / "authority" / "drill.internal.yaml").write_text(AUTHORITY)
    return tmp_path / "repository"


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A lab's directory under one that only its owner may read; whatever runs in it is ended."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    yield closed / "new" / "lab"
    if (closed / "new" / "lab" / "lab.json").exists():
        stop_lab(closed / "new" / "lab")


def up(directory: Path, repository: Path, *options: str) -> int:
    return execute(["lab", "up", "--dir", str(directory), "--repo", str(repository), *options])


def pids(lab: Lab) -> list[int]:
    return [server.pid for server in lab.servers]


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("backend", BACKENDS)
def test_up_status_down(
    directory: Path, repository: Path, backend: Backend, capsys: pytest.CaptureFixture[str]
) -> None:
    require(backend)
    assert up(directory, repository, "--backend", backend, "--secondaries", "2", "--format", "json") == Exit.OK
    told = json.loads(capsys.readouterr().out)
    assert (told["format"], told["zone"], told["backend"]) == ("hyops-lab/1", "drill.internal", backend)
    assert [server["serial"] for server in told["servers"]] == [1, 1, 1]
    assert [server["dns"].split(":")[0] for server in told["servers"]] == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700

    assert execute(["lab", "status", "--dir", str(directory)]) == Exit.OK
    assert capsys.readouterr().out.count("serial 1") == 3
    started = load_lab(directory)
    os.kill(started.secondaries[0].pid, signal.SIGKILL)
    while processes.is_running(started.secondaries[0].process):
        pass
    assert execute(["lab", "status", "--dir", str(directory), "--format", "json"]) == Exit.NO
    assert [server["running"] for server in json.loads(capsys.readouterr().out)["servers"]] == [True, False, True]

    assert execute(["lab", "down", "--dir", str(directory)]) == Exit.OK
    assert not any(is_alive(pid) for pid in pids(started))
    assert not directory.exists()
    assert execute(["lab", "status", "--dir", str(directory)]) == Exit.USAGE
    assert execute(["lab", "down", "--dir", str(directory)]) == Exit.USAGE


def test_what_up_writes(directory: Path, repository: Path) -> None:
    assert up(directory, repository, "--secondaries", "2") == Exit.OK
    lab = load_lab(directory)
    first, second = lab.secondaries
    env = directory / "env"
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    assert env.read_text().splitlines() == [
        f"POWERDNS_API_KEY={lab.api_key}",
        f"HYOPS_PRIMARY_URL={lab.primary.api_url}",
        f"HYOPS_SECONDARY_URLS={first.api_url},{second.api_url}",
    ]
    assert (
        (directory / "authority.yaml").read_text()
        == f"""\
# who serves the zone
zone: drill.internal
environments: [dev, prod]
primary:  # the writable one
  api_url: "{lab.primary.api_url}"
  api_key_env: POWERDNS_API_KEY
  site: hetzner
  server_id: localhost
  dns: "{lab.primary.dns}"
failure_domain: onprem
secondaries:
  - name: onprem
    site: onprem
    dns: "{first.dns}"
    api_url: {first.api_url}
    api_key_env: POWERDNS_API_KEY
  - name: secondary2
    site: lab
    dns: "{second.dns}"
    api_url: {second.api_url}
    api_key_env: POWERDNS_API_KEY
policy:
  convergence: {{timeout_s: 60, require: [primary, secondaries]}}
evidence:
  branch: evidence  # the log
  genesis: "sha256:0000000000000000000000000000000000000000000000000000000000000000"
"""
    )
    assert lab.api_key not in repr(lab)


def test_a_running_lab_is_not_started_over(
    directory: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert up(directory, repository) == Exit.OK
    before = pids(load_lab(directory))
    assert up(directory, repository) == Exit.USAGE
    assert f"lab down --dir {directory}" in capsys.readouterr().err
    assert all(is_alive(pid) for pid in before)


def test_a_directory_of_somebody_else_is_left_alone(
    tmp_path: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("years of work")
    assert up(tmp_path / "home", repository) == Exit.USAGE
    assert "is not empty and holds no lab" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["thesis.txt"]


def test_down_leaves_foreign_files_and_processes(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    lab = start_lab(tmp_path / "lab", zone="drill.internal")
    other = start_lab(tmp_path / "other", zone="drill.internal")
    try:
        (tmp_path / "lab" / "notes.txt").write_text("mine")
        (tmp_path / "lab" / "primary" / "mine.txt").write_text("mine")
        stop_lab(tmp_path / "lab")
        left = sorted(str(path.relative_to(tmp_path / "lab")) for path in (tmp_path / "lab").rglob("*"))
        assert left == ["notes.txt", "primary", "primary/mine.txt"]
        assert not any(is_alive(pid) for pid in pids(lab))
        assert all(is_alive(pid) for pid in pids(other))
    finally:
        stop_lab(other)


def test_down_never_ends_a_recycled_pid(directory: Path) -> None:
    lab = start_lab(directory, zone="drill.internal")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        state = json.loads((directory / "lab.json").read_text())
        state["primary"]["pid"] = bystander.pid  # our start time, another's pid
        (directory / "lab.json").write_text(json.dumps(state))
        stop_lab(directory)
        assert bystander.poll() is None
        bystander.communicate(b"\n")
    processes.stop([lab.primary.process])


def test_a_dead_lab_is_tidied_by_the_next_up(directory: Path, repository: Path) -> None:
    assert up(directory, repository) == Exit.OK
    dead = load_lab(directory)
    processes.stop(server.process for server in dead.servers)
    assert up(directory, repository) == Exit.OK
    assert load_lab(directory).api_key != dead.api_key


@pytest.mark.parametrize("taken", ["dns", "api"])
def test_a_port_that_somebody_took_is_given_up(directory: Path, monkeypatch: pytest.MonkeyPatch, taken: str) -> None:
    """The first choice of ports is that of a lab which still runs: its answers are not taken for ours."""
    stale = start_lab(directory.with_name("stale"), zone="drill.internal")
    choices = iter([stale])

    def occupied_first(hosts: list[str]) -> list[tuple[ServerAddress, ServerAddress]]:
        free = free_addresses(hosts)
        for old in choices:
            used = [(server.dns, server.api) for server in old.servers]
            return [
                (old[0], new[1]) if taken == "dns" else (new[0], old[1]) for old, new in zip(used, free, strict=True)
            ]
        return free

    monkeypatch.setattr(run, "free_addresses", occupied_first)
    try:
        lab = start_lab(directory, zone="drill.internal")
        assert not {server.dns for server in lab.servers} & {server.dns for server in stale.servers}
        assert not {server.api for server in lab.servers} & {server.api for server in stale.servers}
        assert all(status.running for status in run.lab_status(stale))
    finally:
        stop_lab(stale)


def test_ports_that_are_never_free_are_said(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def occupied(hosts: list[str]) -> list[tuple[ServerAddress, ServerAddress]]:
            (dns, _), *others = free_addresses(hosts)
            return [(dns, ServerAddress("127.0.0.1", port)), *others]

        monkeypatch.setattr(run, "free_addresses", occupied)
        with pytest.raises(OutsideFailure) as caught:
            start_lab(directory, zone="drill.internal")
    assert caught.value.code == "lab-ports"
    assert "log of primary:" in caught.value.hint
    assert not directory.exists()


def test_a_failed_up_leaves_nothing_and_shows_the_log(directory: Path) -> None:
    with pytest.raises(OutsideFailure) as caught:
        start_lab(directory, zone="drill.internal", settings={"no-such-option": "1"})
    assert caught.value.code == "lab-start"
    assert "no-such-option" in caught.value.hint
    assert not directory.exists()


def test_without_powerdns_the_packages_are_named(
    directory: Path, repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def finds_nothing(*_arguments: object, **_options: object) -> None:
        return None

    monkeypatch.setattr(shutil, "which", finds_nothing)
    assert up(directory, repository, "--backend", "lmdb") == Exit.OUTSIDE
    assert "apt-get install pdns-server pdns-backend-lmdb" in capsys.readouterr().err
    assert not directory.exists()


def test_a_missing_backend_is_named(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(OutsideFailure) as caught:
        start_lab(directory, zone="drill.internal", backend="lmdb", settings={"module-dir": str(tmp_path)})
    assert caught.value.code == "lab-no-powerdns"
    assert "pdns-backend-lmdb" in caught.value.hint


def test_a_path_that_is_long_and_odd(tmp_path: Path) -> None:
    """Longer than the path of a Unix socket may be, with what configuration files give a meaning to."""
    lab = start_lab(tmp_path / ("x" * 120) / "a b#c,d'e", zone="drill.internal")
    stop_lab(lab)


def test_two_commands_at_once(directory: Path) -> None:
    lab = start_lab(directory, zone="drill.internal")
    with exclusive(lab.directory), pytest.raises(UsageError) as caught:
        stop_lab(lab)
    assert caught.value.code == "lab-busy"


@pytest.mark.parametrize("state", ["", "[]", "{}", '{"format": "hyops-lab-state/2", "zone": 1}', "\x00"])
def test_a_state_file_that_is_none(tmp_path: Path, state: str) -> None:
    (tmp_path / "lab.json").write_text(state)
    with pytest.raises(InvalidData) as caught:
        load_lab(tmp_path)
    assert caught.value.code == "lab-state"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("zone: [", Exit.NO),
        ("- a", Exit.NO),
        ("zone: drill.internal", Exit.NO),
        ("\x00", Exit.NO),
        (None, Exit.USAGE),
    ],
)
def test_an_authority_file_that_is_none(tmp_path: Path, directory: Path, text: str | None, code: Exit) -> None:
    path = tmp_path / "authority.yaml"
    if text is not None:
        path.write_text(text)
    assert execute(["lab", "up", "--dir", str(directory), "--authority", str(path)]) == code
    assert not directory.exists()


def test_two_authority_files_are_named(directory: Path, repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "authority" / "other.internal.yaml").write_text(AUTHORITY)
    assert up(directory, repository) == Exit.USAGE
    assert "drill.internal.yaml, other.internal.yaml" in capsys.readouterr().err
