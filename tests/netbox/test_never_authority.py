"""NetBox is metadata: nothing that plans, applies or moves knows of it, and its lies end in a file for review."""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.netbox import TOKEN, NetboxServer, address, nested, netbox_server, service
from tests.support.repository import ROOT
from tests.support.site import PRIMARY_ONLY
from tests.support.world import MakeWorld, World

PACKAGE = ROOT / "hyops_gitops"
OF_NETBOX = ("hyops_gitops.netbox", "hyops_gitops.adapters.netbox", "pynetbox", "hyops_gitops.validate.netbox_policy")
MAY_KNOW_IT = {
    "cli/netbox.py",
    "cli/validate.py",  # `explain` lists its rules
    "validate/authority_rules.py",  # checks the form of policy.netbox
    "validate/rules.py",
}


def imported(module: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_the_command_alone_imports_it() -> None:
    own = ("netbox/", "adapters/netbox", "validate/netbox_policy")
    others = {path.relative_to(PACKAGE).as_posix(): imported(path) for path in PACKAGE.rglob("*.py")}
    known = {
        name
        for name, found in others.items()
        if not name.startswith(own) and any(each.startswith(OF_NETBOX) for each in found)
    }

    assert known == MAY_KNOW_IT


def test_its_variables_are_read_by_the_command_alone() -> None:
    naming = [
        path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if "HYOPS_NETBOX" in path.read_text()
    ]

    hints = "cli/help.py"  # which reads no variable
    assert sorted(naming) == ["adapters/netbox.py", "adapters/netbox_shapes.py", hints, "cli/netbox.py"]
    assert "environ" not in (PACKAGE / hints).read_text()


@pytest.fixture
def server(world: World) -> Iterator[NetboxServer]:
    """Says that every endpoint is elsewhere, and names what nothing may be called."""
    server = NetboxServer()
    for number, name in enumerate(
        (world.name("first"), world.name("evil"), f"*.{world.zone}", f"../x.{world.zone}"), 1
    ):
        tags = [nested("dns-endpoint")]
        server.put("ipam/ip-addresses", address(number, f"10.66.6.{number}", dns_name=name, tags=tags))
    server.put("ipam/services", service(1, ["tcp/666"], [1, 2, 3, 4]))
    with netbox_server(server):
        yield server


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world(convergence=PRIMARY_ONLY, netbox={"tag": "dns-endpoint"})


def test_plan_and_apply_never_ask_it(world: World, server: NetboxServer) -> None:
    world.environ.update(HYOPS_NETBOX_URL=server.url, HYOPS_NETBOX_TOKEN=TOKEN)
    world.contract("second", "10.0.0.2")
    world.commit()

    planned, applied = world.cli("plan"), world.cli("apply")

    assert (planned.exit, applied.exit) == (0, 0), applied.err
    assert world.at("first")["A"][1] == ("10.0.0.1",)
    assert world.at("second")["A"][1] == ("10.0.0.2",)
    assert world.at("evil") == {}
    assert server.requests == []


def test_its_lies_reach_a_file_of_the_work_tree_at_most(world: World, server: NetboxServer) -> None:
    if not os.environ.get("CI"):
        pytest.importorskip("pynetbox")
    world.environ.update(HYOPS_NETBOX_URL=server.url, HYOPS_NETBOX_TOKEN=TOKEN)
    world.cli("apply")
    before = world.git("rev-parse", "HEAD")

    with world.nothing_written():
        checked = world.cli("netbox", "check")
        suggested = world.cli("netbox", "suggest", "--update", "--write")
        refused = world.cli("apply")  # what lies in the work tree is not what was merged

    assert (checked.exit, suggested.exit) == (1, 1)
    assert refused.exit in {2, 3}
    assert world.git("rev-parse", "HEAD") == before
    changed = sorted(line[3:] for line in world.git("status", "--porcelain", "-uall").splitlines())
    assert changed == ["endpoints/prod/evil.yaml", "endpoints/prod/first.yaml"]
