"""A world whose zone is applied, on each database that keeps rows, and the rows behind its primary."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hyops_gitops.lab.lifecycle import start_lab, stop_lab
from hyops_gitops.lab.model import Lab
from hyops_gitops.lab.zones import create_zone
from tests.support.between import Between
from tests.support.databases import require
from tests.support.rows import Rows
from tests.support.world import World

_numbers = itertools.count(1)
# What reads, names and mends rows is one code; what a storage lists where rows contradict each other is its own.
on_each_database = pytest.mark.parametrize("sql_lab", ["gsqlite3", "gpgsql", "gmysql"], indirect=True, scope="session")


@pytest.fixture(scope="session", params=["gpgsql"])
def sql_lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab with one secondary on a database that takes rows past PowerDNS, at its default settings."""
    require(request.param)
    running = start_lab(
        tmp_path_factory.mktemp("sql-lab"),
        zone="lab.internal",
        secondaries=1,
        backend=request.param,
        settings={"xfr-cycle-interval": "3600", "retrieval-threads": "1"},
    )
    try:
        yield running
    finally:
        stop_lab(running)


@pytest.fixture
def between(sql_lab: Lab) -> Iterator[Between]:
    """A proxy before the primary's API, which the world knows as the API."""
    proxy = Between(sql_lab.primary.api)
    try:
        yield proxy
    finally:
        proxy.close()


@pytest.fixture
def world(sql_lab: Lab, between: Between, tmp_path: Path) -> World:
    """`first.prod` applied beside records of others."""
    return applied(replace(sql_lab, primary=replace(sql_lab.primary, api=between.address)), tmp_path)


@pytest.fixture(scope="module")
def lasting(sql_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The same for tests that only look; without a proxy."""
    return applied(sql_lab, tmp_path_factory.mktemp("lasting"))


@pytest.fixture
def looked_at(lasting: World, rows: Rows) -> Iterator[World]:
    """It, rid afterwards of the rows that a test inserts."""
    with rows.taken_back(lasting.zone):
        yield lasting


def applied(lab: Lab, directory: Path) -> World:
    """A world on a fresh zone."""
    zone = f"damage{next(_numbers)}.internal"
    create_zone(lab, zone)
    made = World.make(directory, zone, lab)
    made.foreign("mail", "MX", "10 mail.example.com.")
    made.foreign("text", "TXT", '"a text"')
    assert made.apply().outcome == "applied"
    return made


@pytest.fixture
def rows(sql_lab: Lab) -> Rows:
    """The primary's."""
    return Rows(sql_lab)
