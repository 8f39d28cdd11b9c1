"""The cached lines of a manifest: always what reading every file gives, and rebuilt wherever they are in doubt."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hyops_gitops.adapters.git.clone import GitRepository
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.tree import SourceTree
from tests.support.plain_repo import Repo


def kept(repo: Repo) -> Path:
    return repo.path / ".git/hyops-gitops/manifest"


def digest(root: Path, revision: str = "HEAD") -> str:
    """As an apply has it, which must be that of all files."""
    tree = GitRepository(root).tree(revision)
    assert tree.manifest_sha256() == SourceTree.manifest_sha256(tree)
    return tree.manifest_sha256()


@pytest.fixture
def lived(repo: Repo) -> Repo:
    """Three commits: files that are new, changed, deleted, too large and none at all."""
    repo.commit("one", endpoints__dev__a_="1", endpoints__dev__b_="2", endpoints__prod__c_="3", outside="4")
    (repo.path / "endpoints/dev/b.yaml").unlink()
    (repo.path / "endpoints/dev/link.yaml").symlink_to("a.yaml")
    repo.commit("two", endpoints__dev__a_="changed", endpoints__prod__ü_="5", authority__x_="6")
    repo.commit("three", endpoints__dev__a_="x" * 70_000)
    return repo


def test_the_lines_follow_the_tree_back_and_forth(lived: Repo) -> None:
    found = [digest(lived.path, revision) for revision in ("HEAD~2", "HEAD~1", "HEAD", "HEAD~1", "HEAD~2", "HEAD~2")]

    assert found == [*found[:3], found[1], found[0], found[0]]
    assert len(set(found)) == 3


def test_a_folder_of_the_clone_has_lines_of_its_own(lived: Repo) -> None:
    lived.commit("more", dns__endpoints__dev__a_="1")

    assert digest(lived.path) != digest(lived.path / "dns")
    assert digest(lived.path) != digest(lived.path / "dns")


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.replace(b"endpoints/dev/a", b"endpoints/dev/b"),
        lambda content: content[:-10],
        lambda content: content.replace(b"hyops-manifest/1", b"hyops-manifest/2"),
        lambda _: b"",
        lambda content: content.replace(content.split()[1], b"1" * 40),
    ],
    ids=["another line", "cut short", "another format", "empty", "of a commit that is gone"],
)
def test_a_damaged_file_is_made_again(lived: Repo, damage: Callable[[bytes], bytes]) -> None:
    expected = digest(lived.path, "HEAD~1")
    kept(lived).write_bytes(damage(kept(lived).read_bytes()))

    assert digest(lived.path, "HEAD~1") == expected


def test_a_clone_that_cannot_keep_it_works(lived: Repo) -> None:
    kept(lived).parent.write_text("no folder")

    assert digest(lived.path)
    assert kept(lived).parent.read_text() == "no folder"


def test_a_lie_with_a_right_sum_is_believed_as_the_mark_is_and_seen_by_reading_all(lived: Repo) -> None:
    digest(lived.path)
    head, _, lines = kept(lived).read_bytes().partition(b"\n")
    lie = lines.replace(lines[:64], b"0" * 64)
    kept(lived).write_bytes(head.replace(sha256_hex(lines).encode(), sha256_hex(lie).encode()) + b"\n" + lie)
    tree = GitRepository(lived.path).tree("HEAD")

    assert tree.manifest_sha256() == sha256_hex(lie)
    assert SourceTree.manifest_sha256(tree) == sha256_hex(lines)  # what an audit compares an entry with


def test_names_with_a_line_end_are_never_kept(repo: Repo) -> None:
    repo.commit("one", endpoints__dev__a_="1")
    digest(repo.path)
    before = kept(repo).read_bytes()
    repo.write(os.fsdecode(b"endpoints/dev/two\nlines.yaml"), "2")
    repo.commit("two")
    digest(repo.path)

    assert kept(repo).read_bytes() == before
