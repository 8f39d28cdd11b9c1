"""Whether a database keeps updates apart, tried by racing them."""

import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor

from hyops_gitops.core.damage import DamageKind, find_damage
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import OutsideFailure, ServerRefused
from hyops_gitops.core.events import OnEvent, Step, Warned
from hyops_gitops.core.network import ScratchZone
from hyops_gitops.core.text import counted
from hyops_gitops.core.zone import RRset

SCRATCH_SUFFIX = ".invalid"  # reserved: no zone in use ends so (RFC 2606)
SCRATCH_PREFIX = "hyops-doctor-race-"
# Backends that let one writer in at a time; tried with every race below.
ONE_WRITER = frozenset({"gsqlite3", "lmdb"})
ENOUGH = ("repeatable read", "serializable")

_POSTGRESQL = (
    "PostgreSQL: ALTER ROLE <PowerDNS's role> SET default_transaction_isolation = 'repeatable read' (or in pdns.conf "
    "gpgsql-extra-connection-parameters=options='-c default_transaction_isolation=repeatable\\\\ read'), then restart "
    "PowerDNS; SET lock_timeout = '10s' beside it, well below the 30 s that an apply waits for a reply"
)
_MARIADB = (
    "MariaDB: gmysql-innodb-read-committed=no in pdns.conf, together with innodb_snapshot_isolation=ON (or "
    "transaction_isolation=SERIALIZABLE) on the server: either half alone is not enough; InnoDB tables only; on Galera "
    "one writer node; innodb_lock_wait_timeout=10"
)


@dataclass(frozen=True, slots=True)
class Race:
    """The outcome of updates at the same moment in a scratch zone."""

    races: int
    accepted: int  # updates answered with 204
    cname_beside: int  # names with a TXT and a CNAME after one update each: the fence is open
    equal_records: int  # names with one record more than once after copies of one update
    several_soa: bool
    lost_serials: int  # races in which the serial moved by less than one for each accepted update

    @property
    def kept_apart(self) -> bool:
        """Whether no update passed another."""
        return not (self.cname_beside or self.equal_records or self.several_soa or self.lost_serials)

    def __str__(self) -> str:
        tried = f"{counted(self.races, 'race')} of updates at the same moment in a scratch zone"
        if self.kept_apart:
            return f"{tried}: none passed another, {self.accepted} were accepted"
        found = [
            f"{self.cname_beside} left a TXT beside a CNAME" if self.cname_beside else "",
            f"{self.equal_records} left one record twice" if self.equal_records else "",
            "the zone has several SOA records" if self.several_soa else "",
            f"{self.lost_serials} raised the serial by less than one per update" if self.lost_serials else "",
        ]
        return f"{tried}: {', '.join(filter(None, found))}"


def closing_settings(backends: Collection[str]) -> str:
    """The settings with which these backends' databases keep updates apart."""
    names = {name.partition(":")[0] for name in backends}
    known = {"gpgsql": _POSTGRESQL, "gmysql": _MARIADB}
    return "; ".join(known[name] for name in sorted(names & known.keys())) or f"{_POSTGRESQL}; {_MARIADB}"


# The more a zone holds the longer each update takes, and the surer two of them overlap. Measured with PostgreSQL 15
# and MariaDB 10.11 at their defaults: of 20 rounds in a zone of 1,000 records 14 and 18 break the fence.
_FILLING = 1000
_ROUNDS = 20
_COPIES = 3
_REMOVALS = 3
_TTL = 60
_TARGET = "192.0.2.1"  # for documentation (RFC 5737)


def scratch_name(random_hex: str) -> str:
    """The name of a scratch zone."""
    return f"{SCRATCH_PREFIX}{random_hex}{SCRATCH_SUFFIX}"


def race(scratch: ScratchZone, on_event: OnEvent) -> Race:
    """Make the zone, race in it, and remove it.

    Raises:
        OutsideFailure: code `scratch-zone`: a zone of that name is there already, and is left alone; else the API
            cannot be reached, or does not let us make a zone.
    """
    if scratch.exists():
        message = f"{scratch.name} exists already, and is left alone"
        raise OutsideFailure(message, code="scratch-zone", hint="run it again")
    on_event(Step(f"racing updates in the scratch zone {scratch.name}, which is removed afterwards"))
    made = False
    try:
        filling = (RRset.of(f"filling{n}.{scratch.name}", "A", _TTL, [_TARGET]) for n in range(_FILLING))
        made = True  # or may be, where the reply is lost
        try:
            with ThreadPoolExecutor(max_workers=1) as pool:  # an interrupt waits for the reply: else it were made later
                zone = [_soa(scratch.name), *filling]
                pool.submit(scratch.create, zone, native=True, transfer_keys=()).result()
        except ServerRefused:
            made = False
            raise
        return _Racing(scratch).run()
    finally:
        if made:
            _remove(scratch, on_event)


@dataclass(slots=True)
class _Racing:
    """The rounds, and what was counted."""

    scratch: ScratchZone
    races: int = 0
    accepted: int = 0
    lost_serials: int = 0
    refused: str = ""

    def run(self) -> Race:
        """All rounds; fewer where the answer is plain."""
        with ThreadPoolExecutor(max_workers=_COPIES) as pool:
            for number in range(1, _ROUNDS + 1):
                self._together(pool, [self._rrset(f"fence{number}", "TXT"), self._rrset(f"fence{number}", "CNAME")])
                self._together(pool, [self._rrset(f"left{number}", "A"), self._rrset(f"right{number}", "A")])
                self._together(pool, [self._rrset(f"same{number}", "A")] * _COPIES)
                if not self.accepted:
                    break  # nothing would be tried by more of it
        if not self.accepted:
            raise OutsideFailure(f"no update was accepted: {self.refused}", code="race", hint="see PowerDNS's log")
        damage = [found.kind for found in find_damage(self.scratch.rrsets())]
        return Race(
            races=self.races,
            accepted=self.accepted,
            cname_beside=damage.count(DamageKind.CNAME_BESIDE),
            equal_records=damage.count(DamageKind.EQUAL_RECORDS),
            several_soa=DamageKind.SEVERAL_SOA in damage,
            lost_serials=self.lost_serials,
        )

    def _rrset(self, label: str, rrtype: str) -> RRset:
        rdata = {"A": _TARGET, "TXT": '"race"', "CNAME": f"elsewhere{SCRATCH_SUFFIX}."}[rrtype]
        return RRset.of(f"{label}.{self.scratch.name}", rrtype, _TTL, [rdata])

    def _together(self, pool: ThreadPoolExecutor, updates: Sequence[RRset]) -> None:
        """Send these updates at the same moment."""
        before = self.scratch.header().serial
        gate = threading.Barrier(len(updates), timeout=30)
        accepted = sum(pool.map(lambda update: self._send(update, gate.wait), updates))
        self.races += 1
        self.accepted += accepted
        self.lost_serials += self.scratch.header().serial - before < accepted

    def _send(self, update: RRset, start: Callable[[], object]) -> bool:
        start()
        try:
            self.scratch.patch([], [update])
        except OutsideFailure as error:  # the loser's: 422, or 500 where the database ended its transaction
            self.refused = error.message
            return False
        return True


def _soa(zone: str) -> RRset:
    return RRset.of(zone, "SOA", _TTL, [f"ns1.{zone}. hostmaster.{zone}. 1 10800 3600 604800 300"])


def _remove(scratch: ScratchZone, on_event: OnEvent) -> None:
    """Remove the zone, or warn: an earlier failure is raised."""
    reason = ""
    for _ in range(_REMOVALS):
        try:
            if not scratch.exists():
                return
            scratch.remove()
        except OutsideFailure as error:
            reason = error.message
        else:
            return
    by_hand = f"pdnsutil delete-zone {scratch.name}"
    on_event(Warned(f"cannot remove {scratch.name}: {reason}; on the primary: {by_hand}"))
