"""Runs compose for a lab in containers: the one place that knows how Docker is called.

Both generations are served: the plugin (`docker compose`) and the older program (`docker-compose`).
"""

import os
from collections.abc import Mapping
from pathlib import Path

from hyops_gitops.adapters.git.process import printable
from hyops_gitops.adapters.host.programs import Done, Program, words
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.lab.model import Lab, LabServer

COMPOSE_FILE = Path(__file__).parent / "container" / "compose.yaml"
IMAGE_FOLDER = COMPOSE_FILE.parent
IMAGE_VARIABLE = "PDNS_AUTH_IMAGE"
_UP_S = 300.0  # a pull is part of it
_ASK_S = 30.0
_HINT = "start an engine; `docker info` says what is wrong"


def compose_command() -> tuple[str, ...]:
    """How compose is called on this machine.

    Raises:
        OutsideFailure: code `lab-no-docker`: no engine answers, or there is no compose.
    """
    _answer(_run(("docker", "info"), {}))
    said = []
    for command in (("docker", "compose"), ("docker-compose",)):
        try:
            asked = _run((*command, "version"), {})
        except OutsideFailure as failure:
            said.append(failure.message)
            continue
        if asked.returncode == 0:
            return command
        said.append(f"{' '.join(command)}: {words(asked.stderr)}")
    hint = "install docker-compose, or the plugin"
    raise OutsideFailure(f"Docker has no compose: {'; '.join(said)}", code="lab-no-docker", hint=hint)


def compose_environment(lab: Lab) -> dict[str, str]:
    """The variables of the compose file."""
    primary, secondary = lab.servers
    return {
        "HYOPS_LAB_API_KEY": lab.api_key,
        "HYOPS_LAB_NET": primary.transfer.host.rpartition(".")[0] if primary.transfer else "",
        "HYOPS_LAB_PRIMARY_DNS": str(primary.dns),
        "HYOPS_LAB_PRIMARY_API": str(primary.api),
        "HYOPS_LAB_SECONDARY_DNS": str(secondary.dns),
        "HYOPS_LAB_SECONDARY_API": str(secondary.api),
    }


def create_containers(command: tuple[str, ...], lab: Lab) -> str | None:
    """Create and start the lab's containers; why that failed, if it did."""
    done = _compose(command, lab, "up", "-d", "--no-build")
    return None if done.returncode == 0 else printable(done.stderr).strip() or "compose said nothing"


def remove_containers(lab: Lab) -> None:
    """Remove the lab's containers and networks, exactly those.

    Raises:
        OutsideFailure: codes `lab-no-docker`, `lab-stop`.
    """
    done = _compose(compose_command(), lab, "down", "-v", "-t", "1")
    if done.returncode != 0:
        said = printable(done.stderr).strip().splitlines()
        raise OutsideFailure(f"compose could not remove {lab.compose}: {''.join(said[-1:])}", code="lab-stop")


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
    return program.run(*command[1:], env={**os.environ, **variables})


def _answer(done: Done) -> Done:
    """What the engine answered."""
    if done.returncode != 0:
        raise OutsideFailure(f"no Docker engine answers: {words(done.stderr)}", code="lab-no-docker", hint=_HINT)
    return done
