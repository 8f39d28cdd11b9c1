"""Further remotes: written after the log, asked before it."""

import shutil
from pathlib import Path

import pytest

from tests.support.clone import run
from tests.support.keys import MakeKey, list_keys, ok
from tests.support.world import World


@pytest.fixture
def mirror(world: World) -> Path:
    """A bare repository that the authority file names as a mirror."""
    path = world.root.parent / "mirror.git"
    run("git", "init", "-q", "--bare", path)
    world.git("remote", "add", "backup", str(path))
    world.edit_authority('"branch": "evidence",', '"branch": "evidence", "mirrors": ["backup"],')
    world.commit("Mirror")
    return path


def head(path: Path) -> str:
    return run("git", "-C", path, "rev-parse", "refs/heads/evidence").decode().strip()


def append(world: World, make_key: MakeKey, name: str) -> str:
    """One more entry; what the command said on stderr."""
    list_keys(world, make_key(name).line())
    return ok(world.cli("keys", "trust", name, "--reason", "joined")).err


def test_every_append_reaches_the_mirror(world: World, mirror: Path, make_key: MakeKey) -> None:
    append(world, make_key, "second@tests")

    assert head(mirror) == world.evidence_head()


def test_a_mirror_that_is_gone_is_a_warning(world: World, mirror: Path, make_key: MakeKey) -> None:
    shutil.rmtree(mirror)
    said = append(world, make_key, "second@tests")

    assert "warning: mirror 'backup' could not be asked" in said
    assert "warning: mirror 'backup' did not take the log" in said


def test_a_mirror_that_is_behind_catches_up(world: World, mirror: Path, make_key: MakeKey) -> None:
    append(world, make_key, "second@tests")
    run("git", "-C", mirror, "update-ref", "refs/heads/evidence", f"{head(mirror)}^")
    append(world, make_key, "third@tests")

    assert head(mirror) == world.evidence_head()


def test_a_mirror_that_is_ahead_stops(world: World, mirror: Path, make_key: MakeKey) -> None:
    append(world, make_key, "second@tests")
    assert world.remote is not None
    before = f"{head(mirror)}^"
    run("git", "-C", world.remote, "update-ref", "refs/heads/evidence", before)
    for reference in ("refs/heads/evidence", "refs/remotes/origin/evidence"):
        world.git("update-ref", reference, before)
    list_keys(world, make_key("third@tests").line())
    ran = world.cli("keys", "trust", "third@tests", "--reason", "x", "--format", "json")

    assert (ran.exit, ran.document()["code"]) == (3, "evidence-diverged")
    assert "evidence import" in str(ran.document()["hint"])


def test_what_a_mirror_has_can_be_imported(world: World, mirror: Path, make_key: MakeKey) -> None:
    append(world, make_key, "second@tests")
    assert world.remote is not None
    newest = head(mirror)
    run("git", "-C", world.remote, "update-ref", "refs/heads/evidence", f"{newest}^")
    fresh = world.clone(world.root.parent / "fresh")
    fresh.git("remote", "add", "backup", str(mirror))
    ok(fresh.cli("evidence", "import", str(mirror)))

    assert fresh.evidence_head() == newest


def test_a_mirror_with_another_log_stops_and_is_left_alone(world: World, mirror: Path, tmp_path: Path) -> None:
    other = World.make(tmp_path / "other", world.zone)
    run("git", "-C", other.root, "push", "-q", mirror, "evidence")
    ran = world.cli("apply", "--format", "json")

    assert (ran.exit, ran.document()["code"]) == (3, "evidence-diverged")
    assert head(mirror) == other.evidence_head()


def test_apply_asks_the_mirrors(served: World) -> None:
    path = served.root.parent / "mirror.git"
    run("git", "init", "-q", "--bare", path)
    served.git("remote", "add", "backup", str(path))
    served.edit_authority('"branch": "evidence",', '"branch": "evidence", "mirrors": ["backup"],')
    served.commit("Mirror")
    served.apply()

    assert head(path) == served.evidence_head()


def test_a_mirror_is_the_name_of_a_remote(world: World) -> None:
    world.edit_authority('"branch": "evidence",', '"branch": "evidence", "mirrors": ["ext::sh"],')

    assert world.cli("validate").exit == 1
