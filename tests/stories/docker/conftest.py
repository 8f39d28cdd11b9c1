"""PowerDNS in containers, by pytest-docker and the compose file of `lab up --docker`."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.lab.containers import (
    COMPOSE_FILE,
    IMAGE_VARIABLE,
    compose_command,
    compose_environment,
    container_lab,
    wait_for_containers,
)
from hyops_gitops.lab.model import Lab
from tests.support.containers import Containers


def _image() -> str:
    """The image that the compose file starts."""
    default = re.search(rf"{IMAGE_VARIABLE}:-([^}}]+)", COMPOSE_FILE.read_text())
    assert default is not None
    return os.environ.get(IMAGE_VARIABLE) or default[1]


@pytest.fixture(scope="session")
def engine() -> None:
    """An engine that has, or can fetch, the image; else the tests are skipped, which CI does not put up with."""
    try:
        compose_command()
    except OutsideFailure as error:
        pytest.skip(f"docker: {error.message}; script/with-docker brings one")
    known = subprocess.run(["docker", "image", "inspect", _image()], capture_output=True, check=False)
    if known.returncode != 0:
        pulled = subprocess.run(["docker", "pull", "-q", _image()], capture_output=True, check=False, text=True)
        if pulled.returncode != 0:
            pytest.skip(f"docker: no image {_image()}: {pulled.stderr.strip()[-200:]}")


@pytest.fixture(scope="session")
def planned(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:  # noqa: ARG001 - asked first
    """Addresses, network and key, in the environment that compose reads."""
    lab = container_lab(tmp_path_factory.mktemp("containers"), "docker.internal", made_directory=False)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in compose_environment(lab).items():
            patch.setenv(name, value)
        yield lab


# --- what pytest-docker asks for


@pytest.fixture(scope="session")
def docker_compose_command(engine: None) -> str:  # noqa: ARG001 - asked first
    """The plugin, or the older program."""
    return " ".join(compose_command())


@pytest.fixture(scope="session")
def docker_compose_file() -> str:
    """The one that users start."""
    return str(COMPOSE_FILE)


@pytest.fixture(scope="session")
def docker_compose_project_name(planned: Lab) -> str:
    """A project for each process of the suite."""
    return planned.compose or ""


@pytest.fixture(scope="session")
def docker_setup() -> list[str]:
    """The default waits with an option that compose 1.29 does not know."""
    return ["down -v -t 1", "up -d --no-build"]


@pytest.fixture(scope="session")
def docker_cleanup() -> list[str]:
    """Everything, after the last test."""
    return ["down -v -t 1"]


@pytest.fixture(scope="session")
def containers(planned: Lab, docker_services: object) -> Containers:  # noqa: ARG001 - starts them
    """The running containers."""
    wait_for_containers(planned)
    return Containers(planned)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """For a world."""
    return tmp_path / "world"
