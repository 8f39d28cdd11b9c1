"""A PostgreSQL of a lab with a streaming standby, one PowerDNS on each, and what becomes of both."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from ruamel.yaml.comments import CommentedMap

from bench.fence.rows import Session
from hyops_gitops.adapters.powerdns.zone_api import PowerDnsCacheFlusher
from hyops_gitops.lab import database, processes
from hyops_gitops.lab.config import LOG_FILE, find_program
from hyops_gitops.lab.lifecycle import start_lab, stop_lab
from hyops_gitops.lab.model import DATABASE_FOLDER, Lab, LabServer, save_lab
from hyops_gitops.lab.zones import api_answers, wait_until
from tests.support.databases import rows
from tests.support.world import World

_WAIT_S = 30.0
_WITHIN = "/proc/self/cwd/.."  # a socket's path may be no longer than 107 octets
_HELD = "BEGIN; SELECT 1 FROM records WHERE name = '{}' AND type = 'SOA' FOR UPDATE;"
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'pdns' AND wait_event{} = '{}'"


@dataclass
class Replicated:
    """A lab's PostgreSQL, and a standby of it. Names in `lab` are of before."""

    lab: Lab
    holders: list[Session] = field(default_factory=list)
    _standby_database = processes.StartedProcess(0, 0)

    @property
    def standby(self) -> Lab:
        """The standby's database, for SQL."""
        return replace(self.lab, directory=self.lab.directory / "standby", database=self._standby_database)

    def copy_database(self) -> None:
        """A new standby by pg_basebackup, asynchronous."""
        self.stop_standby()
        data = self._data(self.standby)
        data.mkdir(parents=True, mode=0o700)
        if os.geteuid() == 0:
            owner = pwd.getpwnam("nobody")
            os.chown(data, owner.pw_uid, owner.pw_gid)
        socket = "/proc/self/cwd"
        words = ["-h", socket, "-U", "postgres", "-D", str(data), "-X", "stream", "-c", "fast", "--no-sync"]
        shell = ["sh", "-c", 'cd -- "$1" && shift && exec "$@"', "sh", str(self._data(self.lab))]
        command = [*database._as_other(), *shell, database._program("pg_basebackup"), *words]
        subprocess.run(command, check=True, capture_output=True)
        for lock in data.glob(".s.PGSQL.*"):  # the primary's socket is among its files
            lock.unlink()
        (data / "standby.signal").touch()
        place = f"{_WITHIN}/../../{DATABASE_FOLDER}/data"
        with (data / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"primary_conninfo = 'host={place} user=postgres'\n")
        self._standby_database = database.serve_database(self.standby)
        self._wait_for_database(self.standby, self._standby_database)
        wait_until(lambda: self._count("SELECT count(*) FROM pg_stat_replication") == 1, _WAIT_S, "the standby")

    def synchronise(self) -> None:
        """Let each commit wait until the standby shows it."""
        self._set(self.lab, synchronous_standby_names="*", synchronous_commit="remote_apply")
        sync = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        wait_until(lambda: self._count(sync) == 1, _WAIT_S, "a synchronous standby")

    def cut(self) -> None:
        """Let nothing reach the standby any more."""
        self._set(self.standby, primary_conninfo="")
        wait_until(lambda: self._count("SELECT count(*) FROM pg_stat_replication") == 0, _WAIT_S, "the receiver's end")

    def hold(self, zone: str) -> None:
        """Let each update of the zone wait for a row."""
        self.holders.append(Session(self.lab))
        self.holders[-1].run(_HELD.format(zone))

    def pause_replay(self) -> None:
        """Let the standby receive, and show nothing of it."""
        rows(self.standby, "SELECT pg_wal_replay_pause()")

    def wait_for_update(self, *, committing: bool) -> None:
        """Until an update waits, for a lock or for the standby."""
        sql = _WAITING.format("", "SyncRep") if committing else _WAITING.format("_type", "Lock")
        wait_until(lambda: self._count(sql) >= 1, _WAIT_S, "an update to wait")

    def release(self) -> None:
        """Let go of what is held."""
        for holder in self.holders:
            holder.close()
        self.holders.clear()

    def promote_database(self) -> None:
        """Let the standby be written to."""
        rows(self.standby, "SELECT pg_promote(true, 30)")

    def stop_standby(self) -> None:
        """End it, and remove its files."""
        processes.stop([self._standby_database], first=signal.SIGQUIT)
        shutil.rmtree(self.standby.directory, ignore_errors=True)

    @property
    def _primary_database(self) -> processes.StartedProcess:
        assert self.lab.database is not None
        return self.lab.database

    @staticmethod
    def _data(lab: Lab) -> Path:
        return lab.directory / DATABASE_FOLDER / "data"

    def _wait_for_database(self, lab: Lab, process: processes.StartedProcess) -> None:
        status = self._data(lab) / "postmaster.pid"

        def accepts() -> bool:
            lines = status.read_text().split() if status.exists() else []
            return bool(lines) and lines[0] == str(process.pid) and lines[-1] in ("ready", "standby")

        wait_until(accepts, _WAIT_S, "the database")

    def _count(self, sql: str) -> int:
        return int(rows(self.lab, sql)[0][0])

    @staticmethod
    def _set(lab: Lab, **settings: str) -> None:
        changed = [f"ALTER SYSTEM SET {name} = '{value}'" for name, value in settings.items()]
        rows(lab, ";\n".join([*changed, "SELECT pg_reload_conf()"]))


@dataclass
class Pair(Replicated):
    """A primary with its database, and a standby with the server that reads it."""

    @classmethod
    @contextmanager
    def started(cls, directory: Path) -> Iterator["Pair"]:
        """Both servers on the primary's database; `renewed` makes a standby."""
        native = CommentedMap(zone="lab.internal", primary=CommentedMap(), policy=CommentedMap(replication="native"))
        pair = cls(start_lab(directory, zone="lab.internal", backend="gpgsql", authority=native))
        try:
            yield pair
        finally:
            pair.release()
            pair.stop_standby()
            stop_lab(pair.lab)

    @property
    def second(self) -> LabServer:
        """The server on the standby's database."""
        return self.lab.secondaries[0]

    @property
    def promoted(self) -> Lab:
        """The lab with that server as its only one."""
        return replace(self.lab, primary=replace(self.second, role="primary"), secondaries=())

    # --- as it should be

    def revive(self) -> None:
        """The primary as it was before it was lost, waiting for nothing."""
        if not processes.is_running(self._primary_database):
            self._now(database=database.serve_database(self.lab))
        self._wait_for_database(self.lab, self._primary_database)
        self._set(self.lab, synchronous_standby_names="")
        if not processes.is_running(self.lab.primary.process):
            self._now(primary=self._spawned(self.lab.primary))
        self._wait_for(self.lab.primary)

    def copy(self) -> None:
        """A new standby by pg_basebackup, asynchronous, and its server."""
        self.copy_database()
        config = self.lab.folder(self.second) / "pdns.conf"
        text = config.read_text().replace(f"{_WITHIN}/{DATABASE_FOLDER}/", f"{_WITHIN}/standby/{DATABASE_FOLDER}/")
        config.write_text(text)
        processes.stop([self.second.process])
        self._now(secondaries=(self._spawned(self.second),))
        self._wait_for(self.second)

    # --- what happens

    def lose_primary(self) -> None:
        """The primary's machine, with its database."""
        processes.stop([self.lab.primary.process, self._primary_database], first=signal.SIGKILL)
        self.release()

    def promote(self, zone: str) -> None:
        """Make the standby the database that is written to, and its server forget what it gave before."""
        self.promote_database()
        PowerDnsCacheFlusher(self.second.api_url, "localhost", zone, self.lab.api_key).refresh()

    def follow(self, world: World) -> None:
        """What the runbook has merged: the authority file, and the credential's address."""
        world.write(world.authority_path, self.followed(world, site="gcp"))
        world.commit("The standby was promoted")
        world.environ |= {"HYOPS_PRIMARY_URL": self.second.api_url, "HYOPS_SECONDARY_URLS": ""}
        world.lab = self.promoted

    def followed(self, world: World, *, site: str, listed: bool = False) -> str:
        """The authority file with the promoted server in the primary's place, perhaps still listed as a secondary."""
        old, new, lines = self.lab.primary, self.second, []
        for line in world.read(world.authority_path).splitlines(keepends=True):
            if line.startswith("primary:"):
                moved = line.replace(old.api_url, new.api_url).replace(str(old.dns), str(new.dns))
                lines.append(moved.replace('"hetzner"', f'"{site}"'))
            else:
                lines.append(line if listed or not line.startswith("secondaries:") else "secondaries: []\n")
        return "".join(lines)

    # --- inside

    def _now(self, **parts: object) -> None:
        """Keep in mind, and in the lab's file, which processes it has."""
        self.lab = replace(self.lab, **parts)  # type: ignore[arg-type]
        save_lab(self.lab)

    def _spawned(self, server: LabServer) -> LabServer:
        """The server, started in its folder."""
        folder = self.lab.folder(server)
        for socket in folder.glob("*.controlsocket"):
            socket.unlink()
        process = processes.spawn(find_program("gpgsql"), ["--config-dir=."], folder, folder / LOG_FILE)
        return replace(server, pid=process.pid, started=process.started)

    def _wait_for(self, server: LabServer) -> None:
        wait_until(lambda: api_answers(self.lab, server), _WAIT_S, server.name)
