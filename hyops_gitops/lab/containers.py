"""A lab in containers: the same primary and secondary, in Docker."""

import contextlib
import fcntl
import ipaddress
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from ruamel.yaml.comments import CommentedMap

from hyops_gitops.adapters.dns.client import chaos_text
from hyops_gitops.adapters.git.process import printable
from hyops_gitops.adapters.host.machine import Done, Program, without_secrets, words
from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.core.errors import OutsideFailure, UsageError
from hyops_gitops.lab import processes
from hyops_gitops.lab import resolver as resolvers
from hyops_gitops.lab.config import LOG_FILE, MADE
from hyops_gitops.lab.database import remove_database
from hyops_gitops.lab.folder import AUTHORITY_FILE, ENV_FILE, max_body_mib, write_authority, write_env
from hyops_gitops.lab.model import (
    DATABASE_FOLDER,
    SERVICES_FOLDER,
    STATE_FILE,
    TRANSFER_PORT,
    Lab,
    LabServer,
    load_lab,
    save_lab,
)
from hyops_gitops.lab.processes import free_addresses
from hyops_gitops.lab.zones import api_answers, create_zone, wait_until

COMPOSE_FILE = Path(__file__).parent / "container" / "compose.yaml"
IMAGE_FOLDER = COMPOSE_FILE.parent
IMAGE_VARIABLE = "PDNS_AUTH_IMAGE"
_UP_S = 300.0  # a pull is part of it
_ASK_S = 30.0
_HINT = "start an engine; `docker info` says what is wrong"


def compose_command() -> tuple[str, ...]:
    """The command that runs compose on this machine.

    Raises:
        OutsideFailure: code `lab-no-docker`: no engine answers, or there is no compose.
    """
    _answer(_run(("docker", "info"), {}))
    failures = []
    for command in (("docker", "compose"), ("docker-compose",)):
        try:
            asked = _run((*command, "version"), {})
        except OutsideFailure as failure:
            failures.append(failure.message)
            continue
        if asked.returncode == 0:
            return command
        failures.append(f"{' '.join(command)}: {words(asked.stderr)}")
    hint = "install docker-compose, or the plugin"
    raise OutsideFailure(f"Docker has no compose: {'; '.join(failures)}", code="lab-no-docker", hint=hint)


def compose_environment(lab: Lab) -> dict[str, str]:
    """The variables of the compose file."""
    primary, secondary = lab.servers
    return {
        "HYOPS_LAB_API_KEY": lab.api_key,
        "HYOPS_LAB_MAX_BODY_MIB": str(lab.max_body_mib),
        "HYOPS_LAB_NET": primary.transfer.host.rpartition(".")[0] if primary.transfer else "",
        "HYOPS_LAB_PRIMARY_DNS": str(primary.dns),
        "HYOPS_LAB_PRIMARY_API": str(primary.api),
        "HYOPS_LAB_SECONDARY_DNS": str(secondary.dns),
        "HYOPS_LAB_SECONDARY_API": str(secondary.api),
    }


def create_containers(command: tuple[str, ...], lab: Lab) -> str | None:
    """Create and start the lab's containers; why that failed, if it did."""
    done = _compose(command, lab, "up", "-d", "--no-build")
    return None if done.returncode == 0 else printable(done.stderr).strip() or "compose printed nothing"


def remove_containers(lab: Lab) -> None:
    """Remove the lab's containers and networks, exactly those.

    Raises:
        OutsideFailure: codes `lab-no-docker`, `lab-stop`.
    """
    done = _compose(compose_command(), lab, "down", "-v", "-t", "1")
    if done.returncode != 0:
        lines = printable(done.stderr).strip().splitlines()
        raise OutsideFailure(f"compose could not remove {lab.compose}: {''.join(lines[-1:])}", code="lab-stop")


def container_runs(lab: Lab, server: LabServer) -> bool:
    """Whether this server's container runs, be it paused.

    Raises:
        OutsideFailure: code `lab-no-docker`: no engine says so.
    """
    labels = {"project": lab.compose or "", "service": server.name}
    filters = [f"--filter=label=com.docker.compose.{name}={value}" for name, value in labels.items()]
    states = [f"--filter=status={state}" for state in ("running", "paused")]
    return bool(_answer(_run(("docker", "ps", "-q", *filters, *states), {})).stdout.strip())


def any_container_runs(lab: Lab) -> bool:
    """Whether any of the lab's containers runs."""
    return lab.compose is not None and any(container_runs(lab, server) for server in lab.servers)


def _compose(command: tuple[str, ...], lab: Lab, *arguments: str) -> Done:
    called = (*command, "-p", lab.compose or "", "-f", str(COMPOSE_FILE), *arguments)
    return _run(called, compose_environment(lab), _UP_S)


def _run(command: tuple[str, ...], variables: Mapping[str, str], timeout_s: float = _ASK_S) -> Done:
    program = Program(command[0], code="lab-no-docker", hint=_HINT, timeout_s=timeout_s)
    return program.run(*command[1:], env={**without_secrets(os.environ), **variables})


def _answer(done: Done) -> Done:
    """The engine's answer."""
    if done.returncode != 0:
        raise OutsideFailure(f"no Docker engine answers: {words(done.stderr)}", code="lab-no-docker", hint=_HINT)
    return done


_ATTEMPTS = 5  # a port or a network found free can be taken meanwhile
_START_S = 30.0
_ANSWER_S = 0.5
_TAKEN = ("port is already allocated", "address already in use", "Pool overlaps")


def container_lab(directory: Path, zone: str, *, made_directory: bool) -> Lab:
    """A lab with addresses, network and key of its own, not started."""
    (dns, api), (other_dns, other_api) = free_addresses(["127.0.0.1", "127.0.0.2"])
    network = ipaddress.ip_network(f"172.31.{secrets.randbelow(256)}.0/28")
    transfer = [ServerAddress(str(network[number]), TRANSFER_PORT) for number in (2, 3)]
    return Lab(
        directory=directory,
        zone=zone,
        backend="gsqlite3",
        api_key=secrets.token_hex(16),
        primary=LabServer("primary", "primary", api, dns, transfer=transfer[0]),
        secondaries=(LabServer("secondary1", "secondary", other_api, other_dns, transfer=transfer[1]),),
        made_directory=made_directory,
        compose=f"hyops-lab-{secrets.token_hex(4)}",
    )


def start_container_lab(directory: Path, *, zone: str, authority: CommentedMap | None = None) -> Lab:
    """Start a primary and a secondary in containers; wait for both.

    Raises:
        UsageError: codes `lab-running`, `lab-directory`, `lab-busy`.
        OutsideFailure: codes `lab-no-docker`, `lab-start`, `lab-zone`, `lab-ports`, `lab-directory`; whatever was
            started is removed again.
    """
    command = compose_command()
    directory = directory.resolve()
    with taken(directory) as made:
        lab = _up(command, directory, zone, made_directory=made, max_body_mib=max_body_mib(authority))
        try:
            wait_for_containers(lab)
            create_zone(lab, lab.zone)
            write_env(lab)
            if authority is not None:
                write_authority(lab, authority)
        except BaseException:
            remove_containers(lab)
            tidy(lab)
            raise
    return lab


def _up(command: tuple[str, ...], directory: Path, zone: str, *, made_directory: bool, max_body_mib: int) -> Lab:
    failure: str | None = None
    for _ in range(_ATTEMPTS):
        lab = replace(container_lab(directory, zone, made_directory=made_directory), max_body_mib=max_body_mib)
        save_lab(lab)
        failure = create_containers(command, lab)
        if failure is None:
            return lab
        remove_containers(lab)
        tidy(lab)
        if not any(word in failure for word in _TAKEN):
            break
    hint = f"where no registry is reachable: docker build -t pdns-auth {IMAGE_FOLDER}, then {IMAGE_VARIABLE}=pdns-auth"
    last = (failure or "").splitlines()[-1]
    raise OutsideFailure(f"the containers could not be started: {last}", code="lab-start", hint=hint)


def wait_for_containers(lab: Lab) -> None:
    """Wait until both servers answer by API and by DNS.

    Raises:
        OutsideFailure: code `lab-zone`.
    """
    for server in lab.servers:
        wait_until(lambda server=server: _answers(lab, server), _START_S, f"{server.name} to answer")  # type: ignore[misc]


def _answers(lab: Lab, server: LabServer) -> bool:
    return api_answers(lab, server) and chaos_text(server.dns, "id.server", _ANSWER_S) is not None


@contextlib.contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Lock a directory against other lab commands of other processes.

    Raises:
        UsageError: code `lab-busy`: another command holds it.
        OutsideFailure: code `lab-directory`: it cannot be opened.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _unusable(directory, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise UsageError(f"another lab command is at work in {directory}", code="lab-busy") from error
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def taken(directory: Path) -> Iterator[bool]:
    """Hold a directory for a new lab; whether to remove it."""
    made = _make(directory)
    with exclusive(directory):
        made = _claim(directory) or made
        try:
            yield made
        except BaseException:
            if made:
                remove_if_empty(directory)
            raise


def _make(directory: Path) -> bool:
    """Make a private directory unless it exists; whether it was made."""
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        directory.mkdir(mode=0o700)
    except FileExistsError:
        return False
    except OSError as error:
        raise _unusable(directory, error) from error
    return True


def _claim(directory: Path) -> bool:
    """Take a directory for a lab, tidying a dead one there.

    Returns whether that one had made the directory.

    Raises:
        UsageError: code `lab-running`: a lab runs here; code `lab-directory`: it holds what is not a lab's.
    """
    entries = {entry.name for entry in directory.iterdir()}
    if STATE_FILE in entries:
        lab = load_lab(directory)
        if any(map(processes.is_running, lab.processes)) or any_container_runs(lab):
            raise UsageError(
                f"a lab runs in {directory}",
                code="lab-running",
                hint=f"end it: hyops-gitops lab down --dir {directory}",
            )
        tidy(lab)
        return lab.made_directory
    if entries:
        raise UsageError(
            f"{directory} is not empty and holds no lab", code="lab-directory", hint="give --dir a new directory"
        )
    return False


def tidy(lab: Lab) -> None:
    """Remove the lab's files; other files and their folders stay."""
    for server in lab.servers:
        _empty(lab.folder(server), MADE)
    if lab.resolver:
        _empty(lab.folder(lab.resolver), (*resolvers.MADE, LOG_FILE))
    remove_database(lab)
    remove_if_empty(lab.directory / DATABASE_FOLDER)
    _empty(lab.directory / SERVICES_FOLDER, [f"{service.name}.log" for service in lab.services])
    for name in (AUTHORITY_FILE, ENV_FILE, STATE_FILE):
        (lab.directory / name).unlink(missing_ok=True)


def _empty(folder: Path, made: Iterable[str]) -> None:
    for pattern in made:
        for path in folder.glob(pattern):
            path.unlink()
    remove_if_empty(folder)


def remove_if_empty(directory: Path) -> None:
    """Remove a directory unless something is left in it."""
    with contextlib.suppress(OSError):
        directory.rmdir()


def _unusable(directory: Path, error: OSError) -> OutsideFailure:
    return OutsideFailure(f"cannot use {directory}: {(error.strerror or str(error)).lower()}", code="lab-directory")
