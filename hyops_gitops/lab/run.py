"""Start, stop and look at a lab: a real primary and its secondaries, as ordinary processes on loopback."""

import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ruamel.yaml.comments import CommentedMap

from hyops_gitops.adapters.dns_client import chaos_text
from hyops_gitops.adapters.files import replace_file
from hyops_gitops.adapters.powerdns_http import PowerDnsHttp
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.lab import directory as directories
from hyops_gitops.lab import processes
from hyops_gitops.lab.config import LOG_FILE, find_program, missing_backend, prepare
from hyops_gitops.lab.files import write_authority, write_env
from hyops_gitops.lab.model import STATE_FILE, Backend, Lab, LabServer, load_lab
from hyops_gitops.lab.ports import free_addresses
from hyops_gitops.lab.zones import create_zone, served_serial

MAX_SECONDARIES = 9
_ATTEMPTS = 5  # a port found free can be taken before the server binds it
_START_S = 20.0
_ASK_S = 0.5
_POLL_S = 0.02
_LOG_LINES = 5
_PORT_TAKEN = re.compile("unable to bind|while binding", re.IGNORECASE)


class _PortTaken(OutsideFailure):
    """Somebody was faster."""


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """How one server of a lab fares."""

    server: LabServer
    running: bool
    serial: int | None  # of the lab's zone, None when it is not served


def start_lab(
    directory: Path,
    *,
    zone: str,
    secondaries: int = 1,
    backend: Backend = "gsqlite3",
    settings: Mapping[str, str] | None = None,
    authority: CommentedMap | None = None,
) -> Lab:
    """Start a lab and wait until every server answers for the zone.

    Args:
        directory: Where it lives: new, empty, or that of a lab which has died.
        zone: Canonical name of its first zone.
        secondaries: How many, on 127.0.0.2, 127.0.0.3 and so on.
        backend: PowerDNS's storage.
        settings: PowerDNS options for every server, in place of the lab's own.
        authority: The document to write as `authority.yaml`, adapted; none is written without.

    Raises:
        UsageError: codes `lab-running`, `lab-directory`, `lab-busy`.
        OutsideFailure: codes `lab-no-powerdns`, `lab-start`, `lab-zone`, `lab-ports`, `lab-directory`; whatever was
            started is stopped and removed again.
    """
    program = find_program(backend)
    directory = directory.resolve()
    made = directories.make(directory)
    with directories.exclusive(directory):
        made = directories.claim(directory) or made
        try:
            for attempt in range(1, _ATTEMPTS + 1):
                lab = _design(directory, zone, secondaries, backend, made_directory=made)
                try:
                    return _start(lab, program, settings or {}, authority)
                except _PortTaken:
                    if attempt == _ATTEMPTS:
                        raise
        except BaseException:
            if made:
                directories.remove_if_empty(directory)
            raise
    raise AssertionError("the last attempt returns or raises")


def stop_lab(lab: Lab | Path) -> Lab:
    """End a lab's processes, exactly those, and remove what it made; returns what it was.

    Raises:
        UsageError: codes `no-lab`, `lab-busy`.
        InvalidData: code `lab-state`.
    """
    known = load_lab(lab.directory if isinstance(lab, Lab) else lab)
    with directories.exclusive(known.directory):
        _end(known)
    if known.made_directory:
        directories.remove_if_empty(known.directory)
    return known


def lab_status(lab: Lab) -> tuple[ServerStatus, ...]:
    """Each server: whether its process runs, and which serial it serves."""
    statuses = []
    for server in lab.servers:
        running = processes.is_running((server.pid, server.started))
        statuses.append(ServerStatus(server, running, served_serial(server, lab.zone) if running else None))
    return tuple(statuses)


def _design(directory: Path, zone: str, secondaries: int, backend: Backend, *, made_directory: bool) -> Lab:
    """A lab with addresses and a key of its own, nothing of it started."""
    (dns, api), *others = free_addresses([f"127.0.0.{number}" for number in range(1, secondaries + 2)])
    return Lab(
        directory=directory,
        zone=zone,
        backend=backend,
        api_key=secrets.token_hex(16),
        primary=LabServer("primary", "primary", api, dns),
        secondaries=tuple(
            LabServer(f"secondary{number}", "secondary", api, dns) for number, (dns, api) in enumerate(others, start=1)
        ),
        made_directory=made_directory,
    )


def _start(lab: Lab, program: str, settings: Mapping[str, str], authority: CommentedMap | None) -> Lab:
    identities = {server.name: secrets.token_hex(8) for server in lab.servers}
    try:
        _save(lab)
        for server in lab.servers:
            prepare(lab, server, identities[server.name], settings)
        for server in lab.servers:
            lab = _spawned(lab, server, program)
            _save(lab)
        for server in lab.servers:
            _wait_until_ours(lab, server, identities[server.name])
        create_zone(lab, lab.zone)
        write_env(lab)
        if authority is not None:
            write_authority(lab, authority)
    except OutsideFailure as error:
        failure = _with_logs(lab, error)
        _end(lab)
        raise failure from error
    except BaseException:
        _end(lab)
        raise
    return lab


def _save(lab: Lab) -> None:
    state = json.dumps(lab.to_json(), indent=2) + "\n"
    replace_file(lab.directory / STATE_FILE, state.encode(), private=True)


def _spawned(lab: Lab, server: LabServer, program: str) -> Lab:
    """The lab with this server's process started."""
    folder = lab.folder(server)
    pid, started = processes.spawn(program, ["--config-dir=."], folder, folder / LOG_FILE)
    alive = replace(server, pid=pid, started=started)
    if server.role == "primary":
        return replace(lab, primary=alive)
    return replace(lab, secondaries=tuple(alive if other.name == server.name else other for other in lab.secondaries))


def _wait_until_ours(lab: Lab, server: LabServer, identity: str) -> None:
    """Wait until this very server answers, by API and by DNS.

    An older server on the same port answers too, which is why answering alone proves nothing: the key and the
    identity are this start's own.
    """
    deadline = time.monotonic() + _START_S
    while not (_api_is_ours(lab, server) and chaos_text(server.dns, "id.server", _ASK_S) == identity):
        if _PORT_TAKEN.search(_log(lab, server)):  # not only when it has ended: PowerDNS 4.7 lives on without its API
            raise _PortTaken(f"the ports chosen for {server.name} were taken meanwhile", code="lab-ports")
        if not processes.is_running((server.pid, server.started)):
            raise OutsideFailure(f"{server.name} ended as soon as it was started", code="lab-start")
        if time.monotonic() > deadline:
            raise OutsideFailure(f"{server.name} does not answer after {_START_S:g} s", code="lab-start")
        time.sleep(_POLL_S)


def _api_is_ours(lab: Lab, server: LabServer) -> bool:
    try:
        reply = PowerDnsHttp(server.api_url, lab.api_key, None, _ASK_S).exchange("GET", "/api/v1/servers/localhost", {})
    except OutsideFailure:
        return False
    return reply.status == 200  # noqa: PLR2004 - "OK"; 401 for the key of another


def _end(lab: Lab) -> None:
    processes.stop((server.pid, server.started) for server in lab.servers)
    directories.tidy(lab)


def _log(lab: Lab, server: LabServer) -> str:
    try:
        return (lab.folder(server) / LOG_FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _with_logs(lab: Lab, error: OutsideFailure) -> OutsideFailure:
    """The same failure, with the ends of the servers' logs as its hint."""
    logs = {server.name: _log(lab, server) for server in lab.servers}
    for log in logs.values():
        if missing := missing_backend(log, lab.backend):
            return missing
    tails = [f"log of {name}: {line}" for name, log in logs.items() for line in log.splitlines()[-_LOG_LINES:]]
    return type(error)(error.message, code=error.code, hint="\n".join(filter(None, (error.hint, *tails))))
