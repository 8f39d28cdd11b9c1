"""Worlds whose zone is applied and transferred, and looks at them."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hyops_gitops.lab.lifecycle import start_lab, stop_lab
from hyops_gitops.lab.model import Backend, Lab
from hyops_gitops.lab.zones import create_zone
from tests.support.databases import require
from tests.support.drifts import bring_up
from tests.support.world import World

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def open_lab(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab that transfers its zones to anybody on loopback."""
    require(backend)
    settings = {
        "xfr-cycle-interval": "3600",
        "retrieval-threads": "1",
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
