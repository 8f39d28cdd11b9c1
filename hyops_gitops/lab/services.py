"""Services of a lab: start them, stop them, see whether they answer."""

import http.client
import ipaddress
import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.core.errors import OutsideFailure, UsageError
from hyops_gitops.core.names import label_problem
from hyops_gitops.lab import listener, processes
from hyops_gitops.lab.containers import exclusive
from hyops_gitops.lab.model import SERVICES_FOLDER, Lab, LabService, load_lab, save_lab

_START_S = 10.0
_ASK_S = 1.0
_POLL_S = 0.02
_LOG_LINES = 3
_PORT = re.compile(r"[0-9]{1,5}")


def parse_services(words: Sequence[str]) -> tuple[LabService, ...]:
    """Read `--service NAME=ADDR:PORT` options, in order.

    Raises:
        UsageError: code `lab-service`: one is not of this form, not on loopback, or there twice.
    """
    services = tuple(map(_parse, words))
    for what, values in (
        ("name", [service.name for service in services]),
        ("address", [service.address for service in services]),
    ):
        twice = next((value for number, value in enumerate(values) if value in values[:number]), None)
        if twice is not None:
            raise UsageError(f"two services have the {what} {twice}", code="lab-service")
    return services


def _parse(word: str) -> LabService:
    name, _, place = word.partition("=")
    host, _, port = place.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if label_problem(name) or not loopback or not _PORT.fullmatch(port) or not 0 < int(port) <= 0xFFFF:  # noqa: PLR2004
        raise UsageError(
            f"expected NAME=ADDR:PORT, a name of a-z, 0-9 and hyphens and a loopback address, got {word!r}",
            code="lab-service",
            hint="for example --service postgres-gcp=127.0.0.31:5432",
        )
    return LabService(name, ServerAddress(host, int(port)))


def spawn_service(lab: Lab, service: LabService) -> Lab:
    """The lab with the process of this service of it started."""
    folder = lab.directory / SERVICES_FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    program = ["-I", str(Path(listener.__file__).resolve()), service.name]
    address = [service.address.host, str(service.address.port)]
    pid, started = processes.spawn(sys.executable, [*program, *address], folder, _log(lab, service))
    return with_service(lab, replace(service, pid=pid, started=started))


def with_service(lab: Lab, service: LabService) -> Lab:
    """The lab with this service in place of its namesake."""
    return replace(lab, services=tuple(service if other.name == service.name else other for other in lab.services))


def start_service(lab: Lab | Path, name: str) -> Lab:
    """Start a service that `stop_service` has stopped, or that has ended.

    Raises:
        UsageError: codes `no-lab`, `lab-busy`, `lab-service`: the lab has none of this name, or it runs.
        OutsideFailure: code `lab-service`: it does not answer.
    """
    directory = load_lab(lab.directory if isinstance(lab, Lab) else lab).directory
    with exclusive(directory):
        fresh = load_lab(directory)
        service = service_of(fresh, name)
        if processes.is_running(service.process):
            raise UsageError(f"{name} runs already, as pid {service.pid}", code="lab-service")
        running = spawn_service(fresh, service)
        save_lab(running)
        wait_for_service(running, name)
        return running


def stop_service(lab: Lab | Path, name: str) -> Lab:
    """End one service; one that has ended already is fine.

    Raises:
        UsageError: codes `no-lab`, `lab-busy`, `lab-service`: the lab has none of this name.
    """
    directory = load_lab(lab.directory if isinstance(lab, Lab) else lab).directory
    with exclusive(directory):
        fresh = load_lab(directory)
        service = service_of(fresh, name)
        processes.stop([service.process])
        stopped = with_service(fresh, replace(service, pid=0, started=0))
        save_lab(stopped)
        return stopped


def answers(service: LabService) -> bool:
    """Whether this very service answers at its address."""
    connection = http.client.HTTPConnection(service.address.host, service.address.port, timeout=_ASK_S)
    try:
        connection.request("GET", listener.HEALTH_PATH)
        return bool(json.loads(connection.getresponse().read()) == {"service": service.name})
    except (OSError, ValueError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def service_of(lab: Lab, name: str) -> LabService:
    """The lab's service of this name.

    Raises:
        UsageError: code `lab-service`: it has none.
    """
    for service in lab.services:
        if service.name == name:
            return service
    known = ", ".join(service.name for service in lab.services) or "none"
    raise UsageError(f"the lab in {lab.directory} has no service {name!r}: it has {known}", code="lab-service")


def wait_for_service(lab: Lab, name: str) -> None:
    """Wait until it answers.

    Raises:
        OutsideFailure: code `lab-service`: it ends at once, for example because its port is taken, or is mute.
    """
    service = service_of(lab, name)
    deadline = time.monotonic() + _START_S
    while not answers(service):
        running = processes.is_running(service.process)
        if not running or time.monotonic() > deadline:
            lines = _log(lab, service).read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
            problem = "does not answer" if running else "ended as soon as it was started"
            hint = "\n".join(f"log of {service.name}: {line}" for line in lines)
            raise OutsideFailure(f"service {name} at {service.address} {problem}", code="lab-service", hint=hint)
        time.sleep(_POLL_S)


def _log(lab: Lab, service: LabService) -> Path:
    return lab.directory / SERVICES_FOLDER / f"{service.name}.log"
