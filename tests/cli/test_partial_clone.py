"""Commands in a clone that was made with `--filter=blob:none`."""

import shutil
from pathlib import Path

import pytest

from tests.support.clone import run
from tests.support.world import World


@pytest.fixture
def partial(tmp_path: Path) -> World:
    world = World.make(tmp_path / "whole", "off.internal")
    assert world.remote is not None
    run("git", "-C", world.remote, "config", "uploadpack.allowFilter", "true")
    run("git", "clone", "-q", "--filter=blob:none", f"file://{world.remote}", tmp_path / "partial")
    return World(tmp_path / "partial", world.zone, world.environ, None, world.remote, world.key, world.policy)


def test_the_first_command_fetches_the_log_and_the_next_ones_nothing(partial: World) -> None:
    first = partial.cli("evidence", "verify")
    others = [partial.cli(*words) for words in (["plan"], ["validate"])]

    assert (first.exit, first.err.count("that this partial clone lacks, from origin")) == (0, 1), first.err
    assert [(other.exit, "partial clone" in other.err) for other in others] == [(0, False)] * 2, others


@pytest.mark.parametrize("words", [["plan"], ["evidence", "verify"], ["history", "first.prod"]], ids=lambda it: it[0])
def test_a_remote_that_is_gone_is_an_outside_failure(partial: World, words: list[str]) -> None:
    assert partial.remote is not None
    shutil.rmtree(partial.remote)

    ran = partial.cli(*words, "--format", "json")

    assert (ran.exit, ran.document()["code"]) == (4, "remote-unreachable")
