"""The lab of a campaign, used for one history after another, and the zone, clone and witness of each."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from campaign.disk import can_mount, mounted
from campaign.dns_proxy import DnsProxy
from campaign.proxy import TroubleProxy
from campaign.second_machine import SecondMachine, can_have_another
from campaign.witness.branch import Outcome, outcomes, read_entries, recorded_drifts
from campaign.witness.journal import Journal, Query, shell_query, sqlite_query, triggers
from campaign.witness.judge import Fault, Outside, account, judge_missing, judge_server
from campaign.witness.transfers import Watch
from campaign.witness.zone import Key, Records, Step, Version
from hyops_gitops.core.zone import RRset
from hyops_gitops.lab.config import LOG_FILE
from hyops_gitops.lab.database import serve_database, sql_shell, stop_database
from hyops_gitops.lab.lifecycle import start_lab, stop_lab
from hyops_gitops.lab.model import DATABASE_FOLDER, Backend, Lab, LabResolver, LabServer, save_lab
from hyops_gitops.lab.processes import StartedProcess, find_executable, is_running, spawn, stop
from hyops_gitops.lab.zones import api_answers, create_zone, served_serial, wait_until
from tests.support.clone import write_key
from tests.support.served_zone import PatientWriter
from tests.support.world import World

_SETTINGS = {
    "zone-metadata-cache-ttl": "0",
    "disable-axfr": "no",
    "allow-axfr-ips": "127.0.0.0/8",  # the witness's
}
EVIDENCE = "refs/heads/evidence"
_START_S = 30.0
DISK = "4g"  # of a lab: a limit, and not what it takes
RESOLVER = "clients"  # its name in the authority file, which requires nothing of it
OPERATOR = "operator"  # who may break the glass, and the name of the key
_SIGNERS = "authority/allowed_signers"
_CAPS = {"max_replaces": 1000, "max_deletes": 1000, "max_change_percent": 100, "max_cutovers": 1000}


@dataclass
class Place:
    """A running lab with a proxy before its primary's API."""

    lab: Lab
    proxy: TroubleProxy
    journal: bool  # whether its databases write one
    resolver: DnsProxy  # stands for the clients': before the first secondary, without a cache
    answers: Mapping[str, DnsProxy] = field(default_factory=dict)  # a proxy before each secondary, for the program
    second_machine: SecondMachine | None = None  # where there can be one
    _zones: int = 0

    @classmethod
    @contextlib.contextmanager
    def started(cls, directory: Path, backend: Backend) -> Iterator["Place"]:
        """The lab while it is used; on a disk of its own, where there can be one."""
        with contextlib.ExitStack() as stack:
            if can_mount():
                directory.mkdir()
                stack.enter_context(mounted(directory, DISK))
            yield stack.enter_context(cls._on(directory, backend))

    @classmethod
    @contextlib.contextmanager
    def _on(cls, directory: Path, backend: Backend) -> Iterator["Place"]:
        lab = start_lab(directory, zone="lab.internal", secondaries=2, backend=backend, settings=_SETTINGS)
        proxy = TroubleProxy(lab.primary.api)
        answers = {server.name: DnsProxy(server.dns) for server in lab.secondaries}
        resolver, another = DnsProxy(lab.secondaries[0].dns), SecondMachine() if can_have_another() else None
        place = cls(lab, proxy, backend != "lmdb", resolver, answers, another)
        try:
            if place.journal:
                place.query()(triggers(backend))
            place._keep_commits()
            yield place
        finally:
            place.proxy.calm()
            place.proxy.close()
            for other in place.dns_proxies:
                other.close()
            if another:
                another.close()
            for server in place.lab.servers:
                place.resume(server)
            stop_lab(place.lab)

    def query(self) -> Query:
        """SQL on the primary's database."""
        if self.lab.backend == "gsqlite3":
            return sqlite_query(self.lab.folder(self.lab.primary) / "pdns.sqlite3")
        return shell_query(sql_shell(self.lab, "primary"))

    @property
    def dns_proxies(self) -> list[DnsProxy]:
        """Before the secondaries, and the resolver."""
        return [*self.answers.values(), self.resolver]

    # --- servers

    def server(self, name: str) -> LabServer:
        return next(server for server in self.lab.servers if server.name == name)

    def kill(self, name: str) -> None:
        """End a server as a crash does."""
        server = self.server(name)
        if is_running(server.process):
            os.kill(server.pid, signal.SIGKILL)
            while is_running(server.process):
                time.sleep(0.01)

    def start(self, name: str) -> None:
        """Start it again, and wait until it answers."""
        server, program = self.server(name), find_executable("pdns_server") or "pdns_server"
        if is_running(server.process):
            return
        folder = self.lab.folder(server)
        for socket in folder.glob("*.controlsocket"):
            socket.unlink()
        process = spawn(program, ["--config-dir=."], folder, folder / LOG_FILE)
        self._replace(server, process)
        wait_until(
            lambda: api_answers(self.lab, server) and served_serial(server, self.lab.zone) is not None,
            _START_S,
            f"{name} to start",
        )

    def start_database(self) -> None:
        """Start it again if it ended, or is about to end, and wait until it answers."""
        wait_until(self._database_answers, _START_S, "the database to start")
        self._keep_commits()

    def fail_over(self, promoted: Lab) -> None:
        """Take the files of another database in place of its own, with the API at another address."""
        for server in self.lab.servers:
            self.kill(server.name)
        stop_database(self.lab)
        stop([promoted.database] if promoted.database else [], first=signal.SIGINT)
        own = self.lab.directory / DATABASE_FOLDER
        shutil.rmtree(own)
        (promoted.directory / DATABASE_FOLDER).rename(own)
        self.start_database()
        for server in self.lab.servers:
            self.start(server.name)
        old, self.proxy = self.proxy, TroubleProxy(self.lab.primary.api)
        self.proxy.answered = old.answered
        old.calm()
        old.close()

    def _keep_commits(self) -> None:
        """Let MariaDB's process end without the loss of what was committed, users too."""
        if self.lab.backend == "gmysql":
            self.query()("SET GLOBAL innodb_flush_log_at_trx_commit = 2; FLUSH TABLES;")

    def _database_answers(self) -> bool:
        if self.lab.database and not is_running(self.lab.database):
            self.lab = replace(self.lab, database=serve_database(self.lab))
            save_lab(self.lab)
        with contextlib.suppress(RuntimeError):
            return bool(self.query()("SELECT 1;"))
        return False

    def set_key(self, key: str) -> None:
        """Give the primary's API another key, as a restart does."""
        old, primary = self.lab.api_key, self.lab.primary
        path = self.lab.folder(primary) / "pdns.conf"
        path.write_text(path.read_text().replace(old, key))
        self.kill(primary.name)
        self.lab = replace(self.lab, api_key=key)
        self.start(primary.name)

    def pause(self, name: str) -> None:
        os.kill(self.server(name).pid, signal.SIGSTOP)

    def resume(self, server: LabServer) -> None:
        if is_running(server.process):
            os.kill(server.pid, signal.SIGCONT)

    def _replace(self, old: LabServer, process: StartedProcess) -> None:
        new = replace(old, pid=process.pid, started=process.started)
        if old.role == "primary":
            self.lab = replace(self.lab, primary=new)
        else:
            others = tuple(new if server.name == old.name else server for server in self.lab.secondaries)
            self.lab = replace(self.lab, secondaries=others)
        save_lab(self.lab)

    # --- histories

    @contextlib.contextmanager
    def history(self, directory: Path, **policy: object) -> Iterator["Scene"]:
        """A fresh zone with its clone, its log started, and a witness of it."""
        self._zones += 1
        zone = f"c{self._zones}.internal"
        create_zone(self.lab, zone)
        secondaries = tuple(replace(server, dns=self.answers[server.name].address) for server in self.lab.secondaries)
        primary = replace(self.lab.primary, api=self.proxy.address)
        resolver = LabResolver(RESOLVER, self.resolver.address)
        behind = replace(self.lab, primary=primary, secondaries=secondaries, resolver=resolver)
        convergence = {"timeout_s": 5, "require": ["primary", "secondaries"]}
        wanted = {**_CAPS, "convergence": convergence, "lease_s": 30, **policy}
        world = World.make(directory, zone, behind, init=False, **wanted)  # type: ignore[arg-type]  # policy by name
        write_key(world.key.with_name(OPERATOR))
        public = " ".join(world.key.with_name(f"{OPERATOR}.pub").read_text().split()[:2])
        signers = f'{world.read(_SIGNERS)}{OPERATOR}@tests namespaces="hyops-gitops-breakglass" {public}\n'
        world.write(_SIGNERS, signers)
        world.commit("An operator")
        world.start_log()
        made = Scene(self, world, directory)
        self.proxy.answered = made.look
        try:
            yield made
        finally:
            self.proxy.answered = lambda: None
            for watch in (*made.secondaries.values(), *([made.primary] if made.primary else [])):
                watch.close()


@dataclass
class Scene:
    """One zone, and all that is known of it from outside."""

    place: Place
    world: World
    directory: Path
    outside: list[Outside] = field(default_factory=list)
    edited: dict[str, set[str]] = field(default_factory=dict)  # digests that were made on a secondary
    secondaries: dict[str, Watch] = field(default_factory=dict)
    primary: Watch | None = None  # where no database writes a journal
    journal: Journal | None = None
    lost: bool = False  # whether the primary has not the zone that the log tells of, until that is restored
    judged: int = 0  # the newest entry that is judged, and when the witness began again
    since: float = 0.0

    def __post_init__(self) -> None:
        lab, zone = self.place.lab, self.world.zone
        self._watch_primary()
        self.secondaries = {one.name: Watch(one.dns.host, one.dns.port, zone) for one in lab.secondaries}

    def _watch_primary(self) -> None:
        dns, zone = self.place.lab.primary.dns, self.world.zone
        if self.place.journal:
            self.journal = Journal(self.place.lab.backend, self.place.query(), zone)
        else:
            self.primary = Watch(dns.host, dns.port, zone)

    def lose(self) -> None:
        """Judge no step of the primary until `begin_again`."""
        self.lost = True
        if self.primary:
            self.primary.close()

    def begin_again(self) -> None:
        """Watch a zone that was restored; what came before is judged."""
        self._watch_primary()
        self.lost, self.since = False, time.time()
        self.judged = read_entries(self.remote, EVIDENCE, self.world.zone)[-1].seq
        self.outside.clear()

    @property
    def api(self) -> PatientWriter:
        """The primary's API, past the proxy."""
        lab = self.place.lab
        return PatientWriter(lab.primary.api_url, "localhost", self.world.zone, lab.api_key)

    @property
    def remote(self) -> Path:
        return self.directory / "remote.git"

    def edit(self, *rrsets: RRset) -> None:
        """Write by hand, past the log."""
        self.announce({one.key: (one.ttl, one.rdata) for one in rrsets})
        self.api.patch([], list(rrsets))
        self.look()

    def announce(self, after: Mapping[Key, Records | None]) -> None:
        """Let the witness know of a write that is not the program's."""
        self.outside.append(Outside(after))

    def look(self) -> None:
        """Let the witness see what a write left before the next one comes, where no journal keeps it."""
        if self.primary and not self.lost:
            self.primary.look()

    def steps(self) -> list[Step]:
        """What the primary went through, since it was restored last."""
        if self.lost:
            return []
        if self.journal:
            return self.journal.steps()
        return self._transferred().steps()

    def version(self) -> Version:
        """What the primary has."""
        if self.journal:
            return self.journal.version()
        return self._transferred().version()

    def _transferred(self) -> Watch:
        """What a journal is elsewhere."""
        if self.primary is None:
            raise ValueError("no witness of the primary")
        self.primary.look()
        return self.primary

    def log(self) -> list[Outcome]:
        """What the log says, by the remote."""
        return outcomes(read_entries(self.remote, EVIDENCE, self.world.zone))

    def faults(self) -> list[Fault]:
        """The witness's verdict on everything so far."""
        entries = read_entries(self.remote, EVIDENCE, self.world.zone)
        entries = [entry for entry in entries if entry.place > self.judged]
        steps, log = self.steps(), outcomes(entries)
        found = account(steps, log, self.outside, [drift for _, drift in recorded_drifts(entries)])
        faults = list(found.faults)
        for name, watch in self.secondaries.items():
            watch.look()
            edited = self.edited.get(name, set())
            seen = [version for version in watch.seen if version.at > self.since]
            missing = [(at, owner) for at, owner in watch.missing if at > self.since]
            faults += judge_server(name, seen, steps, log, found.step_of, edited)
            faults += judge_missing(name, missing, steps, log, found.step_of)
        return faults


def git(repository: Path, *words: str) -> str:
    """Git in a repository, which has to succeed."""
    done = subprocess.run(["git", "-C", repository, *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"git {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()
