"""`history`: every change of a name."""

import click

from hyops_gitops.cli.options import on_workspace
from hyops_gitops.cli.output import tell
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core.errors import Exit
from hyops_gitops.log.history import history_of
from hyops_gitops.log.text import history_text


@click.command()
@click.argument("name")
@on_workspace("json")
def history(workspace: LocalWorkspace, name: str, output_format: str) -> int:
    """List every change of a name: who asked, who approved, the outcome.

    NAME may omit the zone, and the environment if the rest is unambiguous. Reads the signed log of this clone; run
    `git fetch` first.
    """
    found = history_of(workspace, name)
    tell(found, output_format, lambda: history_text(found.name, found.changes))
    return Exit.OK
