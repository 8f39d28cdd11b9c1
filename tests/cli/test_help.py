"""What `--help` says, and what is said of a wrong call."""

import json
import shlex

import click
import pytest

from hyops_gitops.cli.help import EXAMPLES
from hyops_gitops.cli.main import cli, execute


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
