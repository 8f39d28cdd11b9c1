"""GitRepository against real repositories."""

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hyops_gitops.adapters.git.clone import GitRepository
from hyops_gitops.core.errors import OutsideFailure, UsageError
from tests.support.plain_repo import MakeRepo, Repo


def history(repo: Repo) -> GitRepository:
    return GitRepository(repo.path)


@pytest.fixture(params=["sha1", "sha256"])
def any_repo(request: pytest.FixtureRequest, make_repo: MakeRepo) -> Repo:
    return make_repo("any", f"--object-format={request.param}")


def test_resolves_what_git_resolves(any_repo: Repo) -> None:
    first = any_repo.commit("one", endpoints__prod__a_="1")
    any_repo.git("tag", "-a", "-m", "tagged", "v1")
    for revision in ("HEAD", "main", "v1", first[:10], first, ":/one"):
        assert history(any_repo).resolve(revision) == first


@pytest.mark.parametrize("revision", ["", "nope", "-h", "--all", "HEAD:endpoints", "a\nb", "HEAD\0", "0" * 40])
def test_an_unknown_revision_is_a_usage_error(revision: str, repo: Repo) -> None:
    repo.commit("one", endpoints__prod__a_="1")
    with pytest.raises(UsageError) as caught:
        history(repo).resolve(revision)
    assert caught.value.code == "no-commit"


def test_outside_a_repository(tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UsageError) as caught:
            GitRepository(root).resolve("HEAD")
        assert caught.value.code == "no-repository"
        with pytest.raises(UsageError):
            GitRepository(root).dirty_paths()


def test_without_git(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OutsideFailure) as caught:
        history(repo).resolve("HEAD")
    assert caught.value.code == "no-git"
    (tmp_path / "git").write_text("")
    with pytest.raises(OutsideFailure, match="cannot run git: Permission denied") as caught:
        history(repo).resolve("HEAD")
    assert caught.value.code == "no-git"


def test_dirty_paths_are_the_watched_ones_alone(repo: Repo) -> None:
    repo.commit("one", endpoints__prod__a_="1", endpoints__prod__b_="1", authority__x_="1", other="1")
    repo.write(".gitignore", "*.tmp\n")
    repo.commit("two")
    assert history(repo).dirty_paths() == ()
    repo.write("other", "2")
    repo.write("untracked", "2")
    repo.write("endpoints/prod/ignored.tmp", "2")
    assert history(repo).dirty_paths() == ()
    repo.write("authority/x.yaml", "2")
    repo.write('endpoints/new/odd "na\nme".yaml', "2")
    repo.git("mv", "endpoints/prod/a.yaml", "endpoints/prod/c.yaml")
    (repo.path / "endpoints/prod/b.yaml").unlink()
    assert history(repo).dirty_paths() == (
        "authority/x.yaml",
        'endpoints/new/odd "na\nme".yaml',
        "endpoints/prod/a.yaml",
        "endpoints/prod/b.yaml",
        "endpoints/prod/c.yaml",
    )


def test_first_parent_commits_with_their_changes(any_repo: Repo) -> None:
    root = any_repo.commit("one", endpoints__prod__a_="1", other="1")
    any_repo.git("switch", "-q", "-c", "side")
    any_repo.commit("on the side", endpoints__prod__b_="1")
    any_repo.git("switch", "-q", "main")
    other = any_repo.commit("a subject\nfolded over \x01 two lines\n\nbody", other="2", authority__z_="1")
    any_repo.git("merge", "-q", "--no-ff", "-m", "merged", "side")
    any_repo.git("mv", "endpoints/prod/a.yaml", "endpoints/prod/c.yaml")
    moved = any_repo.commit("moved")
    found = history(any_repo).first_parent_commits(None, "HEAD")
    merge = any_repo.git("rev-parse", "HEAD~1")
    assert [(one.id, one.subject, one.changed) for one in found] == [
        (root, "one", ("endpoints/prod/a.yaml",)),
        (other, "a subject folded over \x01 two lines", ("authority/z.yaml",)),
        (merge, "merged", ("endpoints/prod/b.yaml",)),
        (moved, "moved", ("endpoints/prod/a.yaml", "endpoints/prod/c.yaml")),
    ]
    assert {one.author for one in found} == {"Tester"}
    assert all(one.time.tzinfo is UTC for one in found)
    assert [one.id for one in history(any_repo).first_parent_commits(other, "HEAD")] == [merge, moved]
    assert history(any_repo).first_parent_commits("HEAD", "HEAD") == ()


@pytest.mark.parametrize(
    ("said", "year"),
    [("99999999999999 +0000", 9999), ("soon", 1970), ("1767323045 +0000\nencoding UTF-16", 1970)],
)
def test_a_commit_may_claim_any_time_and_encoding(repo: Repo, said: str, year: int) -> None:
    base = repo.commit("one")
    head = f"tree {repo.git('rev-parse', 'HEAD^{tree}')}\nparent {base}\nauthor a <a@b.c> 1 +0000\n"
    body = f"{head}committer a <a@b.c> {said}\n\ntwo\n"
    body += "\n" * (len(body) % 2)  # UTF-16 has pairs of octets
    commit = repo.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=body)
    (found,) = history(repo).first_parent_commits(base, commit)
    assert (found.id, found.time.year) == (commit, year)


def test_subject_is_never_cut_and_time_is_the_commit_time(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_AUTHOR_DATE", "2020-01-01T00:00:00Z")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-01-02T03:04:05+02:00")
    repo.commit("x" * 5000)
    (found,) = history(repo).first_parent_commits(None, "main")
    assert found.subject == "x" * 5000
    assert found.time == datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)


def test_ancestry(repo: Repo) -> None:
    first, second = repo.commit("one"), repo.commit("two")
    assert history(repo).is_ancestor(first, second)
    assert history(repo).is_ancestor(first, first)
    assert not history(repo).is_ancestor(second, first)
    assert not history(repo).is_ancestor("0" * 40, first)
    assert not history(repo).is_ancestor("--all", first)


def test_a_tree_is_read_as_stored(any_repo: Repo) -> None:
    any_repo.git("config", "core.autocrlf", "true")
    any_repo.write(".gitattributes", "*.yaml text eol=crlf\n")
    any_repo.commit("one", endpoints__prod__a_="1\n", authority__z_="z\n", other="1")
    any_repo.write('endpoints/odd "na\nme\\".yaml', "odd\n")
    any_repo.write("endpoints/large.yaml", "x" * (64 * 1024 + 1))
    any_repo.write("endpoints/full.yaml", "x" * (64 * 1024))
    (any_repo.path / "endpoints/link.yaml").symlink_to("prod/a.yaml")
    with (Path(os.fsdecode(os.fsencode(any_repo.path) + b"/endpoints/\xff.yaml"))).open("w") as file:
        file.write("bytes\n")
    any_repo.commit("two")
    any_repo.git("rm", "-q", "--cached", "authority/z.yaml")
    files = {file.path: file for file in history(any_repo).tree("HEAD").files()}
    assert list(files) == sorted(files)
    assert {path: (file.content or b"")[:9] for path, file in files.items()} == {
        "authority/z.yaml": b"z\n",
        "endpoints/full.yaml": b"x" * 9,
        "endpoints/large.yaml": b"",
        "endpoints/link.yaml": b"",
        'endpoints/odd "na\nme\\".yaml': b"odd\n",
        "endpoints/prod/a.yaml": b"1\n",
        "endpoints/\\xff.yaml": b"bytes\n",
    }
    assert {path: file.problem for path, file in files.items() if file.problem} == {
        "endpoints/large.yaml": "is larger than 64 KiB",
        "endpoints/link.yaml": "is a symbolic link",
    }


def test_a_submodule_is_a_problem_and_a_tree_without_watched_folders_is_empty(repo: Repo) -> None:
    first = repo.commit("one", other="1")
    assert list(history(repo).tree("HEAD").files()) == []
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{first},endpoints/module")
    repo.git("commit", "-q", "-m", "module")
    (file,) = history(repo).tree("HEAD").files()
    assert (file.path, file.problem) == ("endpoints/module", "is a submodule")


def test_a_root_below_the_top_of_the_repository(repo: Repo) -> None:
    repo.commit("one", examples__endpoints__prod__a_="1", endpoints__prod__top_="1")
    below = GitRepository(repo.path / "examples")
    assert [file.path for file in below.tree("HEAD").files()] == ["endpoints/prod/a.yaml"]
    assert below.first_parent_commits(None, "HEAD")[0].changed == ("endpoints/prod/a.yaml",)
    repo.write("examples/endpoints/prod/a.yaml", "2")
    repo.write("endpoints/prod/top.yaml", "2")
    assert below.dirty_paths() == ("endpoints/prod/a.yaml",)


def test_cut_off_and_rewritten_histories(repo: Repo, tmp_path: Path) -> None:
    first, second = repo.commit("one"), repo.commit("two")
    assert not history(repo).is_shallow()
    shallow = tmp_path / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{repo.path}", shallow], check=True)
    assert GitRepository(shallow).is_shallow()
    repo.git("replace", second, first)
    assert history(repo).is_shallow()
    assert [one.subject for one in history(repo).first_parent_commits(None, "HEAD")] == ["one", "two"]
    repo.git("replace", "-d", second)
    (repo.path / ".git/info").mkdir(exist_ok=True)
    (repo.path / ".git/info/grafts").write_text(f"{second}\n")
    assert history(repo).is_shallow()


def test_what_a_hook_inherits_has_no_effect(repo: Repo, make_repo: MakeRepo, monkeypatch: pytest.MonkeyPatch) -> None:
    first = repo.commit("one", endpoints__prod__a_="1")
    other = make_repo("other")
    other.commit("other", endpoints__prod__b_="1")
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.path))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.path / "no-index"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other.path / ".git/objects"))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.bare'='true'")
    monkeypatch.setenv("GIT_LITERAL_PATHSPECS", "0")
    assert history(repo).resolve("HEAD") == first
    assert history(repo).dirty_paths() == ()
    assert [file.path for file in history(repo).tree("HEAD").files()] == ["endpoints/prod/a.yaml"]


def test_nothing_of_the_repository_is_run(repo: Repo, tmp_path: Path) -> None:
    repo.commit("one", endpoints__prod__a_="1")
    mark, script = tmp_path / "mark", tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {mark}\n")
    script.chmod(0o755)
    repo.git("config", "core.fsmonitor", str(script))
    repo.git("config", "log.showSignature", "true")
    repo.git("config", "core.pager", str(script))
    repo.git("config", "diff.external", str(script))
    repo.write("endpoints/prod/a.yaml", "2")
    assert history(repo).dirty_paths() == ("endpoints/prod/a.yaml",)
    assert len(history(repo).first_parent_commits(None, "HEAD")) == 1
    assert not mark.exists()
