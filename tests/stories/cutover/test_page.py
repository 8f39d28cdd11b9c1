"""docs/cutover.md, command by command, on real servers; and what its moves leave in the evidence."""

import json
import re
import subprocess
from datetime import timedelta

import pytest

from hyops_gitops.core.declaration import Declaration
from hyops_gitops.log.entries import Intent, Result
from tests.stories.cutover.conftest import MakeWorld
from tests.support.commands import programs
from tests.support.repository import ROOT, code_blocks
from tests.support.world import World

pytestmark = pytest.mark.authority

TCP = [{"type": "tcp"}]

STATES = {
    "platform/postgresql-ha": ("instances/postgresql_prod.json", "onprem", True),
    "org/gcp/cloudsql-external-replica": ("latest.json", "gcp", False),  # promises a stable target
}


def states(world: World, sites: dict[str, str], port: int) -> None:
    """The modules' state files, as HybridOps keeps them, beside the clone."""
    outputs: dict[str, object] = {}
    for module, (file, site, required) in STATES.items():
        outputs = {
            "cap.db.postgresql_ha": "ready",
            "endpoint_cutover_required": required,
            "endpoint_dns_name": world.name("postgres"),
            "endpoint_host": sites[site],
            "endpoint_port": str(port),
            "endpoint_target": world.name("postgres"),
            "endpoint_target_type": "dns",
        }
        path = world.root / "state/modules" / module / file
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"module_ref": module, "status": "ok", "outputs": outputs}))
    (world.root / ".git/info/exclude").write_text("/state/\n")
    terraform = world.root.parent / "bin/terraform"
    terraform.parent.mkdir()
    printed = {key: {"sensitive": False, "value": value} for key, value in outputs.items()}
    terraform.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(printed)}\nEND\n")
    terraform.chmod(0o755)


def test_the_page_is_a_walk_that_works(make_world: MakeWorld, sites: dict[str, str], port: int) -> None:
    world = make_world(
        ttl={"min": 1, "max": 3600, "default": 300}, cutover_ttl_max=2
    )  # for how long a cache is watched
    states(world, sites, port)
    environ = {**world.environ, "PATH": f"{world.root.parent / 'bin'}:{programs()}:{world.environ['PATH']}"}
    served: list[tuple[str, str]] = []
    for block in code_blocks((ROOT / "docs/cutover.md").read_text(), "sh"):
        for command in block.splitlines():
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", command],
                cwd=world.root,
                env=environ,
                capture_output=True,
                check=False,
                text=True,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
            if command == "hyops-gitops apply":
                ((_, (ttl, (value,))),) = world.at("postgres").items()
                served.append((value, str(ttl)))

    # published, prepared, failed over to the managed database, and back
    onprem, gcp = sites["onprem"], sites["gcp"]
    assert served == [(onprem, "300"), (onprem, "2"), (gcp, "2"), (onprem, "2")]
    intents = [body for body in world.bodies() if isinstance(body, Intent)]
    declared = [one.merged[-1].declared for one in intents]
    assert declared[2:] == [
        Declaration("incident", "no power", "INC-4711", ("onprem",)),
        Declaration("incident", "power is back"),
    ]
    assert [[report.verdict for report in one.readiness] for one in intents] == [[], [], ["ready"], ["ready"]]
    assert [one.outcome for one in world.bodies() if isinstance(one, Result)] == ["applied"] * 4


def test_a_ttl_that_was_lowered_still_counts_until_caches_have_forgotten_it(
    make_world: MakeWorld, sites: dict[str, str], port: int
) -> None:
    world = make_world(cutover_ttl_max=30)
    both = {"onprem": sites["onprem"], "gcp": sites["gcp"]}
    world.contract("pg", both["onprem"], ttl=3600, sites=both, endpoint_port=port)
    world.commit()
    world.apply()
    assert world.cli("cutover", "pg.prod", "--prepare").exit == 0
    assert world.read("endpoints/prod/pg.yaml").count("endpoint_ttl: 30\n") == 1
    world.commit("Prepare")
    world.apply()
    moving = world.cli("cutover", "pg.prod", "--to", "gcp", "--format", "json").document()
    world.commit("Move")
    receipt = world.apply(watch=False)
    results = [body for body in world.bodies() if isinstance(body, Result)]
    prepared, moved = results[-2:]

    assert prepared.accepted is not None
    assert moved.accepted is not None
    (retirement,) = moved.retire
    at = retirement.after or retirement.not_before  # while the resolver still gives the old answer: at the earliest
    assert at is not None
    assert timedelta(seconds=3600) <= at - prepared.accepted <= timedelta(seconds=3600 + 60)
    assert at > moved.accepted + timedelta(seconds=3000)
    assert re.search(r"earlier TTL of 3600 s until 20\d\d-", str(moving["warnings"]))
    assert [note for note in receipt.plan.notes if "TTL" in note.message] == []  # it is within the policy's by now


def test_the_drill_refuses_as_the_apply_would_and_writes_nothing(
    make_world: MakeWorld, sites: dict[str, str], port: int
) -> None:
    world = make_world()
    both = {"onprem": sites["onprem"], "gcp": sites["gcp"]}
    world.contract("pg", both["onprem"], sites=both, endpoint_port=port, ttl=3600, endpoint_readiness=TCP)
    world.contract("deaf", both["onprem"], env="dev", sites=both, endpoint_port=port - 1, endpoint_readiness=TCP)
    world.commit()
    world.apply()
    with world.nothing_written():
        ran = world.cli("failover", "--from", "onprem", "--to", "gcp", "--check", "--format", "json")
        one = world.cli("failover", "--from", "onprem", "--to", "gcp", "--env", "prod", "--check", "--live")
        lift = f"readiness:{world.name('deaf', 'dev')}=it starts on demand"
        lifted = world.cli("failover", "--from", "onprem", "--to", "gcp", "--check", "--override", lift)
    assert world.git("status", "--porcelain") == ""
    document = ran.document()
    environments = {env["name"]: env for env in document["environments"]}  # type: ignore[attr-defined]

    assert (ran.exit, document["passes"], one.exit, lifted.exit) == (3, False, 0, 0)
    assert [(name, env["ready"], len(env["endpoints"])) for name, env in environments.items()] == [
        ("dev", 0, 1),
        ("prod", 1, 1),
    ]
    assert environments["dev"]["endpoints"][0]["readiness"]["verdict"] == "not-ready"
    plan = document["plan"]
    assert [(one["guard"], one["name"]) for one in plan["refusals"]] == [("readiness", world.name("deaf", "dev"))]  # type: ignore[index]
    assert [note["name"] for note in plan["notes"]] == [world.name("pg")]  # type: ignore[index]  # a TTL of an hour
    assert "1 of 1 targets are ready" in one.out


def test_a_plan_warns_of_the_recorded_ttl_and_a_live_one_of_the_live_ttl(make_world: MakeWorld) -> None:
    world = make_world()
    world.contract("pg", "10.0.0.1", ttl=300)
    world.commit()
    world.apply()
    world.contract("pg", "10.0.0.2", ttl=30)
    recorded = world.cli("plan", "--format", "json").document()
    world.foreign("pg", "A", "10.0.0.1", ttl=3600)
    lift = f"drift:{world.name('pg')}=by hand"
    live = world.cli("plan", "--live", "--override", lift, "--format", "json").document()

    said = [[note["message"] for note in plan["notes"] if "TTL" in note["message"]] for plan in (recorded, live)]  # type: ignore[attr-defined]
    assert said == [
        [f"clients may keep the old target for {ttl} s: its TTL is above policy.cutover_ttl_max, 60 s"]
        for ttl in (300, 3600)
    ]
