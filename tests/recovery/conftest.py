"""Worlds behind a proxy, on the running lab."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hyops_gitops.lab.model import Lab
from tests.recovery.harness import PRIMARY_ONLY, Site
from tests.world import GIT_CONFIG

MakeSite = Callable[..., Site]


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
def site(lab: Lab, zone_name: str, tmp_path: Path) -> Iterator[Site]:
    """A site with `first` applied; proof is asked of the primary only."""
    site = Site.make(tmp_path / "site", zone_name, lab, convergence=PRIMARY_ONLY)
    try:
        site.apply()
        yield site
    finally:
        site.proxy.close()
