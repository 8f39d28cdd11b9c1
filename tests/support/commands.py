"""Command lines, each in a process of its own, forked from one that has imported the program.

To start Python and import the program takes longer than most commands do. Arguments, environment, directory, output and
exit code are those of a process that was started for it. `programs` does the same for shells that look for
`hyops-gitops` on their PATH; what it runs is not in the caller's namespaces, and signals do not reach it.
"""

import atexit
import functools
import multiprocessing
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import NoReturn, Self

from tests.support.repository import ROOT

MARKS = "RECOVERY_MARKS"  # the variable with the descriptor of the pipe that a process was given
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        *(".".join(file.relative_to(ROOT).with_suffix("").parts) for file in ROOT.glob("hyops_gitops/*/**/[!_]*.py")),
        "cryptography.hazmat.primitives.asymmetric.ed25519",
        "tests.support.applier",
        "tests.support.racer",
    ]
)
_POLL_S = 0.01
# Hands its directory, umask, arguments, environment and streams to `_serve`, and ends as the process there does.
_SHIM = """#!{python} -IS
import _socket, os, sys
mask = os.umask(0)
os.umask(mask)
given = [os.getcwdb(), b"%d" % mask, b"%d" % len(sys.argv[1:]), *map(os.fsencode, sys.argv[1:])]
given += [name + b"=" + value for name, value in os.environb.items()]
data = b"\\0".join(given)
server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
server.connect({address!r})
streams = b"".join(number.to_bytes(4, sys.byteorder) for number in range(3))
server.sendmsg([data[:1]], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
server.sendall(data[1:])
server.shutdown(_socket.SHUT_WR)
sys.exit(int(server.recv(4) or 137))
"""

Main = Callable[[Sequence[str]], object]


def run_command(arguments: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> tuple[int, bytes, bytes]:
    """Exit code, stdout and stderr of the program."""
    with Forked(execute, arguments, cwd, environ) as forked:
        return forked.wait(), forked.out, forked.err


def execute(arguments: Sequence[str]) -> object:
    """The program's own main function."""
    from hyops_gitops.cli.main import execute  # noqa: PLC0415 - the tests' own processes need none of it

    return execute(list(arguments))


class Forked:
    """A running process; killed at the end, if it still runs."""

    def __init__(
        self,
        main: Main,
        arguments: Sequence[str],
        cwd: Path,
        environ: Mapping[str, str],
        marks: Connection | None = None,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="hyops-tests-")
        streams = [str(Path(self._folder.name) / name) for name in ("out", "err")]
        self._out, self._err = map(Path, streams)
        for file in (self._out, self._err):
            file.touch()
        self._process = _CONTEXT.Process(
            target=_become, args=(main, list(arguments), str(cwd), dict(environ), streams, marks)
        )
        self._process.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def out(self) -> bytes:
        return self._out.read_bytes()

    @property
    def err(self) -> bytes:
        return self._err.read_bytes()

    def poll(self) -> int | None:
        """Its exit code, or the signal that ended it as a negative number; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout_s: float | None = None) -> int:
        """Until it has ended; its exit code."""
        self._process.join(timeout_s)
        code = self._process.exitcode
        assert code is not None, f"still running after {timeout_s} s: {self.err.decode(errors='replace')}"
        return code

    def wait_for_words(self, words: bytes, timeout_s: float) -> None:
        """Until it has written these to stderr."""
        deadline = time.monotonic() + timeout_s
        while words not in self.err:
            assert self.poll() is None, self.err.decode()
            assert time.monotonic() < deadline, self.err.decode()
            time.sleep(_POLL_S)

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        """Nothing of it is left."""
        if self.poll() is None:
            self.kill()
        self.wait()
        self._folder.cleanup()


@functools.cache
def programs() -> Path:
    """A folder for a PATH, with a `hyops-gitops` that a process forks for which ends with this one."""
    folder = Path(tempfile.mkdtemp(prefix="hyops-tests-"))
    atexit.register(shutil.rmtree, folder)
    program, address = folder / "hyops-gitops", str(folder / "socket")
    program.write_text(_SHIM.format(python=sys.executable, address=address))
    program.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        ours, theirs = multiprocessing.Pipe()
        _CONTEXT.Process(target=_serve, args=(listener, theirs), daemon=True).start()
        _LIFELINES.append(ours)
    return folder


_LIFELINES: list[Connection] = []  # their other ends are told by the kernel when this process has ended


def _serve(listener: socket.socket, lifeline: Connection) -> None:
    """Fork for each call."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nothing waits for those that end
    while lifeline not in wait([listener, lifeline]):
        caller, _ = listener.accept()
        with caller:
            if os.fork() == 0:
                listener.close()
                _answer(caller)


def _answer(caller: socket.socket) -> NoReturn:
    """Be the process that was called, and tell the caller the exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    data, streams, _, _ = socket.recv_fds(caller, 1, 3)
    while chunk := caller.recv(65536):
        data += chunk
    cwd, mask, count, *words = data.split(b"\0")
    arguments, environ = words[: int(count)], dict(word.split(b"=", 1) for word in words[int(count) :])
    os.umask(int(mask))
    _enter(os.fsdecode(cwd), {os.fsdecode(name): os.fsdecode(value) for name, value in environ.items()}, streams)
    sys.stdin = os.fdopen(0, closefd=False)
    _end(execute, [os.fsdecode(word) for word in arguments], lambda code: caller.sendall(b"%d" % code))


def _become(
    main: Main,
    arguments: Sequence[str],
    cwd: str,
    environ: Mapping[str, str],
    streams: Sequence[str],
    marks: Connection | None,
) -> NoReturn:
    """Run one function as a process's main and end."""
    more = {} if marks is None else {MARKS: str(marks.fileno())}
    _enter(cwd, {**environ, **more}, [os.open(path, os.O_RDWR) for path in (os.devnull, *streams)])
    _end(main, arguments)


def _enter(cwd: str, environ: Mapping[str, str], streams: Sequence[int]) -> None:
    """Take over a directory, an environment and the three standard streams."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    tempfile.tempdir = None  # which remembers TMPDIR
    for descriptor, opened in enumerate(streams):
        os.dup2(opened, descriptor)
        os.close(opened)


def _end(main: Main, arguments: Sequence[str], tell: Callable[[int], object] = lambda _: None) -> NoReturn:
    """Run the function and end as a process with it for its main would."""
    code: object = 1
    try:
        code = main(arguments) or 0
        sys.stdout.flush()
    except SystemExit as leave:
        code = leave.code
    finally:
        sys.stderr.flush()
        number = code if isinstance(code, int) else 1
        tell(number)
        os._exit(number)
