"""deploy/postgresql as it stands: its server's options and SQL, TLS and passwords, and two real PowerDNS on it."""

import contextlib
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from hyops_gitops.adapters.dns.client import chaos_text
from hyops_gitops.adapters.powerdns.whole_zone import PowerDnsScratchZone
from hyops_gitops.core.errors import ReplyLost
from hyops_gitops.core.zone import RRset
from hyops_gitops.lab.config import find_program, find_schema, module_settings
from hyops_gitops.lab.model import Lab, LabServer
from hyops_gitops.lab.processes import free_addresses
from hyops_gitops.lab.zones import create_zone, wait_until
from hyops_gitops.observe.isolation import race, scratch_name
from tests.support.clone import run
from tests.support.databases import require
from tests.support.repository import ROOT
from tests.support.world import World

DEPLOY = ROOT / "deploy"
PASSWORD = "a password, with 'quotes' and \\"
KEY = "key-of-the-api"
NOBODY = "nobody"
pytestmark = pytest.mark.authority


def commands(file: str) -> list[str]:
    """The arguments that a compose file gives its PowerDNS or database."""
    services = YAML(typ="safe").load((DEPLOY / file).read_text())["services"]
    return list(map(str, services.get("db", services.get("pdns"))["command"]))


@dataclass(frozen=True, slots=True)
class Database:
    """A PostgreSQL in a folder of its own."""

    folder: Path
    port: int

    @property
    def environ(self) -> dict[str, str]:
        """What deploy's compose files give PowerDNS, and a port."""
        tls = {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(self.folder / "tls.crt")}
        return {**os.environ, "PGHOST": "localhost", "PGPORT": str(self.port), "PGPASSWORD": PASSWORD, **tls}

    def psql(self, sql: str, *, administrator: bool = False) -> str:
        """What SQL prints, in a session of PowerDNS's role by TCP and TLS, or of the administrator's by the socket."""
        place = ["-h", self.folder, "-p", str(self.port), "-U", "postgres", "postgres"]
        where = place if administrator else ["-U", "pdns", "pdns"]
        done = subprocess.run(
            [program("psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", *where],
            input=sql,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def program(name: str) -> str:
    newest = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")))
    found = shutil.which(name, path=":".join([os.environ["PATH"], *newest]))
    assert found is not None
    return found


def as_nobody() -> list[str]:
    """PostgreSQL refuses to be root."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam(NOBODY)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


@contextlib.contextmanager
def postgresql() -> Iterator[Database]:
    """A server with the options of the compose file, and setup.sql run on it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (_, address) = free_addresses(["127.0.0.1"])[0]
        made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
        san = ("-addext", "subjectAltName=DNS:localhost")
        run(*made.split(), *san, "-keyout", folder / "tls.key", "-out", folder / "tls.crt")
        if os.geteuid() == 0:
            for path in (folder, folder / "tls.key"):
                shutil.chown(path, NOBODY)
        initdb = [program("initdb"), "--no-sync", "-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256"]
        run(*as_nobody(), *initdb, "-D", folder / "data", cwd=folder)
        _, *options = [word.replace("/tls/", f"{folder}/") for word in commands("postgresql/compose.yaml")]
        ours = [f"port={address.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", "fsync=off"]
        words = [*options, *(word for option in ours for word in ("-c", option))]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [*as_nobody(), program("postgres"), "-D", str(folder / "data"), *words],
                stdout=log,
                stderr=log,
                cwd=folder,
            )
        try:
            database = Database(folder, address.port)
            ready = [program("pg_isready"), "-q", "-h", str(folder), "-p", str(address.port)]
            wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, 30, "the database")
            for _ in range(2):  # once more does no harm
                database.psql((DEPLOY / "postgresql/setup.sql").read_text(), administrator=True)
            database.psql(find_schema("gpgsql").read_text())
            yield database
        finally:
            server.terminate()
            server.wait(30)


def start(database: Database, folder: Path, arguments: list[str], server: LabServer) -> subprocess.Popen[bytes]:
    """PowerDNS with deploy's pdns.conf and arguments, and the API as the official image turns it on."""
    (folder / "pdns.d").mkdir(parents=True)
    text = (DEPLOY / "postgresql/pdns.conf").read_text()
    assert "include-dir=/etc/powerdns/pdns.d" in text
    (folder / "pdns.conf").write_text(text.replace("/etc/powerdns/pdns.d", str(folder / "pdns.d")))
    api = {"webserver": "yes", "api": "yes", "api-key": KEY, "webserver-address": server.api.host}
    (folder / "pdns.d/_api.conf").write_text("".join(f"{name}={value}\n" for name, value in api.items()))
    here = [
        f"--config-dir={folder}",
        f"--socket-dir={folder}",
        f"--local-address={server.dns.host}",
        f"--local-port={server.dns.port}",
        f"--webserver-port={server.api.port}",
        "--webserver-allow-from=127.0.0.0/8",
        *(f"--{name}={value}" for name, value in module_settings().items()),
        "--daemon=no",
        "--guardian=no",
        "--write-pid=no",
    ]
    with (folder / "log").open("wb") as log:
        words = [find_program("gpgsql"), *arguments, *here]
        return subprocess.Popen(words, env=database.environ, stdout=log, stderr=log, cwd=folder)


def filled(arguments: list[str], values: Mapping[str, str]) -> list[str]:
    """As compose fills in its variables."""
    return [
        re.sub(r"\$\{([A-Z_]+)(?::-([^}]*)|[^}]*)\}", lambda match: values.get(match[1], match[2]), word)
        for word in arguments
    ]


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    require("gpgsql")
    with postgresql() as started:
        yield started


@pytest.fixture(scope="module")
def pair(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The primary and the second server."""
    directory = tmp_path_factory.mktemp("pair")
    (dns, api), (other_dns, other_api) = free_addresses(["127.0.0.1", "127.0.0.2"])
    primary = LabServer("primary", "primary", api, dns)
    second = LabServer("second", "secondary", other_api, other_dns)
    values = {"SECONDARY_DNS": str(other_dns), "PRIMARY_NAME": "dns.shared.lab.internal."}
    arguments = filled(commands("primary/compose.yaml"), values)
    running = [
        start(database, directory / "primary", arguments, primary),
        start(database, directory / "second", commands("secondary/compose.postgresql.yaml"), second),
    ]
    lab = Lab("lab.internal", "gpgsql", KEY, primary, (second,), made_directory=False, native=True, directory=directory)
    try:
        wait_until(lambda: all(answers(server) for server in lab.servers), 20, "both servers")
        create_zone(lab, lab.zone)
        yield lab
    finally:
        for process in running:
            process.terminate()
            process.wait(30)


def answers(server: LabServer) -> bool:
    """Whether DNS and API are there; not asked for the zone, whose absence the caches would keep."""
    with contextlib.suppress(OSError), socket.create_connection((server.api.host, server.api.port), timeout=1):
        return chaos_text(server.dns, "id.server", 1.0) is not None
    return False


def test_the_role_has_the_isolation_and_the_time_out(database: Database) -> None:
    assert (
        database.psql("SHOW default_transaction_isolation; SHOW lock_timeout; SHOW ssl") == "repeatable read\n10s\non"
    )
    assert database.psql("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == "t"


def test_a_wrong_password_is_refused(database: Database) -> None:
    done = subprocess.run(
        [program("psql"), "-XqAt", "-U", "pdns", "pdns", "-c", "SELECT 1"],
        env={**database.environ, "PGPASSWORD": "wrong"},
        capture_output=True,
        check=False,
    )
    assert done.returncode != 0


def test_updates_at_the_same_moment_are_kept_apart(pair: Lab) -> None:
    scratch = PowerDnsScratchZone(pair.primary.api_url, "localhost", scratch_name("a" * 16), KEY)
    outcome = race(scratch, lambda _: None)
    assert outcome.kept_apart, outcome


def test_an_apply_is_served_by_both(pair: Lab, tmp_path: Path) -> None:
    world = World.make(tmp_path, pair.zone, pair, replication="native")
    receipt = world.apply()
    assert (receipt.outcome, [server.verdict for server in receipt.servers]) == ("applied", ["converged"] * 2)
    assert world.cli("audit").exit == 0


def test_an_update_that_waits_for_a_lock_ends_before_an_apply_gives_it_up(database: Database, pair: Lab) -> None:
    scratch = PowerDnsScratchZone(pair.primary.api_url, "localhost", scratch_name("b" * 16), KEY)
    soa = RRset.of(scratch.name, "SOA", 60, [f"ns1.{scratch.name}. hostmaster.{scratch.name}. 1 2 3 4 5"])
    scratch.create([soa], native=True, transfer_keys=())
    holds = "BEGIN; SELECT 1 FROM records WHERE type = 'SOA' FOR UPDATE; SELECT pg_sleep(25);"
    holder = subprocess.Popen(
        [program("psql"), "-XqAt", "-U", "pdns", "pdns", "-c", holds], env=database.environ, stdout=subprocess.DEVNULL
    )
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(25)%' AND wait_event = 'PgSleep'"
    wait_until(lambda: database.psql(waiting) != "0", 10, "the lock")
    record = RRset.of(f"late.{scratch.name}", "A", 60, ["192.0.2.1"])
    began = time.monotonic()
    try:
        with pytest.raises(ReplyLost) as caught:
            scratch.patch([], [record])
        assert holder.poll() is None  # nobody let go of it
        assert (caught.value.code, time.monotonic() - began < 30) == ("powerdns-server-error", True)
        told = ("as a rule because its database did", "in favour of another one")  # 4.7; where the reply has the words
        assert any(words in caught.value.message for words in told)
    finally:
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        assert database.psql(ended) == "t"
        holder.wait(10)
    assert record not in scratch.rrsets()
    scratch.remove()
