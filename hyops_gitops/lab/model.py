"""A lab as a value, and its state file `lab.json`."""

import json
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Literal, get_args

from hyops_gitops.adapters.files import replace_file
from hyops_gitops.core.authority import DEFAULT_MAX_BODY_MIB, ServerAddress
from hyops_gitops.core.codec import JsonObject
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import InvalidData, UsageError
from hyops_gitops.core.fields import NEVER, Matching
from hyops_gitops.lab.processes import StartedProcess

STATE_FILE = "lab.json"
SERVICES_FOLDER = "services"  # their logs
DATABASE_FOLDER = "database"  # of the database server, where the backend needs one
TRANSFER_PORT = 53  # of a server in a container

FolderName = Annotated[str, Matching(r"[^/.][^/]*", "the name of a folder")]
Backend = Literal["gsqlite3", "lmdb", "gpgsql", "gmysql"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)


class _Running:
    """What is run by a process of the lab."""

    __slots__ = ()
    pid: int  # 0: not started, or stopped
    started: int  # clock ticks from boot to the process's start: tells a recycled pid from ours

    @property
    def process(self) -> StartedProcess:
        """The process that runs it."""
        return StartedProcess(self.pid, self.started)


@dataclass(frozen=True, slots=True)
class LabServer(JsonObject, _Running):
    """One PowerDNS of a lab."""

    name: FolderName  # `primary`, `secondary1`, ...: also its folder's name
    role: Literal["primary", "secondary"]
    api: ServerAddress
    dns: ServerAddress
    pid: int = 0
    started: int = 0
    transfer: ServerAddress | None = None  # where the lab's other servers reach it, if not at `dns`: in containers

    @property
    def api_url(self) -> str:
        """scheme://host:port."""
        return f"http://{self.api}"


@dataclass(frozen=True, slots=True)
class LabResolver(JsonObject, _Running):
    """A caching resolver that asks the first secondary, as clients' resolvers do."""

    name: FolderName
    dns: ServerAddress
    pid: int = 0
    started: int = 0


@dataclass(frozen=True, slots=True)
class LabService(JsonObject, _Running):
    """A stand-in for a service: TCP, and HTTP 200 on /health."""

    name: FolderName  # of its log
    address: ServerAddress
    pid: int = 0
    started: int = 0


@dataclass(frozen=True, slots=True)
class Lab(JsonObject):
    """A primary, its secondaries and helpers, as `lab.json` holds them."""

    FORMAT = "hyops-lab-state/2"
    zone: str
    backend: Backend
    api_key: str = field(repr=False)
    primary: LabServer
    secondaries: tuple[LabServer, ...]
    made_directory: bool  # whether the directory is ours to remove
    resolver: LabResolver | None = None
    services: tuple[LabService, ...] = ()
    compose: str | None = None  # the compose project, where the servers are containers
    database: StartedProcess | None = None  # the lab's own PostgreSQL or MariaDB
    native: bool = False  # the secondaries read the primary's database: nothing is transferred
    max_body_mib: int = DEFAULT_MAX_BODY_MIB  # the largest request that the servers take
    directory: Annotated[Path, NEVER] = Path()  # absolute

    @property
    def servers(self) -> tuple[LabServer, ...]:
        """Primary first."""
        return (self.primary, *self.secondaries)

    @property
    def processes(self) -> tuple[StartedProcess, ...]:
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
        return replace(_read(path), directory=directory)
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            f"no lab in {directory}", code="no-lab", hint=f"start one: hyops-gitops lab up --dir {directory}"
        ) from None
    except (OSError, ValueError, TypeError, KeyError, InvalidData) as error:
        raise InvalidData(
            f"{path} cannot be read as the state of a lab: {type(error).__name__}",
            code="lab-state",
            hint="end its pdns_server processes by hand, then remove the directory",
        ) from error


def _read(path: Path) -> Lab:
    state = json.loads(path.read_bytes())
    if state["format"] != Lab.FORMAT:
        raise ValueError("the state of another version")
    return Lab.from_json(state)
