"""An apply that asks a forge, on a real zone: who asked, who approved, and which run it was are in the signed log."""

from pathlib import Path
from typing import Any

import pytest

from hyops_gitops.adapters.forge.forge import FORGE_REPOSITORY, FORGE_TOKEN, FORGE_URL, RestForge
from hyops_gitops.adapters.forge.rest import ForgeHttp
from hyops_gitops.core.errors import Refused
from hyops_gitops.core.people import Approval, MergedCommit, Person
from hyops_gitops.lab.model import Lab
from hyops_gitops.log.entries import Intent
from hyops_gitops.log.workspace import Workspace
from tests.support.forge import GRACE, LINUS, TOKEN, ForgeServer, review
from tests.support.world import World

pytestmark = pytest.mark.authority
RUN = {
    "GITHUB_RUN_ID": "4711",
    "GITHUB_SERVER_URL": "https://github.example",
    "GITHUB_REPOSITORY": "acme/dns",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_EVENT_NAME": "push",
    "GITHUB_ACTOR": "linus",
    "GITHUB_ACTOR_ID": "13",
}


def newest(world: World) -> tuple[MergedCommit, dict[str, str]]:
    entry = next(one for one in reversed(world.entries()) if isinstance(one.body, Intent))
    assert isinstance(entry.body, Intent)
    return entry.body.merged[-1], dict(entry.envelope.run)


def merge(world: World, target: str) -> tuple[str, str]:
    """Move the endpoint on a branch, merge it; the merge and the branch's head."""
    world.git("switch", "-q", "-c", f"move-{target}")
    world.contract("first", target)
    world.git("commit", "-q", "-a", "-m", "Move")
    head = world.git("rev-parse", "HEAD")
    world.git("switch", "-q", "main")
    world.git("merge", "-q", "--no-ff", "-m", "Merge pull request", head)
    world.git("push", "-q", "origin", "main")
    return world.git("rev-parse", "HEAD"), head


@pytest.fixture
def world(lab: Lab, zone_name: str, tmp_path: Path, github: ForgeServer) -> World:
    """A repository on the forge, whose first commit a pull request brought, and where somebody else has to approve."""
    policy: dict[str, Any] = {"separation_of_duties": "enforce", "overridable": ["separation-of-duties"]}
    made = World.make(tmp_path, zone_name, lab, **policy)
    made.environ |= {FORGE_TOKEN: TOKEN, FORGE_URL: github.url, FORGE_REPOSITORY: "acme/dns", **RUN}
    github.repository()
    pinned = made.git("rev-parse", "HEAD")
    github.pull(1, pinned, pinned, review(1, GRACE, "APPROVED", pinned))
    return made


def test_a_pull_request_with_its_people_and_the_run(world: World, github: ForgeServer) -> None:
    commit, head = merge(world, "10.0.0.2")
    github.pull(7, commit, head, review(1, GRACE, "APPROVED", "d" * 40), title="Move first.prod")
    with pytest.raises(Refused, match="not the last head"):
        world.apply()
    github.pull(7, commit, head, review(2, GRACE, "APPROVED", head), title="Move first.prod")

    ran = world.cli("apply")

    merged, run = newest(world)
    assert ran.exit == 0, ran.err
    assert (merged.commit, merged.head, merged.pull_request) == (commit, head, "7")
    assert (merged.title, merged.source, merged.bypass) == ("Move first.prod", "github", None)
    assert (merged.author, merged.merged_by) == (Person("ada", "11"), Person("linus", "13"))
    assert merged.approvals == (Approval(Person("grace", "12"), head),)
    assert run["url"] == "https://github.example/acme/dns/actions/runs/4711"
    assert (run["attempt"], run["event"], run["actor"], run["actor_id"]) == ("2", "push", "linus", "13")
    assert TOKEN not in ran.out + ran.err
    assert all(TOKEN.encode() not in world.entry_bytes(entry.seq) for entry in world.entries())


def test_a_push_past_the_pull_request_is_refused_and_then_named(world: World, github: ForgeServer) -> None:
    world.contract("first", "10.0.0.3")
    pushed = world.commit("Quick fix\n\nApproved-by: Grace <grace@example.invalid>")  # anybody can write that
    github.no_pull(pushed)
    github.commit(pushed, LINUS)
    with pytest.raises(Refused, match="nobody approved it"):
        world.apply()

    world.apply("separation-of-duties=INC-1, called Grace")

    merged, _ = newest(world)
    assert (merged.bypass, merged.author, merged.approvals) == ("direct-push", Person("linus", "13"), ())
    document = world.cli("audit", "--offline", "--format", "json").document()
    assert document["problems"] == []
    exceptions = document["exceptions"]
    assert isinstance(exceptions, list)
    told = [one["message"] for one in exceptions if one["kind"] == "bypass"]
    assert told == [f"{pushed[:12]} was pushed directly, without a pull request"]


def test_nothing_is_guessed_while_the_forge_is_down(world: World) -> None:
    world.contract("first", "10.0.0.4")
    world.commit("Move\n\nApproved-by: Grace <grace@example.invalid>")

    def down(ports: Workspace) -> Workspace:
        http = ForgeHttp("http://127.0.0.1:1", TOKEN, sleep=lambda _: None)
        return ports.replaced(forge=RestForge(http, "/repos/acme/dns"))

    with pytest.raises(Refused, match="did not answer") as refused:
        world.apply(swap=down)
    assert "--override separation-of-duties='REASON'" in refused.value.hint

    world.apply("separation-of-duties=INC-2, the forge is down", swap=down)

    merged, _ = newest(world)
    assert (merged.source, merged.approvals) == ("commit", (Approval(Person("Grace")),))


def squash(world: World, target: str, *, evil: bool = False) -> tuple[str, str]:
    """Move the endpoint on a branch, squash it onto main; the new commit and the branch's head."""
    world.git("switch", "-q", "-c", f"squash-{target}")
    world.contract("first", target)
    world.git("commit", "-q", "-a", "-m", "Move")
    head = world.git("rev-parse", "HEAD")
    world.git("switch", "-q", "main")
    world.git("merge", "-q", "--squash", head)
    if evil:
        world.contract("second", "10.0.0.66")
    return world.commit("Move (#7)"), head


def test_a_squash_is_what_was_approved_when_its_tree_is(world: World, github: ForgeServer) -> None:
    squashed: list[str] = []
    for number, evil in ((7, False), (8, True)):
        commit, head = squash(world, f"10.0.0.{number}", evil=evil)
        github.pull(number, commit, head, review(1, GRACE, "APPROVED", head))
        world.apply()
        squashed.append(commit)

    problems = world.cli("audit", "--offline", "--format", "json").document()["problems"]

    assert isinstance(problems, list)
    assert [(one["code"], squashed[1][:12] in one["message"]) for one in problems] == [("separation-of-duties", True)]
    assert "has content without approval" in problems[0]["message"]
