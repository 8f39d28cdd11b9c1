"""What goes wrong in a campaign: a table of faults, each a function that applies once while it lasts."""

import contextlib
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.fence.rows import Rows
from campaign.place import git
from campaign.proxy import WAYS, Trouble
from campaign.trial import Trial
from hyops_gitops.core.zone import RRset
from hyops_gitops.lab.model import BACKENDS, Backend
from tests.support.applier import MARKS
from tests.support.databases import rows
from tests.support.world import Ran

_SIGNALS = frozenset({-signal.SIGKILL, -signal.SIGALRM})
_ANY = frozenset({0, 3, 4, 5})  # each of them where the truth allows it
_NO_MEMORY = frozenset({70, -signal.SIGABRT})  # the program, or a library of it, says so
_ALL_BACKENDS = frozenset(BACKENDS)
_SQL = _ALL_BACKENDS - {"lmdb"}
_SERVERS = _SQL - {"gsqlite3"}


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One kind of fault."""

    run: Callable[[Trial], Ran]
    exits: frozenset[int] = _ANY
    backends: frozenset[Backend] = _ALL_BACKENDS
    weight: int = 1


# --- the applier


def nothing(trial: Trial) -> Ran:
    return trial.apply()


def killed_at_a_mark(trial: Trial) -> Ran:
    return trial.apply(RECOVERY_AT=trial.rng.choice(MARKS))


def killed_after_a_mark(trial: Trial) -> Ran:
    after = trial.rng.choice([0.0005, 0.002, 0.01, 0.05])
    return trial.apply(RECOVERY_AT=trial.rng.choice(MARKS), RECOVERY_AFTER=str(after))


def interrupted_by(number: signal.Signals) -> Callable[[Trial], Ran]:
    """A signal from outside at any moment."""

    def run(trial: Trial) -> Ran:
        process = trial.start("apply")
        process.poll()
        time.sleep(trial.rng.uniform(0.0, 1.2))
        if process.poll() is None:
            process.send_signal(number)
        return trial.finish(process)

    return run


def gone_on_another_machine(trial: Trial) -> Ran:
    """Its process cannot be seen to be gone from here: an open intent is settled by an operator's word."""
    mark = trial.rng.choice(["intent-pushed", "patching", "patched", "proving", "result-signing"])
    ran = trial.apply(RECOVERY_AT=mark, CAMPAIGN_MACHINE="another machine")
    refused = trial.apply("--no-wait")
    newest = trial.scene.log()[-1]
    if newest.outcome == "open":
        trial.recovering = ["--recover", str(newest.seq)]
        if refused.exit != 3:
            return refused
    return ran


def stopped_and_overtaken(trial: Trial) -> Ran:
    """It sleeps in the middle; another settles its intent by an operator's word, and it wakes up."""
    mark = trial.rng.choice(["intent-pushed", "patching", "patched", "proving", "result-signing"])
    sleeper = trial.start("apply", environ={"RECOVERY_AT": mark, "RECOVERY_SIGNAL": "SIGSTOP"})
    stat = Path(f"/proc/{sleeper.pid}/stat")
    while sleeper.poll() is None and stat.read_text().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.01)
    newest = trial.scene.log()[-1]
    ran = trial.apply(*(["--recover", str(newest.seq)] if newest.outcome == "open" else []))
    if sleeper.poll() is None:
        sleeper.send_signal(signal.SIGCONT)
    woken = trial.finish(sleeper)
    return ran if woken.exit in _ANY else woken


def two_at_once(trial: Trial) -> Ran:
    others = [
        trial.world.clone(trial.scene.directory / f"clone-{trial.number}-{n}") for n in range(trial.rng.choice([1, 2]))
    ]
    processes = [trial.start("apply"), *(trial.start("apply", world=other) for other in others)]
    ended = [trial.finish(process) for process in processes]
    return max(ended, key=lambda ran: ran.exit)


def limited(variable: str, *values: int) -> Callable[[Trial], Ran]:
    """A limit of the process, and of git, whose locks its user has to remove where the limit ended it."""

    def run(trial: Trial) -> Ran:
        trial.on_lift(lambda: list(map(Path.unlink, (trial.world.root / ".git").rglob("*.lock"))))
        return trial.apply(**{variable: str(trial.rng.choice(values))})

    return run


# --- the primary


def api_trouble(way: str) -> Callable[[Trial], Ran]:
    """Something wrong with one PATCH, or several."""

    def run(trial: Trial) -> Ran:
        trial.scene.place.proxy.trouble = Trouble(way, trial.rng.choice([1, 1, 2]), trial.rng.uniform(0.1, 1.0))
        return trial.apply()

    return run


def api_down(trial: Trial) -> Ran:
    trial.scene.place.proxy.down = True
    return trial.apply()


def other_key(trial: Trial) -> Ran:
    return trial.apply(POWERDNS_API_KEY="0" * 32)


def primary_fails(what: str, moment: str) -> Callable[[Trial], Ran]:
    """The primary's process is killed or paused around a PATCH, and is back some time later."""

    def run(trial: Trial) -> Ran:
        place = trial.scene.place
        back_s = trial.rng.choice([0.3, 1.5, 6.0])

        def fail() -> None:
            if what == "killed":
                place.kill("primary")
            else:
                place.pause("primary")
            _later(trial, back_s, back)

        def back() -> None:
            place.resume(place.lab.primary)
            place.start("primary")

        def soon() -> None:
            _later(trial, trial.rng.choice([0.0, 0.001, 0.004]), fail)

        if moment == "after":
            place.proxy.after = fail
        else:
            place.proxy.before = fail if moment == "before" else soon
        return trial.apply()

    return run


def database_locked(trial: Trial) -> Ran:
    """Another session holds the database from just before the PATCH on."""
    place, hold_s = trial.scene.place, trial.rng.choice([0.2, 1.0, 4.0])
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with _locked(place.lab.folder(place.lab.primary) / "pdns.sqlite3"):
            held.set()
            over.wait(hold_s)

    def begin() -> None:
        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(5)
        trial.on_lift(thread.join)
        trial.on_lift(over.set)

    place.proxy.before = begin
    return trial.apply()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(path, timeout=5, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        yield
        database.execute("ROLLBACK")


_SESSIONS = {
    "gpgsql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'pdns';",
    "gmysql": "SELECT concat('KILL ', id, ';') FROM information_schema.processlist WHERE user = 'pdns';",
}
_READ_ONLY = {
    "gpgsql": ("ALTER ROLE pdns SET default_transaction_read_only = on;", "ALTER ROLE pdns RESET ALL;"),
    "gmysql": ("SET GLOBAL read_only = ON;", "SET GLOBAL read_only = OFF;"),
}


def _restart(trial: Trial) -> None:
    """Start every server again: PowerDNS keeps a session's settings, and does not survive the end of each session."""
    for server in trial.scene.place.lab.servers:
        trial.scene.place.kill(server.name)
        trial.scene.place.start(server.name)


def rows_held(trial: Trial) -> Ran:
    """Another session holds a row, a table or the server from just before the PATCH on."""
    place = trial.scene.place
    rows = Rows(place.lab)
    trial.on_lift(rows.close)
    what, hold_s = trial.rng.choice(rows.ways_to_hold()), trial.rng.choice([0.2, 1.0, 4.0])

    def begin() -> None:
        held = contextlib.ExitStack()
        held.enter_context(rows.held(trial.world.zone, what))
        _later(trial, hold_s, held.close)

    place.proxy.before = begin
    return trial.apply()


def sessions_ended(trial: Trial) -> Ran:
    """The database ends PowerDNS's sessions about when the PATCH comes."""
    place = trial.scene.place

    def end() -> None:
        for kill in place.query()(_SESSIONS[place.lab.backend]):
            if place.lab.backend == "gmysql":
                with contextlib.suppress(RuntimeError):  # it ended by itself
                    place.query()(kill[0])

    trial.on_lift(lambda: _restart(trial))
    place.proxy.before = lambda: _later(trial, trial.rng.choice([0.0, 0.002, 0.01]), end)
    return trial.apply()


def database_read_only(trial: Trial) -> Ran:
    """As a standby is, from just before the PATCH on, or from the start."""
    place = trial.scene.place
    on, off = _READ_ONLY[place.lab.backend]
    trial.on_lift(lambda: _restart(trial))
    trial.on_lift(lambda: place.query()(off))

    def begin() -> None:
        place.query()(on)
        end_sessions = place.lab.backend == "gpgsql"  # a role's setting counts for new ones
        if end_sessions:
            place.query()(_SESSIONS[place.lab.backend])

    if trial.rng.random() < 0.5:
        begin()
    else:
        place.proxy.before = begin
    return trial.apply()


# --- other writers


def foreign_write(trial: Trial) -> Ran:
    """Another writer's record, just before the PATCH."""
    name = f"foreign{trial.number}.{trial.world.zone}"
    record = RRset.of(name, "TXT", 60, [f'"{trial.fresh()}"'])
    trial.scene.place.proxy.before = lambda: trial.scene.edit(record)
    return trial.apply()


def serial_moved(trial: Trial) -> Ran:
    """Another writer's serial, far ahead, just before the PATCH or the run."""

    def move() -> None:
        soa = next(one for one in trial.scene.api.rrsets_at([trial.world.zone]) if one.type == "SOA")
        fields = soa.rdata[0].split(" ")
        fields[2] = str(int(fields[2]) + trial.rng.randrange(2, 1000))
        trial.scene.edit(RRset.of(soa.name, "SOA", soa.ttl, [" ".join(fields)]))

    if trial.rng.random() < 0.5:
        move()
    else:
        trial.scene.place.proxy.before = move
    return trial.apply()


# --- the remote


def remote_gone(trial: Trial) -> Ran:
    _remote_goes(trial)
    return trial.apply()


def remote_gone_later(trial: Trial) -> Ran:
    """It goes with the first push, the intent's, which it has accepted."""
    remote = trial.scene.remote
    away = remote.with_suffix(".gone")
    _hook(trial, "post-receive", f"mv '{remote}' '{away}'")
    trial.on_lift(lambda: away.rename(remote) if away.exists() else None)
    return trial.apply()


def remote_refuses(trial: Trial) -> Ran:
    """Every push, or the first, or all but the first."""
    count = trial.scene.remote / "count"
    count.unlink(missing_ok=True)
    when = trial.rng.choice(["true", '[ "$n" = 1 ]', '[ "$n" -gt 1 ]'])
    counted = f"n=$(($(cat '{count}' 2>/dev/null || echo 0) + 1)); echo $n >'{count}'"
    _hook(trial, "pre-receive", f"{counted}; if {when}; then echo no >&2; exit 1; fi")
    return trial.apply()


def remote_slow(trial: Trial) -> Ran:
    _hook(trial, trial.rng.choice(["pre-receive", "post-receive"]), f"sleep {trial.rng.choice([0.5, 1.5])}")
    return trial.apply()


def remote_rewound(trial: Trial) -> Ran:
    """Its newest entries are gone; a mirror, here the campaign, still has them."""
    remote, branch = trial.scene.remote, "refs/heads/evidence"
    head = git(remote, "rev-parse", branch)
    back = trial.rng.choice([1, 2, 3])
    old = git(remote, "rev-list", "--first-parent", f"--skip={back}", "-n1", branch)
    git(remote, "update-ref", branch, old or head)
    trial.on_lift(lambda: git(remote, "update-ref", branch, head))
    return trial.apply()


def _remote_goes(trial: Trial) -> None:
    remote = trial.scene.remote
    away = remote.with_suffix(".gone")
    remote.rename(away)
    trial.on_lift(lambda: away.rename(remote))


def _hook(trial: Trial, name: str, body: str) -> None:
    path = trial.scene.remote / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    trial.on_lift(path.unlink)


# --- secondaries


def secondary_down(trial: Trial) -> Ran:
    name = trial.rng.choice(sorted(trial.scene.secondaries))
    trial.scene.place.kill(name)
    if trial.rng.random() < 0.5:
        _later(trial, trial.rng.uniform(0.2, 2.0), lambda: trial.scene.place.start(name))
    return trial.apply()


def secondary_paused(trial: Trial) -> Ran:
    name = trial.rng.choice(sorted(trial.scene.secondaries))
    place = trial.scene.place
    place.pause(name)
    if trial.rng.random() < 0.5:
        _later(trial, trial.rng.uniform(0.2, 2.0), lambda: place.resume(place.server(name)))
    return trial.apply()


def secondary_stale(trial: Trial) -> Ran:
    """It knows of no primary."""
    numbers = range(len(trial.scene.secondaries))
    number = trial.rng.choice(numbers)
    lab = trial.scene.place.lab
    trial.world.put_zone({"masters": ["127.9.9.9:1"]}, secondary=number)
    trial.on_lift(lambda: trial.world.put_zone({"masters": [str(lab.primary.dns)]}, secondary=number))
    return trial.apply()


def secondary_edited(trial: Trial) -> Ran:
    """A record of ours has another value in a secondary's database."""
    lab, service = trial.scene.place.lab, trial.rng.choice(sorted(trial.wanted))
    name = trial.rng.choice(sorted(trial.scene.secondaries))
    edit = f"UPDATE records SET content = '10.255.0.1' WHERE name = '{trial.world.name(service)}' AND type = 'A'"  # noqa: S608
    rows(lab, edit, server=name)
    return trial.apply()


def _later(trial: Trial, seconds: float, action: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, action)
    timer.start()
    trial.on_lift(timer.join)


_ENDED = _ANY | _SIGNALS
FAULTS: Mapping[str, FaultKind] = {
    "nothing": FaultKind(nothing, frozenset({0})),
    "applier killed at a step": FaultKind(killed_at_a_mark, _ENDED, weight=2),
    "applier killed between steps": FaultKind(killed_after_a_mark, _ENDED, weight=2),
    "applier: SIGTERM": FaultKind(interrupted_by(signal.SIGTERM), _ENDED | {-signal.SIGTERM, 130}),
    "applier: SIGINT": FaultKind(interrupted_by(signal.SIGINT), _ENDED | {-signal.SIGINT, 130}),
    "applier gone, on another machine": FaultKind(gone_on_another_machine, _ENDED),
    "applier stopped, and overtaken": FaultKind(stopped_and_overtaken),
    "appliers at once": FaultKind(two_at_once),
    "files limited": FaultKind(limited("CAMPAIGN_FILE_BYTES", 0, 200, 1000, 3000, 10_000), _ENDED),
    "memory limited": FaultKind(limited("CAMPAIGN_MEMORY_MIB", 0, 1, 2, 4, 8, 16), _ENDED | _NO_MEMORY),
    "clock behind": FaultKind(limited("CAMPAIGN_CLOCK", -600, -30)),
    "clock ahead": FaultKind(limited("CAMPAIGN_CLOCK", 1, 2)),
    **{f"API: {way}": FaultKind(api_trouble(way)) for way in WAYS},
    "API down": FaultKind(api_down, frozenset({4})),
    "API key is another": FaultKind(other_key, frozenset({4})),
    **{
        f"primary {what} {moment} the PATCH": FaultKind(primary_fails(what, moment))
        for what in ("killed", "paused")
        for moment in ("before", "during", "after")
    },
    "database locked": FaultKind(database_locked, backends=frozenset({"gsqlite3"})),
    "database: rows held": FaultKind(rows_held, backends=_SERVERS),
    "database: sessions ended": FaultKind(sessions_ended, backends=_SERVERS),
    "database: read-only": FaultKind(database_read_only, backends=_SERVERS),
    "record by another writer": FaultKind(foreign_write),
    "serial moved by another writer": FaultKind(serial_moved),
    "remote gone": FaultKind(remote_gone, frozenset({4})),
    "remote gone after the intent": FaultKind(remote_gone_later),
    "remote refuses": FaultKind(remote_refuses),
    "remote slow": FaultKind(remote_slow),
    "remote rewound": FaultKind(remote_rewound, frozenset({3})),
    "secondary down": FaultKind(secondary_down),
    "secondary paused": FaultKind(secondary_paused),
    "secondary stale": FaultKind(secondary_stale),
    "secondary edited by hand": FaultKind(secondary_edited, backends=_SQL),
}


def of_backend(backend: Backend) -> dict[str, FaultKind]:
    """The faults that this storage can have."""
    return {name: kind for name, kind in FAULTS.items() if backend in kind.backends}
