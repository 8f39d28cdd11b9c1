"""Rows written into a server's database past PowerDNS: what two writers leave there without isolation."""

from collections.abc import Iterator
from contextlib import contextmanager
from string import Template

from hyops_gitops.lab.model import Lab
from tests.support.databases import rows

SOA_TTL = 3600
_INSERT = Template(
    "INSERT INTO records (domain_id, name, type, content, ttl, prio, disabled, auth) "
    "SELECT id, '$name', '$type', '$content', $ttl, 0, $disabled, $auth FROM domains WHERE name = '$zone'"
)
_CONTENT = Template(
    "SELECT content FROM records WHERE name = '$name' AND type = '$type' "
    "AND domain_id = (SELECT id FROM domains WHERE name = '$zone') ORDER BY id"
)


_NEWEST = "SELECT MAX(id) FROM records"
_DELETE = Template(
    "DELETE FROM records WHERE id > $newest AND domain_id = (SELECT id FROM domains WHERE name = '$zone')"
)
_SET_SOA = Template("UPDATE records SET content = '$content' WHERE name = '$zone' AND type = 'SOA'")
_DELETE_NAME = Template("DELETE FROM records WHERE name = '$name'")


class Rows:
    """The table of records behind the primary of a lab."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._truths = ("false", "true") if lab.backend == "gpgsql" else ("0", "1")

    def insert(self, zone: str, name: str, rrtype: str, content: str, ttl: int = 60, *, disabled: bool = False) -> None:
        """One more row, whatever stands there; names without their final dot, as the database has them."""
        row = {"name": name, "type": rrtype, "content": content, "ttl": ttl}
        truth = {"disabled": self._truths[disabled], "auth": self._truths[True]}
        rows(self._lab, _INSERT.substitute(row, zone=zone, **truth))

    def soa(self, zone: str, serial: int) -> None:
        """A further SOA, like the one that stands there but for its serial."""
        content = self.content(zone, zone, "SOA")[0].split(" ")
        self.insert(zone, zone, "SOA", " ".join([*content[:2], str(serial), *content[3:]]), SOA_TTL)

    @contextmanager
    def taken_back(self, zone: str) -> Iterator[None]:
        """Delete afterwards what was inserted meanwhile."""
        newest = rows(self._lab, _NEWEST)[0][0]
        yield
        rows(self._lab, _DELETE.substitute(zone=zone, newest=newest))

    def set_serial(self, zone: str, serial: int) -> None:
        """Another serial in the SOA that stands there."""
        content = self.content(zone, zone, "SOA")[0].split(" ")
        content[2] = str(serial)
        rows(self._lab, _SET_SOA.substitute(content=" ".join(content), zone=zone))

    def delete(self, name: str) -> None:
        """Every row of a name."""
        rows(self._lab, _DELETE_NAME.substitute(name=name))

    def content(self, zone: str, name: str, rrtype: str) -> list[str]:
        """Every row's content."""
        return [row[0] for row in rows(self._lab, _CONTENT.substitute(zone=zone, name=name, type=rrtype))]
