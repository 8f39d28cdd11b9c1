"""Apply against PowerDNS 4.9 in containers: it converges; a cut network, a hung secondary, a hung primary."""

import contextlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from hyops_gitops.adapters.powerdns.server import server_info
from hyops_gitops.adapters.powerdns.zone_api import PowerDnsWriter
from hyops_gitops.apply.receipt import Receipt
from hyops_gitops.core.errors import OutsideFailure, Unconfirmed
from hyops_gitops.core.exchange import PatchReceipt
from hyops_gitops.core.zone import Key, Operation, RRset, Zone
from hyops_gitops.lab.zones import create_zone, wait_until
from hyops_gitops.log.entries import Result
from hyops_gitops.log.workspace import Workspace
from tests.support.containers import Containers
from tests.support.world import World

pytestmark = pytest.mark.docker
_numbers = itertools.count(1)


@pytest.fixture
def world(containers: Containers, directory: Path, request: pytest.FixtureRequest) -> World:
    """A world on a fresh zone of the containers, that waits for servers for half a minute, or what the test says."""
    zone = f"c{next(_numbers)}.internal"
    create_zone(containers.lab, zone)
    convergence = {"timeout_s": getattr(request, "param", 30), "require": ["primary", "secondaries"]}
    return World.make(directory, zone, containers.lab, convergence=convergence)


in_vain = pytest.mark.parametrize("world", [4], indirect=True, ids=["four seconds"])


def verdicts(receipt: Receipt) -> dict[str, str]:
    return {one.name: one.verdict for one in receipt.servers}


def both_serve(world: World) -> bool:
    return Zone.of(world.zone, world.secondary().rrsets()) == world.records()


def test_it_converges_and_doctor_finds_nothing_else(world: World, containers: Containers) -> None:
    lab = containers.lab
    assert server_info(lab.primary.api_url, "localhost", lab.api_key).version.startswith("4.9.")
    ran = world.cli("doctor", "--format", "json", "--runner-site", "hetzner", "--remote-site", "hetzner")
    checks = ran.document()["checks"]
    assert isinstance(checks, list)
    assert {check["check"] for check in checks if check["state"] != "ok"} == {"protection-main", "clock"}
    for target in ("10.0.0.9", "elsewhere.example", "fd00::9"):  # each leaves a tombstone where the last claim was
        world.contract("pg", target)
        world.commit()
        receipt = world.apply()
        assert (receipt.outcome, set(verdicts(receipt).values())) == ("applied", {"converged"})
    assert both_serve(world)
    assert world.cli("audit", "--offline").exit == 0


@in_vain
def test_a_secondary_that_transfers_do_not_reach_is_stale_until_they_do(world: World, containers: Containers) -> None:
    secondary = containers.lab.secondaries[0]
    world.apply()
    world.contract("pg", "10.0.0.9")
    world.commit()
    with containers.cut_off(secondary):
        receipt = world.apply()
        assert (receipt.exit_code, verdicts(receipt)) == (5, {"primary": "converged", "secondary1": "stale"})
        assert not both_serve(world)
    world.primary.notify()
    wait_until(lambda: both_serve(world), 10, "the secondary to have caught up")


@in_vain
def test_a_hung_secondary_is_silent_and_the_change_is_made(world: World, containers: Containers) -> None:
    with containers.hung(containers.lab.secondaries[0]):
        receipt = world.apply()
    assert (receipt.exit_code, verdicts(receipt)) == (5, {"primary": "converged", "secondary1": "silent"})
    result = world.bodies()[-1]
    assert isinstance(result, Result)
    assert result.outcome == "applied"


class Impatient(PowerDnsWriter):
    """Waits three seconds for the API, not thirty."""

    def __init__(self, world: World) -> None:
        assert world.lab is not None
        super().__init__(world.lab.primary.api_url, "localhost", world.zone, world.lab.api_key, timeout_s=3)


def test_a_hung_primary_changes_nothing(world: World, containers: Containers) -> None:
    before = world.evidence_head()
    with containers.hung(containers.lab.primary), pytest.raises(OutsideFailure) as caught:
        world.apply(swap=lambda ports: ports.replaced(open_writer=lambda _: Impatient(world)))
    assert (caught.value.exit_code, caught.value.code) == (4, "powerdns-timeout")
    assert world.evidence_head() == before


def test_a_primary_that_hangs_on_the_patch_is_settled_when_it_wakes(world: World, containers: Containers) -> None:
    """The request lies in its queue: it may still be carried out, late, and the log has to agree with what happened."""
    primary = containers.lab.primary
    world.apply()
    world.contract("pg", "10.0.0.9")
    world.commit()

    class HangsOnPatch(Impatient):
        hangs = False

        def patch(
            self, deletes: Sequence[Key], replaces: Sequence[RRset], first: Sequence[Operation] = ()
        ) -> PatchReceipt:
            if not self.hangs:
                self.hangs = True
                hanging.enter_context(containers.hung(primary))
            return super().patch(deletes, replaces, first)

    def swap(ports: Workspace) -> Workspace:
        return ports.replaced(open_writer=lambda _: HangsOnPatch(world))

    with contextlib.ExitStack() as hanging, pytest.raises((Unconfirmed, OutsideFailure)):
        world.apply(swap=swap)
    open_intent = world.types().count("intent") * 2  # genesis is 1, and each intent but this one has its result
    receipt = world.apply(recover=open_intent)
    assert receipt.exit_code == 0
    assert world.at("pg")["A"][1] == ("10.0.0.9",)
    assert world.types().count("intent") == world.types().count("result")
    wait_until(lambda: both_serve(world), 10, "the secondary to have caught up")
    assert world.cli("audit", "--offline").exit == 0


def test_lab_up_in_containers(containers: Containers, world: World, tmp_path: Path) -> None:  # noqa: ARG001 - an engine
    lab = tmp_path / "lab"
    up = world.cli("lab", "up", "--docker", "--dir", lab, "--format", "json")
    try:
        document = up.document()
        assert up.exit == 0
        servers = document["servers"]
        assert isinstance(servers, list)
        assert [(one["name"], one["running"], one["serial"]) for one in servers] == [
            ("primary", True, 1),
            ("secondary1", True, 1),
        ]
        assert world.cli("lab", "up", "--docker", "--dir", lab).exit == 2  # one runs there
        environ = dict(line.split("=", 1) for line in (lab / "env").read_text().splitlines())
        ran = replace(world, environ={**world.environ, **environ}).cli(
            "apply", "--authority", lab / "authority.yaml", "--format", "json"
        )
        assert (ran.exit, json.loads(ran.out)["outcome"]) == (0, "applied")
    finally:
        down = world.cli("lab", "down", "--dir", lab)
    assert (down.exit, lab.exists()) == (0, False)
