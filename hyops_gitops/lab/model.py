"""A lab as a value, and its state file `lab.json`."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from hyops_gitops.adapters.files import replace_file
from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.core.errors import InvalidData, UsageError
from hyops_gitops.lab.processes import Process

STATE_FILE = "lab.json"
SERVICES_FOLDER = "services"  # their logs
DATABASE_FOLDER = "database"  # of the database server, where the backend needs one
TRANSFER_PORT = 53  # of a server in a container
_FORMAT = "hyops-lab-state/1"

Backend = Literal["gsqlite3", "lmdb", "gpgsql", "gmysql"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)


@dataclass(frozen=True, slots=True)
class LabServer:
    """One PowerDNS of a lab."""

    name: str  # `primary`, `secondary1`, ...: also its folder's name
    role: Literal["primary", "secondary"]
    api: ServerAddress
    dns: ServerAddress
    pid: int = 0  # 0: not started
    started: int = 0  # clock ticks from boot to the process's start: tells a recycled pid from ours
    transfer: ServerAddress | None = None  # where the lab's other servers reach it, if not at `dns`: in containers

    @property
    def api_url(self) -> str:
        """scheme://host:port."""
        return f"http://{self.api}"

    @property
    def process(self) -> Process:
        """The process that runs it."""
        return self.pid, self.started


@dataclass(frozen=True, slots=True)
class LabResolver:
    """A caching resolver that asks the first secondary, as clients' resolvers do."""

    name: str  # also its folder's name
    dns: ServerAddress
    pid: int = 0
    started: int = 0

    @property
    def process(self) -> Process:
        """The process that runs it."""
        return self.pid, self.started


@dataclass(frozen=True, slots=True)
class LabService:
    """A stand-in for a service: TCP, and HTTP 200 on /health."""

    name: str
    address: ServerAddress
    pid: int = 0  # 0: stopped, or not started yet
    started: int = 0

    @property
    def process(self) -> Process:
        """The process that runs it."""
        return self.pid, self.started


@dataclass(frozen=True, slots=True)
class Lab:
    """A primary, its secondaries and helpers, in one directory."""

    directory: Path  # absolute
    zone: str
    backend: Backend
    api_key: str = field(repr=False)
    primary: LabServer
    secondaries: tuple[LabServer, ...]
    made_directory: bool  # whether the directory is ours to remove
    resolver: LabResolver | None = None
    services: tuple[LabService, ...] = ()
    compose: str | None = None  # the compose project, where the servers are containers
    database: Process | None = None  # the lab's own PostgreSQL or MariaDB
    native: bool = False  # the secondaries read the primary's database: nothing is transferred

    @property
    def servers(self) -> tuple[LabServer, ...]:
        """Primary first."""
        return (self.primary, *self.secondaries)

    @property
    def processes(self) -> tuple[Process, ...]:
        """All that `lab up` and `lab service start` have started."""
        resolvers = (self.resolver,) if self.resolver else ()
        listeners = tuple(listener.process for listener in (*self.servers, *resolvers, *self.services))
        return (*listeners, self.database) if self.database else listeners

    @property
    def stores(self) -> tuple[LabServer, ...]:
        """The servers that have a database of their own."""
        return (self.primary,) if self.native else self.servers

    def folder(self, server: LabServer | LabResolver) -> Path:
        """The folder of a server's configuration, data and log."""
        return self.directory / server.name

    def to_json(self) -> dict[str, object]:
        """The content of `lab.json`; it holds the API key, as `env` does."""
        return {
            "format": _FORMAT,
            "zone": self.zone,
            "backend": self.backend,
            "api_key": self.api_key,
            "made_directory": self.made_directory,
            "servers": [
                {
                    "name": server.name,
                    "api": [server.api.host, server.api.port],
                    "dns": [server.dns.host, server.dns.port],
                    "pid": server.pid,
                    "started": server.started,
                    "transfer": server.transfer.host if server.transfer else None,
                }
                for server in self.servers
            ],
            "resolver": _listener_state(self.resolver.name, self.resolver.dns, self.resolver.process)
            if self.resolver
            else None,
            "services": [_listener_state(service.name, service.address, service.process) for service in self.services],
            "compose": self.compose,
            "database": list(self.database) if self.database else None,
            "native": self.native,
        }


def _listener_state(name: str, address: ServerAddress, process: Process) -> dict[str, object]:
    return {"name": name, "address": [address.host, address.port], "pid": process[0], "started": process[1]}


def save_lab(lab: Lab) -> None:
    """Write the state file."""
    replace_file(lab.directory / STATE_FILE, (json.dumps(lab.to_json(), indent=2) + "\n").encode(), private=True)


def load_lab(directory: Path) -> Lab:
    """The lab that a directory holds, running or not.

    Raises:
        UsageError: code `no-lab`: there is none.
        InvalidData: code `lab-state`: its state file cannot be read.
    """
    directory = directory.resolve()
    path = directory / STATE_FILE
    try:
        return _from_json(directory, json.loads(path.read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            f"no lab in {directory}", code="no-lab", hint=f"start one: hyops-gitops lab up --dir {directory}"
        ) from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidData(
            f"{path} cannot be read as the state of a lab: {type(error).__name__}",
            code="lab-state",
            hint="end its pdns_server processes by hand, then remove the directory",
        ) from error


def _from_json(directory: Path, state: dict[str, object]) -> Lab:
    match state:
        case {
            "format": "hyops-lab-state/1",
            "zone": str(zone),
            "backend": "gsqlite3" | "lmdb" | "gpgsql" | "gmysql" as backend,
            "api_key": str(api_key),
            "made_directory": bool(made_directory),
            "servers": [first, *others],
            "resolver": resolver,
            "services": [*services],
            "compose": None | str() as compose,
        }:
            return Lab(
                directory,
                zone,
                backend,
                api_key,
                _server(first, "primary"),
                tuple(_server(other, "secondary") for other in others),
                made_directory,
                None if resolver is None else LabResolver(*_listener(resolver)),
                tuple(LabService(*_listener(service)) for service in services),
                compose,
                _database(state.get("database")),
                state.get("native") is True,
            )
        case _:
            raise ValueError("not a lab's state")


def _database(state: object) -> Process | None:
    match state:
        case None:
            return None
        case [int(pid), int(started)]:
            return pid, started
        case _:
            raise ValueError("not a database's state")


def _server(state: object, role: Literal["primary", "secondary"]) -> LabServer:
    match state:
        case {
            "name": str(name),
            "api": [str(api_host), int(api_port)],
            "dns": [str(dns_host), int(dns_port)],
            "pid": int(pid),
            "started": int(started),
            "transfer": None | str() as transfer,
        } if "/" not in name and not name.startswith("."):
            api, dns = ServerAddress(api_host, api_port), ServerAddress(dns_host, dns_port)
            inside = ServerAddress(transfer, TRANSFER_PORT) if transfer else None
            return LabServer(name, role, api, dns, pid, started, inside)
        case _:
            raise ValueError("not a server's state")


def _listener(state: object) -> tuple[str, ServerAddress, int, int]:
    match state:
        case {"name": str(name), "address": [str(host), int(port)], "pid": int(pid), "started": int(started)} if (
            "/" not in name and not name.startswith(".")
        ):
            return name, ServerAddress(host, port), pid, started
        case _:
            raise ValueError("not a listener's state")
