"""The report on docs/readiness.md, by the program, from this repository's own contracts.

Its targets are where the contracts say, in a network namespace that has some of these addresses.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.clone import GIT_CONFIG
from tests.support.repository import ROOT, code_blocks, text

PAGE = "docs/readiness.md"
LISTENING = [("10.72.16.24", 5432), ("10.74.16.24", 5432)]  # the standbys of postgres
ADDRESSES = [address for address, _ in LISTENING] + ["10.72.16.41"]  # and redis' machine, without its service
SERVE = """\
import socket, subprocess, sys
places = [place.split(":") for place in sys.argv[1].split()]
listeners = [socket.create_server((host, int(port))) for host, port in places]
sys.exit(subprocess.run(sys.argv[2:]).returncode)
"""
VOLATILE = [(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"), (r"at commit `[0-9a-f]{12}`", "at commit `COMMIT`")]


def _stable(line: str) -> str:
    for pattern, word in VOLATILE:
        line = re.sub(pattern, word, line)
    return line


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """Contracts and authority of this repository, committed in one of their own."""
    for part in ("endpoints", "authority"):
        shutil.copytree(ROOT / part, tmp_path / part)
    for command in ("init -q", "add -A", "-c user.name=T -c user.email=t@example.invalid commit -q -m Example"):
        subprocess.run(["git", *command.split()], cwd=tmp_path, env={**os.environ, **GIT_CONFIG}, check=True)
    return tmp_path


def test_the_page_shows_what_the_program_prints(example: Path) -> None:
    (command,) = (line for block in code_blocks(text(PAGE), "sh") for line in block.splitlines())
    program = [sys.executable, "-m", "hyops_gitops", *shlex.split(command)[1:]]
    addresses = "".join(f"ip address add {address}/32 dev lo; " for address in ADDRESSES)
    places = " ".join(f"{address}:{port}" for address, port in LISTENING)
    serve = shlex.join([sys.executable, "-c", SERVE, places, *program])
    own_network = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-r", "-n"]
    environ = {**os.environ, **GIT_CONFIG, "PATH": f"/usr/sbin:/sbin:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*own_network, "sh", "-ec", f"ip link set lo up; {addresses}exec {serve}"],
        cwd=example,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    (shown,) = code_blocks(text(PAGE), "markdown")

    assert (done.returncode, done.stderr) == (3, "")
    assert [_stable(line) for line in done.stdout.splitlines()] == [_stable(line) for line in shown.splitlines()]
