"""The zone of a clone, on the running servers of a lab."""

import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence

from hyops_gitops.adapters.powerdns.http import PowerDnsHttp
from hyops_gitops.adapters.powerdns.zone_api import PowerDnsReader, PowerDnsTransferRequester, PowerDnsWriter
from hyops_gitops.core.errors import ReplyLost
from hyops_gitops.core.exchange import PatchReceipt
from hyops_gitops.core.zone import Key, Operation, RRset, Zone
from hyops_gitops.lab.config import LOG_FILE
from hyops_gitops.lab.model import LabServer
from hyops_gitops.lab.zones import served_serial, wait_until
from tests.support.clone import Clone

_NO_PRIMARY = "127.9.9.9:1"  # nothing listens there, and no NOTIFY comes from there
_NOTIFIED_S = 1.5  # PowerDNS sends a NOTIFY, and looks at one that came, within a second
_BUSY = 500
_PAUSES_S = (0.05, 0.2, 0.8, 2.0)


class PatientWriter(PowerDnsWriter):
    """A writer for edits by hand: gsqlite3 answers 500, and stores nothing, while another writer holds its lock."""

    __slots__ = ()

    def patch(self, deletes: Sequence[Key], replaces: Sequence[RRset], first: Sequence[Operation] = ()) -> PatchReceipt:
        for pause in _PAUSES_S:
            try:
                return super().patch(deletes, replaces, first)
            except ReplyLost as error:
                if error.code != "powerdns-server-error":
                    raise
                time.sleep(pause)
        return super().patch(deletes, replaces, first)


class ServedZone(Clone):
    """The zone as its servers have it, and edits by hand."""

    @property
    def primary(self) -> PowerDnsWriter:
        """The primary's API, for edits by hand."""
        assert self.lab is not None
        return PatientWriter(self.lab.primary.api_url, "localhost", self.zone, self.lab.api_key)

    def secondary(self, number: int = 0) -> PowerDnsReader:
        """A secondary's API."""
        assert self.lab is not None
        return PowerDnsReader(self.lab.secondaries[number].api_url, "localhost", self.zone, self.lab.api_key)

    def put_zone(self, fields: Mapping[str, object], *, secondary: int | None = None) -> None:
        """Change the zone's settings on the primary, or on a secondary."""
        assert self.lab is not None
        server = self.lab.primary if secondary is None else self.lab.secondaries[secondary]
        http = PowerDnsHttp(server.api_url, self.lab.api_key, None, 10.0)
        path = f"/api/v1/servers/localhost/zones/{self.zone}."
        body = json.dumps(fields).encode()
        reply = http.exchange("PUT", path, {}, body)
        for pause in _PAUSES_S:
            if reply.status == _BUSY:
                time.sleep(pause)
                reply = http.exchange("PUT", path, {}, body)
        assert reply.status == 204, reply.body

    @contextlib.contextmanager
    def without_transfers(self) -> Iterator[None]:
        """The secondaries know of no primary meanwhile: not even a NOTIFY that is late brings them anything.

        A transfer that was asked for before still goes to the old primary, so each secondary is asked for one more:
        once that has failed, those before it are over, since the secondaries of the suite make one at a time.
        """
        assert self.lab is not None
        transfer = str(self.lab.primary.transfer or self.lab.primary.dns)
        numbers = range(len(self.lab.secondaries))
        for secondary in self.lab.secondaries:
            self.bring_up(secondary)
        for number in numbers:
            self.put_zone({"masters": [_NO_PRIMARY]}, secondary=number)
        time.sleep(_NOTIFIED_S)
        for number in numbers:
            self._wait_for_a_failed_transfer(number)
        try:
            yield
        finally:
            for number in numbers:
                self.put_zone({"masters": [transfer]}, secondary=number)

    def bring_up(self, secondary: LabServer) -> None:
        """Let a secondary have what the primary has."""
        assert self.lab is not None
        primary = self.lab.primary
        requester = PowerDnsTransferRequester(secondary.api_url, "localhost", self.zone, self.lab.api_key)
        asked = 0.0

        def arrived() -> bool:
            nonlocal asked
            if served_serial(secondary, self.zone) == served_serial(primary, self.zone):
                return True
            if time.monotonic() - asked > 1:  # one request may be lost while the secondary's database is busy
                asked = time.monotonic()
                requester.refresh()
            return False

        wait_until(arrived, 20, "the transfer")

    def _wait_for_a_failed_transfer(self, number: int) -> None:
        assert self.lab is not None
        server = self.lab.secondaries[number]
        log = self.lab.folder(server) / LOG_FILE
        before = log.stat().st_size

        def failed() -> bool:
            lines = log.read_bytes()[before:].decode(errors="replace").splitlines()
            return any(f"'{self.zone}'" in line and "unable to xfr zone" in line for line in lines)

        PowerDnsTransferRequester(server.api_url, "localhost", self.zone, self.lab.api_key).refresh()
        wait_until(failed, 30, "a transfer that fails")

    def serial(self) -> int:
        """The zone's serial on the primary."""
        return self.primary.header().serial

    def set_serial(self, serial: int) -> None:
        """The zone's own serial on the primary, as by hand; settings are put afterwards."""
        self.put_zone({"soa_edit_api": ""})
        soa = f"ns1.{self.zone}. hostmaster.{self.zone}. {serial} 10800 3600 604800 300"
        self.primary.patch([], [RRset.of(self.zone, "SOA", 3600, [soa])])
        assert self.serial() == serial

    def records(self) -> Zone:
        """The zone on the primary, as digests see it."""
        return Zone.of(self.zone, self.primary.rrsets())

    def at(self, service: str) -> dict[str, tuple[int, tuple[str, ...]]]:
        """Type to TTL and rdata at a service's name."""
        return {rrset.type: (rrset.ttl, rrset.rdata) for rrset in self.primary.rrsets_at([self.name(service)])}

    def foreign(self, service: str, rrtype: str, *rdata: str, ttl: int = 60) -> RRset:
        """Write an RRset by hand."""
        rrset = RRset.of(self.name(service), rrtype, ttl, rdata)
        self.primary.patch([], [rrset])
        return rrset
