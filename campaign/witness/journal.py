"""A journal that triggers write inside a database, and the steps that follow from it.

PostgreSQL gives each row its transaction. MariaDB and SQLite do not: there a step ends with the SOA, which every update
through the API writes last, or where the API itself was not used, with the last row before another session's.
"""

import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from campaign.witness.zone import (
    Difference,
    Key,
    Row,
    Step,
    Version,
    counts,
    difference,
    digest_of,
    is_marker,
    version_of,
)

Query = Callable[[str], list[Sequence[str]]]  # runs SQL, yields rows of text

_COLUMNS = "n, at, session, op, name, type, content, ttl, disabled"
_TABLE = {
    "gsqlite3": "CREATE TABLE witness (n INTEGER PRIMARY KEY AUTOINCREMENT, at REAL, session TEXT, domain INTEGER, "
    "op TEXT, name TEXT, type TEXT, content TEXT, ttl INTEGER, disabled INTEGER);",
    "gpgsql": "CREATE TABLE witness (n BIGSERIAL PRIMARY KEY, at DOUBLE PRECISION, session TEXT, domain INTEGER, "
    "op TEXT, name TEXT, type TEXT, content TEXT, ttl INTEGER, disabled INTEGER);",
    "gmysql": "CREATE TABLE witness (n BIGINT PRIMARY KEY AUTO_INCREMENT, at DOUBLE, session VARCHAR(40), "
    "domain INTEGER, op CHAR(1), name VARCHAR(255), type VARCHAR(10), content TEXT, ttl INTEGER, disabled INTEGER);",
}
_SQLITE = """INSERT INTO witness (at, session, domain, op, name, type, content, ttl, disabled)
    VALUES ((julianday('now') - 2440587.5) * 86400.0, '', {row}.domain_id, '{op}', {row}.name, {row}.type,
    {row}.content, {row}.ttl, COALESCE({row}.disabled, 0));"""
_MYSQL = """INSERT INTO witness (at, session, domain, op, name, type, content, ttl, disabled)
    VALUES (UNIX_TIMESTAMP(SYSDATE(6)), CONNECTION_ID(), {row}.domain_id, '{op}', {row}.name, {row}.type,
    {row}.content, {row}.ttl, COALESCE({row}.disabled, 0));"""
_POSTGRES = """
CREATE FUNCTION witness_writes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    INSERT INTO public.witness (at, session, domain, op, name, type, content, ttl, disabled)
    VALUES (extract(epoch FROM clock_timestamp()), txid_current()::text, OLD.domain_id, '-', OLD.name, OLD.type,
      OLD.content, OLD.ttl, COALESCE(OLD.disabled, false)::int);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO public.witness (at, session, domain, op, name, type, content, ttl, disabled)
    VALUES (extract(epoch FROM clock_timestamp()), txid_current()::text, NEW.domain_id, '+', NEW.name, NEW.type,
      NEW.content, NEW.ttl, COALESCE(NEW.disabled, false)::int);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER witness_rows AFTER INSERT OR DELETE ON records FOR EACH ROW EXECUTE FUNCTION witness_writes();
CREATE TRIGGER witness_changes AFTER UPDATE OF domain_id, name, type, content, ttl, disabled ON records
  FOR EACH ROW EXECUTE FUNCTION witness_writes();
"""


def triggers(backend: str) -> str:
    """The SQL that makes the journal."""
    if backend == "gpgsql":
        return _TABLE[backend] + _POSTGRES
    row = _SQLITE if backend == "gsqlite3" else _MYSQL
    old, new = row.format(row="OLD", op="-"), row.format(row="NEW", op="+")
    if backend == "gsqlite3":
        update = f"UPDATE OF domain_id, name, type, content, ttl, disabled ON records BEGIN {old} {new} END;"
        return _TABLE[backend] + (
            f"CREATE TRIGGER witness_in AFTER INSERT ON records BEGIN {new} END;"
            f"CREATE TRIGGER witness_out AFTER DELETE ON records BEGIN {old} END;"
            f"CREATE TRIGGER witness_change AFTER {update}"
        )
    changed = " OR ".join(f"NOT (OLD.{name} <=> NEW.{name})" for name in ("name", "type", "content", "ttl", "disabled"))
    return _TABLE[backend] + (
        f"CREATE TRIGGER witness_in AFTER INSERT ON records FOR EACH ROW {new}\n"
        f"CREATE TRIGGER witness_out AFTER DELETE ON records FOR EACH ROW {old}\n"
        "DELIMITER //\n"
        f"CREATE TRIGGER witness_change AFTER UPDATE ON records FOR EACH ROW\n"
        f"BEGIN IF {changed} THEN {old} {new} END IF; END//\nDELIMITER ;\n"
    )


def sqlite_query(path: Path) -> Query:
    """Run SQL on a file."""

    def run(sql: str) -> list[Sequence[str]]:
        with closing(sqlite3.connect(path, timeout=30)) as database:
            if sql.startswith("CREATE"):
                database.executescript(sql)
                return []
            return [tuple(map(str, row)) for row in database.execute(sql)]

    return run


def shell_query(command: Sequence[str]) -> Query:
    """Run SQL by a database's own client, which prints rows separated by tabs."""

    def run(sql: str) -> list[Sequence[str]]:
        done = subprocess.run(list(command), input=sql, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]}: {done.stderr.strip()}")
        return [line.split("\t") for line in done.stdout.splitlines()]

    return run


@dataclass(frozen=True, slots=True)
class _Write:
    at: float
    session: str
    op: str
    row: Row


class Journal:
    """The journal of one zone, from a moment on."""

    def __init__(self, backend: str, query: Query, zone: str) -> None:
        self._by_transaction, self._query, self.zone = backend == "gpgsql", query, zone
        (self._domain,) = query(f"SELECT id FROM domains WHERE name = '{zone}';")[0]  # noqa: S608 - the witness's own
        newest = query("SELECT COALESCE(MAX(n), 0) FROM witness;")[0][0]
        self._first = int(newest)
        self._rows = [
            _row(fields)
            for fields in query(
                "SELECT name, type, content, ttl, CASE WHEN disabled THEN 1 ELSE 0 END FROM records "  # noqa: S608
                f"WHERE domain_id = {self._domain} AND type IS NOT NULL;"
            )
        ]

    def steps(self) -> list[Step]:
        """Everything since the journal was opened, in order."""
        rows, found = list(self._rows), []
        before = version_of(rows, self.zone)
        for writes in self._transactions():
            _replay(rows, writes)
            after = version_of(rows, self.zone)
            found.append(_step(writes, before, after, self.zone))
            before = after
        return found

    def version(self) -> Version:
        """The zone by the newest write."""
        rows = list(self._rows)
        for write in self._writes():
            _replay(rows, [write])
        return version_of(rows, self.zone)

    def _writes(self) -> list[_Write]:
        which = (
            f"domain = {self._domain} AND n > {self._first} AND type IS NOT NULL"  # names between others have no type
        )
        found = map(tuple, self._query(f"SELECT {_COLUMNS} FROM witness WHERE {which} ORDER BY n;"))  # noqa: S608
        return [_Write(float(at), session, op, _row(row)) for _, at, session, op, *row in found]

    def _transactions(self) -> Iterator[list[_Write]]:
        """Rows that belong together, by the order of their last."""
        if self._by_transaction:
            grouped: dict[str, list[_Write]] = {}
            for write in self._writes():
                grouped[write.session] = [*grouped.pop(write.session, []), write]
            yield from grouped.values()
            return
        open_: dict[str, list[_Write]] = {}
        for write in self._writes():
            rows = open_.setdefault(write.session, [])
            rows.append(write)
            if write.op == "+" and write.row.type == "SOA":
                yield open_.pop(write.session)
        yield from open_.values()


def _row(fields: Sequence[str]) -> Row:
    name, rrtype, content, ttl, disabled = fields
    return Row(name.lower(), rrtype, content, int(ttl) if ttl not in ("None", "", "NULL") else 0, disabled == "1")


def _replay(rows: list[Row], writes: Sequence[_Write]) -> None:
    for write in writes:
        if write.op == "+":
            rows.append(write.row)
        elif write.row in rows:
            rows.remove(write.row)


def _step(writes: Sequence[_Write], before: Version, after: Version, zone: str) -> Step:
    written: set[Key] = {write.row.key for write in writes if counts(write.row, zone)}
    serials = [write.row.content.split(" ")[2] for write in writes if write.row.type == "SOA" and write.op == "+"]
    changed: Difference = difference(before, after)
    return Step(
        at=writes[-1].at,
        serial=int(serials[-1]) if serials else 0,
        written=frozenset(written),
        markers=any(is_marker(write.row.name, zone) for write in writes),
        changed=changed,
        before=digest_of(before),
        after=digest_of(after),
    )
