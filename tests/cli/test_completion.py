"""Completion by real shells: what they offer, that nothing runs by it, and that nothing but file names is read."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from hyops_gitops.cli.main import execute
from tests.support.commands import programs
from tests.support.world import World

BASH = """
source <(hyops-gitops completion bash)
complete -p hyops-gitops >/dev/null
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_hyops_gitops_completion hyops-gitops
printf '%s\\n' "${COMPREPLY[@]}"
"""


def run(cwd: Path, *command: str) -> str:
    environ = {**os.environ, "PATH": f"{programs()}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def offered(cwd: Path, *words: str) -> list[str]:
    """What bash offers for the last of these words."""
    return run(cwd, "bash", "-euc", BASH, "bash", "hyops-gitops", *words).split()


def test_bash_offers_commands_options_and_choices(tmp_path: Path) -> None:
    assert offered(tmp_path, "hi") == ["history"]
    assert offered(tmp_path, "keys", "comp") == ["compromised"]
    assert offered(tmp_path, "plan", "--com") == ["--commit"]
    assert offered(tmp_path, "plan", "--format", "") == ["text", "json", "markdown"]
    assert offered(tmp_path, "explain", "tree-s") == ["tree-stray-file"]


@pytest.mark.parametrize(
    "command", ["status", "history", "cutover", "failback", "breakglass cutover", "netbox suggest"]
)
def test_bash_offers_names_of_endpoints(offline: World, command: str) -> None:
    offline.contract("second", "10.0.0.2", env="dev")
    assert offered(offline.root, *command.split(), "") == ["first.prod", "second.dev"]
    assert offered(offline.root, *command.split(), "s") == ["second.dev"]


def test_names_come_from_the_repository_that_is_named(offline: World, tmp_path: Path) -> None:
    assert offered(tmp_path, "status", "fi") == []
    assert offered(tmp_path, "status", "--repo", str(offline.root), "fi") == ["first.prod"]


def test_a_file_name_is_never_taken_for_anything_but_a_word(offline: World) -> None:
    for name in ("$(touch run).yaml", "*.yaml", "a b.yaml", "`id`.yaml", "--help.yaml", "a,b.yaml", "x\ny.yaml"):
        offline.write(f"endpoints/prod/{name}", "")
    assert offered(offline.root, "status", "") == ["first.prod"]
    assert not (offline.root / "run").exists()


def test_completion_asks_no_server_and_starts_no_program(
    offline: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("completion reaches outside")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.chdir(offline.root)
    monkeypatch.setenv("_HYOPS_GITOPS_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "hyops-gitops status f")
    monkeypatch.setenv("COMP_CWORD", "2")
    with pytest.raises(SystemExit) as left:
        execute([])
    assert (left.value.code, capsys.readouterr().out) == (0, "plain,first.prod\n")


@pytest.mark.skipif(not shutil.which("zsh"), reason="no zsh here")
def test_zsh_offers_names(offline: World) -> None:
    script = """
        autoload -Uz compinit && compinit -D -u && source <(hyops-gitops completion zsh)
        compadd() { print -rl -- $completions }
        words=(hyops-gitops status f) CURRENT=3
        _hyops_gitops_completion
    """
    assert run(offline.root, "zsh", "-fc", script).split() == ["first.prod"]


@pytest.mark.skipif(not shutil.which("fish"), reason="no fish here")
def test_fish_offers_names(offline: World) -> None:
    script = "hyops-gitops completion fish | source; complete -C 'hyops-gitops status f'"
    assert run(offline.root, "fish", "--no-config", "-c", script).split() == ["first.prod"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["completion", "tcsh"], "error: invalid value for 'SHELL': 'tcsh' is not one of 'bash', 'zsh', 'fish'"),
        (["completion"], "error: missing argument 'SHELL'. Choose from: bash, zsh, fish"),
    ],
)
def test_a_shell_that_is_not_known(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(arguments) == 2
    assert capsys.readouterr().err.splitlines() == [message, "hint: see hyops-gitops completion --help"]
