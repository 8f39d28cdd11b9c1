"""The steps of validate.yml as a runner executes them: no environment, no network, no credential."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.annotations import annotations
from tests.support.book import Book, build, commit_trees
from tests.support.clone import run
from tests.support.world import World
from tests.workflows.reading import QUEUED_ON, Runner, without_network

Open = Callable[[], Runner]


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    """A repository whose log says what was applied."""
    made = build(tmp_path_factory.mktemp("book"))
    commit_trees(made.world.root, made.store.trees)
    made.world.edit_authority('"branch": "evidence"', '"branch": "evidence", "remote": "origin"')
    made.world.remote = made.world.root.parent / "remote.git"
    run("git", "init", "-q", "--bare", "-b", "main", made.world.remote)
    made.world.git("remote", "add", "origin", str(made.world.remote))
    made.world.commit("Push the log")
    made.world.git("push", "-q", "origin", "evidence")
    return made


@pytest.fixture
def world(book: Book, tmp_path: Path) -> World:
    """A pull request's branch in a clone of its own."""
    clone = book.world.clone(tmp_path / "author")
    clone.git("switch", "-q", "-c", "topic")
    return clone


@pytest.fixture
def check(world: World, tmp_path: Path) -> Open:
    """What the workflow makes of the branch as it is committed."""

    def checked() -> Runner:
        """The merge of the branch, in a fresh clone as actions/checkout makes it."""
        contracts = tmp_path / "job" / "contracts"
        assert world.remote is not None
        world.git("push", "-q", "--force", "origin", "topic")
        run("git", "clone", "-q", world.remote, contracts)
        identity = ("-c", "user.name=Forge", "-c", "user.email=forge@example.invalid")
        run("git", "-C", contracts, "checkout", "-q", "--detach", "origin/main")
        run("git", "-C", contracts, *identity, "merge", "-q", "--no-ff", "--no-edit", "origin/topic")
        environ = {"GITHUB_BASE_REF": "main", "HOME": str(tmp_path)}
        return Runner(tmp_path / "job", tmp_path / "temp", environ=environ, prefix=without_network()).run(
            "validate", "contracts"
        )

    return checked


@pytest.fixture
def check_queued(world: World, tmp_path: Path) -> Callable[[str], Runner]:
    """What the workflow makes of a merge queue's commit, which has a base commit and no base branch."""

    def checked(base: str) -> Runner:
        contracts = tmp_path / "job" / "contracts"
        assert world.remote is not None
        world.git("push", "-q", "--force", "origin", "HEAD:refs/heads/gh-readonly-queue/main/pr-2")
        run("git", "clone", "-q", world.remote, contracts)
        run("git", "-C", contracts, "checkout", "-q", "--detach", "origin/gh-readonly-queue/main/pr-2")
        environ = {"GITHUB_BASE_REF": "", "HOME": str(tmp_path)}
        given = {QUEUED_ON: base}
        return Runner(tmp_path / "job", tmp_path / "temp", given, environ, without_network()).run(
            "validate", "contracts"
        )

    return checked


def test_a_merge_queue_checks_what_it_adds_to_the_commit_that_it_goes_on(
    world: World, check_queued: Callable[[str], Runner]
) -> None:
    world.edit_authority("http://127.0.0.1:1", "http://127.0.0.1:2")
    world.git("commit", "-q", "-a", "-m", "The pull request before it in the queue")
    base = world.git("rev-parse", "HEAD")
    world.git("switch", "-q", "-c", "queued")
    world.contract("first", "10.0.0.77")
    world.git("commit", "-q", "-a", "-m", "Move")

    runner = check_queued(base)

    assert runner.failed is None, runner.said
    assert "-> 10.0.0.77 " in runner.summary


def test_a_merge_queue_finds_what_the_check_of_a_pull_request_finds(
    world: World, check_queued: Callable[[str], Runner]
) -> None:
    base = world.git("rev-parse", "HEAD")
    path = "endpoints/prod/first.yaml"
    world.write(path, world.read(path).replace("first.prod", "First.prd"))
    world.git("commit", "-q", "-a", "-m", "Rename")

    assert check_queued(base).failed == "Findings"


def test_lines_of_codeowners_that_are_missing_fail_the_step_that_compares_them(
    world: World, check_queued: Callable[[str], Runner]
) -> None:
    world.edit_authority('"ttl"', '"owners": {"web": ["@acme/web"]}, "ttl"')
    world.git("commit", "-q", "-a", "-m", "The table")
    base = world.git("rev-parse", "HEAD")
    path = "endpoints/prod/first.yaml"
    world.write(path, f"{world.read(path)}endpoint_owner: web\n")
    run("hyops-gitops", "fmt", "--repo", world.root)
    world.git("commit", "-q", "-a", "-m", "Own it")

    runner = check_queued(base)

    assert runner.failed == "Owners"
    assert f"+/{path} @acme/web" in runner.said["Owners"]


def test_a_plan_without_network_or_credential_shows_the_difference_to_the_evidence(world: World, check: Open) -> None:
    world.contract("first", "10.0.0.77")
    world.git("commit", "-q", "-a", "-m", "Move")

    runner = check()

    changed = [line for line in runner.summary.splitlines() if line[:2] in ("+ ", "- ", "~ ")]
    assert runner.failed is None, runner.said
    assert len(changed) == 1
    assert changed[0].startswith(f"~ {world.name('first')} A ")
    assert "-> 10.0.0.77 " in changed[0]
    assert "against the signed log, entry " in runner.summary
    assert runner.outputs["steps.plan.outputs.plan"] == runner.summary.rstrip("\n")


def test_a_wrong_name_is_annotated_and_the_plan_says_why_there_is_none(world: World, check: Open) -> None:
    path = "endpoints/prod/first.yaml"
    world.write(path, world.read(path).replace("first.prod", "First.prd"))
    world.git("commit", "-q", "-a", "-m", "Rename")

    runner = check()

    found = annotations("\n".join(line for line in runner.said["Findings"].splitlines() if line.startswith("::")))
    assert runner.failed == "Findings"
    assert [(one[1]["file"], one[1]["line"], one[1]["title"]) for one in found] == [
        (path, "1", "name-environment"),
        (path, "1", "name-syntax"),
    ]
    assert "did you mean prod? environments: dev, prod, shared" in found[0][2]
    assert "name-environment" in runner.outputs["steps.plan.outputs.plan"]


def test_an_authority_changed_together_with_a_contract_is_refused(world: World, check: Open) -> None:
    world.edit_authority("http://127.0.0.1:1", "http://127.0.0.1:2")
    world.contract("first", "10.0.0.77")
    world.git("commit", "-q", "-a", "-m", "Both")

    runner = check()

    assert runner.failed == "Findings"
    assert f"{world.authority_path}:1:1: mixed-change: " in runner.said["Findings"]


def test_what_a_pull_request_says_cannot_end_the_output_or_leave_its_fence(world: World, check: Open) -> None:
    world.write("endpoints/prod/``` @all.yaml", "endpoint_dns_name: '```\nplan<<x\n<script>'\n")
    world.git("add", "-A")
    world.git("commit", "-q", "-m", "Hostile")

    runner = check()

    fence, *body, end = runner.outputs["steps.plan.outputs.plan"].splitlines()[2:]
    assert runner.outputs.keys() == {"steps.plan.outputs.plan"}
    assert (fence, end) == ("````diff", "````")
    assert not any(line.startswith("````") for line in body)
