"""A lab as a value, and its state file `lab.json`."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.core.errors import InvalidData, UsageError

STATE_FILE = "lab.json"
_FORMAT = "hyops-lab-state/1"

Backend = Literal["gsqlite3", "lmdb"]


@dataclass(frozen=True, slots=True)
class LabServer:
    """One PowerDNS of a lab."""

    name: str  # `primary`, `secondary1`, ...: also its folder's name
    role: Literal["primary", "secondary"]
    api: ServerAddress
    dns: ServerAddress
    pid: int = 0  # 0: not started
    started: int = 0  # clock ticks from boot to the process's start: tells a recycled pid from ours

    @property
    def api_url(self) -> str:
        """scheme://host:port."""
        return f"http://{self.api}"


@dataclass(frozen=True, slots=True)
class Lab:
    """A primary and its secondaries on loopback, in one directory."""

    directory: Path  # absolute
    zone: str
    backend: Backend
    api_key: str = field(repr=False)
    primary: LabServer
    secondaries: tuple[LabServer, ...]
    made_directory: bool  # whether the directory is ours to remove

    @property
    def servers(self) -> tuple[LabServer, ...]:
        """Primary first."""
        return (self.primary, *self.secondaries)

    def folder(self, server: LabServer) -> Path:
        """Where a server keeps its configuration, data and log."""
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
                }
                for server in self.servers
            ],
        }


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
            "backend": "gsqlite3" | "lmdb" as backend,
            "api_key": str(api_key),
            "made_directory": bool(made_directory),
            "servers": [first, *others],
        }:
            return Lab(
                directory,
                zone,
                backend,
                api_key,
                _server(first, "primary"),
                tuple(_server(other, "secondary") for other in others),
                made_directory,
            )
        case _:
            raise ValueError("not a lab's state")


def _server(state: object, role: Literal["primary", "secondary"]) -> LabServer:
    match state:
        case {
            "name": str(name),
            "api": [str(api_host), int(api_port)],
            "dns": [str(dns_host), int(dns_port)],
            "pid": int(pid),
            "started": int(started),
        } if "/" not in name and not name.startswith("."):
            api, dns = ServerAddress(api_host, api_port), ServerAddress(dns_host, dns_port)
            return LabServer(name, role, api, dns, pid, started)
        case _:
            raise ValueError("not a server's state")
