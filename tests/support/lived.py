"""Worlds with two applies behind them, and ways for their primary to lose the zone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from hyops_gitops.adapters.powerdns.http import PowerDnsHttp
from hyops_gitops.apply.opening import ApplyRequest
from hyops_gitops.cli.wiring import overrides_of
from hyops_gitops.core.zone import RRset, Zone
from hyops_gitops.recover.restore import RestoreRequest, prepare_restore
from hyops_gitops.recover.restore_write import RestoreResult, carry_out_restore
from tests.support.world import World


@dataclass(frozen=True, slots=True)
class Lived:
    """A world with two applies behind it, and foreign records."""

    world: World
    old: Sequence[RRset]  # the zone as it was after the first
    before: Zone  # and after the second

    @classmethod
    def begin(cls, world: World) -> "Lived":
        world.foreign("legacy", "TXT", '"v=spf1 -all"')
        world.apply()
        old = world.primary.rrsets()
        world.contract("second", "10.0.0.2")
        world.contract("first", "10.0.0.9")
        world.commit("Second")
        assert world.apply().outcome == "applied"
        return cls(world, old, world.records())

    def secondary(self) -> Zone:
        return Zone.of(self.world.zone, self.world.secondary().rrsets())

    def lose_zone(self) -> None:
        self._api("DELETE", suffix=f"/{self.world.zone}.")

    def load(self, rrsets: Sequence[RRset], serial: int, soa_edit_api: str = "INCREASE") -> None:
        """The primary as an old back-up has it: its records and markers, at a serial."""
        self.lose_zone()
        zone = {
            "name": f"{self.world.zone}.",
            "kind": "Master",
            "soa_edit_api": "INCREASE",
            "nameservers": [],
            "rrsets": [_as_json(rrset, serial - 1) for rrset in rrsets],
        }
        self._api("POST", zone)
        if soa_edit_api != "INCREASE":
            self.world.put_zone({"soa_edit_api": soa_edit_api})
        assert self.world.serial() == serial

    def _api(self, method: str, body: object = None, suffix: str = "") -> None:
        assert self.world.lab is not None
        http = PowerDnsHttp(self.world.lab.primary.api_url, self.world.lab.api_key, None, 10.0)
        path = f"/api/v1/servers/localhost/zones{suffix}"
        reply = http.exchange(method, path, {}, None if body is None else json.dumps(body).encode())
        assert reply.status in (201, 204), reply.body


def _as_json(rrset: RRset, serial: int) -> dict[str, object]:
    rdata = list(rrset.rdata)
    if rrset.type == "SOA":
        fields = rdata[0].split(" ")
        rdata = [" ".join([*fields[:2], str(serial), *fields[3:]])]
    records = [{"content": one, "disabled": False} for one in rdata]
    return {"name": f"{rrset.name}.", "type": rrset.type, "ttl": rrset.ttl, "records": records}


def restore(world: World, *overrides: str, recover: int | None = None) -> RestoreResult:
    workspace = world.wiring()
    request = RestoreRequest(ApplyRequest("HEAD", False, overrides_of(overrides), recover=recover))
    return carry_out_restore(prepare_restore(request, workspace), workspace)
