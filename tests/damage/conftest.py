"""A world whose zone is applied, and the rows behind its primary."""

import pytest

from hyops_gitops.lab.model import Lab
from tests.damage.rows import Rows
from tests.world import World


@pytest.fixture
def world(served: World) -> World:
    """`first.prod` applied beside records of others."""
    served.foreign("mail", "MX", "10 mail.example.com.")
    served.foreign("text", "TXT", '"a text"')
    assert served.apply().outcome == "applied"
    return served


@pytest.fixture
def rows(world: World) -> Rows:
    """The primary's."""
    assert isinstance(world.lab, Lab)
    return Rows(world.lab, world.lab.primary)
