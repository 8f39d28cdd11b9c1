"""What git is given of the environment, and what is made of a git that cannot answer."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hyops_gitops.adapters.forge.access import GitAccess
from hyops_gitops.adapters.git.clone import GitCustody, GitRepository
from hyops_gitops.adapters.git.evidence import GitEvidenceStore
from hyops_gitops.adapters.git.exports import GitBundler, Mirrors, MirrorStates
from hyops_gitops.adapters.git.new_repository import NewRepository
from hyops_gitops.adapters.git.process import Git
from hyops_gitops.adapters.git.remote import PushOutcome, RemoteBranch
from hyops_gitops.adapters.git.snapshot import GitSnapshot, history_is_linear
from hyops_gitops.core.errors import OutsideFailure, Refused, UsageError
from tests.support.dripping import dripping
from tests.support.plain_repo import Repo

Wrap = Callable[[str], None]


@pytest.fixture
def wrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wrap:
    """`wrap(script)`: what is done before each call of git; `$*` are its arguments."""
    real = shutil.which("git")

    def wrapped(script: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "git").write_text(f'#!/bin/sh\n{script}\nexec {real} "$@"\n')
        (folder / "git").chmod(0o755)
        monkeypatch.setenv("PATH", str(folder), prepend=":")

    return wrapped


# --- a repository of another user

FOREIGN = "export GIT_TEST_ASSUME_DIFFERENT_OWNER=1"  # git's own way to test this; the rest is git's own code


def test_a_repository_of_another_user_is_told_from_none_with_the_exact_remedy(repo: Repo, wrap: Wrap) -> None:
    head = repo.commit("one", endpoints__prod__a_="1")
    wrap(FOREIGN)
    with pytest.raises(OutsideFailure, match="belongs to another user") as caught:
        GitRepository(repo.path).resolve("HEAD")
    assert caught.value.code == "foreign-owner"
    assert f"git config --global --add safe.directory {repo.path};" in caught.value.hint
    remedy = caught.value.hint.partition(";")[0].split()
    repo.git(*remedy[1:])
    assert GitRepository(repo.path).resolve("HEAD") == head


@pytest.mark.parametrize("way", ["GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS", "the hint's own words"])
def test_a_safe_directory_is_taken_from_the_environment(
    way: str, repo: Repo, wrap: Wrap, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = repo.commit("one", endpoints__prod__a_="1")
    wrap(FOREIGN)
    variables = {
        "GIT_CONFIG_COUNT": {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": str(repo.path),
        },
        "GIT_CONFIG_PARAMETERS": {"GIT_CONFIG_PARAMETERS": f"'safe.directory'='{repo.path}'"},
    }.get(way)
    if variables is None:
        with pytest.raises(OutsideFailure) as caught:
            GitRepository(repo.path).resolve("HEAD")
        variables = dict(word.split("=", 1) for word in caught.value.hint.split() if word.startswith("GIT_CONFIG_"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert GitRepository(repo.path).resolve("HEAD") == head


def test_configuration_of_the_environment_does_not_change_what_is_read(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.commit("one", endpoints__prod__ü_="1")
    plain = GitRepository(repo.path).first_parent_commits(None, "HEAD")
    for number, (key, value) in enumerate({"core.quotePath": "true", "core.hooksPath": "hooks"}.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "2")
    assert GitRepository(repo.path).first_parent_commits(None, "HEAD") == plain
    assert Git(repo.path).output("config", "core.hooksPath").strip() == b"/dev/null"


def test_a_hook_s_own_repository_and_index_are_not_taken(
    repo: Repo, make_repo: Callable[..., Repo], monkeypatch: pytest.MonkeyPatch
) -> None:
    head = repo.commit("one", endpoints__prod__a_="1")
    other = make_repo("other")
    other.commit("two")
    for name in Git(repo.path).output("rev-parse", "--local-env-vars").decode().split():
        if not name.startswith("GIT_CONFIG"):
            monkeypatch.setenv(name, str(other.path / ".git"))
    assert GitRepository(repo.path).resolve("HEAD") == head


def test_init_takes_a_repository_of_another_user_for_one(repo: Repo, wrap: Wrap) -> None:
    wrap(FOREIGN)
    for begin in (NewRepository(repo.path).check_place, lambda: NewRepository(repo.path).begin(None)):
        with pytest.raises(OutsideFailure) as caught:
            begin()
        assert caught.value.code == "foreign-owner"


def test_a_remote_of_another_user_cannot_be_reached_and_shows_no_rules(
    clone: Repo, wrap: Wrap, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrap(FOREIGN)
    for name, value in {"COUNT": "1", "KEY_0": "safe.directory", "VALUE_0": str(clone.path)}.items():
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    with pytest.raises(OutsideFailure, match="belongs to another user") as caught:
        RemoteBranch(Git(clone.path), "origin", "main").head()
    assert caught.value.code == "remote-unreachable"
    with pytest.raises(OutsideFailure, match="belongs to another user"):
        GitAccess(clone.path, "origin", "main").rules("main")


def test_a_remote_that_drips_is_left_at_the_deadline(repo: Repo) -> None:
    head = repo.commit("first")
    with dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"0") as server:
        repo.git("remote", "add", "slow", f"{server.url}/x.git")
        branch = RemoteBranch(Git(repo.path), "slow", "evidence", timeout_s=0.5)
        with pytest.raises(OutsideFailure) as caught:
            branch.head()
        pushed = branch.push(head, None)

    slow = "remote 'slow' cannot be reached: git ls-remote took longer than 0.5 s and was ended"
    assert (caught.value.code, caught.value.message) == ("remote-unreachable", slow)
    assert (pushed.outcome, pushed.words) == (PushOutcome.UNCLEAR, "git push took longer than 0.5 s and was ended")


# --- git that comes to no answer

BROKEN = {"a signal": "kill -SEGV $$", "a damaged repository": "echo 'fatal: unable to read tree' >&2; exit 128"}
QUESTIONS: dict[str, tuple[str, Callable[[Path, str], object]]] = {
    "an ancestor": ("cat-file", lambda root, head: GitRepository(root).is_ancestor(head, head)),
    "an ancestor elsewhere": ("merge-base", lambda root, head: GitRepository(root).is_ancestor("1" * 40, head)),
    "a merge base": ("merge-base", lambda root, head: GitRepository(root).merge_base(head, head)),
    "a revision": ("cat-file", lambda root, _: GitRepository(root).resolve("main")),
    "versions of a file": (
        "cat-file",
        lambda root, head: GitRepository(root).versions("endpoints/prod/a.yaml", head),
    ),
    "an author": ("cat-file", lambda root, head: GitCustody(root).author(head)),
    "what a merge gives": ("cat-file", lambda root, head: GitCustody(root).merge_matches(head, head)),
    "the log's head": ("cat-file", lambda root, _: GitEvidenceStore(root, "evidence", None, ()).recorded()),
    "a linear history": (
        "cat-file",
        lambda root, head: history_is_linear(GitSnapshot(Git(root), head), head),
    ),
    "what is unchanged": ("cat-file", lambda root, head: GitSnapshot(Git(root), head).unchanged_since(head)),
    "a mirror": (
        "cat-file",
        lambda root, head: Mirrors(Git(root), (), "main").check(
            MirrorStates(((RemoteBranch(Git(root), "origin", "main"), head),), ()), head
        ),
    ),
    "the current branch": ("symbolic-ref", lambda root, _: GitBundler(root).current_branch()),
    "a file of a commit": (
        "cat-file",
        lambda root, head: GitBundler(root).file_at(head, "endpoints/prod/a.yaml"),
    ),
    "a remote's address": ("config -z", lambda root, _: RemoteBranch(Git(root), "origin", "main").head()),
    "a remote's rules": ("config --type=bool", lambda root, _: GitAccess(root, "origin", "main").rules("main")),
    "the remote of a new one": ("config --get", lambda root, _: NewRepository(root).begin("elsewhere")),
}


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_git_that_cannot_answer_says_neither_yes_nor_no(question: str, how: str, clone: Repo, wrap: Wrap) -> None:
    asked, ask = QUESTIONS[question]
    head = clone.git("rev-parse", "HEAD")
    wrap(f'case "$*" in *" {asked} "*) {BROKEN[how]};; esac')
    with pytest.raises(OutsideFailure) as caught:
        ask(clone.path, head)
    expected = "ended by signal 11" if how == "a signal" else "fatal: unable to read tree"
    assert expected in caught.value.message


def test_what_is_not_here_is_a_no(clone: Repo) -> None:
    head, none = clone.git("rev-parse", "HEAD"), "1" * 40
    history = GitRepository(clone.path)
    assert not history.is_ancestor(none, head)
    assert not history.is_ancestor(head, none)
    assert history.merge_base(head, none) is None
    assert GitBundler(clone.path).file_at(head, "none") is None
    assert GitCustody(clone.path).author(none) is None
    assert GitCustody(clone.path).merge_matches(none, none) is None
    assert GitSnapshot(Git(clone.path), head).unchanged_since(none) is None
    with pytest.raises(UsageError):
        history.resolve(none)
    with pytest.raises(Refused):
        Mirrors(Git(clone.path), (), "main").check(
            MirrorStates(((RemoteBranch(Git(clone.path), "origin", "main"), none),), ()), head
        )


# --- who commits


NOBODY = {"GIT_CONFIG_GLOBAL": os.devnull}
NAMED = ("Ann Example", "ann@example.invalid")
WAYS: dict[str, dict[str, str]] = {
    "GIT_AUTHOR and GIT_COMMITTER": {
        "GIT_AUTHOR_NAME": NAMED[0],
        "GIT_AUTHOR_EMAIL": NAMED[1],
        "GIT_COMMITTER_NAME": NAMED[0],
        "GIT_COMMITTER_EMAIL": NAMED[1],
    },
    "user by GIT_CONFIG_COUNT": {
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "user.name",
        "GIT_CONFIG_VALUE_0": NAMED[0],
        "GIT_CONFIG_KEY_1": "user.email",
        "GIT_CONFIG_VALUE_1": NAMED[1],
    },
    "author and committer by GIT_CONFIG_PARAMETERS": {
        "GIT_CONFIG_PARAMETERS": " ".join(
            f"'{role}.{part}'='{value}'"
            for role in ("author", "committer")
            for part, value in zip(("name", "email"), NAMED, strict=True)
        )
    },
    "EMAIL and GIT_CONFIG_COUNT": {
        "EMAIL": NAMED[1],
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "user.name",
        "GIT_CONFIG_VALUE_0": NAMED[0],
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_the_first_commit_is_by_whom_git_takes(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**NOBODY, **WAYS[way]}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "new").mkdir()
    folder = NewRepository(tmp_path / "new")
    folder.begin(None)
    folder.write_new({"README.md": b"hello\n"})
    commit = folder.commit(["README.md"], "Begin")
    shown = Git(tmp_path / "new").output("log", "-1", "--format=%an|%ae|%cn|%ce", commit).decode().strip()
    assert shown == "|".join([*NAMED, *NAMED])


def test_whoever_is_named_by_the_repository_itself_or_above_it_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", str(tmp_path / "system"))
    (tmp_path / "system").write_text(f"[user]\n\temail = {NAMED[1]}\n")
    (tmp_path / "new").mkdir()
    folder = NewRepository(tmp_path / "new")
    folder.begin(None)
    Git(tmp_path / "new").output("config", "user.name", NAMED[0])
    folder.write_new({"README.md": b"hello\n"})
    folder.commit(["README.md"], "Begin")
    assert Git(tmp_path / "new").output("log", "-1", "--format=%an|%ae").decode().strip() == "|".join(NAMED)


def test_whom_nothing_names_is_asked_for_by_every_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    (tmp_path / "config").write_text("[user]\n\tuseConfigOnly = true\n")
    monkeypatch.delenv("EMAIL", raising=False)
    (tmp_path / "new").mkdir()
    folder = NewRepository(tmp_path / "new")
    folder.begin(None)
    folder.write_new({"README.md": b"hello\n"})
    with pytest.raises(UsageError, match="git does not know who commits") as caught:
        folder.commit(["README.md"], "Begin")
    assert "GIT_COMMITTER_EMAIL" in caught.value.hint
    assert "user.email" in caught.value.hint
