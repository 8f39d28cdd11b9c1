"""Commits of the evidence branch are signed where the key may sign as git does."""

import subprocess
from pathlib import Path

import pytest

from tests.support.clone import GIT_CONFIG, run
from tests.support.keys import MakeKey, list_keys, ok, verifies
from tests.support.world import World


def verify_commit(repo: Path, signers: Path, commit: str = "evidence") -> subprocess.CompletedProcess[bytes]:
    settings = ["-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={signers}"]
    return subprocess.run(
        ["git", "-C", str(repo), *settings, "verify-commit", commit],
        capture_output=True,
        check=False,
        env=GIT_CONFIG | {"PATH": "/usr/bin:/bin"},
    )


def test_git_verifies_every_commit(world: World, make_key: MakeKey) -> None:
    list_keys(world, make_key("second@tests").line())
    ok(world.cli("keys", "trust", "second@tests", "--reason", "joined"))
    signers = world.root / "authority/allowed_signers"
    checked = [verify_commit(world.root, signers, commit) for commit in ("evidence", "evidence~1")]

    assert [one.returncode for one in checked] == [0, 0], checked
    assert b'Good "git" signature for applier@tests' in checked[0].stderr


def test_a_key_without_that_namespace_leaves_commits_unsigned(world: World, make_key: MakeKey) -> None:
    only, third = make_key("second@tests"), make_key("third@tests")
    list_keys(world, only.line('namespaces="hyops-gitops"'), third.line())
    ok(world.cli("keys", "trust", "second@tests", "--reason", "joined"))
    ok(world.cli("keys", "trust", "third@tests", "--reason", "joined", HYOPS_SIGNING_KEY_FILE=str(only.path)))

    assert "gpgsig" not in world.git("cat-file", "commit", "evidence")
    verifies(world)


def test_a_changed_commit_does_not_verify(world: World) -> None:
    signers = world.root / "authority/allowed_signers"
    commit = world.git("cat-file", "commit", "evidence").replace("genesis", "Genesis") + "\n"
    changed = world.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=commit.encode())

    assert verify_commit(world.root, signers, changed).returncode != 0


def test_the_sha256_object_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DEFAULT_HASH", "sha256")
    run("true")
    world = World.make(tmp_path, "sha.internal", local=True, init=False)
    if world.git("rev-parse", "--show-object-format") != "sha256":  # the helper scrubs GIT_*: make it again by hand
        subprocess.run(["rm", "-rf", str(world.root / ".git")], check=True)
        run("git", "init", "-q", "-b", "main", "--object-format=sha256", world.root)
        world.git("config", "user.name", "Tester")
        world.git("config", "user.email", "tester@example.invalid")
        world.commit("Begin")
    world.start_log()
    checked = verify_commit(world.root, world.root / "authority/allowed_signers")

    assert world.git("rev-parse", "--show-object-format") == "sha256"
    assert checked.returncode == 0, checked.stderr
    assert "gpgsig-sha256 " in world.git("cat-file", "commit", "evidence")
    verifies(world)
