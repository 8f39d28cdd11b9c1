"""Faults of the database behind the primary."""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from bench.fence.rows import Rows
from campaign.faults.kinds import later
from campaign.trial import Trial
from hyops_gitops.core.markers import protocol_name
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
