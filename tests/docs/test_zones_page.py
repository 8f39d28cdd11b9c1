"""docs/zones.md says what each command does in a repository with several zones."""

import re

import click

from hyops_gitops.cli.main import cli
from hyops_gitops.cli.options import _ZONES
from tests.docs.commands_page import leaves
from tests.support.repository import first_cells, text

PAGE = text("docs/zones.md")


def _way(command: click.Command) -> str:
    """How a command takes several zones, by the help of its `--zone`."""
    helps = [parameter.help for parameter in command.params if isinstance(parameter, click.Option)]
    return next((way for way, help_text in _ZONES.items() if help_text in helps), "none")


def test_every_command_is_in_the_row_of_its_way() -> None:
    shown = {name: row[0] for row in first_cells(PAGE, "way") for name in re.findall(r"`([a-z ]+)`", row[-1])}

    assert shown == {name: _way(command) for name, command in leaves(cli).items()}
