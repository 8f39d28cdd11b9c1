"""The proxy lets through what each command needs and nothing else: a real nginx before a real PowerDNS."""

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from hyops_gitops.adapters.powerdns.http import PowerDnsHttp
from hyops_gitops.adapters.powerdns.zone_api import PowerDnsReader
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.lab.model import Lab
from hyops_gitops.lab.processes import free_addresses
from hyops_gitops.observe.metrics import CERTIFICATE
from tests.support.clone import run
from tests.support.keys import ok
from tests.support.lived import Lived
from tests.support.metrics import parsed, values
from tests.support.repository import ROOT
from tests.support.world import World

DEPLOY = ROOT / "deploy"
TEMPLATES = {"primary": DEPLOY / "proxy/primary.conf.template", "secondary": DEPLOY / "proxy/secondary.conf.template"}
JSON = ("--format", "json")
MAIN = """\
daemon off;
user root;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u;
  scgi_temp_path {dir}/s;
  include {dir}/site.conf;
}}
"""


COMPOSE_FILES = sorted(str(path.relative_to(DEPLOY)) for path in DEPLOY.glob("*/compose*.yaml"))


@pytest.mark.parametrize("file", COMPOSE_FILES)
def test_compose_files_follow_the_compose_specification(file: str) -> None:
    run(
        Path(sys.executable).with_name("check-jsonschema"),
        "--builtin-schema",
        "vendor.compose-spec",
        DEPLOY / file,
    )


@pytest.mark.parametrize("server", ["primary", "secondary", "postgresql"])
def test_every_variable_is_in_the_example(server: str) -> None:
    files = [*(DEPLOY / server).glob("compose*.yaml"), DEPLOY / server / "setup"]
    text = "".join(file.read_text() for file in files)
    images = {"PDNS_AUTH_IMAGE", "PROXY_IMAGE", "POSTGRES_IMAGE"}
    asked = set(re.findall(r"\$\{?([A-Z_]+)", text)) - images - {"TSIG_SECRET", "PWD"}
    given = set(re.findall(r"^([A-Z_]+)=", (DEPLOY / server / "env.example").read_text(), re.MULTILINE))

    assert asked == given


@pytest.mark.parametrize("server", ["primary", "secondary"])
def test_compose_gives_the_proxy_every_variable_of_its_template(server: str) -> None:
    asked = set(re.findall(r"\$\{([A-Z_]+)\}", TEMPLATES[server].read_text()))
    given = set(re.findall(r"^      ([A-Z_]+): ", (DEPLOY / server / "compose.yaml").read_text(), re.MULTILINE))

    assert asked == given


def test_no_api_is_published_but_by_the_proxy() -> None:
    for server in ("primary", "secondary"):
        text = (DEPLOY / server / "compose.yaml").read_text()
        pdns = text.split("  proxy:\n")[0]
        assert "8081" not in pdns.split("ports:")[1]
        assert re.findall(r'"([^"]*):8443:8443/tcp"', text) == ["${API_ADDRESS:?a private address, or 127.0.0.1}"]
    assert '"127.0.0.1:8444:8444/tcp"' in (DEPLOY / "primary/compose.yaml").read_text()


def test_the_base_of_the_image_is_named_by_digest() -> None:
    (base,) = re.findall(r"^ARG BASE_IMAGE=(\S+)$", (DEPLOY / "image/Dockerfile").read_text(), re.MULTILINE)

    assert re.fullmatch(r"debian:trixie-slim@sha256:[0-9a-f]{64}", base)


# --- the real thing


@dataclass(frozen=True, slots=True)
class Proxy:
    api: str  # scheme://host:port
    restore: str
    certificate: Path
    key: str

    def ask(self, method: str, path: str, *, url: str | None = None, body: object = None) -> int:
        """The status of one request with the right API key."""
        http = PowerDnsHttp(url or self.api, self.key, str(self.certificate), 5.0)
        data = None if body is None else json.dumps(body).encode()
        return http.exchange(method, f"/api/v1/servers/localhost{path}", {}, data).status


def start(directory: Path, template: Path, upstream: str, zone: str, key: str) -> tuple[subprocess.Popen[bytes], Proxy]:
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None:
        if "CI" in os.environ:
            pytest.fail("nginx is not installed, and CI must run this")
        pytest.skip("nginx is not installed: apt-get install nginx-light")
    directory.mkdir()
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=lab"
    named = ("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", directory / "tls.key", "-out", directory / "tls.crt")
    run(*made.split(), *named)
    (_, api), (_, restore) = free_addresses(["127.0.0.1", "127.0.0.1"])
    values = {
        "ZONE": f"{zone}.",
        "API_LISTEN": str(api),
        "RESTORE_LISTEN": str(restore),
        "API_UPSTREAM": upstream,
        "TLS_DIR": str(directory),
        "MAX_BODY_MIB": "2",
    }
    (directory / "site.conf").write_text(rendered(template, values))
    (directory / "nginx.conf").write_text(MAIN.format(dir=directory))
    run(nginx, "-t", "-q", "-c", directory / "nginx.conf", "-e", directory / "error.log")
    process = subprocess.Popen([nginx, "-c", directory / "nginx.conf", "-e", directory / "error.log"])
    proxy = Proxy(f"https://{api}", f"https://{restore}", directory / "tls.crt", key)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            proxy.ask("GET", "/nothing")
            break
        except OutsideFailure:
            time.sleep(0.05)
    return process, proxy


def rendered(template: Path, values: Mapping[str, str]) -> str:
    """As the official image does it: only these variables, nginx's own stay."""
    return re.sub(r"\$\{([A-Z_]+)\}", lambda match: values[match[1]], template.read_text())


@pytest.fixture
def guarded(simple: Lived, tmp_path: Path) -> Iterator[tuple[Lived, Proxy]]:
    lab = simple.world.lab
    assert lab is not None
    place = tmp_path / "proxy"
    process, proxy = start(place, TEMPLATES["primary"], str(lab.primary.api), simple.world.zone, lab.api_key)
    try:
        yield simple, proxy
    finally:
        process.terminate()
        process.wait(10)


def behind(world: World, url: str, certificate: Path) -> Path:
    """An authority file that leads through a proxy; HYOPS_PRIMARY_URL has to be its address."""
    assert world.lab is not None
    shutil.copy(certificate, world.root / "ca.pem")
    text = world.read(world.authority_path).replace(
        json.dumps(world.lab.primary.api_url), f'{json.dumps(url)}, "ca_file": "ca.pem"', 1
    )
    file = world.root.parent / f"authority-{url.rsplit(':', 1)[1]}.yaml"
    file.write_text(text)
    return file


def test_the_primary_proxy(guarded: tuple[Lived, Proxy]) -> None:
    lived, proxy = guarded
    world, zone = lived.world, f"/zones/{lived.world.zone}."
    world.contract("third", "10.0.0.3")
    world.commit("Third")
    file = behind(world, proxy.api, proxy.certificate)
    applied = ok(world.cli("apply", "--authority", file, "--format", "json", HYOPS_PRIMARY_URL=proxy.api)).document()

    assert applied["outcome"] == "applied"
    assert world.at("third")["A"][1] == ("10.0.0.3",)
    for method, path in [
        ("DELETE", zone),
        ("PUT", zone),
        ("POST", "/zones"),
        ("GET", "/zones"),
        ("GET", "/zones/lab.internal."),
        ("PATCH", "/zones/lab.internal."),
        ("GET", f"{zone}/metadata"),
        ("PUT", f"{zone}/rectify"),
        ("GET", f"{zone}/export"),
        ("GET", "/config"),
        ("GET", "/tsigkeys"),
        ("GET", "/search-data?q=*"),
        ("GET", "/search-data?q=first.prod.lab.internal&max=2000&object_type=record"),
        ("GET", f"/search-data?q={world.zone}&q=*&max=2000&object_type=record"),
        ("GET", f"/search-data?q=*&max=2000&object_type=record&q={world.zone}&max=2000&object_type=record"),
        ("PUT", f"/search-data?q={world.zone}&max=2000&object_type=record"),
        ("PUT", "/cache/flush?domain=x."),
        ("GET", f"/zones/../zones{zone}/../lab.internal."),
    ]:
        assert proxy.ask(method, path, body={} if method != "GET" else None) == 403, (method, path)
    assert proxy.ask("GET", f"{zone}?rrsets=false") == 200
    assert proxy.ask("PUT", f"{zone}/notify") == 200
    assert world.lab is not None
    reader = PowerDnsReader(proxy.api, "localhost", world.zone, world.lab.api_key, str(proxy.certificate))
    markers = f"_hyops-gitops.{world.zone}"
    assert reader.rrsets_below(markers) == world.primary.rrsets_below(markers)  # None on LMDB before 5.0, both
    asked = world.cli("status", "--authority", file, "--format", "openmetrics", HYOPS_PRIMARY_URL=proxy.api)
    (expires,) = values(parsed(asked.out), CERTIFICATE.name, server=proxy.api.removeprefix("https://"))
    ends = run("openssl", "x509", "-noout", "-enddate", "-in", proxy.certificate).decode().removeprefix("notAfter=")
    assert expires == ssl.cert_time_to_seconds(ends.strip())


def test_a_restore_goes_by_its_own_listener_alone(guarded: tuple[Lived, Proxy]) -> None:
    lived, proxy = guarded
    lived.lose_zone()
    public = behind(lived.world, proxy.api, proxy.certificate)
    refused = lived.world.cli("restore", "--yes", "--authority", public, *JSON, HYOPS_PRIMARY_URL=proxy.api)
    local = behind(lived.world, proxy.restore, proxy.certificate)
    done = ok(lived.world.cli("restore", "--yes", "--authority", local, *JSON, HYOPS_PRIMARY_URL=proxy.restore))

    assert (refused.exit, refused.document()["outcome"]) == (4, "failed")
    assert done.document()["outcome"] == "restored"
    assert lived.world.records().digest() == lived.before.digest()
    closed = [
        ("DELETE", f"/zones/{lived.world.zone}."),
        ("GET", "/zones"),
        ("GET", "/tsigkeys"),
        ("PUT", "/cache/flush?domain=x."),
    ]
    for method, path in closed:
        assert proxy.ask(method, path, url=proxy.restore, body={} if method != "GET" else None) == 403


def test_the_secondary_proxy(small_lab: Lab, simple: Lived, tmp_path: Path) -> None:
    world, upstream = simple.world, str(small_lab.secondaries[0].api)
    process, proxy = start(tmp_path / "proxy", TEMPLATES["secondary"], upstream, world.zone, small_lab.api_key)
    zone = f"/zones/{world.zone}."
    rrsets = {"rrsets": [{"name": f"x.{world.zone}.", "type": "A", "changetype": "DELETE"}]}
    try:
        assert proxy.ask("PUT", f"{zone}/axfr-retrieve") == 200
        assert proxy.ask("GET", zone) == 200
        assert proxy.ask("PUT", f"/cache/flush?domain={world.zone}.") == 200
        for method, path, body in [
            ("PUT", "/cache/flush?domain=lab.internal.", None),
            ("PUT", "/cache/flush", None),
            ("GET", f"/cache/flush?domain={world.zone}.", None),
            ("PATCH", zone, rrsets),
            ("DELETE", zone, None),
            ("PUT", zone, {}),
            ("GET", "/zones", None),
        ]:
            assert proxy.ask(method, path, body=body) == 403, (method, path)
    finally:
        process.terminate()
        process.wait(10)
