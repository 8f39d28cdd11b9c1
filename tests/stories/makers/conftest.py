"""BIND and Knot as secondaries of a lab's primary, Unbound and BIND as resolvers behind them."""

import base64
import json
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hyops_gitops.adapters.dns.client import PlainDnsClient
from hyops_gitops.adapters.powerdns.http import PowerDnsHttp
from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.core.exchange import Question
from hyops_gitops.lab.lifecycle import start_lab, stop_lab
from hyops_gitops.lab.model import Lab
from hyops_gitops.lab.processes import free_addresses
from hyops_gitops.lab.zones import create_zone, wait_until
from tests.support.world import World

CATALOG = "catalog.invalid"
ZONES = "/api/v1/servers/localhost/zones"
_KEY_NAME = "transfer"
_START_S = 20.0


def program(name: str, package: str) -> str:
    """Its path; Debian keeps servers out of a user's PATH."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed: apt-get install {package}")
    return found


@dataclass
class Server:
    """One server of another maker, as a process that can be ended and started again."""

    name: str
    dns: ServerAddress
    command: Sequence[str]
    folder: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self.command, cwd=self.folder, stdout=log, stderr=log)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(_START_S)
            self._process = None


def secret() -> str:
    """A key of TSIG."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def bind_secondary(folder: Path, address: ServerAddress, primary: ServerAddress, key: str) -> Server:
    """BIND, told of its zones by the primary's catalog (RFC 9432)."""
    (folder / "named.conf").write_text(f"""
        key {_KEY_NAME} {{ algorithm hmac-sha256; secret "{key}"; }};
        primaries main {{ {primary.host} port {primary.port} key {_KEY_NAME}; }};
        options {{
            directory "{folder}"; pid-file none; session-keyfile none; recursion no; dnssec-validation no;
            listen-on port {address.port} {{ {address.host}; }}; listen-on-v6 {{ none; }};
            transfer-source {address.host}; allow-query {{ any; }}; allow-notify {{ {primary.host}; }};
            min-refresh-time 1; min-retry-time 1; catalog-zones {{
                zone "{CATALOG}" default-primaries {{ {primary.host} port {primary.port} key {_KEY_NAME}; }}
                    zone-directory "{folder}" min-update-interval 1;
            }};
        }};
        controls {{ }};
        zone "{CATALOG}" {{ type secondary; file "catalog.db"; primaries {{ main; }}; }};
        """)
    return Server("bind", address, [program("named", "bind9"), "-g", "-c", str(folder / "named.conf")], folder)


def knot_secondary(folder: Path, address: ServerAddress, primary: ServerAddress, key: str) -> Server:
    """Knot, likewise."""
    (folder / "knot.conf").write_text(f"""
server:
    rundir: "{folder}"
    listen: "{address.host}@{address.port}"
log:
  - target: stderr
    any: info
database:
    storage: "{folder}"
key:
  - id: {_KEY_NAME}
    algorithm: hmac-sha256
    secret: "{key}"
remote:
  - id: main
    address: "{primary.host}@{primary.port}"
    via: "{address.host}"
    key: {_KEY_NAME}
acl:
  - id: notify
    address: "{primary.host}"
    key: {_KEY_NAME}
    action: notify
template:
  - id: default
    storage: "{folder}"
    master: main
    acl: notify
    refresh-min-interval: 2
zone:
  - domain: "{CATALOG}"
    catalog-role: interpret
    catalog-template: default
""")
    return Server("knot", address, [program("knotd", "knot"), "-c", str(folder / "knot.conf")], folder)


def unbound_resolver(folder: Path, address: ServerAddress, zone: str, upstream: ServerAddress, extra: str) -> Server:
    """Unbound, which asks one server for the zone."""
    (folder / "unbound.conf").write_text(f"""
server:
    directory: "{folder}"
    chroot: ""
    username: ""
    pidfile: ""
    use-syslog: no
    interface: {address.host}
    port: {address.port}
    do-not-query-localhost: no
    access-control: 127.0.0.0/8 allow
    local-zone: "{zone}." nodefault
    domain-insecure: "{zone}"
    module-config: "iterator"
    {extra}
remote-control:
    control-enable: yes
    control-interface: {folder}/control
stub-zone:
    name: "{zone}"
    stub-addr: {upstream.host}@{upstream.port}
""")
    return Server("unbound", address, [program("unbound", "unbound"), "-d", "-c", str(folder / "unbound.conf")], folder)


def bind_resolver(folder: Path, address: ServerAddress, zone: str, upstream: ServerAddress) -> Server:
    """BIND, which forwards questions about the zone to one server."""
    (folder / "named.conf").write_text(f"""
        options {{
            directory "{folder}"; pid-file none; session-keyfile none; recursion yes; dnssec-validation no;
            listen-on port {address.port} {{ {address.host}; }}; listen-on-v6 {{ none; }};
            allow-query {{ any; }}; allow-recursion {{ any; }};
        }};
        controls {{ }};
        zone "{zone}" {{
            type forward; forward only; forwarders {{ {upstream.host} port {upstream.port}; }};
        }};
        """)
    return Server("named", address, [program("named", "bind9"), "-g", "-c", str(folder / "named.conf")], folder)


def serial(server: ServerAddress, zone: str) -> int | None:
    """The serial that a server gives."""
    question = Question(zone, "SOA")
    answer = PlainDnsClient().ask(server, [question], recursion_desired=False, timeout_s=1)[question]
    return next((int(rrset.rdata[0].split()[2]) for rrset in answer.rrsets if rrset.type == "SOA"), None)


@dataclass(frozen=True)
class Makers:
    """A lab of PowerDNS, and BIND and Knot that take its zones from its catalog, with TSIG."""

    lab: Lab
    bind: Server
    knot: Server

    def world(self, directory: Path, zone: str, timeout_s: int) -> World:
        """A zone of the catalog, served by all, with `first.prod` as its only contract."""
        create_zone(self.lab, zone)
        _request(self.lab, "PUT", f"{ZONES}/{zone}.", {"catalog": f"{CATALOG}.", "master_tsig_key_ids": [_KEY_NAME]})
        served = (self.bind, self.knot)
        wait_until(
            lambda: None not in [serial(server.dns, zone) for server in served], _START_S, f"both to serve {zone}"
        )
        convergence = {"timeout_s": timeout_s, "require": ["primary", "secondaries"]}
        world = World.make(directory, zone, self.lab, convergence=convergence)
        listed = [{"name": server.name, "site": "onprem", "dns": str(server.dns)} for server in served]
        world.edit_authority("secondaries: [", f"secondaries: [{json.dumps(listed)[1:-1]}, ")
        world.commit("Servers of other makers")
        return world


def _request(lab: Lab, method: str, path: str, body: Mapping[str, object]) -> None:
    http = PowerDnsHttp(lab.primary.api_url, lab.api_key, None, 10.0)
    reply = http.exchange(method, path, {}, json.dumps(body).encode())
    assert reply.status in (201, 204), reply.body


@pytest.fixture(scope="module")
def makers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Makers]:
    """All of them, running."""
    (bind, _), (knot, _) = free_addresses(["127.0.0.1", "127.0.0.4"])  # BIND listens where an interface says so only
    folder = tmp_path_factory.mktemp("makers")
    lab = start_lab(
        folder / "lab", zone="lab.internal", settings={"also-notify": f"{bind},{knot}", "xfr-cycle-interval": "1"}
    )
    key = secret()
    with ExitStack() as stack:
        stack.callback(stop_lab, lab)
        name = {"name": _KEY_NAME, "algorithm": "hmac-sha256", "key": key}
        _request(lab, "POST", "/api/v1/servers/localhost/tsigkeys", name)
        producer = {"name": f"{CATALOG}.", "kind": "Producer", "soa_edit_api": "INCREASE", "nameservers": ["invalid."]}
        _request(lab, "POST", ZONES, {**producer, "master_tsig_key_ids": [_KEY_NAME]})
        servers = []
        for make, address in ((bind_secondary, bind), (knot_secondary, knot)):
            place = folder / make.__name__
            place.mkdir()
            servers.append(make(place, address, lab.primary.dns, key))
            servers[-1].start()
            stack.callback(servers[-1].stop)
        yield Makers(lab, *servers)


@contextmanager
def running(server: Server, zone: str) -> Iterator[Server]:
    """A resolver that answers."""
    server.start()
    try:
        question = Question(zone, "SOA")
        ask = PlainDnsClient().ask
        wait_until(
            lambda: bool(ask(server.dns, [question], recursion_desired=True, timeout_s=1)[question].rrsets),
            _START_S,
            server.name,
        )
        yield server
    finally:
        server.stop()
