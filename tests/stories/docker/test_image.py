"""The applier's image: built by its Dockerfile, run without rights on a root file system that cannot be written."""

import fcntl
import itertools
import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hyops_gitops.lab.zones import create_zone, wait_until
from tests.support.containers import Containers, docker
from tests.support.repository import ROOT, text
from tests.support.world import World

pytestmark = pytest.mark.docker
IMAGE = "hyops-gitops/applier:tests"
CONFINED = (
    *("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"),  # noqa: S108 - a container's own
    *("--security-opt", "no-new-privileges"),
)
USER = "10001"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def image(engine: None, tmp_path_factory: pytest.TempPathFactory) -> str:  # noqa: ARG001 - asked first
    """The image, on the base that script/with-docker made, or on its own; one worker builds it, the others wait."""
    with (tmp_path_factory.getbasetemp().parent / "image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        build()
    return IMAGE


def build() -> None:
    base = os.environ.get("APPLIER_BASE_IMAGE")
    on = ("--build-arg", f"BASE_IMAGE={base}") if base else ()
    old = subprocess.run(["docker", "image", "inspect", "-f", "{{.Id}}", IMAGE], capture_output=True, check=False)
    built = subprocess.run(
        ["docker", "build", "-q", "-t", IMAGE, "-f", "deploy/image/Dockerfile", *on, "."],
        cwd=ROOT,
        env={**os.environ, "DOCKER_BUILDKIT": "0"},
        capture_output=True,
        check=False,
        text=True,
    )
    if built.returncode != 0 and not base:
        pytest.skip(f"docker: the image's base cannot be had; script/with-docker makes one: {built.stderr[-200:]}")
    assert built.returncode == 0, built.stdout + built.stderr
    if (was := old.stdout.decode().strip()) not in ("", docker("image", "inspect", "-f", "{{.Id}}", IMAGE)):
        subprocess.run(["docker", "image", "rm", was], capture_output=True, check=False)


@dataclass(frozen=True)
class Applier:
    """Containers of the image, with a world's clone, remote and key."""

    image: str
    world: World
    folder: Path
    started: list[str] = field(default_factory=list)

    def options(self, *options: str) -> tuple[str, ...]:
        environ = {
            "HYOPS_SIGNING_KEY_FILE": str(self.world.key),
            "HYOPS_PRIMARY_URL": self.world.environ["HYOPS_PRIMARY_URL"],
            "HYOPS_SECONDARY_URLS": self.world.environ["HYOPS_SECONDARY_URLS"],
            "POWERDNS_API_KEY_FILE": str(self.folder / "api-key"),
        }
        named = (f"--env={name}={value}" for name, value in environ.items())
        mounted = (f"--volume={self.folder}:{self.folder}", f"--workdir={self.world.root}")
        return (*CONFINED, *named, *mounted, "--network=host", *options)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = ["docker", "run", "--rm", *self.options(), self.image, *words]
        return subprocess.run(command, capture_output=True, check=False, text=True)

    def start(self, *options: str) -> str:
        """A container that lives until the test ends."""
        self.started.append(docker("run", "-d", *self.options(*options), self.image, "sleep", "300"))
        return self.started[-1]

    def own(self, user: str) -> None:
        docker("run", "--rm", "--user=0", f"--volume={self.folder}:/folder", self.image, "chown", "-R", user, "/folder")


@pytest.fixture
def applier(image: str, containers: Containers, tmp_path: Path) -> Iterator[Applier]:
    folder = tmp_path / "applier"
    create_zone(containers.lab, zone := f"image{next(_numbers)}.internal")
    world = World.make(folder, zone, containers.lab)
    (folder / "api-key").write_text(f"{containers.lab.api_key}\n")
    (folder / "api-key").chmod(0o400)
    applier = Applier(image, world, folder)
    applier.own(USER)
    try:
        yield applier
    finally:
        if applier.started:
            docker("rm", "-f", *applier.started)
        applier.own(str(os.getuid()))


def test_it_applies_without_rights_and_writes_to_its_clone_and_tmp_alone(applier: Applier) -> None:
    clones = docker("image", "inspect", "--format", "{{.Config.WorkingDir}}", applier.image)
    tried = applier.run("sh", "-c", f"id -u; touch /opt/hyops-gitops/x /home/hyops/x '{clones}'/x")
    assert (tried.stdout, tried.stderr.count("Read-only file system")) == (f"{USER}\n", 3)
    applied = applier.run("hyops-gitops", "apply", "--format", "json")
    assert (applied.returncode, json.loads(applied.stdout)["outcome"]) == (0, "applied"), applied.stderr
    audited = applier.run("hyops-gitops", "audit", "--offline")
    assert audited.returncode == 0, audited.stdout


def test_its_health_is_that_of_doctor_offline(applier: Applier) -> None:
    def health() -> str:
        return docker("inspect", "-f", "{{.State.Health.Status}}", container)

    container = applier.start("--health-interval=1s", "--health-retries=1")
    wait_until(lambda: health() == "healthy", 30, "a healthy container")
    docker("exec", container, "rm", str(applier.world.key))
    wait_until(lambda: health() == "unhealthy", 30, "an unhealthy container, without its key")


def test_it_holds_what_the_lock_says_and_nothing_that_only_builds(image: str) -> None:
    listed = docker("run", "--rm", image, "/opt/hyops-gitops/bin/pip", "list", "--format", "json")
    installed = {one["name"].lower().replace(".", "-").replace("_", "-"): one["version"] for one in json.loads(listed)}
    locked = dict(re.findall(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==(\S+)", text(".github/requirements.txt"), re.MULTILINE))

    assert installed.pop("hyops-gitops")
    installed.pop("pip")
    assert installed.items() <= locked.items()
    assert {"dnspython", "cryptography"} <= installed.keys()
    assert "hatchling" not in installed
    assert docker("run", "--rm", "--user=0", image, "sh", "-c", "ls -d /wheels /source 2>/dev/null || true") == ""
