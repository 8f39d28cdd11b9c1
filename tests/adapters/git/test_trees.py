"""Trees of commits: what changed, and who names whom, without reading every file."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hyops_gitops.adapters.files import WorkTree
from hyops_gitops.adapters.git import objects
from hyops_gitops.adapters.git.clone import GitRepository
from hyops_gitops.adapters.git.process import Git
from hyops_gitops.adapters.git.trees import CommitTree, ReadTree
from hyops_gitops.adapters.git.work_tree import GitWorkTree, StagedTree
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.core.tree import SourceTree, mentions
from hyops_gitops.move.contract_files import Overlay
from tests.support.plain_repo import Repo

A, B, C = "endpoints/dev/a.yaml", "endpoints/dev/b.yaml", "endpoints/dev/c.yaml"
ODD = "endpoints/dev/x\ty z.yaml"


@pytest.fixture(params=["", "dns"], ids=["at the top", "below"])
def root(repo: Repo, request: pytest.FixtureRequest) -> Path:
    """Two commits and uncommitted changes; a link, an executable file, odd names, a FIFO, what git ignores."""
    below: str = request.param
    place = f"{below}/" if below else ""
    for path, content in ((A, "svc1"), (B, "SVC2\r\n"), (C, "svc3"), (ODD, "svc1"), ("authority/x.yaml", "svc9")):
        repo.write(f"{place}{path}", content)
    repo.write("outside.yaml", "svc1")
    root = repo.path / below
    (root / "endpoints/dev/link.yaml").symlink_to("a.yaml")
    repo.commit("one")
    (root / A).chmod(0o755)
    repo.write(f"{place}{B}", '"\\x73vc1"')
    (root / C).unlink()
    repo.write(f"{place}endpoints/prod/new.yaml", "svc2")
    repo.commit("two")
    repo.write(f"{place}{ODD}", "svc2, later")
    repo.write(f"{place}endpoints/dev/untracked.yaml", "svc1")
    repo.write(".gitignore", "*~\n")
    repo.write(f"{place}endpoints/dev/ignored.yaml~", "svc1")
    os.mkfifo(root / "endpoints/dev/pipe")
    repo.git("update-index", "--assume-unchanged", f"{place}endpoints/prod/new.yaml")
    repo.write(f"{place}endpoints/prod/new.yaml", "svc1, and git looks away")
    return root


def trees(root: Path) -> dict[str, SourceTree]:
    history = GitRepository(root)
    return {
        "before": history.tree("HEAD^"),
        "commit": history.tree("HEAD"),
        "staged": StagedTree(root, os.environ),
        "work tree": GitWorkTree(root),
        "folder": WorkTree(root),
    }


def read(tree: SourceTree) -> SourceTree:
    return ReadTree(tuple(tree.files()))


@pytest.mark.parametrize("name", ["before", "commit", "staged", "work tree", "folder"])
def test_a_tree_answers_as_its_files_do(root: Path, name: str) -> None:
    files = {file.path: file for file in trees(root)[name].files()}

    assert {path: bool(known) for path, known in trees(root)[name].entries().items()} == {
        path: file.content is not None for path, file in files.items()
    }
    assert list(trees(root)[name].entries().items()) == sorted(read(trees(root)[name]).entries().items())
    for paths in (A, "endpoints/none.yaml"), (ODD, "endpoints/dev/pipe"), tuple(files):
        assert trees(root)[name].read(paths) == {path: files[path] for path in paths if path in files}


@pytest.mark.parametrize("name", ["before", "commit", "staged", "work tree", "changed", "added"])
def test_paths_are_listed_without_reading_files(root: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def tree() -> SourceTree:
        known = trees(root)
        changed = {"changed": {A: b"changed"}, "added": {"endpoints/dev/added.yaml": b"new"}}
        return Overlay(known["commit"], changed[name]) if name in changed else known[name]

    paths = [file.path for file in tree().files()]
    for kind in (CommitTree, StagedTree, GitWorkTree):
        monkeypatch.delattr(kind, "files")
    assert (sorted(tree().paths()), tree().below("endpoints")) == (paths, [p for p in paths if p.startswith("endp")])


@pytest.mark.parametrize("this", ["before", "commit", "staged", "work tree"])
@pytest.mark.parametrize("other", ["before", "commit"])
def test_what_changed_is_what_reading_shows(root: Path, this: str, other: str) -> None:
    changed = trees(root)[this].changed(trees(root)[other])
    by_reading = read(trees(root)[this]).changed(read(trees(root)[other]))

    assert changed == by_reading - {"endpoints/dev/link.yaml"}  # the same link by its id
    assert trees(root)[other].changed(trees(root)[this]) == changed


@pytest.mark.parametrize("name", ["before", "commit", "staged", "work tree", "folder"])
@pytest.mark.parametrize("texts", [("svc1",), ("svc2", "-e", "--open-files-in-pager=false"), ("s.c1",), ("nothing",)])
def test_who_names_it_is_what_reading_shows(root: Path, name: str, texts: tuple[str, ...]) -> None:
    found = trees(root)[name].mentioning(texts)

    expected = {f.path for f in trees(root)[name].files() if f.content and mentions(texts).search(f.content)}
    assert found == expected


@pytest.mark.parametrize(
    "setting", ["grep.fullName", "grep.lineNumber", "color.grep", "grep.patternType", "diff.relative"]
)
def test_the_users_settings_change_no_answer(root: Path, repo: Repo, setting: str) -> None:
    value = {"grep.patternType": "perl", "color.grep": "always"}.get(setting, "true")
    expected = trees(root)["commit"].mentioning(["svc1"]), trees(root)["commit"].changed(trees(root)["before"])
    repo.git("config", setting, value)

    assert (
        trees(root)["commit"].mentioning(["svc1"]),
        trees(root)["commit"].changed(trees(root)["before"]),
    ) == expected


def test_a_text_to_look_for_is_one_line(root: Path) -> None:
    with pytest.raises(ValueError, match="one line"):
        trees(root)["commit"].mentioning(["a\nb"])


# --- objects


def test_an_object_is_found_when_it_was_written_later(repo: Repo) -> None:
    git, first = Git(repo.path), repo.commit("one", a="1")
    assert objects.resolve(git, "HEAD") == first
    second = repo.commit("two", a="2")
    repo.git("gc", "-q", "--prune=now")

    assert objects.resolve(git, "main") == second
    assert objects.resolve(git, "nothing") is None
    assert objects.look_up(git, f"{first}\n{second}") is None  # one question a line


def test_a_large_blob_is_not_kept(repo: Repo) -> None:
    repo.commit("one", a="1", b="2" * 300_000)
    git = Git(repo.path)
    ids = [repo.git("rev-parse", f"HEAD:{name}") for name in ("a", "b")]

    assert objects.read_short_blobs(git, ids, 1000) == {ids[0]: b"1", ids[1]: None}
    assert objects.read_blobs(git, ids) == {ids[0]: b"1", ids[1]: b"2" * 300_000}


def test_a_missing_blob_is_a_damaged_clone(repo: Repo) -> None:
    repo.commit("one", a="1")

    with pytest.raises(OutsideFailure, match="damaged or partial"):
        objects.read_blobs(Git(repo.path), ["1" * 40])


def test_a_tree_of_sha_256_is_read_alike(make_repo: Callable[..., Repo]) -> None:
    repo = make_repo("sha256", "--object-format=sha256")
    repo.commit("one", endpoints__a_="a: 1")
    repo.write("endpoints/b.yaml", "a: 1")
    commit = GitRepository(repo.path).tree("HEAD")

    assert GitWorkTree(repo.path).changed(commit) == {"endpoints/b.yaml"}
    assert set(GitWorkTree(repo.path).entries().values()) == set(commit.entries().values())
