"""Forges to ask."""

from collections.abc import Iterator

import pytest

from tests.support.forge import ForgeServer, running


@pytest.fixture(params=["github", "gitea"])
def server(request: pytest.FixtureRequest) -> Iterator[ForgeServer]:
    """Each kind of forge."""
    with running(is_gitea=request.param == "gitea") as forge:
        yield forge


@pytest.fixture
def github() -> Iterator[ForgeServer]:
    """GitHub alone."""
    with running() as forge:
        yield forge
