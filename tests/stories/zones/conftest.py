"""One repository with three zones: two on one primary, of which one is the other's child, and one on another."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from hyops_gitops.lab.model import Lab
from hyops_gitops.lab.zones import create_zone
from tests.support.world import World

SITES = {"onprem": "10.0.0.1", "gcp": "10.0.0.9"}


@dataclass(frozen=True)
class Zones:
    """A zone each of one clone; the first has its contracts in `endpoints/` itself."""

    first: World
    child: World
    other: World

    @property
    def all(self) -> tuple[World, World, World]:
        """The three, in the order of their names."""
        return self.first, self.child, self.other

    def entries(self) -> dict[str, list[str]]:
        """The types of entries of each log."""
        return {world.zone: world.types() for world in self.all}


def further_zone(first: World, zone: str, lab: Lab) -> World:
    """A further zone in a clone, by the commands that the pages name, its log started."""
    environ = first.environ
    key = f"KEY_{zone.upper().replace('.', '_')}"
    environ[key] = lab.api_key
    environ["HYOPS_PRIMARY_URL"] += f" {zone}={lab.primary.api_url}"
    environ["HYOPS_SECONDARY_URLS"] += "," + ",".join(server.api_url for server in lab.secondaries)
    world = World(first.root, zone, environ, lab, first.remote, first.key, dict(first.policy))
    world.folder, world.branch = f"{zone}/", f"evidence-{zone}"
    wanted = first.root.parent / f"{zone}.yaml"
    wanted.write_text(world.authority_text().replace("POWERDNS_API_KEY", key))
    added = world.cli("init", first.root, "--add-zone", zone, "--authority", wanted)
    assert added.exit == 0, added.err
    world.contract("first", "10.0.0.1", sites=SITES)
    world.commit(f"Add {zone}")
    started = world.cli("evidence", "init", "--zone", zone)
    assert started.exit == 0, started.err
    world.commit(f"Pin the log of {zone}")
    return world


@pytest.fixture
def zones(small_lab: Lab, service_lab: Lab, tmp_path: Path) -> Zones:
    """Three zones of one clone, each with one contract, nothing applied yet."""
    stem = f"n{len(str(tmp_path))}{abs(hash(str(tmp_path))) % 10**8}"
    names = f"{stem}.internal", f"eu.{stem}.internal", f"{stem}.example"
    for lab, name in zip((small_lab, small_lab, service_lab), names, strict=True):
        create_zone(lab, name)
    first = World.make(tmp_path, names[0], small_lab)
    first.contract("first", "10.0.0.1", sites=SITES)
    first.commit("Two sites")
    first.environ["HYOPS_PRIMARY_URL"] = f"{names[0]}={small_lab.primary.api_url}"
    return Zones(first, further_zone(first, names[1], small_lab), further_zone(first, names[2], service_lab))
