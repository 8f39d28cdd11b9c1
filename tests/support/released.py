"""The program as it was before the lock and the turns: commit d4dc3a7, which speaks protocol 1."""

import os
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from tests.support.repository import ROOT
from tests.support.world import Ran, World

COMMIT = "d4dc3a7"


def unpack_released(directory: Path) -> Path:
    """Its source, out of this repository's history; the test is skipped where that is cut off."""
    packed = subprocess.run(["git", "-C", ROOT, "archive", COMMIT], capture_output=True, check=False)
    if packed.returncode != 0:
        if "CI" in os.environ:
            raise AssertionError(packed.stderr.decode())
        pytest.skip(f"commit {COMMIT} is not in this clone's history")
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(directory, filter="data")
    return directory


def start_released(world: World, program: Path, *arguments: str) -> subprocess.Popen[str]:
    """It runs, in the world's clone."""
    command = [sys.executable, "-m", "hyops_gitops", *arguments]
    environ = {**world.environ, "PYTHONPATH": str(program)}
    return subprocess.Popen(
        command, cwd=world.root, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def released(world: World, program: Path, *arguments: str) -> Ran:
    """One command line of it, to its end."""
    process = start_released(world, program, *arguments)
    out, err = process.communicate(timeout=300)
    return Ran(process.returncode, out, err)
