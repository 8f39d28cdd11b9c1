"""Start, stop and look at a lab of ordinary processes on loopback.

Those in containers are started by `lab.containers`.
"""

import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ruamel.yaml.comments import CommentedMap

from hyops_gitops.adapters.dns.client import chaos_text
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import OutsideFailure, UsageError
from hyops_gitops.lab import containers as directories
from hyops_gitops.lab import processes
from hyops_gitops.lab.config import LOG_FILE, find_program, find_schema, missing_backend, prepare
from hyops_gitops.lab.containers import container_runs, remove_containers
from hyops_gitops.lab.database import database_version, fill_database, has_database, make_database, stop_database
from hyops_gitops.lab.folder import max_body_mib, says_native, write_authority, write_env
from hyops_gitops.lab.model import Backend, Lab, LabResolver, LabServer, LabService, load_lab, save_lab
from hyops_gitops.lab.processes import free_addresses
from hyops_gitops.lab.resolver import find_recursor, free_resolver, prepare_resolver
from hyops_gitops.lab.services import answers, spawn_service, wait_for_service
from hyops_gitops.lab.zones import api_answers, create_zone, served_serial

MAX_SECONDARIES = 9
_ATTEMPTS = 5  # a port found free can be taken before the server binds it
_START_S = 20.0
_ASK_S = 0.5
_POLL_S = 0.02
_LOG_LINES = 5
_PORT_TAKEN = re.compile("unable to bind|while binding|binding .*server socket.*already in use", re.IGNORECASE)


class _PortTaken(OutsideFailure):
    """Another process took the port first."""


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """The state of one server of a lab."""

    server: LabServer
    running: bool
    serial: int | None  # of the lab's zone, None when it is not served


@dataclass(frozen=True, slots=True)
class ListenerStatus:
    """The state of the resolver or a service of a lab."""

    listener: LabResolver | LabService
    running: bool
    answers: bool

    @property
    def as_wanted(self) -> bool:
        """Whether it answers, or was never to: a service that was stopped."""
        return self.answers or (isinstance(self.listener, LabService) and self.listener.pid == 0)


@dataclass(frozen=True, slots=True)
class _Programs:
    server: str
    recursor: str | None


def start_lab(
    directory: Path,
    *,
    zone: str,
    secondaries: int = 1,
    backend: Backend = "gsqlite3",
    settings: Mapping[str, str] | None = None,
    authority: CommentedMap | None = None,
    resolver: bool = False,
    services: Sequence[LabService] = (),
) -> Lab:
    """Start a lab and wait until servers and services answer.

    Args:
        directory: Where it lives: new, empty, or that of a lab which has died.
        zone: Canonical name of its first zone.
        secondaries: How many, on 127.0.0.2, 127.0.0.3 and so on.
        backend: PowerDNS's storage.
        settings: PowerDNS options for every server, in place of the lab's own.
        authority: The document to write as `authority.yaml`, adapted; none is written without. Where it says
            `replication: native` the secondaries read the primary's database, instead of transferring from it.
        resolver: Whether a caching resolver stands in front of the first secondary.
        services: What listens, and where.

    Raises:
        UsageError: codes `lab-running`, `lab-directory`, `lab-busy`, `lab-native`.
        OutsideFailure: codes `lab-no-powerdns`, `lab-no-recursor`, `lab-start`, `lab-zone`, `lab-ports`,
            `lab-service`, `lab-directory`, `lab-database`; whatever was started is stopped and removed again.
    """
    native = authority is not None and says_native(authority)
    if native and backend == "lmdb":
        message = "policy.replication is native, and an LMDB file belongs to one server"
        raise UsageError(message, code="lab-native", hint="choose --backend gpgsql, gmysql or gsqlite3")
    programs = _Programs(find_program(backend), find_recursor() if resolver else None)
    directory = directory.resolve()
    with directories.taken(directory) as made:
        for attempt in range(1, _ATTEMPTS + 1):
            lab = _design(directory, zone, secondaries, backend, made_directory=made)
            lab = replace(lab, resolver=free_resolver() if resolver else None, services=tuple(services), native=native)
            lab = replace(lab, max_body_mib=max_body_mib(authority))
            try:
                return _start(lab, programs, settings or {}, authority)
            except _PortTaken:
                if attempt == _ATTEMPTS:
                    raise
    raise AssertionError("the last attempt returns or raises")


def stop_lab(lab: Lab | Path) -> Lab:
    """End a lab's processes and remove its files; returns the lab.

    Raises:
        UsageError: codes `no-lab`, `lab-busy`.
        InvalidData: code `lab-state`.
    """
    known = load_lab(lab.directory if isinstance(lab, Lab) else lab)
    with directories.exclusive(known.directory):
        known = load_lab(known.directory)  # a service may have been started meanwhile
        _end(known)
    if known.made_directory:
        directories.remove_if_empty(known.directory)
    return known


def lab_status(lab: Lab) -> tuple[ServerStatus, ...]:
    """Each server: whether its process runs, and which serial it serves."""
    statuses = []
    for server in lab.servers:
        running = container_runs(lab, server) if lab.compose else processes.is_running(server.process)
        statuses.append(ServerStatus(server, running, served_serial(server, lab.zone) if running else None))
    return tuple(statuses)


def listener_status(lab: Lab) -> tuple[ListenerStatus, ...]:
    """The state of the resolver and of each service."""
    statuses = []
    if lab.resolver:
        answered = chaos_text(lab.resolver.dns, "id.server", _ASK_S) is not None
        running = processes.is_running(lab.resolver.process)
        statuses.append(ListenerStatus(lab.resolver, running, running and answered))
    for service in lab.services:
        running = processes.is_running(service.process)
        statuses.append(ListenerStatus(service, running, running and answers(service)))
    return tuple(statuses)


def lab_software(lab: Lab) -> tuple[str, ...]:
    """Name and version of authority, resolver and database."""
    servers = [lab.primary.dns, *([lab.resolver.dns] if lab.resolver else [])]
    versions = (chaos_text(server, "version.bind", _ASK_S) for server in servers)
    named = [text.partition(" (")[0] for text in versions if text]
    return (*named, *filter(None, [None if lab.compose else database_version(lab.backend)]))


def _design(directory: Path, zone: str, secondaries: int, backend: Backend, *, made_directory: bool) -> Lab:
    """A lab with addresses and key of its own, not started."""
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


def _start(lab: Lab, programs: _Programs, settings: Mapping[str, str], authority: CommentedMap | None) -> Lab:
    newest = lab
    try:
        for newest in _steps(lab, programs, settings):
            save_lab(newest)
        write_env(newest)
        if authority is not None:
            write_authority(newest, authority)
    except OutsideFailure as error:
        failure = _with_logs(newest, error)
        _end(newest)
        raise failure from error
    except BaseException:
        _end(newest)
        raise
    return newest


def _steps(lab: Lab, programs: _Programs, settings: Mapping[str, str]) -> Iterator[Lab]:
    """Start everything in turn; the lab before, and after each process."""
    yield lab
    if has_database(lab.backend):
        lab = replace(lab, database=make_database(lab))
        yield lab
        fill_database(lab, find_schema(lab.backend))
    identities = {server.name: secrets.token_hex(8) for server in lab.servers}
    for server in lab.servers:
        prepare(lab, server, identities[server.name], settings)
    for server in lab.servers:
        lab = _spawned(lab, server, programs.server)
        yield lab
    for server in lab.servers:
        _wait_until_ours(lab, server, identities[server.name])
    create_zone(lab, lab.zone)
    if lab.resolver and programs.recursor:
        identity = secrets.token_hex(8)
        prepare_resolver(lab, lab.resolver, identity)
        lab = replace(lab, resolver=_spawned_resolver(lab, lab.resolver, programs.recursor))
        yield lab
        if lab.resolver:
            _wait_until_ours(lab, lab.resolver, identity)
    for service in lab.services:
        lab = spawn_service(lab, service)
        yield lab
    for service in lab.services:
        wait_for_service(lab, service.name)


def _spawned(lab: Lab, server: LabServer, program: str) -> Lab:
    """The lab with this server's process started."""
    folder = lab.folder(server)
    pid, started = processes.spawn(program, ["--config-dir=."], folder, folder / LOG_FILE)
    alive = replace(server, pid=pid, started=started)
    if server.role == "primary":
        return replace(lab, primary=alive)
    return replace(lab, secondaries=tuple(alive if other.name == server.name else other for other in lab.secondaries))


def _spawned_resolver(lab: Lab, resolver: LabResolver, program: str) -> LabResolver:
    folder = lab.folder(resolver)
    pid, started = processes.spawn(program, ["--config-dir=."], folder, folder / LOG_FILE)
    return replace(resolver, pid=pid, started=started)


def _wait_until_ours(lab: Lab, server: LabServer | LabResolver, identity: str) -> None:
    """Wait until this server answers by DNS and by API.

    An older server on the same port answers too, which is why answering alone proves nothing: the key and the
    identity are this start's own.
    """
    deadline = time.monotonic() + _START_S
    while not (
        (isinstance(server, LabResolver) or api_answers(lab, server))
        and chaos_text(server.dns, "id.server", _ASK_S) == identity
    ):
        running = processes.is_running(server.process)  # before its log is read, which then has its last words
        if _PORT_TAKEN.search(_log(lab, server)):  # not only when it has ended: PowerDNS 4.7 lives on without its API
            raise _PortTaken(f"the ports chosen for {server.name} were taken meanwhile", code="lab-ports")
        if not running:
            raise OutsideFailure(f"{server.name} ended as soon as it was started", code="lab-start")
        if time.monotonic() > deadline:
            raise OutsideFailure(f"{server.name} does not answer after {_START_S:g} s", code="lab-start")
        time.sleep(_POLL_S)


def _end(lab: Lab) -> None:
    processes.stop(process for process in lab.processes if process != lab.database)
    stop_database(lab)
    if lab.compose:
        remove_containers(lab)
    directories.tidy(lab)


def _log(lab: Lab, server: LabServer | LabResolver) -> str:
    try:
        return (lab.folder(server) / LOG_FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _with_logs(lab: Lab, error: OutsideFailure) -> OutsideFailure:
    """The same failure, with the ends of the servers' logs."""
    logs = {server.name: _log(lab, server) for server in lab.servers}
    if lab.resolver:
        logs[lab.resolver.name] = _log(lab, lab.resolver)
    for log in logs.values():
        if missing := missing_backend(log, lab.backend):
            return missing
    tails = [f"log of {name}: {line}" for name, log in logs.items() for line in log.splitlines()[-_LOG_LINES:]]
    return type(error)(error.message, code=error.code, hint="\n".join(filter(None, (error.hint, *tails))))
