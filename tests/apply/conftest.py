"""Worlds on the running lab."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hyops_gitops.lab.model import Lab
from hyops_gitops.lab.zones import create_zone
from tests.support.site import PRIMARY_ONLY, Site
from tests.support.world import World

MakeWorld = Callable[..., World]
_numbers = itertools.count(1)


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """A world with nothing special about it, nothing applied yet."""
    return make_world()


@pytest.fixture
def make_world(lab: Lab, zone_name: str, tmp_path: Path) -> MakeWorld:
    """`make_world(**policy)`: a world on a fresh zone."""

    def make(**options: object) -> World:
        return World.make(tmp_path, zone_name, lab, **options)  # type: ignore[arg-type]  # policy by name

    return make


@pytest.fixture(scope="module")
def shared_zone(lab: Lab) -> str:
    """A fresh zone for a scenario that many tests of a module look at."""
    name = f"shared{next(_numbers)}.internal"
    create_zone(lab, name)
    return name


@pytest.fixture
def site(lab: Lab, zone_name: str, tmp_path: Path) -> Iterator[Site]:
    """A site with `first` applied; proof is asked of the primary only."""
    site = Site.make(tmp_path / "site", zone_name, lab, convergence=PRIMARY_ONLY)
    try:
        site.apply()
        yield site
    finally:
        site.proxy.close()
