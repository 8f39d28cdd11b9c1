"""Worlds on the running lab."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyops_gitops.lab.model import Lab
from hyops_gitops.lab.zones import create_zone
from tests.support.site import PRIMARY_ONLY, Site

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def shared_zone(lab: Lab) -> str:
    """A fresh zone for a scenario that many tests of a module look at."""
    name = f"shared{next(_numbers)}.internal"
    create_zone(lab, name)
    return name


@pytest.fixture
def site(lab: Lab, zone_name: str, tmp_path: Path) -> Iterator[Site]:
    """A site with `first` applied; proof is asked of the primary only."""
    site = Site.make(tmp_path / "site", zone_name, lab, convergence=PRIMARY_ONLY)
    try:
        site.apply()
        yield site
    finally:
        site.proxy.close()
