"""Real repositories with an isolated configuration."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.plain_repo import MakeRepo, Repo

BRANCH = "evidence"


@pytest.fixture(autouse=True)
def isolated_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No configuration but what a test writes to its own global file; no inherited repository."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    config = tmp_path / "gitconfig"
    config.write_text("[user]\n\tname = Tester\n\temail = tester@example.invalid\n[init]\n\tdefaultBranch = main\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


@pytest.fixture
def make_repo(tmp_path: Path) -> MakeRepo:
    """`make_repo(name, *init options)`: an empty repository."""

    def make(name: str, *options: str) -> Repo:
        path = tmp_path / name
        subprocess.run(["git", "init", "-q", *options, str(path)], check=True)
        return Repo(path)

    return make


@pytest.fixture
def repo(make_repo: MakeRepo) -> Repo:
    return make_repo("repo")


@pytest.fixture
def bare(make_repo: MakeRepo) -> Repo:
    """A remote as a forge has it: nobody may rewind or delete."""
    bare = make_repo("remote.git", "--bare")
    bare.git("config", "receive.denyNonFastForwards", "true")
    bare.git("config", "receive.denyDeletes", "true")
    return bare


@pytest.fixture
def clone(repo: Repo, bare: Repo) -> Repo:
    """A clone of `bare` with one commit on main."""
    repo.git("remote", "add", "origin", str(bare.path))
    repo.commit("first", endpoints__prod__a_="a: 1\n")
    repo.git("push", "-q", "-u", "origin", "main")
    return repo
