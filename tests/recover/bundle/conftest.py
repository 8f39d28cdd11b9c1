"""Bundles, made and unpacked."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from hyops_gitops.adapters.files import bundle_files
from hyops_gitops.adapters.wheels import tarball
from hyops_gitops.adapters.yaml.schema import shipped_schemas
from hyops_gitops.core.outside import Process
from hyops_gitops.recover.bundle import sums_text
from hyops_gitops.recover.make_bundle import Bundle, make_bundle
from tests.support.bundles import unpack
from tests.support.clone import run
from tests.support.world import Ran, World

ZONE = "bundle.internal"


class NoWheels:
    """Enough where nothing is installed."""

    def versions(self) -> tuple[str, ...]:
        return ("3.11",)

    def target(self) -> str:
        return "linux_x86_64"

    def wheels(self) -> Mapping[str, bytes]:
        return {"some-1.0-py3-none-any.whl": b"not a wheel"}


def made(world: World, revision: str = "HEAD") -> Bundle:
    """A bundle of a world, with everything but wheels."""
    workspace = world.wiring().replaced(process=Process("hyops-gitops 0"))
    return make_bundle(revision, workspace, NoWheels(), lambda: {**shipped_schemas(), **bundle_files()}, tarball)


Unpack = Callable[[], Path]


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A clone with a log of one entry; nobody serves its zone. Nobody may change it."""
    return World.make(tmp_path_factory.mktemp("world") / "w", ZONE)


@pytest.fixture(scope="module")
def content(offline: World) -> bytes:
    return made(offline).content


@pytest.fixture
def folder(content: bytes, tmp_path: Path) -> Path:
    """A fresh unpacked bundle of `offline`."""
    return unpack(content, tmp_path / "unpacked")


def install(folder: Path, *options: str | Path, path: str | None = None) -> tuple[int, str]:
    """The exit status of a bundle's `install`, and what it said."""
    done = subprocess.run(
        [folder / "install", *map(str, options)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env=None if path is None else {"PATH": path},
    )
    return done.returncode, done.stderr


def tools_without(directory: Path, *hidden: str) -> str:
    """A PATH with this machine's programs but for those whose names begin so, and the Python that runs this."""
    directory.mkdir()
    for place in (Path("/usr/bin"), Path("/bin"), Path("/usr/sbin"), Path("/sbin")):
        for tool in place.iterdir():
            if not tool.name.startswith((*hidden, "python")) and not (directory / tool.name).exists():
                (directory / tool.name).symlink_to(tool)
    python = shutil.which("python3", path=str(Path(sys.base_prefix) / "bin"))
    assert python is not None
    (directory / "python3").symlink_to(python)
    return str(directory)


def sign(folder: Path, key: Path) -> None:
    """Sums and signature made anew, as somebody with a key can."""
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("SHA256SUMS")
    }
    (folder / "SHA256SUMS").write_bytes(sums_text(files))
    (folder / "SHA256SUMS.sig").unlink()
    run("ssh-keygen", "-q", "-Y", "sign", "-n", "hyops-gitops-bundle", "-f", key, folder / "SHA256SUMS")


@dataclass(frozen=True, slots=True)
class Island:
    """A network namespace with a loopback of its own and nothing else."""

    process: int

    def run(self, *command: str | Path, cwd: Path, env: dict[str, str]) -> Ran:
        """One program in there."""
        done = subprocess.run(
            ["nsenter", "--target", str(self.process), "--net", "--", *map(str, command)],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            cwd=cwd,
            env=env,
        )
        return Ran(done.returncode, done.stdout, done.stderr)


def _wait_until_apart(process: int) -> None:
    """Until the process has left our network namespace: before that, what is done to its loopback is done to ours."""
    ours, deadline = Path("/proc/self/ns/net").readlink(), time.monotonic() + 10
    while Path(f"/proc/{process}/ns/net").readlink() == ours and time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.fixture(scope="module")
def island() -> Iterator[Island]:
    if shutil.which("pdns_server") is None:
        pytest.skip("pdns_server is not installed")
    holder = subprocess.Popen(["unshare", "--net", "--", "sleep", "900"], stdin=subprocess.DEVNULL)
    try:
        _wait_until_apart(holder.pid)
        place = Island(holder.pid)
        up = place.run("ip", "link", "set", "lo", "up", cwd=Path("/"), env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"})
        if up.exit != 0:
            pytest.skip(f"no network namespace can be made: {up.err.strip()}")
        yield place
    finally:
        holder.kill()
        holder.wait()
