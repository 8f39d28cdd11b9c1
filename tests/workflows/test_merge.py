"""Merge to evidence, whole: branch, validate, merge, the steps of apply.yml run by the forge's hook, on a real zone."""

import json
from pathlib import Path

import pytest

from hyops_gitops.lab.model import Lab
from hyops_gitops.log.entries import Intent, Refusal
from tests.support.clone import GIT_CONFIG, run
from tests.support.world import World
from tests.workflows.forge import Forge
from tests.workflows.reading import Runner, without_network

pytestmark = pytest.mark.authority


@pytest.fixture
def forge(lab: Lab, zone_name: str, tmp_path: Path) -> Forge:
    """A protected repository with a started log, and its first apply done by hand."""
    world = World.make(tmp_path / "world", zone_name, lab)
    world.apply()
    return Forge.install(world, tmp_path / "forge")


def branch_off(forge: Forge, branch: str, target: str, service: str = "first") -> None:
    """A branch that moves or adds an endpoint."""
    world = forge.world
    world.git("switch", "-q", "-c", branch, "main")
    world.contract(service, target)
    world.git("add", "-A")
    world.git("commit", "-q", "-m", f"Move {service}")
    assert forge.push("author", branch)[0] == 0


def propose(forge: Forge, branch: str, target: str, service: str = "first") -> None:
    """A pull request that passes validate.yml."""
    world = forge.world
    branch_off(forge, branch, target, service)
    job = forge.folder / f"validate-{branch}"
    assert world.remote is not None
    run("git", "clone", "-q", "--branch", branch, world.remote, job / "contracts")
    runner = Runner(job, job / "temp", environ={"GITHUB_BASE_REF": "main"}, prefix=without_network())
    assert runner.run("validate", "contracts").failed is None, runner.said
    assert f"{world.name(service)} A" in runner.summary


def merged_commits(world: World) -> list[str]:
    return [one.commit for body in world.bodies() if isinstance(body, Intent) for one in body.merged]


def test_a_merge_is_applied_and_the_evidence_comes_back(forge: Forge) -> None:
    world = forge.world
    propose(forge, "move", "10.0.0.2")
    commit = forge.merge("move")

    job = forge.job(commit)

    assert job is not None
    assert job.failed is None, job.said
    assert world.at("first")["A"][1] == ("10.0.0.2",)
    assert job.summary.startswith(f"### Applied: `{commit[:12]}`, 1 to replace\n")
    assert "| primary | primary | converged | " in job.summary
    head = world.entries()[-1]
    assert f"Log head `{head.seq}:" in job.summary
    receipt = json.loads(job.receipt)
    assert (receipt["format"], receipt["outcome"], receipt["commit"]) == ("hyops-apply/1", "applied", commit)
    assert receipt["head"] == {"seq": head.seq, "sha256": head.sha256}
    assert dict(head.envelope.run)["url"] == "https://forge.example/acme/dns/actions/runs/4711"
    assert world.environ["POWERDNS_API_KEY"] not in job.summary + job.said
    world.git("fetch", "-q", "origin", "evidence")
    assert world.cli("audit").exit == 0


def test_merges_while_one_runs_are_carried_out_by_the_last(forge: Forge) -> None:
    world = forge.world
    for number, branch in enumerate(("one", "two", "three"), start=2):
        branch_off(forge, branch, f"10.0.0.{number}", "first" if branch == "one" else branch)
    forge.hold(on=True)
    first = forge.merge("one")
    forge.wait_for(f"{first}.ran")
    second, third = forge.merge("two"), forge.merge("three")
    forge.hold(on=False)

    job = forge.job(third)

    assert forge.job(second) is None  # the third took its place
    assert job is not None
    assert job.failed is None, job.said
    assert merged_commits(world)[-3:] == [first, second, third]
    assert [world.at(name)["A"][1] for name in ("first", "two", "three")] == [
        ("10.0.0.2",),
        ("10.0.0.3",),
        ("10.0.0.4",),
    ]
    world.git("fetch", "-q", "origin", "evidence")
    assert world.cli("audit").exit == 0


def test_a_merge_that_is_refused_and_the_override_in_the_next_one(forge: Forge) -> None:
    world = forge.world
    propose(forge, "new", "10.0.0.5", "second")
    world.foreign("second", "A", "10.9.9.9")
    name = world.name("second")

    refused = forge.job(forge.merge("new"))

    assert refused is not None
    assert refused.failed == "Apply"
    assert json.loads(refused.receipt)["outcome"] == "refused"
    assert world.at("second")["A"][1] == ("10.9.9.9",)
    assert isinstance(world.bodies()[-1], Refusal)
    assert f"--override foreign:{name}='REASON'" in refused.summary

    branch_off(forge, "again", "10.0.0.6", "second")
    allowed = forge.job(forge.merge("again", f"Merge\n\nHyops-Override: foreign:{name}=made by hand, INC-7"))

    assert allowed is not None
    assert allowed.failed is None, allowed.said
    assert world.at("second")["A"][1] == ("10.0.0.6",)
    intents = [body for body in world.bodies() if isinstance(body, Intent)]
    assert [(one.guard, one.name, one.source) for one in intents[-1].overrides] == [("foreign", name, "trailer")]
    world.git("fetch", "-q", "origin", "evidence")
    assert world.cli("audit").exit == 0


def test_nobody_else_moves_main_or_the_evidence(forge: Forge) -> None:
    world = forge.world
    world.contract("first", "10.0.0.9")
    world.git("commit", "-q", "-a", "-m", "Past the review")
    world.git("fetch", "-q", "origin", "evidence")
    older = world.git("rev-parse", "origin/evidence~1")

    assert forge.push("author", "main")[0] != 0
    assert forge.push("author", f"{older}:refs/heads/evidence")[0] != 0
    assert forge.push("deploy-key", f"+{older}:refs/heads/evidence")[0] != 0


def test_the_schedule_finds_what_was_changed_outside_the_log_and_when_it_is_gone(forge: Forge) -> None:
    world = forge.world
    assert world.remote is not None

    def look() -> Runner:
        job = forge.folder / f"look-{world.serial()}"
        run("git", "clone", "-q", world.remote or "", job / "contracts")
        return Runner(job, job / "temp", environ={**GIT_CONFIG, "HOME": str(job)}).run("drift", "look")

    fine = look()
    world.foreign("first", "A", "10.9.9.9")
    world.primary.notify()
    found = look()

    statuses = [
        {name: one.outputs[f"steps.{name}.outputs.status"] for name in ("drift", "audit")} for one in (fine, found)
    ]
    assert (fine.failed, found.failed) == (None, None)
    assert statuses == [{"drift": "0", "audit": "0"}, {"drift": "1", "audit": "1"}], (fine.said, found.said)
    assert "10.9.9.9" in found.outputs["steps.report.outputs.report"]
    assert world.environ["POWERDNS_API_KEY"] not in str(found.said)
