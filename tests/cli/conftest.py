"""Worlds for command lines: most need no PowerDNS."""

from pathlib import Path

import pytest

from tests.support.world import World


@pytest.fixture
def offline(tmp_path: Path) -> World:
    """A world whose servers do not answer; its log is started."""
    return World.make(tmp_path, "off.internal")
