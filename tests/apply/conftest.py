"""Worlds on the running lab."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
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
    with applied(Site.make(tmp_path / "site", zone_name, lab, convergence=PRIMARY_ONLY)) as site:
        yield site


@pytest.fixture(scope="module")
def lasting_site(lab: Lab, shared_zone: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The same for a module whose tests leave no intent open, so that the next can go on from there."""
    with applied(Site.make(tmp_path_factory.mktemp("site"), shared_zone, lab, convergence=PRIMARY_ONLY)) as site:
        yield site


@contextmanager
def applied(site: Site) -> Iterator[Site]:
    """Apply once, and end the proxy afterwards."""
    try:
        site.apply()
        yield site
    finally:
        site.proxy.close()
