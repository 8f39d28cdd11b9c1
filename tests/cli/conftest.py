"""Worlds for command lines: most need no PowerDNS."""

from pathlib import Path

import pytest

from tests.support.world import World


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> World:
    """What each test has a copy of."""
    return World.make(tmp_path_factory.mktemp("begun"), "off.internal")


@pytest.fixture
def offline(begun: World, tmp_path: Path) -> World:
    """A world whose servers do not answer; its log is started."""
    return begun.copied(tmp_path)
