"""Two PowerDNS on one PostgreSQL or MariaDB: nothing is transferred, caches are flushed or explained."""

import itertools
import json
from datetime import timedelta
from pathlib import Path

import pytest

from hyops_gitops.adapters.dns.client import PlainDnsClient
from hyops_gitops.adapters.powerdns.http import PowerDnsHttp
from hyops_gitops.apply.receipt import Receipt
from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.events import Event, Warned
from hyops_gitops.core.exchange import Question
from hyops_gitops.core.zone import Zone
from hyops_gitops.lab.lifecycle import start_lab
from hyops_gitops.lab.model import Lab
from hyops_gitops.lab.zones import served_serial
from hyops_gitops.log.entries import Result
from hyops_gitops.observe.find_drift import DriftReport
from tests.stories.native.conftest import MakeWorld, native_authority, on_each_database
from tests.support.checkups import checkup_of
from tests.support.drifts import drift, only
from tests.support.world import World

pytestmark = pytest.mark.authority
_numbers = itertools.count(1)
KEPT = "keep an answer for up to 40 s, and that there is none for up to 80 s"


def asked(world: World, service: str) -> tuple[str, ...]:
    """What the second server answers, which its caches hold from now on."""
    assert world.lab is not None
    question = Question(world.name(service), "A")
    answers = PlainDnsClient().ask(world.lab.secondaries[0].dns, [question], recursion_desired=False, timeout_s=2)
    return tuple(text for rrset in answers[question].rrsets for text in rrset.rdata)


def applied(world: World) -> tuple[Receipt, list[str]]:
    """An apply, and its warnings."""
    events: list[Event] = []
    receipt = world.apply(on_event=events.append)
    return receipt, [event.text for event in events if isinstance(event, Warned)]


def without_flush(world: World) -> World:
    """The same, where nobody may use the second server's API."""
    world.environ["HYOPS_SECONDARY_URLS"] = ""
    return world


def zone_request(lab: Lab, method: str, zone: str, body: object = None) -> None:
    """One request about zones to the primary alone."""
    http = PowerDnsHttp(lab.primary.api_url, lab.api_key, None, 10.0)
    path = "/api/v1/servers/localhost/zones" + ("" if method == "POST" else f"/{zone}.")
    assert http.exchange(method, path, {}, None if body is None else json.dumps(body).encode()).status in (201, 204)


def new_zone(lab: Lab) -> str:
    """A zone that the second server does not know of yet."""
    zone = f"new{next(_numbers)}.internal"
    fields = {"name": f"{zone}.", "kind": "Native", "soa_edit_api": "INCREASE", "nameservers": [f"ns1.{zone}."]}
    zone_request(lab, "POST", zone, fields)
    assert served_serial(lab.secondaries[0], zone) is None
    return zone


@on_each_database
def test_caches_are_flushed_and_no_transfer_is_requested(world: World) -> None:
    asked(world, "first")  # "there is none" stays for a minute
    receipt, warnings = applied(world)
    assert (receipt.outcome, [server.verdict for server in receipt.servers]) == ("applied", ["converged"] * 2)
    assert asked(world, "first") == ("10.0.0.1",)
    world.contract("first", "10.0.0.2")
    world.commit()
    receipt, more = applied(world)
    assert (receipt.outcome, warnings + more) == ("applied", [])
    assert asked(world, "first") == ("10.0.0.2",)
    assert world.cli("audit").exit == 0


def test_without_a_flush_the_caches_are_explained(world: World) -> None:
    asked(world, "first")
    receipt, warnings = applied(without_flush(world))
    assert (receipt.outcome, receipt.exit_code) == ("unconfirmed", 5)
    (said,) = warnings
    assert said.startswith(f"secondary secondary1 reads the primary's database, and its caches {KEPT}")
    assert f"pdns_control purge '{world.zone}$'" in said


def test_a_zone_that_is_new_to_the_second_server_is_said_to_be(native_lab: Lab, tmp_path: Path) -> None:
    zone = new_zone(native_lab)
    convergence = {"timeout_s": 3, "require": ["primary", "secondaries"]}
    world = World.make(tmp_path, zone, native_lab, replication="native", convergence=convergence)
    urls = world.environ["HYOPS_SECONDARY_URLS"]
    receipt, warnings = applied(without_flush(world))
    assert receipt.exit_code == 5
    (said,) = warnings
    assert said.startswith(
        f"secondary secondary1 does not know {zone}: PowerDNS reads the list of its zones every 300 s"
    )
    unknown = {check.id: check for check in checkup_of(world).checks}["secondary-secondary1"]
    assert "zone-cache-refresh-interval" in unknown.remedy
    found = drift(world, "dns")
    assert (found.cases, found.exit_code) == ((), 4)
    assert "cannot conclude: it answered REFUSED; PowerDNS reads the list of its zones" in found.unseen[-1]
    world.environ["HYOPS_SECONDARY_URLS"] = urls
    world.contract("second", "10.0.0.2")
    world.commit()
    receipt, warnings = applied(world)
    assert (receipt.outcome, warnings) == ("applied", [])


def test_doctor_advises_nothing_that_would_break_it(world: World) -> None:
    applied(world)
    checks = {check.id: check for check in checkup_of(world).checks}
    assert {name for name, check in checks.items() if check.state not in ("ok", "attested")} <= {"backend", "isolation"}
    assert "notify" not in checks
    assert "as in the primary's" in checks["secondary-api-secondary1"].seen
    assert checks["secondary-caches-secondary1"].seen == "flushed by its API after each change"


def test_doctor_says_what_caches_do_to_an_apply_that_waits_too_short(make_world: MakeWorld) -> None:
    world = without_flush(make_world(convergence={"timeout_s": 60, "require": ["secondaries"]}))
    check = {check.id: check for check in checkup_of(world).checks}["secondary-caches-secondary1"]
    assert (check.state, KEPT in check.seen) == ("unknown", True)
    world.edit_authority('"timeout_s": 60', '"timeout_s": 90')
    world.commit()
    check = {check.id: check for check in checkup_of(world).checks}["secondary-caches-secondary1"]
    assert check.state == "ok"


def test_drift_names_caches_and_flushes_them_on_request(world: World) -> None:
    applied(world)
    asked(world, "first")
    world.contract("first", "10.0.0.2")
    world.commit()
    urls = world.environ["HYOPS_SECONDARY_URLS"]
    applied(without_flush(world))
    found: DriftReport = drift(world, "dns")
    case = only(found, "secondary-behind")
    assert "whose database it reads" in case.message
    assert KEPT in case.hint
    ran = world.cli("status", "first")
    assert "<- still cached, for" in ran.out
    world.environ["HYOPS_SECONDARY_URLS"] = urls
    assert drift(world).cases == ()  # its API shows the database
    mended = drift(world, "dns", retransfer="secondary1")
    assert (mended.cases, mended.retransferred) == ((), "secondary1")
    assert asked(world, "first") == ("10.0.0.2",)


def test_the_old_target_is_kept_as_long_as_caches_of_the_second_server_may_name_it(world: World) -> None:
    applied(world)
    world.contract("first", "10.0.0.2", ttl=60)
    world.commit()
    applied(world)
    result = world.bodies()[-1]
    assert isinstance(result, Result)
    assert result.accepted is not None
    (due,) = result.retire
    assert due.after is not None
    assert due.after >= result.accepted + timedelta(seconds=60 + 40)  # the old TTL, and a cache that gave it out


@on_each_database
def test_a_lost_zone_comes_back_on_both(native_lab: Lab, world: World) -> None:
    applied(world)
    before = world.records()
    zone_request(native_lab, "DELETE", world.zone)
    restored = world.cli("restore", "--yes", "--format", "json")
    assert restored.document()["outcome"] == "restored", restored.err
    assert Zone.of(world.zone, world.secondary().rrsets()) == world.records() == before
    assert world.primary.header().kind == "native"


@on_each_database
def test_lab_up_follows_an_authority_that_says_native(world: World, tmp_path: Path) -> None:
    assert world.lab is not None
    lab = tmp_path / "lab"
    up = world.cli("lab", "up", "--backend", world.lab.backend, "--dir", lab)
    try:
        assert up.exit == 0, up.err
        environ = dict(line.split("=", 1) for line in (lab / "env").read_text().splitlines())
        world.environ.update(environ)
        ran = world.cli("apply", "--authority", lab / "authority.yaml", "--format", "json")
        assert (ran.exit, ran.document()["outcome"]) == (0, "applied")
    finally:
        assert world.cli("lab", "down", "--dir", lab).exit == 0
    assert not lab.exists()


def test_an_lmdb_file_is_not_shared(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        start_lab(tmp_path / "lab", zone="lab.internal", backend="lmdb", authority=native_authority())
    assert caught.value.code == "lab-native"


@pytest.mark.parametrize(("lease_s", "expected"), [(120, 90), (60, 60)])
def test_the_wait_outlasts_the_caches_where_nothing_else_is_said(
    native_lab: Lab, tmp_path: Path, lease_s: int, expected: int
) -> None:
    convergence = {"require": ["secondaries"]}
    world = World.make(
        tmp_path, "lab.internal", native_lab, convergence=convergence, lease_s=lease_s, replication="native"
    )
    assert world.cli("validate").exit == 0
    checks = {check.id: check for check in checkup_of(without_flush(world)).checks}
    assert f"{expected} s" in checks["secondary-caches-secondary1"].seen.replace("timeout_s is 60", "60 s")
