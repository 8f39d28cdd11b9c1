"""The scripts do what the README shows."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hyops_gitops.lab.model import Backend
from tests.support.commands import programs
from tests.support.databases import require
from tests.support.repository import ENVIRON, ROOT, code_blocks, text

VOLATILE = [
    (r"\b[0-9a-f]{64}\b", "SHA256"),
    (r"\b[0-9a-f]{12}\b|^[0-9a-f]{7,12}(?= 0)", "COMMIT"),
    (r"127\.0\.0\.\d:\d+", "SERVER"),
    (r"after \d+ ms", "after N ms"),
    (r"^ *\d+ ms  ", "N ms  "),
    (r"^log head \d+:", "log head N:"),  # one more where a late proof was recorded
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
]


def _stable(line: str) -> str:
    for pattern, word in VOLATILE:
        line = re.sub(pattern, word, line)
    return line


@pytest.mark.authority
@pytest.mark.parametrize("storage", ["gsqlite3", *(["gpgsql"] if "HYOPS_LONG" in os.environ else [])])
def test_the_demo_prints_what_the_readme_shows(tmp_path: Path, storage: Backend) -> None:
    require(storage)
    path = f"{programs()}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environ = {**ENVIRON, "PATH": path, "HYOPS_BOOTSTRAP": "no", "TMPDIR": str(tmp_path)}
    command = [str(ROOT / "script" / "demo"), "--backend", storage, "--report", str(tmp_path / "report")]
    done = subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    *_, ran_on, _, _, _, page = done.stdout.splitlines()
    assert page == f"{tmp_path}/report/index.html"
    assert Path(page).read_text().count("The log verifies.") == 1
    database = ", PostgreSQL [0-9.]+" if storage == "gpgsql" else ""
    assert re.fullmatch(
        rf"\d{{4}}-\d\d-\d\d: PowerDNS Authoritative Server [0-9.]+, PowerDNS Recursor [0-9.]+{database}; "
        rf"storage {storage}; Python [0-9.]+; git version [0-9.]+",
        ran_on,
    )
    printed = [_stable(line) for line in done.stdout.splitlines()]
    shown = [_stable(line) for block in code_blocks(text("README.md"), "console") for line in block.splitlines()]
    assert [line for line in shown if line not in printed] == []
    assert str(tmp_path) not in done.stdout.removesuffix(f"{page}\n")
    assert "\x1b" not in done.stdout
    assert [file.name for file in tmp_path.iterdir()] == ["report"]


def test_an_auditor_can_read_the_audit_scripts() -> None:
    for script in sorted((ROOT / "script").glob("audit*")):
        lines = script.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 400, script
        assert [line for line in lines if len(line) > 120] == [], script


def test_bootstrap_says_what_to_install_where_it_cannot(tmp_path: Path) -> None:
    for program in ("bash", "env", "dirname", "cat", "id", "ls"):
        (tmp_path / program).symlink_to(shutil.which(program) or "")
    done = subprocess.run(
        [tmp_path / "bash", ROOT / "script" / "bootstrap"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    first, second = done.stderr.splitlines()
    always = "git openssh-client jq bind9-dnsutils"
    assert re.fullmatch(rf"bootstrap: missing: {always}( (pdns|nginx|postgresql|mariadb|chromium).*)?", first)
    assert "no Debian or Ubuntu" in second


@pytest.mark.parametrize("script", ["bootstrap", "clean-roots", "demo"])
def test_unknown_arguments_are_a_wrong_call(script: str) -> None:
    done = subprocess.run([ROOT / "script" / script, "--no-such"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"usage: script/{script}")


def test_an_engine_that_cannot_start_is_told_with_its_own_words(tmp_path: Path) -> None:
    for name, script in {"docker": "exit 1", "dockerd": "echo 'no such luck' >&2; exit 1"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    environ = {**ENVIRON, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        [ROOT / "script" / "with-docker", "true"], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    expected = "no such luck" if os.geteuid() == 0 else "only root can start one"
    assert "no Docker engine" in done.stderr
    assert expected in done.stderr
