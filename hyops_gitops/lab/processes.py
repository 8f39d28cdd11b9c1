"""Background processes, identified by pid and start time (proc(5))."""

import contextlib
import os
import shutil
import signal
import socket
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.core.errors import OutsideFailure

_TERM_S = 5.0  # how long a process may take to end by itself
_KILL_S = 5.0
_POLL_S = 0.02
_STAT_STARTTIME = 19  # field 22 of proc(5)'s stat, counted from the state, which is field 3


class StartedProcess(NamedTuple):
    """A process and its start, which a reused pid does not share."""

    pid: int
    started: int  # in clock ticks since boot


def find_executable(name: str) -> str | None:
    """A program on the path, or where Debian keeps servers."""
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    newest = sorted(versions, key=lambda folder: (len(folder.parent.name), folder.parent.name), reverse=True)
    path = os.environ.get("PATH", os.defpath)
    return shutil.which(name, path=":".join([path, "/usr/sbin", "/usr/local/sbin", *map(str, newest)]))


def spawn(program: str, arguments: list[str], folder: Path, log: Path) -> StartedProcess:
    """Start a program in a session of its own, with a log.

    Not `subprocess`: its object wants to be waited for, while this process is meant to live on. The shell only
    changes the directory, for control sockets whose absolute path would be too long; `exec` keeps the pid.
    """
    pid = os.posix_spawn(
        "/bin/sh",
        ["sh", "-c", 'cd -- "$1" && shift && exec "$@"', "sh", str(folder), program, *arguments],
        {"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath)},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    return StartedProcess(pid, _start_time(pid) or 0)


def is_running(process: StartedProcess) -> bool:
    """Whether this very process still runs; a zombie does not."""
    pid, started = process
    if pid <= 0:
        return False
    if _start_time(pid) == started:
        return True
    try:
        # A child of ours that has ended is reaped; (0, 0) says that some of its threads have not ended yet.
        return os.waitpid(pid, os.WNOHANG) == (0, 0) and _start_time(pid) is None
    except ChildProcessError:
        return False


def stop(processes: Iterable[StartedProcess], *, first: signal.Signals = signal.SIGTERM) -> None:
    """Terminate these processes, then kill them; reused pids are left alone."""
    alive = [process for process in processes if is_running(process)]
    for number, patience_s in ((first, _TERM_S), (signal.SIGKILL, _KILL_S)):
        for pid, _ in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + patience_s
        while (alive := [process for process in alive if is_running(process)]) and time.monotonic() < deadline:
            time.sleep(_POLL_S)


def _start_time(pid: int) -> int | None:
    """Clock ticks from boot to this process's start, None when dead."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()  # the command's name, in brackets, may hold anything
    return None if fields[0] in "ZX" else int(fields[_STAT_STARTTIME])


_TRIES = 100


def free_addresses(hosts: list[str]) -> list[tuple[ServerAddress, ServerAddress]]:
    """For each host a free DNS address and API address.

    All are held until the last is found, so that they differ. Another process may still take one before the server
    does: PowerDNS then ends at once, and the caller tries again.
    """
    with contextlib.ExitStack() as held:
        return [(_dns(host, held), ServerAddress(host, _bind(host, 0, socket.SOCK_STREAM, held))) for host in hosts]


def _dns(host: str, held: contextlib.ExitStack) -> ServerAddress:
    for _ in range(_TRIES):
        port = _bind(host, 0, socket.SOCK_DGRAM, held)
        with contextlib.suppress(OSError):
            return ServerAddress(host, _bind(host, port, socket.SOCK_STREAM, held))
    raise OutsideFailure(f"no port of {host} is free for both UDP and TCP", code="lab-ports")


def _bind(host: str, port: int, kind: socket.SocketKind, held: contextlib.ExitStack) -> int:
    sock = held.enter_context(socket.socket(socket.AF_INET, kind))
    sock.bind((host, port))
    return int(sock.getsockname()[1])
