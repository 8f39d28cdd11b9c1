"""What protects a branch, as far as it can be seen: GitHub by its CLI, a bare repository by its settings and hooks."""

from pathlib import Path

import pytest

from hyops_gitops.adapters.forge.access import GitAccess
from hyops_gitops.core.errors import OutsideFailure
from tests.support.clone import run


def clone(directory: Path, url: str) -> GitAccess:
    run("git", "init", "-q", directory / "clone")
    run("git", "-C", directory / "clone", "remote", "add", "origin", url)
    return GitAccess(directory / "clone", "origin", "evidence")


@pytest.mark.parametrize(
    "url", ["git@github.com:acme/dns.git", "https://github.com/acme/dns", "ssh://git@github.com/acme/dns.git"]
)
def test_github_is_asked_by_its_cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    gh = tmp_path / "gh"
    gh.write_text(
        '#!/bin/sh\n[ "$*" = "api repos/acme/dns/rules/branches/evidence --paginate" ] || exit 1\n'
        'echo \'[{"type": "deletion"}, {"type": "update"}]\'\n'
    )
    gh.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    access = clone(tmp_path, url)
    seen = access.rules("evidence")
    assert seen is not None
    assert (seen.forge, seen.rules) == (True, frozenset({"deletion", "update"}))
    with pytest.raises(OutsideFailure, match="gh failed: status 1"):
        access.rules("main")


def test_without_the_cli_nothing_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    access = clone(tmp_path, "git@github.com:acme/dns.git")
    (tmp_path / "git").symlink_to(run("which", "git").decode().strip())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OutsideFailure, match="cannot run gh: it is not installed"):
        access.rules("evidence")


def test_another_forge_shows_nothing(tmp_path: Path) -> None:
    assert clone(tmp_path, "ssh://git@git.example.net/dns.git").rules("evidence") is None


def test_a_bare_repository_shows_its_settings_but_not_what_a_hook_refuses(tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    run("git", "init", "-q", "--bare", remote)
    access = clone(tmp_path, str(remote))
    run("git", "-C", remote, "config", "receive.denyDeletes", "true")
    for branch in ("evidence", "main"):
        seen = access.rules(branch)
        assert seen is not None
        assert (seen.forge, seen.rules) == (False, frozenset({"deletion"}))
    (remote / "hooks" / "update").write_text("#!/bin/sh\n")
    (remote / "hooks" / "update").chmod(0o755)
    assert access.rules("main") is None
    assert access.rules("evidence") is not None
