"""The databases behind a lab's servers: whether they can be run here, and the rows that are stored."""

import contextlib
import os
import sqlite3
import subprocess

import pytest

from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.lab.config import find_program
from hyops_gitops.lab.database import sql_shell
from hyops_gitops.lab.model import Backend, Lab


def require(backend: Backend) -> None:
    """Skip the test where this backend's packages are missing, but never in CI."""
    try:
        find_program(backend)
    except OutsideFailure as error:
        if "CI" in os.environ:
            raise
        pytest.skip(f"{error.message}; {error.hint}")


def rows(lab: Lab, sql: str, *, server: str = "primary", user: str | None = None) -> list[tuple[str, ...]]:
    """What SQL yields, as the administrator's session or that of `user`; not on LMDB, which has none."""
    if lab.backend == "gsqlite3":
        with contextlib.closing(sqlite3.connect(lab.directory / server / "pdns.sqlite3", timeout=30)) as database:
            found = database.execute(sql).fetchall()
            database.commit()
            return [tuple(map(str, row)) for row in found]
    done = subprocess.run(
        sql_shell(lab, server, user=user), input=sql, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return [tuple(line.split("\t")) for line in done.stdout.splitlines()]
