"""Versions of a zone as a server hands them out: asked for by IXFR all the time, transferred when the serial moved."""

import contextlib
import socket
import threading
import time
from itertools import pairwise
from typing import NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.xfr
import dns.zone

from campaign.witness.zone import Row, Seen, Step, Version, difference, digest_of, is_marker, version_of

TICK_S = 0.04
_TIMEOUT_S = 2.0
_SERIALS = 1 << 32
_FAILURES = (OSError, EOFError, dns.exception.DNSException)


class _Found(NamedTuple):
    """One transfer."""

    at: float
    serial: int
    rows: frozenset[Row]
    old_until: float


def _traces(old: _Found, new: _Found, zone: str) -> int:
    """How many transactions left something of their own: each of the program's takes a turn, or puts its lock."""
    put = {row.name for row in new.rows} - {row.name for row in old.rows}
    return max(1, sum(is_marker(name, zone) and ("-after-" in name or name.startswith("_protocol.")) for name in put))


class Watch:
    """One server's versions, kept by a thread until `close`."""

    def __init__(self, host: str, port: int, zone: str) -> None:
        self.host, self.port, self.zone = host, port, zone
        self._rows: list[_Found] = []
        self.missing: list[tuple[float, str]] = []  # when a name had no answer that the zone has before and after
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._turn = 0
        self._same = time.time()
        self.look()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Watch no longer."""
        self._over.set()
        self._thread.join()

    @property
    def seen(self) -> list[Seen]:
        """Every version so far."""
        with self._lock:
            return [
                Seen(one.at, one.serial, digest_of(version_of(one.rows, self.zone)), one.old_until)
                for one in self._rows
            ]

    def version(self) -> Version:
        """The newest."""
        with self._lock:
            return version_of(self._rows[-1].rows, self.zone) if self._rows else {}

    def steps(self) -> list[Step]:
        """From each version to the next; what was written in between without a difference is `hidden`."""
        with self._lock:
            rows = list(self._rows)
        return [self._step(old, new) for old, new in pairwise(rows)]

    def _step(self, old: _Found, new: _Found) -> Step:
        before, after = version_of(old.rows, self.zone), version_of(new.rows, self.zone)
        changed = difference(before, after)
        markers = any(is_marker(row.name, self.zone) for row in old.rows ^ new.rows)
        hidden = max(0, (new.serial - old.serial) % _SERIALS - _traces(old, new, self.zone))
        digests = (digest_of(before), digest_of(after))
        return Step(new.at, new.serial, frozenset(changed), markers, changed, *digests, hidden)

    def look(self) -> None:
        """Transfer the zone where it moved."""
        with self._lock, contextlib.suppress(*_FAILURES):
            known = self._rows[-1].serial if self._rows else None
            asked = time.time()
            if known is not None and self._serial(known) == known:
                self._same = asked
                return
            zone = dns.zone.Zone(self.zone + ".", relativize=False)
            query, _ = dns.xfr.make_query(zone)
            dns.query.inbound_xfr(self.host, zone, query, self.port, timeout=_TIMEOUT_S, lifetime=_TIMEOUT_S * 2)
            rows = frozenset(
                Row(
                    name.to_text().lower().removesuffix("."),
                    dns.rdatatype.to_text(rdata.rdtype),
                    rdata.to_text(),
                    ttl,
                )
                for name, ttl, rdata in zone.iterate_rdatas()
            )
            serial = next(int(row.content.split(" ")[2]) for row in rows if row.type == "SOA")
            self._rows.append(_Found(asked, serial, rows, self._same))
            self._same = asked

    def _serial(self, known: int) -> int:
        """The server's serial, by the first message of an IXFR: that is kept in no cache."""
        query = dns.message.make_query(self.zone + ".", "IXFR")
        soa = dns.rrset.from_text(self.zone + ".", 0, "IN", "SOA", f". . {known} 0 0 0 0")
        query.authority.append(soa)
        with socket.create_connection((self.host, self.port), _TIMEOUT_S) as connection:
            connection.settimeout(_TIMEOUT_S)
            dns.query.send_tcp(connection, query)
            reply, _ = dns.query.receive_tcp(connection, time.time() + _TIMEOUT_S)
        found = [rrset for rrset in reply.answer if rrset.rdtype == dns.rdatatype.SOA]
        if not found:
            raise EOFError(f"no SOA: {dns.rcode.to_text(reply.rcode())}")
        return int(found[0][0].serial)

    def _ask(self) -> None:
        """Ask for one of the names by an ordinary question."""
        with self._lock:
            rows = sorted({row.key for row in self._rows[-1].rows if row.type == "A"}) if self._rows else []
        if not rows:
            return
        self._turn += 1
        name, rrtype = rows[self._turn % len(rows)]
        with contextlib.suppress(*_FAILURES):
            query = dns.message.make_query(name + ".", rrtype, flags=0)
            reply = dns.query.udp(query, self.host, 0.5, self.port)
            failed = reply.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN) and not reply.answer
            if failed and reply.flags & dns.flags.AA:
                self.look()
                if name in {row.name for row in self._rows[-1].rows}:
                    self.missing.append((time.time(), name))

    def _run(self) -> None:
        while not self._over.wait(TICK_S):
            self.look()
            self._ask()
