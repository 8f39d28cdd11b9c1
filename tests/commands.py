"""Command lines, each in a process of its own, forked from one that has imported the program.

To start Python and import the program takes longer than most commands do. Arguments, environment, directory, output and
exit code are those of a process that was started for it.
"""

import atexit
import functools
import importlib
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).parent.parent
_PACKAGES = (
    "core",
    "validate",
    "plan",
    "log",
    "apply",
    "move",
    "observe",
    "audit",
    "recover",
    "init",
    "adapters",
    "lab",
    "cli",
)


def run_command(arguments: list[str], cwd: Path, environ: Mapping[str, str]) -> tuple[int, bytes, bytes]:
    """Exit code, stdout and stderr."""
    parent = _parent()
    with tempfile.TemporaryDirectory(prefix="hyops-tests-") as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        asked = [arguments, str(cwd), dict(environ), str(out), str(err)]
        with parent.lock:
            assert parent.process.stdin is not None
            assert parent.process.stdout is not None
            parent.process.stdin.write(json.dumps(asked) + "\n")
            parent.process.stdin.flush()
            status = int(parent.process.stdout.readline())
        return os.waitstatus_to_exitcode(status), out.read_bytes(), err.read_bytes()


class _Parent:
    """The process that all commands of this one are forked from; it ends when this one does."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.commands"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self._end)

    def _end(self) -> None:
        self.process.communicate()


@functools.cache
def _parent() -> _Parent:
    return _Parent()


def _serve() -> None:
    """Fork a command for each line of stdin, and answer with its status."""
    for name in _PACKAGES:
        package = importlib.import_module(f"hyops_gitops.{name}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    importlib.import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
    for line in sys.stdin:
        arguments, cwd, environ, out, err = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(arguments, cwd, environ, (os.devnull, out, err))
        print(os.waitpid(child, 0)[1], flush=True)  # noqa: T201 - the answer


def _become(arguments: list[str], cwd: str, environ: Mapping[str, str], streams: tuple[str, str, str]) -> NoReturn:
    """Run one command line and end."""
    from hyops_gitops.cli.main import execute  # noqa: PLC0415 - the tests' own processes need none of it

    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    for descriptor, path in enumerate(streams):
        opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    code: object = 1
    try:
        code = execute(arguments)
        sys.stdout.flush()
    except SystemExit as leave:
        code = leave.code
    finally:
        os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    _serve()
