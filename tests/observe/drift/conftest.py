"""Worlds whose zone is applied and transferred, and looks at them."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hyops_gitops.adapters.powerdns.zone_api import PowerDnsTransferRequester, PowerDnsWriter
from hyops_gitops.lab.lifecycle import start_lab, stop_lab
from hyops_gitops.lab.model import Backend, Lab
from hyops_gitops.lab.zones import create_zone, served_serial, wait_until
from hyops_gitops.observe.drift import DriftCase, DriftReport
from hyops_gitops.observe.find_drift import DriftRequest, Look, look_for_drift
from tests.support.databases import require
from tests.support.world import World

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def open_lab(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab that transfers its zones to anybody on loopback."""
    require(backend)
    settings = {
        "xfr-cycle-interval": "3600",
        "allow-axfr-ips": "127.0.0.0/8",
        "disable-axfr": "no",
        "enable-lua-record-updates": "yes",  # asked for since 5.1, unknown before
        "ignore-unknown-settings": "enable-lua-record-updates",
    }
    directory = tmp_path_factory.mktemp("open-lab")
    running = start_lab(directory, zone="lab.internal", backend=backend, settings=settings)
    try:
        yield running
    finally:
        stop_lab(running)


def applied(lab: Lab, directory: Path) -> World:
    """A world with `first.prod` applied, beside two records that are not ours."""
    zone = f"drift{next(_numbers)}.internal"
    create_zone(lab, zone)
    world = World.make(directory, zone, lab)
    world.foreign("mail", "MX", "10 mail.example.com.")
    world.foreign("text", "TXT", '"a \\"quoted\\" text"')
    world.foreign("caa", "CAA", '0 issue "ca.example.net"')
    world.foreign("long", "TXT", '"' + "x" * 200 + '" "' + "y" * 60 + '"')
    world.apply()
    return world


@pytest.fixture
def world(open_lab: Lab, tmp_path: Path) -> World:
    """A world of its own."""
    return applied(open_lab, tmp_path)


@pytest.fixture(scope="module")
def settled(open_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> World:
    """One whose log no test adds to."""
    return applied(open_lab, tmp_path_factory.mktemp("settled") / "world")


@pytest.fixture
def look(settled: World, tmp_path: Path) -> Iterator[World]:
    """A clone of it, to commit in without pushing; its zone is put back afterwards."""
    before = settled.primary.rrsets()
    yield replace(settled.clone(tmp_path / "clone"), remote=None)
    now = {one.key for one in settled.primary.rrsets()}
    kept = [one for one in before if one.type != "SOA"]
    settled.primary.patch(sorted(now - {one.key for one in before}), kept)
    bring_up(settled)


def drift(world: World, look: Look = "auto", *, record: bool = False, retransfer: str | None = None) -> DriftReport:
    return look_for_drift(DriftRequest(look, record=record, retransfer=retransfer), world.wiring())


def only(found: DriftReport, kind: str) -> DriftCase:
    """The one case there is."""
    assert [case.kind.value for case in found.cases] == [kind]
    return found.cases[0]


def sides(case: DriftCase) -> list[tuple[str, str, tuple[str, ...], tuple[str, ...]]]:
    """Each difference: name, type, expected, found."""
    return [
        (one.name, one.type, one.expected.rdata if one.expected else (), one.found.rdata if one.found else ())
        for one in case.differences
    ]


def on_secondary(world: World) -> PowerDnsWriter:
    """The secondary's API, which accepts edits of its copy."""
    assert world.lab is not None
    return PowerDnsWriter(world.lab.secondaries[0].api_url, "localhost", world.zone, world.lab.api_key)


def bring_up(world: World) -> None:
    """Let the secondary have what the primary has."""
    assert world.lab is not None
    primary, secondary = world.lab.primary, world.lab.secondaries[0]
    requester = PowerDnsTransferRequester(secondary.api_url, "localhost", world.zone, world.lab.api_key)
    asked = 0.0

    def arrived() -> bool:
        nonlocal asked
        if time.monotonic() - asked > 1:  # one request may be lost while the secondary's database is busy
            asked = time.monotonic()
            requester.refresh()
        return served_serial(secondary, world.zone) == served_serial(primary, world.zone)

    wait_until(arrived, 20, "the transfer")
