"""bench/scan.py stays alive: in a made tree every planted address is found, and none where it does not count."""

import subprocess
import sys
from pathlib import Path

from tests.support.repository import ROOT


def test_what_is_planted_is_found_and_nothing_else(tmp_path: Path) -> None:
    sizes = ["--files", "400", "--addresses", "30", "--rounds", "1"]
    command = [sys.executable, "-m", "bench.scan", *sizes, "--scratch", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert " planted: 0 not found, 0 others found\n" in done.stdout
    assert "scan / git grep: " in done.stdout
