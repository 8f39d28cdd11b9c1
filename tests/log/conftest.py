"""Worlds without a zone, but with a log, a remote and as many keys as a test wants."""

import itertools
from pathlib import Path

import pytest

from tests.support.clone import write_key
from tests.support.keys import Key, MakeKey
from tests.support.world import World

ZONE = "custody.internal"
_numbers = itertools.count(1)


@pytest.fixture
def make_key(tmp_path: Path) -> MakeKey:
    """`make_key(principal)`: a new ed25519 key."""

    def make(principal: str) -> Key:
        path = tmp_path / f"key{next(_numbers)}"
        write_key(path)
        return Key(path, principal)

    return make


@pytest.fixture(scope="session")
def custody(tmp_path_factory: pytest.TempPathFactory) -> World:
    """What each test has a copy of."""
    return World.make(tmp_path_factory.mktemp("custody"), ZONE)


@pytest.fixture
def world(custody: World, tmp_path: Path) -> World:
    """A clone with a log of one entry; nobody serves its zone."""
    return custody.copied(tmp_path)
