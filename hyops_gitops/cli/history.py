"""`history`: every change of a name."""

from pathlib import Path

import click

from hyops_gitops.cli.options import common_options, find_repository
from hyops_gitops.cli.output import show_event, tell
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core.errors import Exit
from hyops_gitops.log.history import history_of
from hyops_gitops.log.text import history_text


@click.command()
@click.argument("name")
@common_options("json")
def history(name: str, repo: Path | None, authority_file: Path | None, output_format: str, **_common: object) -> int:
    """List every change of a name: who asked, who approved, the outcome.

    NAME may omit the zone, and the environment if the rest is unambiguous. Reads the signed log of this clone; run
    `git fetch` first.
    """
    found = history_of(LocalWorkspace(find_repository(repo), on_event=show_event, authority_file=authority_file), name)
    tell(found, output_format, lambda: history_text(found.name, found.changes))
    return Exit.OK
