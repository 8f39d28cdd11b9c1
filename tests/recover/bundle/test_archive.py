"""The files of a `git archive`: what they say of themselves, and what nobody can know of them."""

from pathlib import Path

import pytest

from tests.recover.bundle.conftest import ZONE
from tests.support.clone import run
from tests.support.world import World


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A repository that exports its commit's id."""
    world = World.make(tmp_path_factory.mktemp("archive") / "w", ZONE)
    world.write(".gitattributes", ".git_archival.txt export-subst\n")
    world.write(".git_archival.txt", "node: $Format:%H$\n")
    world.commit("Archives know their commit")
    return world


@pytest.fixture
def folder(archived: World, tmp_path: Path) -> Path:
    """Its files, without the log."""
    return extract(archived, "HEAD", tmp_path / "unpacked")


def extract(world: World, tree: str, directory: Path) -> Path:
    directory.mkdir()
    run("tar", "-x", "-C", directory, stdin=run("git", "-C", world.root, "archive", tree))
    return directory


def test_it_knows_its_commit_and_says_that_nobody_vouches(archived: World, folder: Path) -> None:
    extract(archived, "evidence", folder / "evidence")
    ran = archived.cli("plan", "--format", "json", cwd=folder)
    of_clone = archived.cli("plan", "--format", "json").document()

    assert ran.exit == 0, ran.err
    assert {**ran.document(), "notes": []} == of_clone
    assert "which commits were merged is not known here" in str(ran.document()["notes"])
    assert "this folder is not a clone: commit " in ran.err


def test_without_the_log_it_says_where_to_get_it(archived: World, folder: Path) -> None:
    ran = archived.cli("plan", "--format", "json", cwd=folder)

    assert (ran.exit, ran.document()["code"]) == (3, "evidence-missing")
    assert "git archive evidence" in str(ran.document()["hint"])
    assert archived.cli("validate", cwd=folder).exit == 0


def test_audit_cannot_conclude(archived: World, folder: Path) -> None:
    extract(archived, "evidence", folder / "evidence")
    ran = archived.cli("audit", "--offline", "--format", "json", cwd=folder)

    assert (ran.exit, ran.document()["problems"], ran.document()["conclusive"]) == (4, [], False)
    assert len(ran.document()["inconclusive"]) == 2  # type: ignore[arg-type]


def test_a_commit_that_nothing_says_can_be_said(archived: World, folder: Path, tmp_path: Path) -> None:
    extract(archived, "evidence", folder / "evidence")
    (folder / ".git_archival.txt").unlink()
    unknown = archived.cli("status", "--format", "json", cwd=folder)
    archive = tmp_path / "archive.tar"
    archive.write_bytes(run("git", "-C", archived.root, "archive", "HEAD"))
    line = str(unknown.document()["hint"]).partition(", with")[0].replace("FILE.tar", str(archive))
    run("sh", "-c", line, cwd=folder)
    known = archived.cli("status", "--format", "json", cwd=folder)

    assert (unknown.exit, unknown.document()["code"]) == (2, "no-commit")
    assert known.document()["commit"] == archived.git("rev-parse", "HEAD")


def test_an_unpacked_archive_inside_a_clone_is_not_taken_for_it(archived: World, folder: Path) -> None:
    extract(archived, "evidence", folder / "evidence")
    run("git", "init", "-q", folder.parent)

    assert archived.cli("plan", "--format", "json", cwd=folder).document()["commit"] == archived.git(
        "rev-parse", "HEAD"
    )
