"""`doctor --race`: the isolation of a real database, by updates at the same moment in a scratch zone."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hyops_gitops.adapters.powerdns.http import PowerDnsHttp
from hyops_gitops.adapters.powerdns.server import server_info
from hyops_gitops.adapters.powerdns.whole_zone import PowerDnsScratchZone
from hyops_gitops.core.errors import OutsideFailure, ServerRefused
from hyops_gitops.core.events import Event
from hyops_gitops.core.exchange import PatchReceipt
from hyops_gitops.core.zone import RRset
from hyops_gitops.lab.lifecycle import start_lab, stop_lab
from hyops_gitops.lab.model import Backend, Lab
from hyops_gitops.observe.checkup import DoctorRequest
from hyops_gitops.observe.isolation import SCRATCH_PREFIX, Race, closing_settings, race, scratch_name
from tests.support.checkups import LOOKED, checkup_of
from tests.support.databases import require, rows
from tests.support.world import World

pytestmark = pytest.mark.authority
RACED = DoctorRequest(runner_site="hetzner", remote_site="hetzner", race=True)


def zones(lab: Lab) -> list[str]:
    """Every zone on the primary."""
    http = PowerDnsHttp(lab.primary.api_url, lab.api_key, None, 10.0)
    listed = json.loads(http.exchange("GET", "/api/v1/servers/localhost/zones", {}).body)
    return sorted(zone["name"].removesuffix(".") for zone in listed)


@contextlib.contextmanager
def lab_on(directory: Path, backend: Backend, **options: str) -> Iterator[Lab]:
    """A lab with options of PowerDNS's, their names with underscores."""
    require(backend)
    settings = {name.replace("_", "-"): value for name, value in options.items()}
    lab = start_lab(directory / "lab", zone="lab.internal", backend=backend, settings=settings)
    try:
        yield lab
    finally:
        stop_lab(lab)


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """At its defaults; a test that changes the role's sets it back."""
    with lab_on(tmp_path_factory.mktemp("postgresql"), "gpgsql") as lab:
        yield lab


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """At its defaults, and PowerDNS's."""
    with lab_on(tmp_path_factory.mktemp("mariadb"), "gmysql") as lab:
        yield lab


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """MariaDB with the half of the remedy that stands in pdns.conf; a test that adds the server's sets it back."""
    with lab_on(tmp_path_factory.mktemp("half"), "gmysql", gmysql_innodb_read_committed="no") as lab:
        yield lab


def scratch(lab: Lab) -> PowerDnsScratchZone:
    return PowerDnsScratchZone(lab.primary.api_url, "localhost", scratch_name("0123456789abcdef"), lab.api_key)


def raced(lab: Lab) -> Race:
    """One race; nothing of it may be left."""
    before = zones(lab)
    outcome = race(scratch(lab), lambda _: None)
    assert zones(lab) == before
    return outcome


Record = Callable[[str, str], None]


@pytest.mark.parametrize("database", ["postgresql", "mariadb", "half"])
def test_a_database_that_lets_updates_pass_each_other_is_found_out(
    request: pytest.FixtureRequest, database: str, record_property: Record
) -> None:
    outcome = raced(request.getfixturevalue(database))
    record_property("said", str(outcome))
    assert outcome.cname_beside > 0
    assert not outcome.kept_apart


@pytest.mark.parametrize(
    ("database", "sql", "back"),
    [
        ("postgresql", "ALTER ROLE pdns SET {} = 'repeatable read'", "ALTER ROLE pdns RESET {}"),
        ("postgresql", "ALTER ROLE pdns SET {} = 'serializable'", "ALTER ROLE pdns RESET {}"),
        ("half", "SET GLOBAL innodb_snapshot_isolation = ON", "SET GLOBAL innodb_snapshot_isolation = OFF"),
        ("half", "SET GLOBAL tx_isolation = 'SERIALIZABLE'", "SET GLOBAL tx_isolation = 'REPEATABLE-READ'"),
        pytest.param("small_lab", "", "", marks=pytest.mark.only_backend("gsqlite3")),
    ],
    ids=["repeatable read", "serializable", "snapshot isolation", "MariaDB serializable", "gsqlite3"],
)
def test_a_database_that_keeps_updates_apart_is_not_blamed(
    request: pytest.FixtureRequest, database: str, sql: str, back: str, record_property: Record
) -> None:
    lab: Lab = request.getfixturevalue(database)
    if sql:
        rows(lab, sql.format("default_transaction_isolation"))
    try:
        outcome = raced(lab)
    finally:
        if back:
            rows(lab, back.format("default_transaction_isolation"))
    record_property("said", str(outcome))
    assert outcome.kept_apart
    assert outcome.accepted > outcome.races // 2  # a race in which nothing is accepted tries nothing


def test_lmdb_keeps_updates_apart(tmp_path: Path, record_property: Record) -> None:
    with lab_on(tmp_path, "lmdb") as lab:
        outcome = raced(lab)
    record_property("said", str(outcome))
    assert outcome.kept_apart


def test_the_verdict_names_the_settings_that_close_it(postgresql: Lab, tmp_path: Path) -> None:
    world = World.make(tmp_path / "world", "lab.internal", postgresql)
    quiet = {check.id: check for check in checkup_of(world, attests=LOOKED).checks}["isolation"]
    assert (quiet.state, "doctor --race" in quiet.remedy) == ("unknown", True)
    with world.nothing_written():
        loud = {check.id: check for check in checkup_of(world, RACED).checks}["isolation"]
    assert loud.state == "fail"
    assert "left a TXT beside a CNAME" in loud.seen
    for word in ("default_transaction_isolation = 'repeatable read'", "lock_timeout"):
        assert word in loud.remedy
    assert "innodb" not in loud.remedy


def test_what_pdns_conf_asks_of_the_database_is_read_from_the_api_and_is_enough(tmp_path: Path) -> None:
    options = r"options='-c default_transaction_isolation=repeatable\\ read'"
    with lab_on(tmp_path, "gpgsql", gpgsql_extra_connection_parameters=options) as lab:
        assert options in closing_settings(["gpgsql"])
        info = server_info(lab.primary.api_url, "localhost", lab.api_key)
        assert (info.backends, info.isolation) == (("gpgsql",), "repeatable read")
        world = World.make(tmp_path / "world", "lab.internal", lab)
        check = {check.id: check for check in checkup_of(world).checks}["isolation"]
        assert (check.state, check.seen) == ("ok", "pdns.conf asks gpgsql for repeatable read")
        ran = world.cli("doctor", "--race", "--format", "json")
        checks = ran.document()["checks"]
        assert isinstance(checks, list)
        (shown,) = [check for check in checks if check["check"] == "isolation"]
        assert (shown["state"], zones(lab)) == ("ok", ["lab.internal"])
        assert "racing updates in the scratch zone hyops-doctor-race-" in ran.err


def test_mariadbs_half_in_pdns_conf_is_read_too(mariadb: Lab, half: Lab, tmp_path: Path) -> None:
    assert server_info(mariadb.primary.api_url, "localhost", mariadb.api_key).isolation == "read committed"
    assert server_info(half.primary.api_url, "localhost", half.api_key).isolation == ""
    world = World.make(tmp_path / "world", "lab.internal", mariadb)
    check = {check.id: check for check in checkup_of(world, attests=LOOKED).checks}["isolation"]
    assert check.state == "unknown"
    assert "gmysql-innodb-read-committed=no" in check.remedy
    assert "one writer node" in check.remedy


def test_a_zone_of_that_name_is_left_alone(small_lab: Lab) -> None:
    zone = scratch(small_lab)
    soa = RRset.of(zone.name, "SOA", 60, [f"ns1.{zone.name}. hostmaster.{zone.name}. 1 2 3 4 5"])
    zone.create([soa], native=True, transfer_keys=())
    try:
        with pytest.raises(OutsideFailure) as caught:
            race(zone, lambda _: None)
        assert caught.value.code == "scratch-zone"
        assert zone.exists()
        assert [rrset.type for rrset in zone.rrsets()] == ["SOA"]
    finally:
        zone.remove()


class MadeMeanwhile(PowerDnsScratchZone):
    """A zone that somebody else makes between the look and our request."""

    __slots__ = ()

    def exists(self) -> bool:
        return False


def test_a_zone_that_another_made_meanwhile_is_left_alone(small_lab: Lab) -> None:
    zone = scratch(small_lab)
    soa = RRset.of(zone.name, "SOA", 60, [f"ns1.{zone.name}. hostmaster.{zone.name}. 1 2 3 4 5"])
    zone.create([soa], native=True, transfer_keys=())
    blind = MadeMeanwhile(small_lab.primary.api_url, "localhost", zone.name, small_lab.api_key)
    try:
        with pytest.raises(ServerRefused):
            race(blind, lambda _: None)
        assert zone.exists()
    finally:
        zone.remove()


class Interrupted(PowerDnsScratchZone):
    """Somebody presses Ctrl-C, or the server fails, in the middle of it."""

    __slots__ = ("error",)
    error: BaseException

    def rrsets(self) -> tuple[RRset, ...]:
        raise self.error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OutsideFailure("away", code="powerdns-timeout")])
def test_the_zone_is_removed_whatever_happens(small_lab: Lab, error: BaseException) -> None:
    zone = Interrupted(small_lab.primary.api_url, "localhost", scratch_name("f" * 16), small_lab.api_key)
    zone.error = error
    with pytest.raises(type(error)):
        race(zone, lambda _: None)
    assert not zone.exists()


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM])
def test_the_zone_is_removed_by_a_doctor_that_is_ended(served: World, ended_by: signal.Signals) -> None:
    assert served.lab is not None
    command = [sys.executable, "-m", "hyops_gitops", "doctor", "--race"]
    process = subprocess.Popen(
        command, cwd=served.root, env=served.environ, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if SCRATCH_PREFIX in line:
            break
    deadline = time.monotonic() + 20
    while not any(zone.startswith(SCRATCH_PREFIX) for zone in zones(served.lab)) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(ended_by)
    assert process.wait(60) == 130
    process.stderr.close()
    assert not [zone for zone in zones(served.lab) if zone.startswith(SCRATCH_PREFIX)]


class RefusesAll(PowerDnsScratchZone):
    """A database that carries out no update."""

    __slots__ = ()

    def patch(self, *_: object) -> PatchReceipt:
        raise ServerRefused("no", code="powerdns-refused")


def test_a_race_in_which_nothing_is_accepted_proves_nothing(small_lab: Lab) -> None:
    zone = RefusesAll(small_lab.primary.api_url, "localhost", scratch_name("e" * 16), small_lab.api_key)
    with pytest.raises(OutsideFailure, match="no update was accepted: no"):
        race(zone, lambda _: None)


def test_only_a_scratch_zone_can_be_removed(small_lab: Lab) -> None:
    with pytest.raises(ValueError, match="is not a scratch zone"):
        PowerDnsScratchZone(small_lab.primary.api_url, "localhost", "lab.internal", small_lab.api_key).remove()
    assert "lab.internal" in zones(small_lab)


def test_a_scratch_zone_that_cannot_be_removed_is_named(small_lab: Lab) -> None:
    class Stays(RefusesAll):
        __slots__ = ()

        def remove(self) -> None:
            raise OutsideFailure("away", code="powerdns-timeout")

    events: list[Event] = []
    zone = Stays(small_lab.primary.api_url, "localhost", scratch_name("d" * 16), small_lab.api_key)
    with pytest.raises(OutsideFailure, match="no update was accepted"):
        race(zone, events.append)
    said = getattr(events[-1], "text", "")
    assert said.endswith(f"cannot remove {zone.name}: away; on the primary: pdnsutil delete-zone {zone.name}")
    PowerDnsScratchZone(small_lab.primary.api_url, "localhost", zone.name, small_lab.api_key).remove()


@pytest.mark.only_backend("gsqlite3")
def test_it_is_only_on_request(served: World) -> None:
    checks = {check.id: check for check in checkup_of(served, attests=LOOKED).checks}
    assert checks["isolation"].seen == "gsqlite3 has one writer at a time"
