"""A lab whose second server reads the primary's database, and worlds on it."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ruamel.yaml.comments import CommentedMap

from hyops_gitops.lab.lifecycle import start_lab, stop_lab
from hyops_gitops.lab.model import Lab
from hyops_gitops.lab.zones import create_zone
from tests.support.databases import require
from tests.support.world import World

MakeWorld = Callable[..., World]
_numbers = itertools.count(1)
# What caches hold and who flushes them is PowerDNS's own; what a database does is tried on each.
on_each_database = pytest.mark.parametrize("native_lab", ["gpgsql", "gmysql"], indirect=True, scope="session")


def native_authority(zone: str = "lab.internal") -> CommentedMap:
    """An authority file as far as a lab looks at it."""
    return CommentedMap(zone=zone, primary=CommentedMap(), policy=CommentedMap(replication="native"))


@pytest.fixture(scope="session", params=["gpgsql"])
def native_lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two servers on one database, their caches at the default times."""
    require(request.param)
    directory = tmp_path_factory.mktemp("native")
    lab = start_lab(directory, zone="lab.internal", backend=request.param, authority=native_authority())
    try:
        yield lab
    finally:
        stop_lab(lab)


@pytest.fixture
def make_world(native_lab: Lab, tmp_path: Path) -> MakeWorld:
    """`make_world(**policy)`: a world on a fresh zone that both servers know."""
    zone = f"n{next(_numbers)}.internal"
    create_zone(native_lab, zone)
    return lambda **policy: World.make(tmp_path, zone, native_lab, replication="native", **policy)


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """A world that waits for less time than any cache of a server keeps an answer."""
    return make_world(convergence={"timeout_s": 5, "require": ["primary", "secondaries"]})
