"""`plan` of a branch that main went on without: what the merge would do, or what is missing to say so."""

import shutil
import stat
from pathlib import Path

import pytest

from tests.support.book import Book, build, commit_trees
from tests.support.clone import run
from tests.support.world import Ran, World


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    """A repository whose log says what was applied, on a remote."""
    made = build(tmp_path_factory.mktemp("behind"))
    commit_trees(made.world.root, made.store.trees)
    made.world.remote = made.world.root.parent / "remote.git"
    run("git", "init", "-q", "--bare", "-b", "main", made.world.remote)
    made.world.git("remote", "add", "origin", str(made.world.remote))
    made.world.git("push", "-q", "origin", "main", "evidence")
    return made


@pytest.fixture
def behind(book: Book, tmp_path: Path) -> World:
    """A branch that lacks the commit applied last, with an endpoint of its own."""
    clone = book.world.clone(tmp_path / "author")
    clone.git("fetch", "-q", "origin", "evidence:evidence")
    clone.git("switch", "-q", "-c", "topic", "main~1")
    clone.contract("own", "10.0.0.77")
    clone.git("add", "-A")
    clone.git("commit", "-q", "-m", "Own")
    return clone


def changes(ran: Ran) -> list[str]:
    found = ran.document()["changes"]
    assert isinstance(found, list)
    return [f"{one['action']} {one['name'].split('.')[0]}" for one in found]


def planned(world: World, *options: str) -> Ran:
    ran = world.cli("plan", "--format", "json", *options)
    assert ran.exit == 0, ran.err + ran.out
    return ran


def notes(ran: Ran) -> str:
    return " ".join(str(one) for one in list(ran.document()["notes"]))  # type: ignore[call-overload]


def test_a_branch_behind_is_planned_as_merged_into_what_was_applied_last(behind: World) -> None:
    ran = planned(behind)
    objects = behind.git("count-objects", "-v")

    assert changes(ran) == ["create own"]
    assert ran.document()["merged_into"] == behind.git("rev-parse", "origin/main")
    assert "planned as merged into" in notes(ran)
    assert changes(planned(behind, "--commit", "topic")) == ["create own"]
    assert behind.git("count-objects", "-v") == objects


def test_what_is_not_committed_is_merged_too(behind: World) -> None:
    behind.contract("another", "10.0.0.78")
    behind.delete_contract("own")

    assert changes(planned(behind)) == ["create another"]


def test_the_branch_that_it_goes_to_may_be_named(behind: World) -> None:
    behind.git("switch", "-q", "-c", "ahead", "origin/main")
    behind.contract("ahead", "10.0.0.79")
    behind.git("add", "-A")
    behind.git("commit", "-q", "-m", "Merged and not applied yet")
    behind.git("switch", "-q", "topic")

    assert changes(planned(behind, "--into", "ahead")) == ["create ahead", "create own"]
    assert "merged_into" not in planned(behind, "--commit", "ahead", "--into", "origin/main").document()


def test_a_merge_with_conflicts_is_said_and_not_planned(behind: World) -> None:
    behind.contract("first", "10.0.0.55", ttl=77)
    behind.git("commit", "-q", "-a", "-m", "Move first too")
    ran = behind.cli("plan")

    assert ran.exit == 1
    assert "has conflicts in endpoints/prod/first.yaml" in ran.err


def test_what_is_missing_is_said_where_the_merge_cannot_be_known(behind: World, tmp_path: Path) -> None:
    old = tmp_path / "old" / "git"
    old.parent.mkdir()
    old.write_text(f'#!/bin/sh\nfor w; do [ "$w" = --write-tree ] && exit 129; done\nexec {shutil.which("git")} "$@"\n')
    old.chmod(old.stat().st_mode | stat.S_IXUSR)
    behind.environ = {**behind.environ, "PATH": f"{old.parent}:{behind.environ['PATH']}"}
    ran = planned(behind)

    assert "merged_into" not in ran.document()
    assert "changes below may only undo what was applied since" in notes(ran)
    assert "git 2.38" in notes(ran)


def test_a_clone_without_what_was_applied_last_says_so(behind: World, tmp_path: Path) -> None:
    behind.git("push", "-q", "origin", "topic")
    alone = World(tmp_path / "alone", behind.zone, behind.environ, None, behind.remote, behind.key, behind.policy)
    run("git", "clone", "-q", "--single-branch", "-b", "topic", f"file://{behind.remote}", alone.root)
    alone.git("fetch", "-q", "origin", "evidence:evidence")
    ran = planned(alone)

    assert "which was applied last, is not in this clone" in notes(ran)
    assert "--into origin/main" in notes(ran)


def test_a_sparse_checkout_deletes_nothing(behind: World) -> None:
    behind.git("switch", "-q", "--detach", "origin/main")
    whole = planned(behind).out
    behind.git("sparse-checkout", "set", "--cone", "authority")

    assert not (behind.root / "endpoints/prod").exists()
    assert planned(behind).out == whole


@pytest.mark.parametrize("fork", ["^Contracts", "^Pin the log"])
def test_a_branch_from_before_the_log_or_its_newest_key_is_planned_by_naming_where_it_goes(
    behind: World, fork: str
) -> None:
    behind.git("switch", "-q", "-c", "older", behind.git("log", "--format=%H", f"--grep={fork}", "main"))
    behind.contract("older", "10.0.0.80")
    behind.git("add", "-A")
    behind.git("commit", "-q", "-m", "Older")

    assert changes(planned(behind, "--into", "origin/main")) == ["create older"]


def test_where_the_clone_knows_main_it_need_not_be_named(behind: World) -> None:
    behind.edit_authority('"branch": "evidence"', '"branch": "evidence", "remote": "origin"')
    behind.git("commit", "-q", "-a", "-m", "Name the remote")
    ran = planned(behind)

    assert changes(ran) == ["create own"]
    assert ran.document()["merged_into"] == behind.git("rev-parse", "origin/HEAD")


def test_a_log_that_a_branch_lacks_a_key_for_says_how_to_plan_it(behind: World) -> None:
    behind.git("switch", "-q", "--detach", behind.git("log", "--format=%H", "--grep=^Pin the log", "main"))
    ran = behind.cli("plan")

    assert (ran.exit, "--into origin/main" in ran.err) == (3, True)
