"""Whole processes: their time, CPU and memory; and what servers answer, asked without the program."""

import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from hyops_gitops.core.authority import ServerAddress

_TIMEOUT_S = 2.0
_TRIES = 5
_WINDOW = 64  # questions on their way at once: more than a socket's buffer holds would be lost
# Started by a small process of its own: the peak memory of a new process is at least that of the one that forked it.
_LAUNCHER = """
import os, sys, time
out, err, *command = sys.argv[1:]
flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
opened = [(os.POSIX_SPAWN_OPEN, 1, out, flags, 0o600), (os.POSIX_SPAWN_OPEN, 2, err, flags, 0o600)]
began = time.perf_counter()
pid = os.posix_spawnp(command[0], command, os.environ, file_actions=opened)
_, status, used = os.wait4(pid, 0)
wall = time.perf_counter() - began
print(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, os.waitstatus_to_exitcode(status))
"""


class CommandFailed(Exception):
    """A measured command ended in another way than it has to."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one command."""

    wall_s: float
    cpu_s: float  # of the process and of all its children
    memory_mib: float  # the largest process among them
    primary_s: float | None = None  # from the start until the primary answers with the change
    last_s: float | None = None  # until the last secondary does
    exit: int | None = None  # where it is not 0

    def to_json(self) -> dict[str, float]:
        """The measured values."""
        return {name: round(value, 4) for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Command:
    """A command line, where it runs, and the exit codes that it may end with."""

    words: Sequence[str]
    cwd: Path
    environ: Mapping[str, str]
    exits: frozenset[int] = frozenset({0})


def launch(command: Command, scratch: Path) -> "subprocess.Popen[str]":
    """Start a command under the launcher; its output goes to files in `scratch`."""
    words = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(scratch / "out"), str(scratch / "err"), *command.words]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=command.cwd, env=dict(command.environ))


def finish(running: "subprocess.Popen[str]", command: Command, scratch: Path) -> Sample:
    """Wait for a command that was launched.

    Raises:
        CommandFailed: with the end of what it printed.
    """
    line, _ = running.communicate()
    words = line.split()
    if len(words) != 4 or int(words[3]) not in command.exits:
        printed = "".join((scratch / name).read_text(errors="replace")[-2000:] for name in ("out", "err"))
        raise CommandFailed(f"{' '.join(command.words)} ended with {words[3:] or 'an error'}:\n{printed}")
    return Sample(float(words[0]), float(words[1]), float(words[2]), exit=int(words[3]) or None)


def measure(command: Command, scratch: Path) -> Sample:
    """Run a command to its end."""
    return finish(launch(command, scratch), command, scratch)


def run(*words: str | Path, cwd: Path | None = None, stdin: bytes | None = None) -> bytes:
    """The output of a command that is not measured."""
    return subprocess.run([*map(str, words)], cwd=cwd, input=stdin, check=True, stdout=subprocess.PIPE).stdout


# --- DNS


def addresses(server: ServerAddress, names: Sequence[str]) -> dict[str, str | None]:
    """The one A record of each name that a server answers with authority; None for every other answer."""
    found: dict[str, str | None] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect((server.host, server.port))
        asking.settimeout(_TIMEOUT_S)
        for first in range(0, len(names), _WINDOW):
            _ask(asking, names[first : first + _WINDOW], found)
    return found


def _ask(asking: socket.socket, names: Sequence[str], found: dict[str, str | None]) -> None:
    """Ask for a window of names, for those without an answer again."""
    missing = dict(enumerate(names))
    for _ in range(_TRIES):
        for number, name in missing.items():
            labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
            asking.send(struct.pack("!6H", number, 0, 1, 0, 0, 0) + labels + b"\0\0\1\0\1")
        while missing:
            try:
                reply = asking.recv(4096)
            except TimeoutError:
                break
            number, flags, _, answers, _, _ = struct.unpack("!6H", reply[:12])
            if number in missing:
                name = missing.pop(number)
                end = 12 + len(name) + 2 + 4 + 16  # header, question, and an answer with a compressed name
                alone = flags & 0x840F == 0x8400 and answers == 1 and reply[end - 14 : end - 10] == b"\0\1\0\1"
                found[name] = socket.inet_ntoa(reply[end - 4 : end]) if alone else None
        if not missing:
            return
    raise CommandFailed(f"no answer for {len(missing)} names, such as {next(iter(missing.values()))}")


def wait_for(server: ServerAddress, expected: Mapping[str, str], timeout_s: float) -> float:
    """The moment (`time.perf_counter`) at which a server first answers every name as expected."""
    deadline = time.perf_counter() + timeout_s
    while addresses(server, list(expected)) != dict(expected):
        if time.perf_counter() > deadline:
            raise CommandFailed(f"{server} does not answer as expected after {timeout_s:g} s")
        time.sleep(0.005)
    return time.perf_counter()
