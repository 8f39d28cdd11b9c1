"""`evidence verify --seen` and `evidence init --continues`."""

from pathlib import Path

import pytest

from hyops_gitops.log.admin_entries import Continues, Genesis
from tests.support.clone import run
from tests.support.keys import MakeKey, list_keys, ok
from tests.support.world import World

LOG = "0" * 32
SHA = "a" * 64


def codes(world: World, *seen: str) -> list[str]:
    options = [word for one in seen for word in ("--seen", one)]
    ran = world.cli("evidence", "verify", "--format", "json", *options)
    problems = ran.document()["problems"]
    assert isinstance(problems, list)
    assert ran.exit == (1 if problems else 0)
    assert ran.document()["ok"] is (not problems)
    return [one["code"] for one in problems]


def remembered(world: World) -> list[str]:
    return [f"{entry.seq}:{entry.sha256}" for entry in world.entries()]


def test_heads_that_are_entries_of_the_log(world: World, make_key: MakeKey) -> None:
    list_keys(world, make_key("second@tests").line())
    ok(world.cli("keys", "trust", "second@tests", "--reason", "joined"))

    assert codes(world, *remembered(world)) == []


def test_a_head_with_another_digest(world: World) -> None:
    assert codes(world, f"1:{SHA}") == ["seen"]


def test_a_tail_that_was_cut_is_missed_without_and_found_with_a_memory(world: World, make_key: MakeKey) -> None:
    list_keys(world, make_key("second@tests").line())
    ok(world.cli("keys", "trust", "second@tests", "--reason", "joined"))
    memory = remembered(world)[-1]
    for reference in ("refs/heads/evidence", "refs/remotes/origin/evidence"):
        world.git("update-ref", reference, f"{reference}~1")

    assert codes(world) == []
    assert codes(world, memory) == ["seen"]


def test_what_is_no_head(world: World) -> None:
    assert world.cli("evidence", "verify", "--seen", "latest").exit == 2


def test_a_log_goes_on_from_another(tmp_path: Path) -> None:
    moved = World.make(tmp_path, "moved.internal", init=False)
    ok(moved.cli("evidence", "init", "--continues", f"{LOG}:7:{SHA}"))
    body = moved.bodies()[0]

    assert isinstance(body, Genesis)
    assert body.continues == Continues(LOG, 7, SHA)


@pytest.mark.parametrize("text", ["", "7", f"{LOG}:0:{SHA}", f"{LOG}:7:{SHA[1:]}", f"log:7:{SHA}"])
def test_what_is_no_end_of_a_log(tmp_path: Path, text: str) -> None:
    moved = World.make(tmp_path, "moved.internal", init=False)
    ran = moved.cli("evidence", "init", "--continues", text)

    assert ran.exit == 2
    assert run("git", "-C", str(moved.remote), "for-each-ref", "refs/heads/evidence") == b""
