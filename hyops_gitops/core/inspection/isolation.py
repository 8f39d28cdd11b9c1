"""Whether a database keeps two updates apart, judged by what the API lists after updates at the same moment."""

from collections.abc import Collection
from dataclasses import dataclass

from hyops_gitops.core.counting import counted

SCRATCH_SUFFIX = ".invalid"  # no zone that anybody asks for ends so (RFC 2606)
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
    """What came of updates at the same moment in a scratch zone."""

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
            f"{self.lost_serials} moved the serial by less than one an update" if self.lost_serials else "",
        ]
        return f"{tried}: {', '.join(filter(None, found))}"


def closing_settings(backends: Collection[str]) -> str:
    """The settings with which these backends' databases keep updates apart."""
    names = {name.partition(":")[0] for name in backends}
    known = {"gpgsql": _POSTGRESQL, "gmysql": _MARIADB}
    return "; ".join(known[name] for name in sorted(names & known.keys())) or f"{_POSTGRESQL}; {_MARIADB}"
