"""Worlds behind a proxy, on the running lab."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hyops_gitops.lab.model import Lab
from tests.recovery.harness import PRIMARY_ONLY, Site

MakeSite = Callable[..., Site]


@pytest.fixture
def site(lab: Lab, zone_name: str, tmp_path: Path) -> Iterator[Site]:
    """A site with `first` applied; proof is asked of the primary only."""
    site = Site.make(tmp_path / "site", zone_name, lab, convergence=PRIMARY_ONLY)
    try:
        site.apply()
        yield site
    finally:
        site.proxy.close()
