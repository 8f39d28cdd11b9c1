"""Faults of the machine that applies: its disks, its clock, its agent."""

import contextlib
import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from campaign.disk import mount, mounted
from campaign.faults.kinds import later
from campaign.trial import Trial
from tests.support.world import Ran, World

DISKS = ("clone", "git directory", "temporary files")
_DISK = "48m"
_BLOCK = 1 << 16
_FREE = (0, 4096, 4096 * 4, 4096 * 16, 4096 * 64)
_ZONES = ("Asia/Kathmandu", "America/St_Johns", "Pacific/Kiritimati", "XXX25:59:59")


def disk(trouble: Callable[[Trial, Path], None], what: str) -> Callable[[Trial], Ran]:
    """A small file system goes wrong from the start, or around the PATCH; what was left on it is applied with again."""

    def run(trial: Trial) -> Ran:
        folder = _mounted(trial)
        world, environ = trial.world, {}
        if what == "temporary files":
            environ["TMPDIR"] = str(folder)
        else:
            world = _clone_on(trial, folder, apart=what == "git directory")
            trial.recoverer = world
        proxy, moment = trial.scene.place.proxy, trial.rng.choice(["start", "before", "after"])
        if moment == "start":
            trouble(trial, folder)
        else:
            setattr(proxy, moment, lambda: trouble(trial, folder))
        return trial.apply(world=world, **environ)

    return run


def full(trial: Trial, folder: Path) -> None:
    """Next to nothing is left on it."""
    filler = folder / "filler"
    trial.on_lift(lambda: filler.unlink(missing_ok=True))
    with filler.open("wb", buffering=0) as file:
        size = 0
        try:
            while True:
                size += file.write(b"\0" * _BLOCK)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        file.truncate(max(0, size - trial.rng.choice(_FREE)))


def read_only(trial: Trial, folder: Path) -> None:
    """Nothing can be written to it; a file that is open for writing keeps it from being so for a while."""
    trial.on_lift(lambda: mount("-o", "remount,rw", str(folder)))
    for _ in range(200):
        with contextlib.suppress(subprocess.CalledProcessError):
            mount("-o", "remount,ro", str(folder))
            return
        time.sleep(0.005)


def _mounted(trial: Trial) -> Path:
    folder = trial.scene.directory / f"disk{trial.number}-{time.monotonic_ns()}"
    folder.mkdir()
    disk = contextlib.ExitStack()
    disk.enter_context(mounted(folder, _DISK))
    trial.on_end(disk.close)
    return folder


def _clone_on(trial: Trial, folder: Path, *, apart: bool) -> World:
    """Another clone on this disk, or only its git directory, with the work tree elsewhere."""
    other = trial.world.clone(folder / "clone")
    if not apart:
        return other
    tree = trial.scene.directory / f"tree-of-{folder.name}"
    other.git("worktree", "add", "-q", "--detach", str(tree))
    return replace(other, root=tree)


# --- clocks


def jumping_clock(trial: Trial) -> Ran:
    """Its clock is set while it runs."""
    seconds = trial.rng.choice([-86400, -3600, -30, 25, 3600, 86400])
    return trial.apply(CAMPAIGN_JUMP=f"{trial.rng.randrange(1, 16)} {seconds}")


def other_time_zone(trial: Trial) -> Ran:
    return trial.apply(TZ=trial.rng.choice(_ZONES))


# --- the agent that has the key


def agent_fails(trial: Trial) -> Ran:
    """It is gone, hangs, or has lost the key, between intent and result or before."""
    with _agent(trial) as (agent, environ):

        def fail() -> None:
            how = trial.rng.choice(["gone", "gone", "hangs", "lost the key"])
            if how == "lost the key":
                _ssh_add(environ, "-D")
            else:
                agent.send_signal(signal.SIGKILL if how == "gone" else signal.SIGSTOP)
            if how == "hangs":  # as long as a person looks for the token; the program gives up after a minute
                later(trial, trial.rng.uniform(0.5, 6.0), lambda: agent.send_signal(signal.SIGCONT))

        setattr(trial.scene.place.proxy, trial.rng.choice(["before", "after"]), fail)
        return trial.apply(world=None, **environ)


@contextlib.contextmanager
def _agent(trial: Trial) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, str]]]:
    key = trial.world.environ["HYOPS_SIGNING_KEY_FILE"]
    socket = trial.scene.directory / f"agent{time.monotonic_ns()}"
    environ = {"SSH_AUTH_SOCK": str(socket), "HYOPS_SIGNING_KEY_FILE": f"{key}.pub"}
    with subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL) as agent:
        try:
            while not socket.exists():
                time.sleep(0.01)
            hidden = Path(f"{key}.hidden")  # beside a public half, the private one would be used
            _ssh_add(environ, key)
            Path(key).rename(hidden)
            try:
                yield agent, environ
            finally:
                hidden.rename(key)
        finally:
            agent.kill()


def _ssh_add(environ: dict[str, str], *words: str) -> None:
    subprocess.run(["ssh-add", "-q", *words], env={**os.environ, **environ}, check=True, capture_output=True)
