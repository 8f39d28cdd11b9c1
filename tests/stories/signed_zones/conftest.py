"""Signed zones of a lab, and a validating resolver that trusts them."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from hyops_gitops.adapters.powerdns.http import PowerDnsHttp
from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.lab.lifecycle import start_lab, stop_lab
from hyops_gitops.lab.model import Lab
from hyops_gitops.lab.processes import free_addresses
from hyops_gitops.lab.resolver import find_recursor
from hyops_gitops.lab.zones import create_zone, wait_until
from tests.support.clone import run
from tests.support.world import World

ZONES = "/api/v1/servers/localhost/zones"
Answered = tuple[str, bool]  # the code, and whether it is vouched for (AD)


@pytest.fixture(scope="module", params=["gsqlite3"])
def signing_lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab whose servers sign, and remember neither answers nor settings."""
    options = {"xfr-cycle-interval": "3600", "zone-metadata-cache-ttl": "0", "dnssec-key-cache-ttl": "0"}
    options |= {"gsqlite3-dnssec": "yes"} if request.param == "gsqlite3" else {}
    running = start_lab(
        tmp_path_factory.mktemp("signing"), zone="lab.internal", backend=request.param, settings=options
    )
    try:
        yield running
    finally:
        stop_lab(running)


@dataclass(frozen=True)
class Signed:
    """A signed zone with `first.prod` as its only contract, nothing applied yet."""

    world: World
    trust: tuple[str, ...]  # DS, as the parent would publish them

    def put(self, fields: Mapping[str, object]) -> None:
        """Change settings of the zone on the primary."""
        self.world.put_zone(fields)

    def deactivate_keys(self) -> None:
        """Let no key sign any longer; they stay."""
        lab = self.world.lab
        assert lab is not None
        http = PowerDnsHttp(lab.primary.api_url, lab.api_key, None, 10.0)
        for key in keys_of(lab, self.world.zone):
            path = f"{ZONES}/{self.world.zone}./cryptokeys/{key['id']}"
            assert http.exchange("PUT", path, {}, b'{"active": false}').status == 204

    def pdnsutil(self, *words: str) -> None:
        """The server's own program, for what its API does not do."""
        assert self.world.lab is not None
        folder = self.world.lab.folder(self.world.lab.primary)
        run(shutil.which("pdnsutil") or "/usr/bin/pdnsutil", f"--config-dir={folder}", *words, cwd=folder)


def sign(lab: Lab, directory: Path, zone: str, **fields: object) -> Signed:
    """Make a zone, sign it as the API does, and remember its DS."""
    create_zone(lab, zone)
    world = World.make(directory, zone, lab)
    world.put_zone({"dnssec": True, **fields})
    return Signed(world, tuple(ds for key in keys_of(lab, zone) for ds in key.get("ds", ())))


def keys_of(lab: Lab, zone: str) -> list[dict[str, Any]]:
    """The zone's keys as the API lists them."""
    http = PowerDnsHttp(lab.primary.api_url, lab.api_key, None, 10.0)
    keys: list[dict[str, Any]] = json.loads(http.exchange("GET", f"{ZONES}/{zone}./cryptokeys", {}).body)
    return keys


class Validating:
    """A resolver that validates, and asks the lab's primary."""

    def __init__(self, directory: Path, zone: Signed) -> None:
        """Start it with the zone's DS as its trust anchor; it answers only once it has read them."""
        assert zone.world.lab is not None
        ((self.address, _),) = free_addresses(["127.0.0.1"])
        self._name = zone.world.zone
        _write(directory, self.address, zone, str(zone.world.lab.primary.dns))
        self._log = (directory / "log").open("wb")
        self._process = subprocess.Popen(
            [find_recursor(), f"--config-dir={directory}"], cwd=directory, stdout=self._log, stderr=self._log
        )
        # What it is asked before it is ready it never answers.
        wait_until(lambda: self.asked(self._name, "SOA", 0.3)[0] != "SILENT", 30, "the resolver")

    def asked(self, name: str, rrtype: str = "A", timeout_s: float = 5) -> Answered:
        """The code of its answer, and whether it vouches for it."""
        query = dns.message.make_query(name, rrtype, want_dnssec=True)
        query.flags |= dns.flags.AD
        try:
            reply = dns.query.udp(query, self.address.host, port=self.address.port, timeout=timeout_s)
        except (OSError, dns.exception.DNSException):
            time.sleep(0.1)
            return "SILENT", False
        return dns.rcode.to_text(reply.rcode()), bool(reply.flags & dns.flags.AD)

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(20)
        self._log.close()


def _write(directory: Path, address: ServerAddress, zone: Signed, forwarder: str) -> None:
    """Its configuration in the form of 4.x, and in that of 5.x."""
    name, anchors = zone.world.zone, zone.trust
    (directory / "anchors.lua").write_text("".join(f'addTA("{name}", "{ds}")\n' for ds in anchors))
    old = {
        "local-address": address.host,
        "local-port": address.port,
        "socket-dir": ".",
        "daemon": "no",
        "write-pid": "no",
        "disable-syslog": "yes",
        "security-poll-suffix": "",
        "dnssec": "validate",
        "lua-config-file": str(directory / "anchors.lua"),
        "forward-zones": f"{name}={forwarder}",
        "dont-query": "",
        "threads": 1,
    }
    new = {
        "incoming": {"listen": [str(address)], "allow_from": ["127.0.0.0/8"]},
        "outgoing": {"dont_query": []},
        "recursor": {
            "forward_zones": [{"zone": name, "forwarders": [forwarder]}],
            "socket_dir": ".",
            "daemon": False,
            "write_pid": False,
            "security_poll_suffix": "",
            "threads": 1,
        },
        "dnssec": {"validation": "validate", "trustanchors": [{"name": name, "dsrecords": list(anchors)}]},
        "logging": {"disable_syslog": True},
    }
    (directory / "recursor.conf").write_text("".join(f"{key}={value}\n" for key, value in old.items()))
    (directory / "recursor.yml").write_text(json.dumps(new))
