"""`init --from-zone`: contracts for a zone as it is, reasons for the rest, a first apply that changes no answer."""

import json
import os
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from hyops_gitops.adapters.dns.client import PlainDnsClient
from hyops_gitops.adapters.powerdns.http import PowerDnsHttp
from hyops_gitops.adapters.powerdns.zone_api import PowerDnsTransferRequester
from hyops_gitops.cli.main import execute
from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.core.errors import Exit
from hyops_gitops.core.exchange import Question
from hyops_gitops.core.zone import RRset
from hyops_gitops.lab.model import Lab
from hyops_gitops.lab.zones import served_serial, wait_until
from tests.init.conftest import ZONE, Init
from tests.support.records import FOREIGN
from tests.support.served_zone import PatientWriter
from tests.support.world import World

MIXED = 300
NOT_TAKEN_OVER = """\
$TTL 60
@                SOA ns1 hostmaster 1 2 3 4 5
@                NS  ns1
ns1              A   10.0.0.53
printer          A   10.0.0.9
a.b.prod         A   10.0.0.9
*.prod           A   10.0.0.9
_x.prod          A   10.0.0.9
pg.qa            A   10.0.0.9
far.prod         A   192.0.2.1
slow.prod   7200 A   10.0.0.9
two.prod     30  A   10.0.0.9
two.prod     60  AAAA fd00::9
alias.prod       CNAME printer
chain.prod       CNAME alias.prod
under.prod       CNAME _sip._tcp.example.net.
web.prod         A   10.0.0.9
web.prod         HTTPS 1 . alpn=h2
mail.prod        MX  10 mx.example.net.
x.sub            A   10.0.0.9
sub              NS  ns.example.net.
good.prod        A   10.0.0.1
good.prod        A   10.0.0.2
good.prod        AAAA fd00::1
good.prod        TXT "stays"
cname.shared     CNAME elsewhere.example.net.
other.dev        CNAME cname.shared
"""
REASONS = {
    (ZONE, "NS"): "a contract defines A, AAAA and CNAME only",
    ("ns1", "A"): "1 label(s) before the zone",
    ("printer", "A"): "1 label(s) before the zone",
    ("a.b.prod", "A"): "3 label(s) before the zone",
    ("*.prod", "A"): "label '*' may only hold letters",
    ("_x.prod", "A"): "label '_x' may only hold letters",
    ("pg.qa", "A"): "name-environment: ",
    ("far.prod", "A"): "target-network: ",
    ("slow.prod", "A"): "ttl-bounds: ",
    ("two.prod", "A"): "its records differ in TTL: A 30 s, AAAA 60 s",
    ("two.prod", "AAAA"): "its records differ in TTL",
    ("alias.prod", "CNAME"): "target-dangling: ",
    ("chain.prod", "CNAME"): "target-dangling: ",
    ("under.prod", "CNAME"): "target-name: ",
    ("web.prod", "A"): "also has a HTTPS that no contract owns",
    ("web.prod", "HTTPS"): "a contract defines A, AAAA and CNAME only",
    ("mail.prod", "MX"): "a contract defines A, AAAA and CNAME only",
    ("x.sub", "A"): "below the delegation at sub.",
    ("sub", "NS"): "a contract defines A, AAAA and CNAME only",
    ("good.prod", "TXT"): "a contract defines A, AAAA and CNAME only",
}


def full(name: str) -> str:
    return name if name.endswith(ZONE) else f"{name}.{ZONE}"


def test_each_record_has_a_contract_or_a_reason(init: Init, directory: Path, tmp_path: Path) -> None:
    (tmp_path / "zone").write_text(NOT_TAKEN_OVER)
    environments = [word for name in ("dev", "prod", "sub") for word in ("--environment", name)]
    began = init("--from-zone", tmp_path / "zone", "--default-port", "443", *environments)
    assert began.exit == Exit.OK
    assert began.document["taken_over"] == [
        "endpoints/dev/other.yaml",
        "endpoints/prod/good.yaml",
        "endpoints/shared/cname.yaml",
    ]
    unmapped = began.unmapped()
    assert unmapped.keys() == {(full(name), rrtype) for name, rrtype in REASONS}
    assert [key for key, reason in REASONS.items() if reason not in unmapped[(full(key[0]), key[1])]] == []
    assert execute(["validate", "--repo", str(directory)]) == Exit.OK
    assert execute(["fmt", "--check", "--repo", str(directory)]) == Exit.OK


def test_a_contract_says_what_the_zone_did_not(init: Init, directory: Path, tmp_path: Path) -> None:
    (tmp_path / "zone").write_text(NOT_TAKEN_OVER)
    init("--from-zone", tmp_path / "zone", "--default-port", "443", "--default-owner", "web")
    text = (directory / "endpoints" / "prod" / "good.yaml").read_text()
    assert 'endpoint_target: [10.0.0.1, 10.0.0.2, "fd00::1"]\n' in text
    assert "endpoint_port: 443 # TODO: " in text
    assert "  - {type: none, reason: " in text
    assert "endpoint_owner: web\n" in text


def test_what_is_no_zone_file_is_said(init: Init, directory: Path, tmp_path: Path) -> None:
    (tmp_path / "zone").write_text("pg.prod A not-an-address\n")
    began = init("--from-zone", tmp_path / "zone", "--default-port", "443")
    assert (began.exit, began.document["code"]) == (Exit.NO, "bad-zone-file")
    assert not directory.exists()


def test_a_text_longer_than_one_string_is_read_as_powerdns_exports_it(init: Init, tmp_path: Path) -> None:
    long = "x" * 410
    (tmp_path / "zone").write_text(
        f'good.prod 60 A 10.0.0.1\nlong.prod 60 TXT "{long}"\nodd.prod 60 TYPE65300 \\# 1 ab\n'
    )
    began = init("--from-zone", tmp_path / "zone", "--default-port", "443")
    assert (began.exit, began.document["taken_over"]) == (Exit.OK, ["endpoints/prod/good.yaml"])
    assert {("long.prod." + ZONE, "TXT"), ("odd.prod." + ZONE, "TYPE65300")} <= began.unmapped().keys()


# --- on a live primary


def records(zone: str) -> list[RRset]:
    """Several hundred of all kinds: some can have a contract, some cannot."""
    chosen = random.Random(300)  # noqa: S311 - the same zone each time
    made: list[RRset] = []
    for number in range(MIXED):
        environment = chosen.choice(("dev", "staging", "prod", "shared", "qa"))
        name, ttl = f"svc{number}.{environment}.{zone}", chosen.choice((30, 60, 300, 7200))
        match number % 10:
            case 0 | 1 | 2 | 3:
                addresses = {f"10.{chosen.randrange(256)}.0.{n}" for n in range(chosen.randrange(1, 4))}
                made.append(RRset.of(name, "A", ttl, addresses))
            case 4:
                made += [RRset.of(name, "A", 60, ["10.0.0.1"]), RRset.of(name, "AAAA", 60, [f"fd00::{number:x}"])]
            case 5:
                made.append(RRset.of(name, "CNAME", ttl, [f"host{number}.example.net."]))
            case 6:
                made.append(RRset.of(f"flat{number}.{zone}", "A", ttl, ["10.9.9.9"]))
            case 7:
                made += [RRset.of(name, "A", ttl, ["10.0.0.2"]), RRset.of(name, "TXT", 60, [f'"text {number}"'])]
            case 8:
                made.append(RRset.of(name, "SRV", ttl, [f"1 2 {number} host.example.net."]))
            case _:
                made.append(RRset.of(name, "A", ttl, ["203.0.113.9"]))  # in no allowed network
    return [*made, RRset.of(zone, "MX", 300, ["10 mx.example.net."]), RRset.of(f"*.wild.{zone}", "A", 60, ["10.1.1.1"])]


def answers(server: ServerAddress, questions: Sequence[Question]) -> Mapping[Question, object]:
    said = PlainDnsClient().ask(server, questions, recursion_desired=False, timeout_s=5)
    return {one: (reply.rcode, reply.authoritative, reply.rrsets) for one, reply in said.items()}


@pytest.mark.authority
def test_the_first_apply_of_an_existing_zone_changes_no_answer(
    init: Init, directory: Path, lab: Lab, zone_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    primary = PatientWriter(lab.primary.api_url, "localhost", zone_name, lab.api_key)
    primary.patch([], records(zone_name))
    for server in lab.secondaries:
        PowerDnsTransferRequester(server.api_url, "localhost", zone_name, lab.api_key).refresh()
    serial = primary.header().serial
    servers = [server.dns for server in lab.servers]
    for server in lab.secondaries:
        wait_until(lambda server=server: served_serial(server, zone_name) == serial, 10, "the transfer")  # type: ignore[misc]
    held = primary.rrsets()
    names = {rrset.name for rrset in held} | {f"nothing.prod.{zone_name}", f"any.wild.{zone_name}"}
    keys = {rrset.key for rrset in held if rrset.type != "SOA"} | {(name, "AAAA") for name in names}
    questions = [Question(*key) for key in sorted(keys)]
    before = [answers(server, questions) for server in servers]

    monkeypatch.setenv("POWERDNS_API_KEY", lab.api_key)
    monkeypatch.setenv("HYOPS_PRIMARY_URL", lab.primary.api_url)
    key = directory.parent / "key"
    secondaries = [word for one in lab.secondaries for word in ("--secondary", f"{one.name}@onprem={one.dns}")]
    began = init(
        "--zone", zone_name, "--primary-url", lab.primary.api_url, "--primary-dns", str(lab.primary.dns),
        "--primary-site", "hetzner", *secondaries, "--from-zone", "api", "--default-port", "443",
        "--generate-key", key, "--evidence", bare=True,
    )  # fmt: skip
    assert began.exit == Exit.OK
    taken = began.document["taken_over"]
    assert isinstance(taken, list)
    assert len(taken) > 100
    assert len(began.unmapped()) > 100

    world = World(directory, zone_name, _environ(lab, key), lab, None, key)
    ran = world.cli("plan", "--live", "--format", "json")
    assert {change["action"] for change in _changes(ran.out)} == {"adopt"}
    ran = world.cli("apply", "--format", "json")
    receipt = ran.document()
    assert (ran.exit, receipt["outcome"]) == (Exit.OK, "applied")
    assert receipt["serial"] == {"before": serial, "after": serial + 2}  # the lock row, then the markers of the intent
    assert [answers(server, questions) for server in servers] == before
    markers = [rrset.name for rrset in primary.rrsets() if "_hyops-gitops" in rrset.name]
    labels = sorted(name.removesuffix(f".{zone_name}") for name in markers)
    assert re.fullmatch("_2-after-[0-9a-f]{12}._hyops-gitops", labels.pop(0))
    assert labels == ["_2._hyops-gitops", "_hyops-gitops", "_protocol._hyops-gitops"]


@pytest.mark.authority
def test_the_zone_is_read_by_transfer_too(init: Init, directory: Path, lab: Lab, zone_name: str) -> None:
    primary = PatientWriter(lab.primary.api_url, "localhost", zone_name, lab.api_key)
    primary.patch([], [RRset.of(f"pg.prod.{zone_name}", "A", 60, ["10.0.0.1"])])
    options = (
        "--zone", zone_name, "--primary-url", lab.primary.api_url, "--primary-dns", str(lab.primary.dns),
        "--primary-site", "hetzner", "--from-zone", "axfr", "--default-port", "443",
    )  # fmt: skip
    refused = init(*options, bare=True)
    assert (refused.exit, refused.document["code"]) == (Exit.OUTSIDE, "axfr-refused")
    assert not directory.exists()
    _metadata(lab, zone_name, "ALLOW-AXFR-FROM", ["127.0.0.1"])
    assert init(*options, bare=True).document["taken_over"] == ["endpoints/prod/pg.yaml"]


@pytest.mark.authority
@pytest.mark.parametrize("source", ["api", "axfr"])
def test_records_of_every_kind_have_a_reason_from_either_source(
    init: Init, lab: Lab, zone_name: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    primary = PatientWriter(lab.primary.api_url, "localhost", zone_name, lab.api_key)
    primary.patch([], [RRset.of(f"{name}.prod.{zone_name}", kind, 60, [rdata]) for name, kind, rdata in FOREIGN])
    _metadata(lab, zone_name, "ALLOW-AXFR-FROM", ["127.0.0.1"])
    monkeypatch.setenv("POWERDNS_API_KEY", lab.api_key)
    monkeypatch.setenv("HYOPS_PRIMARY_URL", lab.primary.api_url)
    began = init(
        "--zone", zone_name, "--primary-url", lab.primary.api_url, "--primary-dns", str(lab.primary.dns),
        "--primary-site", "hetzner", "--from-zone", source, "--default-port", "443", bare=True,
    )  # fmt: skip
    assert began.exit == Exit.OK
    types = {name: "ADDR" if kind == "TYPE65400" else kind for name, kind, _ in FOREIGN}
    assert {(f"{name}.prod.{zone_name}", kind) for name, kind in types.items()} <= began.unmapped().keys()


def _metadata(lab: Lab, zone: str, kind: str, values: list[str]) -> None:
    http = PowerDnsHttp(lab.primary.api_url, lab.api_key, None, 10.0)
    path = f"/api/v1/servers/localhost/zones/{zone}./metadata/{kind}"
    body = json.dumps({"kind": kind, "metadata": values}).encode()
    assert http.exchange("PUT", path, {}, body).status == 200


def _environ(lab: Lab, key: Path) -> dict[str, str]:
    return {
        **os.environ,
        "POWERDNS_API_KEY": lab.api_key,
        "HYOPS_PRIMARY_URL": lab.primary.api_url,
        "HYOPS_SIGNING_KEY_FILE": str(key),
    }


def _changes(out: str) -> list[dict[str, object]]:
    document = json.loads(out)
    changes = document["changes"]
    assert isinstance(changes, list)
    return changes
