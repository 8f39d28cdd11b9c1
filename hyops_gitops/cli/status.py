"""`status`: intended, recorded and answered, side by side."""

from pathlib import Path

import click

from hyops_gitops.cli.options import common_options, find_repository
from hyops_gitops.cli.output import echo, echo_json
from hyops_gitops.cli.wiring import Wiring, authority_source
from hyops_gitops.core.errors import Exit
from hyops_gitops.render.reports import status_text
from hyops_gitops.usecases.status import look


@click.command()
@click.argument("name", required=False)
@common_options("json")
def status(
    name: str | None, repo: Path | None, authority_file: Path | None, output_format: str, **_common: object
) -> int:
    """Compare what is intended, recorded and answered by each server.

    NAME may be short (postgres.prod). By DNS alone, without credentials; exit 1 when anything differs.
    """
    wiring = Wiring(find_repository(repo))
    found = look(name, authority_source(authority_file), wiring.status_ports())
    if output_format == "json":
        echo_json(found.to_json())
    else:
        echo(status_text(found))
    return Exit.OK if found.agrees else Exit.NO
