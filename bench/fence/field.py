"""One zone, the log that is pretended to be behind it, and the states that the zone can be in."""

import json
import secrets
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bench.fence.rows import Row, Rows
from hyops_gitops.adapters.powerdns.http import PowerDnsHttp
from hyops_gitops.adapters.powerdns.json_form import encode_patch
from hyops_gitops.adapters.powerdns.zone_api import PowerDnsWriter
from hyops_gitops.apply.send import Update, ensure_lock, settle
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.core.markers import (
    Anchor,
    Turn,
    claim_name,
    first_lock,
    lock,
    protocol_name,
    reserved_numbers,
    tombstone,
)
from hyops_gitops.core.names import absolute
from hyops_gitops.core.zone import Key, Operation, RRset
from hyops_gitops.lab.model import Lab

_TIMEOUT_S = 120.0
_SEGMENT = "0123456789ab"
ACCEPTED, REFUSED = 204, 422


@dataclass
class Field:
    """A zone and where its log stands."""

    rows: Rows
    zone: str
    remedy: bool
    seq: int = 1
    head: str = "0" * 64
    previous: Anchor | None = None
    segment: str | None = None
    locked: bool = False
    soa: bool = False  # whether an update writes the SOA too, as a restore's does
    base: int = 0  # the log's newest number where a segment began

    @property
    def lab(self) -> Lab:
        return self.rows.lab

    @property
    def service(self) -> str:
        """The name that every update changes."""
        return f"service.prod.{self.zone}"

    # --- PATCHes

    def intent(self) -> Update:
        """An update that is intended now."""
        self.seq += 1
        anchor = Anchor(self.seq, secrets.token_hex(32), self.segment)
        address = ".".join(["10", *(str(secrets.randbelow(255)) for _ in range(3))])
        replaces = [RRset.of(self.service, "A", 60, [address]), anchor.rrset(self.zone)]
        if self.segment and self.seq == 1:
            replaces += [tombstone(self.zone, one) for one in reserved_numbers(self.base, self.base, None)]
        if self.soa:
            seen = PowerDnsWriter(self.lab.primary.api_url, "localhost", self.zone, self.lab.api_key).rrsets()
            replaces += [one for one in seen if one.type == "SOA"]
        update = Update(self.zone, anchor, self.head, self.previous, (), replaces, locked=True)
        self.head = anchor.sha256
        return update

    def update(self, update: Update, *, remedy: bool | None = None) -> bytes:
        """Its PATCH."""
        if self.remedy if remedy is None else remedy:
            return encode_patch([*update.markers, *update.deletes, *update.replaces])
        previous, anchor = update.previous, update.intent
        deletes: list[Key] = [*update.deletes]
        replaces = [one for one in update.replaces if one.key != anchor.rrset(self.zone).key]
        if previous is not None:
            deletes.append((claim_name(self.zone, previous.seq, previous.segment), "TXT"))
            replaces.append(tombstone(self.zone, previous.seq, previous.segment))
        return encode_patch([*deletes, *replaces, anchor.rrset(self.zone), update.claim])

    def settling(self, update: Update) -> bytes:
        """The PATCH that settles it."""
        return encode_patch(update.settling if self.remedy else [update.tombstone])

    def first_lock(self) -> bytes:
        """The PATCH that puts the lock row there."""
        seen = self.writer.rrsets_at([self.zone, *self._claims()])
        held = next((one for one in seen if one.name != self.zone), None)
        return encode_patch(first_lock(self.zone, held or next(one for one in seen if one.type == "SOA")))

    def _claims(self) -> list[str]:
        return [claim_name(self.zone, self.previous.seq, self.previous.segment)] if self.previous else []

    @property
    def writer(self) -> PowerDnsWriter:
        return PowerDnsWriter(self.lab.primary.api_url, "localhost", self.zone, self.lab.api_key)

    # --- sending

    def open(self, body: bytes) -> socket.socket:
        """A PATCH of which the last byte is missing."""
        api = self.lab.primary.api
        connection = socket.create_connection((api.host, api.port), timeout=_TIMEOUT_S)
        head = (
            f"PATCH /api/v1/servers/localhost/zones/{absolute(self.zone)} HTTP/1.1\r\nHost: {api}\r\n"
            f"X-API-Key: {self.lab.api_key}\r\nContent-Type: application/json\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body[:-1])
        return connection

    def at_once(self, bodies: Sequence[bytes]) -> list[int]:
        """Send them at the same moment; the status of each. One that the database failed is sent again, as we do."""
        connections = [self.open(body) for body in bodies]
        for connection, body in zip(connections, bodies, strict=True):
            connection.sendall(body[-1:])
        found = [status_of(connection) for connection in connections]
        for tries in range(20):
            if max(found) < 500:
                break
            time.sleep(0.01 * tries)  # SQLite refuses at once for as long as another one of its connections is busy
            for index, status in enumerate(found):
                if status >= 500:
                    found[index] = self.send(bodies[index])
        return found

    def send(self, body: bytes) -> int:
        """One alone."""
        connection = self.open(body)
        connection.sendall(body[-1:])
        return status_of(connection)

    def must(self, body: bytes, status: int = ACCEPTED) -> None:
        """One alone, with a certain end."""
        found, tries = 500, 0
        while found >= 500 and tries < 20:
            found, tries = self.send(body), tries + 1
        assert found == status, f"expected {status}, got {found}"

    # --- how it goes on

    def lock(self) -> None:
        """See to the lock row; again where the database failed it, as an apply does."""
        for tries_left in range(20 if self.remedy else 0, 0, -1):
            try:
                return ensure_lock(self.writer, self.zone, self.previous)
            except OutsideFailure:
                if tries_left == 1:
                    raise
        return None

    def apply(self, *, remedy: bool | None = None) -> Update:
        """One change that meets nothing."""
        update = self.intent()
        self.must(self.update(update, remedy=remedy))
        self.previous, self.head = update.intent, secrets.token_hex(32)
        return update

    def landed(self, update: Update) -> None:
        """Its result says so."""
        self.previous, self.head = update.intent, secrets.token_hex(32)


def status_of(connection: socket.socket) -> int:
    """The status of the reply, to its end."""
    reply = b""
    with connection:
        while chunk := connection.recv(65536):
            reply += chunk
    return int(reply.split(None, 2)[1]) if reply.startswith(b"HTTP/") else 0


# --- states


def _applied(field: Field) -> None:
    field.lock()
    field.apply()


def _failed(field: Field) -> None:
    _applied(field)
    update = field.intent()
    bad = replace(update, replaces=[*update.replaces, RRset(f"bad.{field.zone}", "A", 60, ("not an address",))])
    field.must(field.update(bad), REFUSED)
    field.head = secrets.token_hex(32)


def _settled(field: Field) -> None:
    _applied(field)
    field.must(field.settling(field.intent()))
    field.head = secrets.token_hex(32)


def _settled_landed(field: Field) -> None:
    _applied(field)
    update = field.intent()
    field.must(field.update(update))
    if field.remedy:
        assert settle(field.writer, update)
    else:
        field.must(field.settling(update), REFUSED)
        field.must(encode_patch([update.claim.key, update.tombstone]))
    field.landed(update)


def _gap(field: Field) -> None:
    """The log has lost what it applied last, and goes on at its number."""
    _applied(field)
    seq, previous = field.seq, field.previous
    lost = field.apply()
    field.seq, field.previous, field.head = seq, previous, secrets.token_hex(32)
    clear: list[Operation] = [(claim_name(field.zone, lost.intent.seq), rrtype) for rrtype in ("CNAME", "TXT")]
    begin = [*lock(field.zone), *Turn(field.zone, seq + 1, field.head).free()] if field.remedy else []
    field.must(encode_patch([*begin, *clear]))


def _restore(field: Field) -> None:
    """What races is the restore's own update, into a zone with old markers and no lock row."""
    field.apply(remedy=False)
    field.lock()
    field.soa = True


def _segment(field: Field) -> None:
    _applied(field)
    field.segment, field.base, field.seq = _SEGMENT, field.seq, 0
    field.apply()


def _reconciled(field: Field) -> None:
    _segment(field)
    field.segment, field.seq, field.head = None, field.base + 1, secrets.token_hex(32)
    begin = [*lock(field.zone), *Turn(field.zone, field.seq + 1, field.head).free()] if field.remedy else []
    numbers = reserved_numbers(field.base, field.base, None)
    field.must(encode_patch([*begin, *((claim_name(field.zone, one), "CNAME") for one in numbers)]))


def _old_dump(field: Field) -> None:
    """A dump of a zone that programs of protocol 1 wrote."""
    field.apply(remedy=False)
    field.apply(remedy=False)


def _rebuilt(field: Field) -> None:
    """A dump from before anything was applied."""
    field.previous = Anchor(1, "1" * 64)
    field.seq = 1


def _nothing(_: Field) -> None:
    return


STATES: dict[str, Callable[[Field], None]] = {
    "first intent": _nothing,
    "applied": _applied,
    "failed": _failed,
    "settled, never landed": _settled,
    "settled, landed": _settled_landed,
    "gap": _gap,
    "restore": _restore,
    "break-glass segment": _segment,
    "reconciled": _reconciled,
    "old dump, protocol 1": _old_dump,
    "old dump, no markers": _rebuilt,
    "upgrade, late protocol 1": _old_dump,
}
REUSING = ("applied", "failed", "settled, never landed", "settled, landed")  # can follow one another in one zone
UNLOCKED = ("first intent", "old dump, protocol 1", "old dump, no markers", "upgrade, late protocol 1")


# --- judging


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a race left behind."""

    broken: str  # "" when it did as it must
    duplicates: str


def judge(field: Field, update: Update, landed: int | None, settled: int | None) -> Verdict:
    """By the rows: whether exactly one of the update and its settling took effect, and nothing stands twice.

    Args:
        field: The zone.
        update: What raced.
        landed: How many copies of the update were accepted; None where nobody heard.
        settled: How many PATCHes that settle it were.
    """
    rows = field.rows.of(field.zone, field.service)
    kinds = {kind for name, kind, _ in rows if name == update.claim.name}
    wrong = []
    if kinds not in ({"TXT"}, {"CNAME"}):
        wrong.append(f"claim: {sorted(kinds)}")
    if landed is not None and settled is not None and (landed, settled) not in ((1, 0), (0, 1)):
        wrong.append(f"accepted: {landed} updates, {settled} settlings")
    if landed is not None and len(kinds) == 1 and (kinds == {"TXT"}) != (landed > 0):
        wrong.append("the claim and the replies differ")
    shown = _shows(rows, field, update)
    if (kinds == {"TXT"} and not shown) or (kinds == {"CNAME"} and shown):
        wrong.append("the claim and the record differ")
    return Verdict("; ".join(wrong), _twice(rows))


def _shows(rows: Sequence[Row], field: Field, update: Update) -> bool:
    wanted = next(one for one in update.replaces if one.key == (field.service, "A"))
    return any((name, kind) == wanted.key and content == wanted.rdata[0] for name, kind, content in rows)


def _twice(rows: Sequence[Row]) -> str:
    single = {(name, kind) for name, kind, _ in rows if kind in ("SOA", "CNAME", "TXT", "A")}
    counts = Counter((name, kind) for name, kind, _ in rows)
    return "; ".join(f"{counts[key]} rows of {key[0]} {key[1]}" for key in sorted(single) if counts[key] != 1)


def has_lock(field: Field) -> bool:
    """Whether the zone has exactly one lock row."""
    return [row[1] for row in field.rows.of(field.zone, field.service) if row[0] == protocol_name(field.zone)] == [
        "TXT"
    ]


def make_zone(rows: Rows, zone: str, records: int) -> None:
    """A zone with so many records."""
    lab = rows.lab
    names = [absolute(f"r{number}.{zone}") for number in range(records)]
    rrsets = [
        {"name": name, "type": "A", "ttl": 60, "records": [{"content": "10.1.1.1", "disabled": False}]}
        for name in names
    ]
    body = {
        "name": absolute(zone),
        "kind": "Master",
        "soa_edit_api": "INCREASE",
        "nameservers": [absolute(f"ns1.{zone}")],
        "rrsets": rrsets,
    }
    reply = _http(lab).exchange("POST", "/api/v1/servers/localhost/zones", {}, json.dumps(body).encode())
    assert reply.status == 201, reply.body


def drop_zone(rows: Rows, zone: str) -> None:
    """Remove it."""
    _http(rows.lab).exchange("DELETE", f"/api/v1/servers/localhost/zones/{absolute(zone)}", {})


def _http(lab: Lab) -> PowerDnsHttp:
    return PowerDnsHttp(lab.primary.api_url, lab.api_key, None, _TIMEOUT_S)
