"""Faults of the database behind the primary."""

import contextlib
import itertools
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.fence.rows import Rows
from campaign.disk import resize, shrink
from campaign.faults.kinds import later
from campaign.place import DISK, Place
from campaign.trial import Trial
from hyops_gitops.adapters.powerdns.zone_api import PowerDnsWriter
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.core.markers import protocol_name
from hyops_gitops.core.zone import RRset
from hyops_gitops.lab.database import has_database
from tests.support.world import Ran


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
        later(trial, hold_s, held.close)

    place.proxy.before = begin
    return trial.apply()


_PAUSE = {"gpgsql": "SELECT pg_sleep(0.3);", "gmysql": "DO SLEEP(0.3);"}


def deadlock(trial: Trial) -> Ran:
    """Another session has rows that the PATCH wants, and then wants the one that the PATCH took first."""
    place, zone = trial.scene.place, trial.world.zone
    asked = "SELECT count(*) FROM (SELECT name FROM records WHERE name {} FOR UPDATE) AS held;"  # writes nothing
    steps = (
        asked.format(f"LIKE '%.prod.{zone}'"),
        _PAUSE[place.lab.backend],
        asked.format(f"= '{protocol_name(zone)}'"),
    )
    sql = "\n".join(["BEGIN;", *steps, "COMMIT;"])

    def hold() -> None:
        with contextlib.suppress(RuntimeError):  # the database ended it, and not the PATCH
            place.query()(sql)

    def begin() -> None:
        thread = threading.Thread(target=hold)
        thread.start()
        time.sleep(0.15)  # until it has the rows
        trial.on_lift(thread.join)

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
    place.proxy.before = lambda: later(trial, trial.rng.choice([0.0, 0.002, 0.01]), end)
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


_FREE = (0, 4096, 4096 * 4, 4096 * 16)
_FILLER = "filler"
_TEXT = '"' + "x" * 250 + '"'


def database_full(moment: str) -> Callable[[Trial], Ran]:
    """Nothing is left on the disk of the servers, nor in what their databases have of it, or not enough for a PATCH."""

    def run(trial: Trial) -> Ran:
        place, over, filling = trial.scene.place, threading.Event(), threading.Lock()

        def fill() -> None:
            with filling:
                if not over.is_set():
                    shrink(place.lab.directory, trial.rng.choice(_FREE))
                    _fill(place, over, least=1 if moment != "during the PATCH" else trial.rng.choice([2, 5, 10, 20]))

        def stop_filling() -> None:  # the program may have given up the PATCH that waits for it
            over.set()
            with filling:
                resize(place.lab.directory, DISK)

        trial.on_end(lambda: _empty(place))
        trial.on_lift(lambda: _restart(trial))  # what has not ended may be about to
        if has_database(place.lab.backend):
            trial.on_lift(place.start_database)
        trial.on_lift(stop_filling)
        if moment == "before the run":
            fill()
        else:
            place.proxy.before = fill
        return trial.apply()

    return run


def _fill(place: Place, over: threading.Event, *, least: int) -> None:
    """Write to another zone until not even so few records are accepted; pages that were free are taken first."""
    names = (f"{_FILLER}{number}.{place.lab.zone}" for number in itertools.count())
    for size in (100, least):
        with contextlib.suppress(OutsideFailure):
            while not over.is_set():
                records = [RRset.of(next(names), "TXT", 60, [_TEXT]) for _ in range(size)]
                _lab_zone(place).patch([], records)


def _empty(place: Place) -> None:
    """Take that away."""
    filled = [rrset.key for rrset in _lab_zone(place).rrsets() if rrset.name.startswith(_FILLER)]
    for number in range(0, len(filled), 100):
        _lab_zone(place).patch(filled[number : number + 100], [])


def _lab_zone(place: Place) -> PowerDnsWriter:
    return PowerDnsWriter(place.lab.primary.api_url, "localhost", place.lab.zone, place.lab.api_key)
