"""Worlds on the running lab."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hyops_gitops.lab.model import Lab
from hyops_gitops.lab.zones import create_zone
from tests.world import GIT_CONFIG, World

MakeWorld = Callable[..., World]
_numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def isolated_git() -> Iterator[None]:
    """No configuration but the clone's own, and no inherited repository."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("GIT_")]:
            patch.delenv(name)
        for name, value in GIT_CONFIG.items():
            patch.setenv(name, value)
        yield


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
