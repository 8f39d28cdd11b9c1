"""Worlds on the running lab, and a doctor that looks at them."""

from dataclasses import replace

import pytest

from hyops_gitops.lab.model import Lab
from hyops_gitops.lab.zones import create_zone
from tests.support.world import World


@pytest.fixture(scope="module")
def shared(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world for all tests that change nothing of it but the environment."""
    directory = tmp_path_factory.mktemp("doctor")
    create_zone(lab, zone := f"{directory.name}.internal")
    return World.make(directory, zone, lab)


@pytest.fixture
def still(shared: World) -> World:
    """The shared world with an environment of its own."""
    return replace(shared, environ=dict(shared.environ))
