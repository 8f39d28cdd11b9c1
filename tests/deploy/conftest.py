"""A world whose servers do not answer."""

from pathlib import Path

import pytest

from tests.support.world import World


@pytest.fixture
def offline(tmp_path: Path) -> World:
    """One with a started log."""
    return World.make(tmp_path / "offline", "off.internal")
