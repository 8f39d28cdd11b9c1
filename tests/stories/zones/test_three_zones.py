"""A repository with three zones, one a child of another, on two primaries."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from hyops_gitops.adapters.powerdns.http import PowerDnsHttp
from hyops_gitops.core.zone import RRset
from tests.stories.zones.conftest import Zones
from tests.support.audits import audited
from tests.support.clone import run
from tests.support.world import Ran, World

APPLIED = ["genesis", "intent", "result"]
TWICE = [*APPLIED, "intent", "result"]


def parts(done: Ran) -> Mapping[str, Mapping[str, object]]:
    """The part of each zone in a document of several."""
    document = json.loads(done.out)
    assert document["format"] == "hyops-zones/1"
    assert document["exit_code"] == done.exit
    return {part["zone"]: part for part in document["zones"]}


def served(world: World, service: str = "first") -> tuple[str, ...]:
    """The addresses that the zone's primary has."""
    return world.at(service)["A"][1]


def test_one_apply_carries_out_every_zone(zones: Zones) -> None:
    done = zones.first.cli("apply", "--format", "json")

    assert done.exit == 0, done.err
    assert {zone: part["exit_code"] for zone, part in parts(done).items()} == {world.zone: 0 for world in zones.all}
    assert zones.entries() == {world.zone: APPLIED for world in zones.all}


def test_a_merge_adds_an_entry_to_the_log_of_its_zone_alone(zones: Zones) -> None:
    zones.first.cli("apply")
    zones.child.contract("second", "10.0.0.2")
    zones.child.commit("Add second to the child")

    done = zones.first.cli("apply")

    assert done.exit == 0, done.err
    assert zones.entries() == {zones.first.zone: APPLIED, zones.child.zone: TWICE, zones.other.zone: APPLIED}
    intent = json.loads(zones.child.entry_bytes(4))
    assert [change["title"] for change in intent["predicate"]["changes"]] == ["Add second to the child"]


def test_a_site_fails_over_in_every_zone_by_one_merge(zones: Zones) -> None:
    zones.first.cli("apply")
    moved = zones.first.cli("failover", "--from", "onprem", "--to", "gcp", "--reason", "drill")
    assert moved.exit == 0, moved.err
    assert zones.first.cli("validate").exit == 0
    zones.first.commit("Fail over to gcp")
    of_one_name = f"drift:{zones.child.name('first')}=looked at"

    done = zones.first.cli("apply", "--no-watch", "--override", of_one_name)

    assert done.exit == 0, done.err
    assert [served(world) for world in zones.all] == [("10.0.0.9",)] * 3
    assert zones.entries() == {world.zone: TWICE for world in zones.all}
    intents = {world.zone: json.loads(world.entry_bytes(4))["predicate"] for world in zones.all}
    assert [zone for zone, intent in intents.items() if intent.get("overrides")] == [zones.child.zone]


def test_a_zone_that_is_refused_stops_no_other_and_is_applied_later(zones: Zones) -> None:
    zones.first.cli("apply")
    for world in zones.all:
        world.contract("first", "10.0.0.9")
    zones.first.commit("Move first everywhere")
    zones.child.primary.patch([], [RRset.of(zones.child.name("first"), "A", 60, ["10.6.6.6"])])  # by hand

    done = zones.first.cli("apply", "--no-watch", "--format", "json")

    assert done.exit == 3, done.err
    assert {zone: part["exit_code"] for zone, part in parts(done).items()} == {
        zones.first.zone: 0,
        zones.child.zone: 3,
        zones.other.zone: 0,
    }
    assert (served(zones.first), served(zones.child), served(zones.other)) == (
        ("10.0.0.9",),
        ("10.6.6.6",),
        ("10.0.0.9",),
    )
    lifted = f"drift:{zones.child.name('first')}=seen, and overwritten"
    later = zones.first.cli("apply", "--zone", zones.child.zone, "--override", lifted)
    assert later.exit == 0, later.err
    assert served(zones.child) == ("10.0.0.9",)
    audited = zones.first.cli("audit", "--format", "json")
    assert audited.exit == 0, audited.out
    assert parts(audited).keys() == {world.zone for world in zones.all}


def applied_at_once(*appliers: tuple[World, World]) -> None:
    """Apply zones at the same time, each from its clone; both have to succeed."""
    begun = [
        subprocess.Popen(
            ["hyops-gitops", "apply", "--zone", world.zone],
            cwd=clone.root,
            env=clone.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for clone, world in appliers
    ]
    ended = [process.communicate()[1] for process in begun]
    assert [process.returncode for process in begun] == [0, 0], ended


def test_two_appliers_at_once_over_the_same_zone_make_one_change(zones: Zones) -> None:
    there = zones.first.clone(zones.first.root.parent / "second-clone")

    applied_at_once((zones.first, zones.child), (there, zones.child))

    assert zones.child.types() == APPLIED


def test_two_appliers_at_once_over_different_zones_both_succeed(zones: Zones) -> None:
    there = zones.first.clone(zones.first.root.parent / "second-clone")

    applied_at_once((zones.first, zones.child), (there, zones.other))

    assert zones.entries() == {zones.first.zone: ["genesis"], zones.child.zone: APPLIED, zones.other.zone: APPLIED}


def test_break_glass_in_one_zone_leaves_the_others_alone(zones: Zones) -> None:
    zones.first.cli("apply")
    assert zones.first.remote is not None
    hidden = zones.first.remote.with_suffix(".gone")
    zones.first.remote.rename(hidden)

    moved = zones.first.cli(
        "breakglass", "cutover", zones.child.name("first"), "--to", "gcp", "--reason", "no forge", "--yes"
    )

    assert moved.exit == 0, moved.err
    hidden.rename(zones.first.remote)
    assert (served(zones.first), served(zones.child)) == (("10.0.0.1",), ("10.0.0.9",))
    (segment,) = filter(Path.is_dir, (zones.first.root / "segments" / zones.child.zone).iterdir())
    done = zones.first.cli("apply", "--format", "json")
    assert {zone: part["exit_code"] for zone, part in parts(done).items()} == {
        zones.first.zone: 0,
        zones.child.zone: 3,
        zones.other.zone: 0,
    }
    brought = zones.first.cli("reconcile", str(segment), "--zone", zones.child.zone)
    assert brought.exit == 0, brought.err
    assert zones.entries()[zones.child.zone] == [*APPLIED, "reconcile"]
    assert zones.entries()[zones.first.zone] == APPLIED


def test_one_zone_is_restored_on_an_empty_primary(zones: Zones) -> None:
    zones.first.cli("apply")
    assert zones.other.lab is not None
    http = PowerDnsHttp(zones.other.lab.primary.api_url, zones.other.lab.api_key, None, 10.0)
    assert http.exchange("DELETE", f"/api/v1/servers/localhost/zones/{zones.other.zone}.", {}, None).status == 204

    restored = zones.first.cli("restore", "--zone", zones.other.zone, "--yes")

    assert restored.exit == 0, restored.err
    assert served(zones.other) == ("10.0.0.1",)
    assert zones.entries()[zones.first.zone] == APPLIED


def test_a_clone_from_before_is_brought_up_to_date(zones: Zones) -> None:
    old = zones.first.root.parent / "old"
    shutil.copytree(zones.first.root, old, symlinks=True)
    zones.first.cli("apply")
    zones.child.contract("first", "10.0.0.9")
    zones.child.commit("Move first of the child")
    zones.first.cli("apply")
    run("git", "-C", old, "pull", "-q", "origin", "main")

    done = zones.first.cli("apply", "--format", "json", cwd=old)
    verified = zones.first.cli("evidence", "verify", "--format", "json", cwd=old)

    assert (done.exit, verified.exit) == (0, 0), done.err + verified.err
    assert {part["result"]["outcome"] for part in parts(done).values()} == {"nothing"}  # type: ignore[index]
    assert zones.entries() == {zones.first.zone: APPLIED, zones.child.zone: TWICE, zones.other.zone: APPLIED}


def test_every_audit_agrees_zone_by_zone(zones: Zones) -> None:
    zones.first.cli("apply")
    for world in (zones.first, zones.child):
        world.contract("first", "10.0.0.9")
        world.commit(f"Move first of {world.zone}")
        zones.first.cli("apply")

    for world in zones.all:
        audited(world, "--zone", world.zone)
