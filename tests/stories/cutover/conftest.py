"""Worlds whose endpoints are real services: two sites on loopback, behind a caching resolver."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from hyops_gitops.lab.model import Lab
from hyops_gitops.lab.zones import create_zone
from tests.support.world import World

MakeWorld = Callable[..., World]
NETWORKS = ["10.0.0.0/8", "127.0.0.0/8", "::1/128"]
_numbers = itertools.count(1)


@pytest.fixture
def make_world(service_lab: Lab, tmp_path: Path) -> MakeWorld:
    """`make_world(**policy)`: a world on a fresh zone, whose targets may be on loopback."""

    def make(**policy: object) -> World:
        zone = f"cut{next(_numbers)}.internal"
        create_zone(service_lab, zone)
        return World.make(tmp_path, zone, service_lab, **{"target_networks": NETWORKS, **policy})  # type: ignore[arg-type]

    return make


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """A world with nothing special about it, nothing applied yet."""
    return make_world()


@pytest.fixture
def sites(service_lab: Lab) -> dict[str, str]:
    """Where the service of the lab listens, by site."""
    return {one.name: one.address.host for one in service_lab.services}


@pytest.fixture
def port(service_lab: Lab) -> int:
    """The port it listens on, the same at both sites."""
    return service_lab.services[0].address.port
