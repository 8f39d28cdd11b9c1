"""A lab on PostgreSQL and on MariaDB: its own server, one database for each PowerDNS, gone afterwards."""

import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.lab import database, processes
from hyops_gitops.lab.config import find_program
from hyops_gitops.lab.lifecycle import start_lab, stop_lab
from hyops_gitops.lab.model import Lab, load_lab
from tests.support.databases import require, rows

pytestmark = pytest.mark.authority

SqlBackend = Literal["gpgsql", "gmysql"]


@pytest.fixture(scope="module", params=["gpgsql", "gmysql"])
def sql_lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab on a database, in a path longer than that of a Unix socket may be."""
    require(request.param)
    directory = tmp_path_factory.mktemp("sql") / ("x" * 120) / "a b#c,d'e"
    lab = start_lab(directory, zone="drill.internal", backend=request.param)
    try:
        yield lab
    finally:
        stop_lab(lab)
    assert not directory.exists()


@pytest.fixture(params=["gpgsql", "gmysql"])
def sql_backend(request: pytest.FixtureRequest) -> SqlBackend:
    found: SqlBackend = request.param
    require(found)
    return found


def owner(pid: int) -> str:
    return pwd.getpwuid(Path(f"/proc/{pid}").stat().st_uid).pw_name


def test_each_server_has_a_database_of_its_own(sql_lab: Lab) -> None:
    kinds = {
        server.name: rows(sql_lab, "SELECT type FROM domains WHERE name = 'drill.internal'", server=server.name)
        for server in sql_lab.servers
    }
    assert kinds == {"primary": [("MASTER",)], "secondary1": [("SLAVE",)]}
    assert rows(sql_lab, "SELECT count(*) FROM records", user="pdns") == [("3",)]


def test_the_isolation_is_what_the_database_and_powerdns_come_with(sql_lab: Lab) -> None:
    shown = "SHOW default_transaction_isolation" if sql_lab.backend == "gpgsql" else "SELECT @@global.tx_isolation"
    expected = "read committed" if sql_lab.backend == "gpgsql" else "REPEATABLE-READ"
    assert rows(sql_lab, shown) == [(expected,)]
    assert "isolation" not in (sql_lab.directory / "primary" / "pdns.conf").read_text()
    assert "read-committed" not in (sql_lab.directory / "primary" / "pdns.conf").read_text()


def test_the_database_listens_on_its_socket_alone_and_is_not_root(sql_lab: Lab) -> None:
    assert sql_lab.database is not None
    pid, _ = sql_lab.database
    sockets = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    listening = Path(f"/proc/{pid}/net/tcp").read_text() + Path(f"/proc/{pid}/net/tcp6").read_text()
    inodes = {f"socket:[{line.split()[9]}]" for line in listening.splitlines() if line.split()[3] == "0A"}
    assert not sockets & inodes
    assert owner(pid) == (pwd.getpwuid(os.geteuid()).pw_name if os.geteuid() else "nobody")


def test_down_leaves_what_others_put_beside_the_database(tmp_path: Path, sql_backend: SqlBackend) -> None:
    lab = start_lab(tmp_path / "lab", zone="drill.internal", backend=sql_backend)
    (tmp_path / "lab" / "database" / "notes.txt").write_text("mine")
    stop_lab(lab)
    assert lab.database is not None
    assert not processes.is_running(lab.database)
    left = sorted(str(path.relative_to(tmp_path / "lab")) for path in (tmp_path / "lab").rglob("*"))
    assert left == ["database", "database/notes.txt"]


def test_a_lab_whose_database_died_is_tidied_by_the_next_up(tmp_path: Path, sql_backend: SqlBackend) -> None:
    dead = start_lab(tmp_path / "lab", zone="drill.internal", backend=sql_backend)
    processes.stop(reversed(dead.processes))
    lab = start_lab(tmp_path / "lab", zone="drill.internal", backend=sql_backend)
    try:
        assert load_lab(tmp_path / "lab").database == lab.database != dead.database
    finally:
        stop_lab(lab)


def test_a_database_that_cannot_be_made_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql_backend: SqlBackend
) -> None:
    schema = tmp_path / "schema.sql"
    schema.write_text("CREATE NONSENSE;\n")
    monkeypatch.setattr("hyops_gitops.lab.lifecycle.find_schema", lambda _backend: schema)
    with pytest.raises(OutsideFailure, match="cannot be made") as caught:
        start_lab(tmp_path / "lab", zone="drill.internal", backend=sql_backend)
    assert caught.value.code == "lab-database"
    assert "NONSENSE" in caught.value.hint
    assert not (tmp_path / "lab").exists()


def test_a_database_that_ends_at_once_shows_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql_backend: SqlBackend
) -> None:
    honest = database._commands

    def misspelt(backend: SqlBackend, data: Path) -> list[list[str]]:
        made, start = honest(backend, data)
        return [made, [*start, "--no-such-option=1"]]

    monkeypatch.setattr(database, "_commands", misspelt)
    with pytest.raises(OutsideFailure, match="ended as soon as it was started") as caught:
        start_lab(tmp_path / "lab", zone="drill.internal", backend=sql_backend)
    assert "no-such-option" in caught.value.hint.replace("_", "-")
    assert not (tmp_path / "lab").exists()


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch, sql_backend: SqlBackend) -> None:
    honest = processes.find_executable
    monkeypatch.setattr(
        database, "find_executable", lambda name: None if name in {"initdb", "mariadbd"} else honest(name)
    )
    with pytest.raises(OutsideFailure) as caught:
        find_program(sql_backend)
    packages = {
        "gpgsql": "pdns-server pdns-backend-pgsql postgresql",
        "gmysql": "pdns-server pdns-backend-mysql mariadb-server",
    }
    assert caught.value.hint.endswith(f"apt-get install {packages[sql_backend]}")
