"""Command lines, each in a process of its own, forked from one that has imported the program.

To start Python and import the program takes longer than most commands do. Arguments, environment, directory, output and
exit code are those of a process that was started for it.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
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


def _become(
    main: Main,
    arguments: Sequence[str],
    cwd: str,
    environ: Mapping[str, str],
    streams: Sequence[str],
    marks: Connection | None,
) -> NoReturn:
    """Run one function as a process's main and end."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environ)
    if marks is not None:
        os.environ[MARKS] = str(marks.fileno())
    time.tzset()
    for descriptor, path in enumerate((os.devnull, *streams)):
        opened = os.open(path, os.O_RDWR)
        os.dup2(opened, descriptor)
        os.close(opened)
    code: object = 1
    try:
        code = main(arguments) or 0
        sys.stdout.flush()
    except SystemExit as leave:
        code = leave.code
    finally:
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)
