"""A standby that several stories promote."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hyops_gitops.lab.zones import create_zone
from tests.support.databases import require
from tests.support.standby import Pair
from tests.support.world import World

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def database_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """One cluster for all of them; each gets a standby of its own."""
    require("gpgsql")
    with Pair.started(tmp_path_factory.mktemp("standby")) as pair:
        yield pair


@pytest.fixture
def pair(database_pair: Pair) -> Pair:
    """The primary alive."""
    database_pair.revive()
    return database_pair


@pytest.fixture
def replicated(pair: Pair, tmp_path: Path) -> World:
    """A world whose zone the primary serves, and a standby's server; `first` is applied."""
    zone = f"standby{next(_numbers)}.internal"
    create_zone(replace(pair.lab, secondaries=()), zone)
    pair.copy()
    convergence = {"timeout_s": 5, "require": ["primary"]}
    world = World.make(tmp_path / "world", zone, pair.lab, replication="native", convergence=convergence)
    assert world.apply().outcome == "applied"
    return world
