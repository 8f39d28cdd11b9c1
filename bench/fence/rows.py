"""What a lab's database holds, and holding it up: SQL for those that speak it, API and transfer for LMDB."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator

import dns.query
import dns.zone

from hyops_gitops.adapters.powerdns.http import PowerDnsHttp
from hyops_gitops.core.markers import protocol_name
from hyops_gitops.core.names import MARKER_LABEL, absolute, canonical_name
from hyops_gitops.lab.database import sql_shell
from hyops_gitops.lab.model import Lab

Row = tuple[str, str, str]  # owner, type, content
_DONE = "--done--"
_WAIT_S = 60.0
_TICK_S = 0.01
_SLOW = {
    "gsqlite3": (  # SQLite cannot sleep: it counts
        """CREATE VIEW slowly AS WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c WHERE n < 100000)
        SELECT count(*) FROM c;
        CREATE TRIGGER slow_in BEFORE INSERT ON records BEGIN SELECT * FROM slowly; END;
        CREATE TRIGGER slow_out BEFORE DELETE ON records BEGIN SELECT * FROM slowly; END;""",
        "DROP TRIGGER slow_in; DROP TRIGGER slow_out; DROP VIEW slowly;",
    ),
    "gpgsql": (
        """CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(0.05); RETURN COALESCE(NEW, OLD); END $$;
        CREATE TRIGGER slow BEFORE INSERT OR DELETE ON records FOR EACH ROW EXECUTE FUNCTION slow();""",
        "DROP TRIGGER slow ON records;",
    ),
    "gmysql": (
        """CREATE TRIGGER slow_in BEFORE INSERT ON records FOR EACH ROW SET @slow = SLEEP(0.05);
        CREATE TRIGGER slow_out BEFORE DELETE ON records FOR EACH ROW SET @slow = SLEEP(0.05);""",
        "DROP TRIGGER slow_in; DROP TRIGGER slow_out;",
    ),
}
_WRITES = "pwrite64,pwritev,writev,fdatasync,msync"  # LMDB's to its file; replies go out by write
_ROWS = """SELECT r.name, r.type, r.content FROM records r JOIN domains d ON d.id = r.domain_id
    WHERE d.name = '{zone}' AND (r.type = 'SOA' OR r.name LIKE '{markers}' OR r.name = '{name}')"""
_HELD = {  # what somebody else does in the database
    "gpgsql": {
        "the SOA row": "BEGIN; SELECT 1 FROM records WHERE name = '{zone}' AND type = 'SOA' FOR UPDATE;",
        "the lock row": "BEGIN; SELECT 1 FROM records WHERE name = '{lock}' FOR UPDATE;",
        "the table": "BEGIN; LOCK TABLE records IN EXCLUSIVE MODE;",
    },
    "gmysql": {
        "the SOA row": "BEGIN; SELECT 1 FROM records WHERE name = '{zone}' AND type = 'SOA' FOR UPDATE;",
        "the lock row": "BEGIN; SELECT 1 FROM records WHERE name = '{lock}' FOR UPDATE;",
        "the server": "FLUSH TABLES WITH READ LOCK;",
    },
}
_RELEASE = {"gpgsql": "COMMIT;", "gmysql": "COMMIT; UNLOCK TABLES;"}
_AT_WORK = {
    "gpgsql": """SELECT count(*), count(*) FILTER (WHERE wait_event_type = 'Lock') FROM pg_stat_activity
        WHERE usename = 'pdns' AND state <> 'idle';""",
    "gmysql": """SELECT count(*), coalesce(sum(time_ms > 20), 0)
        FROM information_schema.processlist WHERE user = 'pdns' AND command <> 'Sleep';""",
}


class Session:
    """One session of a database's administrator, kept open."""

    def __init__(self, lab: Lab) -> None:
        command = sql_shell(lab, "primary")
        if lab.backend == "gmysql":
            command = [*command[:-1], "--unbuffered", command[-1]]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def run(self, sql: str) -> list[list[str]]:
        """What it yields."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{sql}\nSELECT '{_DONE}';\n")
        self._process.stdin.flush()
        lines: list[str] = []
        while (line := self._process.stdout.readline()).rstrip("\n") != _DONE:
            assert line, f"the database's client ended: {sql}"
            lines.append(line.rstrip("\n"))
        return [line.split("\t") for line in lines]

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


class Rows:
    """The rows of one lab's primary."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._session = Session(lab) if lab.backend in _HELD else None
        self._holder = Session(lab) if lab.backend in _HELD else None

    def close(self) -> None:
        """End its sessions."""
        for session in (self._session, self._holder):
            if session:
                session.close()

    @property
    def sql(self) -> bool:
        """Whether the database is a server with sessions."""
        return self._session is not None

    def of(self, zone: str, name: str) -> list[Row]:
        """SOA, markers and what stands at one name: every row, equal ones each."""
        sql = _ROWS.format(zone=zone, name=name, markers=f"%{MARKER_LABEL}.{zone}")
        if self._session is not None:
            return [(row[0], row[1], row[2]) for row in self._session.run(f"{sql};")]
        if self.lab.backend == "gsqlite3":
            with self._sqlite() as database:
                return [(str(a), str(b), str(c)) for a, b, c in database.execute(sql)]
        found = [row for row in self._by_api(zone) if _counts(row, zone, name)]
        served = {row for row in self._by_transfer(zone) if _counts(row, zone, name)}
        assert {row[:2] for row in found} == {row[:2] for row in served}, "API and transfer differ"
        return found

    def _by_api(self, zone: str) -> Iterator[Row]:
        http = PowerDnsHttp(self.lab.primary.api_url, self.lab.api_key, None, 30.0)
        reply = http.exchange("GET", f"/api/v1/servers/localhost/zones/{absolute(zone)}", {})
        for rrset in json.loads(reply.body)["rrsets"]:
            for record in rrset["records"]:
                yield canonical_name(rrset["name"]), rrset["type"], record["content"]

    def _by_transfer(self, zone: str) -> Iterator[Row]:
        where, port, own = self.lab.primary.dns.host, self.lab.primary.dns.port, self.lab.secondaries[0].dns.host
        transfer = dns.query.xfr(where, zone, port=port, relativize=False, source=own)
        got = dns.zone.from_xfr(transfer, relativize=False)
        for name, _, rdata in got.iterate_rdatas():
            yield canonical_name(name.to_text()), dns.rdatatype.to_text(rdata.rdtype), rdata.to_text()

    def _sqlite(self) -> contextlib.closing[sqlite3.Connection]:
        path = self.lab.folder(self.lab.primary) / "pdns.sqlite3"
        return contextlib.closing(sqlite3.connect(path, timeout=30))

    @contextlib.contextmanager
    def slow(self) -> Iterator[None]:
        """Each row that is written takes 50 ms; on LMDB, each write to its file."""
        if self.lab.backend == "lmdb":
            with _slow_disk(self.lab.primary.pid):
                yield
            return
        begin, end = _SLOW[self.lab.backend]
        self._script(begin)
        try:
            yield
        finally:
            self._script(end)

    def _script(self, sql: str) -> None:
        if self._session is not None:
            self._session.run(sql)
            return
        with self._sqlite() as database:
            database.executescript(sql)

    def ways_to_hold(self) -> list[str]:
        """What `held` can hold on to."""
        return list(_HELD[self.lab.backend]) if self.sql else ["the server"]

    @contextlib.contextmanager
    def held(self, zone: str, what: str) -> Iterator[None]:
        """No update gets past that row, or that table, or is even begun."""
        if self._holder is None:
            os.kill(self.lab.primary.pid, signal.SIGSTOP)
            try:
                yield
            finally:
                os.kill(self.lab.primary.pid, signal.SIGCONT)
            return
        self._holder.run(_HELD[self.lab.backend][what].format(zone=zone, lock=protocol_name(zone)))
        try:
            yield
        finally:
            self.release()

    def release(self) -> None:
        """Let go of what is held in the database; nothing where nothing is."""
        if self._holder is not None:
            self._holder.run(_RELEASE[self.lab.backend])

    def wait_for_waiting(self, count: int) -> None:
        """Until so many updates wait inside the database."""
        if self._session is None:
            time.sleep(0.05)
            return
        self._until(lambda busy, waiting: busy >= count and waiting >= count, f"{count} to wait")

    def wait_for_rest(self) -> None:
        """Until no update is under way."""
        if self._session is not None:
            self._until(lambda busy, _: busy == 0, "rest")

    def _until(self, holds: Callable[[int, int], bool], what: str) -> None:
        assert self._session is not None
        deadline = time.monotonic() + _WAIT_S
        while True:
            busy, waiting = map(int, self._session.run(_AT_WORK[self.lab.backend])[0])
            if holds(busy, waiting):
                return
            assert time.monotonic() < deadline, f"waited for {what}: {busy} busy, {waiting} waiting"
            time.sleep(_TICK_S)


@contextlib.contextmanager
def _slow_disk(pid: int) -> Iterator[None]:
    command = ["strace", "-f", "-o", os.devnull, "-e", f"trace={_WRITES}", "-e", f"inject={_WRITES}:delay_enter=50000"]
    with subprocess.Popen([*command, "-p", str(pid)], stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        assert "attached" in strace.stderr.readline()
        try:
            yield
        finally:
            strace.terminate()
            strace.communicate()


def _counts(row: Row, zone: str, name: str) -> bool:
    return row[1] == "SOA" or row[0].endswith(f"{MARKER_LABEL}.{zone}") or row[0] == name
