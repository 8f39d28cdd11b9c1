"""What `--help` says, and what is said of a wrong call."""

import ast
import json
import shlex
from types import SimpleNamespace
from typing import cast

import click
import pytest

from hyops_gitops.cli import zones
from hyops_gitops.cli.help import EXAMPLES, NEXT_STEPS, next_step
from hyops_gitops.cli.main import cli, execute
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core import errors
from hyops_gitops.core.errors import Exit, HyopsError, OutsideFailure
from tests.support.repository import ROOT


def _commands(group: click.Group, prefix: str = "") -> dict[str, click.Command]:
    context = click.Context(group)
    found: dict[str, click.Command] = {}
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = isinstance(command, click.Group)
        found |= _commands(command, f"{prefix}{name} ") if inner else {f"{prefix}{name}": command}  # type: ignore[arg-type]
    return found


COMMANDS = _commands(cli)


def test_every_command_has_examples() -> None:
    assert sorted(EXAMPLES) == sorted(COMMANDS)


@pytest.mark.parametrize(
    ("path", "line"), [(path, line) for path, lines in EXAMPLES.items() for line in lines], ids=lambda value: value
)
def test_an_example_is_a_call_that_its_command_takes(path: str, line: str) -> None:
    words = shlex.split(line.rpartition("| ")[2])
    name = path.split()
    assert words[: len(name) + 1] == ["hyops-gitops", *name]
    command = COMMANDS[path]
    context = click.Context(command, info_name=path, resilient_parsing=True)
    arguments = command.make_parser(context).parse_args(args=words[len(name) + 1 :])[1]
    assert arguments == []


def test_help_ends_in_examples_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["breakglass", "failover", "--help"]) == 0
    options, examples = capsys.readouterr().out.split("\n  Examples:\n    hyops-gitops breakglass failover --from ")
    assert "--witness KEYFILE" in options
    assert "\n  Exit codes:\n      0  done" in examples


def test_the_commands_of_a_group_are_told_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    execute(["evidence", "--help"])
    assert "..." not in capsys.readouterr().out.split("Commands:")[1]


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ("valdiate", "unknown command valdiate", "did you mean validate? see hyops-gitops --help"),
        ("keys lst", "unknown command lst", "did you mean list? see hyops-gitops keys --help"),
        ("plan --comit HEAD", "unknown option --comit", "did you mean --commit? see hyops-gitops plan --help"),
        ("plan --nothing", "unknown option --nothing", "see hyops-gitops plan --help"),
        ("cutover", "missing argument 'NAME'", "see hyops-gitops cutover --help"),
        (
            "keys trust ann",
            "missing option --reason",
            "--reason: Why; becomes evidence; see hyops-gitops keys trust --help",
        ),
        (
            "plan --authority no-such.yaml",
            "invalid value for '--authority': File 'no-such.yaml' does not exist",
            "see hyops-gitops plan --help",
        ),
    ],
)
def test_a_wrong_call(arguments: str, message: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute([*arguments.split(), "--format", "json"]) == 2
    error = json.loads(capsys.readouterr().out)
    assert (error["message"], error["hint"], error["exit"]) == (message, hint, 2)


@pytest.mark.parametrize("arguments", [[], ["lab"]])
def test_a_call_without_a_command_gets_help_on_stderr(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(arguments) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err[:19]) == ("", "Usage: hyops-gitops")


# --- every error ends with what to do next

PACKAGE = ROOT / "hyops_gitops"
RAISED = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, HyopsError)}


def without_hint() -> list[tuple[str, str]]:
    """Where an error is made without a hint, and its code as it is written."""
    found = []
    for module in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RAISED):
                continue
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            if "hint" not in given:
                code = given.get("code", given.get("guard"))
                place = f"{module.relative_to(PACKAGE)}:{node.lineno}"
                found.append((place, ast.literal_eval(code) if isinstance(code, ast.Constant) else ast.dump(node)))
    return found


def test_an_error_without_a_hint_has_a_next_step_by_its_code() -> None:
    known = {*NEXT_STEPS, "usage"}  # whose step is the help of the command
    assert [(place, code) for place, code in without_hint() if code not in known] == []


def test_no_next_step_is_of_a_code_that_always_comes_with_a_hint() -> None:
    assert sorted(set(NEXT_STEPS) - {code for _, code in without_hint()}) == []


@pytest.mark.parametrize("kind", sorted(RAISED - {"HyopsError", "Refused"}))
def test_an_error_of_an_unknown_code_has_a_next_step_too(kind: str) -> None:
    error: HyopsError = getattr(errors, kind)("something", code="no-such-code")
    assert next_step(error, "plan")
    error.hint = "its own"
    assert next_step(error, "plan") == "its own"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["audit", "--offline", "--live"], "see hyops-gitops audit --help"),
        (["publish", "no-such-file.json"], "see that it is there, is an ordinary file, and may be read by this user"),
        (["cutover", "first.prod", "--ttl", "30"], "see hyops-gitops cutover --help"),
    ],
)
def test_a_mistake_is_answered_by_what_to_do(
    arguments: list[str], hint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    code = execute(arguments)
    assert (code, capsys.readouterr().err.splitlines()[-1]) == (Exit.USAGE, f"hint: {hint}")


def test_an_interrupted_command_says_that_it_can_be_run_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "main", interrupted)
    assert execute(["apply"]) == Exit.INTERRUPTED
    assert capsys.readouterr().err.startswith("error: interrupted\nhint: run it again;")


def test_the_error_of_one_zone_of_several_has_a_next_step() -> None:
    def fail(_: object) -> int:
        raise OutsideFailure("git failed", code="git-failed")

    workspace = SimpleNamespace(of_zone=lambda _: None)
    ran = zones._captured(cast(LocalWorkspace, workspace), "z.internal", fail)
    assert (
        ran.to_json()["error"]
        == OutsideFailure("git failed", code="git-failed", hint=NEXT_STEPS["git-failed"]).to_json()
    )
