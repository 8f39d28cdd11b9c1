"""The work tree and the index as git would commit them."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from hyops_gitops.adapters.git.clone import GitRepository
from hyops_gitops.adapters.git.work_tree import GitWorkTree, StagedTree
from hyops_gitops.cli.main import execute
from hyops_gitops.core.tree import SourceTree
from tests.support.plain_repo import Repo
from tests.support.repository import ROOT

BASE = ROOT / "tests" / "cases" / "base"
REDIS, POSTGRES = "endpoints/dev/redis.yaml", "endpoints/prod/postgres.yaml"


@pytest.fixture
def source(repo: Repo) -> Repo:
    """A repository with good contracts, and no .gitattributes."""
    shutil.copytree(BASE, repo.path, dirs_exist_ok=True)
    repo.commit("Begin")
    return repo


def contents(tree: SourceTree) -> dict[str, bytes | None]:
    return {one.path: one.content for one in tree.files()}


def committed(repo: Repo) -> dict[str, bytes | None]:
    return contents(GitRepository(repo.path).tree("HEAD"))


def on_disk(repo: Repo) -> dict[str, bytes | None]:
    return contents(GitWorkTree(repo.path))


def staged(repo: Repo, environ: Mapping[str, str] = os.environ) -> dict[str, bytes | None]:
    return contents(StagedTree(repo.path, environ))


def converted(source: Repo, tmp_path: Path, *settings: str) -> Path:
    """A clone whose files have other line ends on disk than in git."""
    path = tmp_path / "converted"
    words = [word for setting in settings for word in ("-c", setting)]
    subprocess.run(["git", "clone", "-q", *words, source.path, path], check=True)
    assert b"\r\n" in (path / REDIS).read_bytes()
    return path


# --- what git ignores


@pytest.mark.parametrize("where", [".gitignore", "endpoints/.gitignore", ".git/info/exclude"])
def test_what_git_ignores_is_not_there(source: Repo, where: str) -> None:
    source.write(where, "*~\n*.orig\nold/\n")
    for name in ("redis.yaml~", "redis.yaml.orig", "old/redis.yaml"):
        source.write(f"endpoints/dev/{name}", "left over")

    assert {path for path in on_disk(source) if not path.endswith(".gitignore")} == set(committed(source))
    assert execute(["validate", "--repo", str(source.path)]) == 0


def test_what_git_tracks_or_only_does_not_know_is_there(source: Repo) -> None:
    source.commit("Track it all the same", endpoints__dev__new_="a: 1\n")
    source.write(".gitignore", "new.yaml\n")
    source.write("endpoints/dev/draft.yaml", "draft")
    os.mkfifo(source.path / "endpoints/dev/pipe")

    assert set(on_disk(source)) - set(committed(source)) == {"endpoints/dev/draft.yaml", "endpoints/dev/pipe"}


def test_an_archive_that_was_unpacked_where_a_clone_ignores_it_is_read_as_it_is(source: Repo) -> None:
    source.write(".gitignore", "unpacked/\n")
    shutil.copytree(BASE, source.path / "unpacked")

    assert contents(GitWorkTree(source.path / "unpacked")) == committed(source)


# --- a sparse checkout


@pytest.mark.parametrize("mode", ["--cone", "--no-cone"])
def test_what_a_sparse_checkout_leaves_out_is_there(source: Repo, mode: str) -> None:
    before = on_disk(source)
    source.git("sparse-checkout", "set", mode, "authority", "endpoints/dev")
    left_out = not (source.path / POSTGRES).exists()

    assert (left_out, on_disk(source)) == (True, before)
    assert execute(["validate", "--repo", str(source.path)]) == 0


def test_a_file_that_was_deleted_is_not_there(source: Repo) -> None:
    (source.path / REDIS).unlink()

    assert set(committed(source)) - set(on_disk(source)) == {REDIS}


# --- line ends


@pytest.mark.parametrize("settings", [("core.autocrlf=true",), ("core.eol=crlf", "core.attributesFile=attributes")])
def test_line_ends_are_those_that_git_stores(source: Repo, tmp_path: Path, settings: tuple[str, ...]) -> None:
    (tmp_path / "attributes").write_text("* text=auto\n")
    path = converted(source, tmp_path, *(one.replace("=attributes", f"={tmp_path}/attributes") for one in settings))
    (path / "endpoints/dev/new.yaml").write_bytes(b"a: 1\r\n")

    found = contents(GitWorkTree(path))
    assert found.pop("endpoints/dev/new.yaml") == b"a: 1\n"
    assert found == committed(source)


def test_validate_and_fmt_judge_a_converted_clone_as_committed(source: Repo, tmp_path: Path) -> None:
    path = converted(source, tmp_path, "core.autocrlf=true")
    subprocess.run(["git", "-C", path, "config", "core.safecrlf", "true"], check=True)
    objects = sorted(one.name for one in (path / ".git/objects").rglob("*"))

    assert execute(["validate", "--repo", str(path)]) == 0
    assert execute(["fmt", "--check", "--repo", str(path)]) == 0
    assert sorted(one.name for one in (path / ".git/objects").rglob("*")) == objects


def test_fmt_keeps_the_line_ends_of_the_work_tree(source: Repo, tmp_path: Path) -> None:
    path = converted(source, tmp_path, "core.autocrlf=true")
    ordered = (path / REDIS).read_bytes()
    (path / REDIS).write_bytes(b"".join(reversed(ordered.splitlines(keepends=True))))

    assert execute(["fmt", "--repo", str(path)]) == 0
    assert (path / REDIS).read_bytes() == ordered
    assert subprocess.run(["git", "-C", path, "diff", "--exit-code"], check=False).returncode == 0


def test_an_edit_in_the_second_of_the_checkout_is_seen(source: Repo, tmp_path: Path) -> None:
    """Git compares the contents of files that are no older than its index, as stat shows nothing for them."""
    path, moment = converted(source, tmp_path, "core.autocrlf=true", "core.trustctime=false"), (1.7e9, 1.7e9)
    os.utime(path / REDIS, moment)
    subprocess.run(["git", "-C", path, "update-index", "-q", "--refresh"], check=True)
    lines = (path / REDIS).read_bytes().splitlines(keepends=True)
    (path / REDIS).write_bytes(b"".join(reversed(lines)))
    for file in (REDIS, ".git/index"):
        os.utime(path / file, moment)

    found = contents(GitWorkTree(path))[REDIS]
    assert found == b"".join(reversed(lines)).replace(b"\r\n", b"\n")


def test_line_ends_that_were_committed_are_judged_as_committed(source: Repo, tmp_path: Path) -> None:
    content = source.git("show", f"HEAD:{REDIS}").replace("\n", "\r\n")
    (source.path / REDIS).write_bytes(content.encode())
    source.git("commit", "-q", "-a", "-m", "Wrong line ends")
    stored = committed(source)[REDIS]
    path = converted(source, tmp_path, "core.autocrlf=true")

    assert b"\r\n" in (stored or b"")
    assert contents(GitWorkTree(path)) == committed(source)
    assert execute(["fmt", "--check", "--repo", str(source.path)]) != 0


# --- the index


def test_what_the_next_commit_holds_is_what_is_staged(source: Repo) -> None:
    before = committed(source)
    source.write("endpoints/dev/draft.yaml", "untracked")
    source.write("endpoints/dev/later.yaml", "announced")
    source.git("add", "--intent-to-add", "endpoints/dev/later.yaml")
    source.write(REDIS, "edited")
    untouched = staged(source)
    source.git("add", REDIS)
    source.write(REDIS, "edited again")

    assert untouched == before
    assert staged(source) == {**before, REDIS: b"edited"}


def test_a_hook_of_a_partial_commit_is_given_an_index_of_its_own(source: Repo) -> None:
    source.write(REDIS, "edited")
    shutil.copyfile(source.path / ".git/index", source.path / ".git/partial")
    environ = {**os.environ, "GIT_INDEX_FILE": str(source.path / ".git/partial")}
    subprocess.run(["git", "-C", source.path, "add", REDIS], check=True, env=environ)

    assert staged(source, environ)[REDIS] == b"edited"
    assert staged(source)[REDIS] != b"edited"


def test_an_unfinished_merge_cannot_be_committed(source: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    source.git("switch", "-q", "-c", "other")
    source.commit("one", endpoints__dev__redis_="1")
    source.git("switch", "-q", "main")
    source.commit("other", endpoints__dev__redis_="2")
    subprocess.run(["git", "-C", source.path, "merge", "-q", "other"], check=False, capture_output=True)

    assert execute(["validate", "--staged", "--repo", str(source.path)]) == 2
    assert "a merge is not finished" in capsys.readouterr().err


@pytest.mark.parametrize("change", ["edited", "untracked", "deleted", "staged", "mode", "linked", "looked away from"])
def test_a_work_tree_is_at_a_commit_only_while_nothing_differs(repo: Repo, change: str) -> None:
    repo.commit("one", endpoints__dev__a_="1", endpoints__dev__b_="2", outside="3")
    history, a = GitRepository(repo.path), repo.path / "endpoints/dev/a.yaml"
    head = history.resolve("HEAD")
    repo.write("outside.yaml", "changed")  # not a file that is looked at
    assert GitWorkTree(repo.path).is_at(head)
    match change:
        case "edited" | "staged" | "looked away from":
            a.write_text("changed")
        case "untracked":
            repo.write("endpoints/dev/c.yaml", "4")
        case "deleted":
            a.unlink()
        case "mode":
            a.chmod(0o755)
        case "linked":
            a.unlink()
            a.symlink_to("b.yaml")
    if change == "staged":
        repo.git("add", "endpoints")
    if change == "looked away from":
        repo.git("update-index", "--assume-unchanged", "endpoints/dev/a.yaml")
    assert not GitWorkTree(repo.path).is_at(head)
    assert bool(history.dirty_paths()) == (change != "looked away from")


def test_a_work_tree_is_not_at_another_commit(repo: Repo) -> None:
    repo.commit("one", endpoints__dev__a_="1")
    repo.commit("two", endpoints__dev__a_="2")
    history = GitRepository(repo.path)
    assert GitWorkTree(repo.path).is_at(history.resolve("HEAD"))
    assert not GitWorkTree(repo.path).is_at(history.resolve("HEAD~1"))
