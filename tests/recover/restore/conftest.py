"""Worlds that have lived a little, and ways for their primary to lose the zone."""

from pathlib import Path

import pytest

from hyops_gitops.lab.model import Lab
from tests.support.lived import Lived
from tests.support.world import World


@pytest.fixture
def lived(lab: Lab, zone_name: str, tmp_path: Path) -> Lived:
    """On each backend."""
    return Lived.begin(World.make(tmp_path, zone_name, lab))
