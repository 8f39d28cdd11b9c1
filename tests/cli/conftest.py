"""Worlds for command lines: most need no PowerDNS."""

from pathlib import Path

import pytest

from tests.apply.conftest import make_world
from tests.support.world import World

__all__ = ["make_world"]


@pytest.fixture
def offline(tmp_path: Path) -> World:
    """A world whose servers do not answer; its log is started."""
    return World.make(tmp_path, "off.internal")
