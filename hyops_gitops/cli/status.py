"""`status`: compare intended, recorded and answered records."""

import click

from hyops_gitops.cli.completion import endpoint_names
from hyops_gitops.cli.options import on_workspace
from hyops_gitops.cli.output import tell
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core.errors import UsageError
from hyops_gitops.observe.find_status import look
from hyops_gitops.observe.text import status_blocks, status_text


@click.command()
@click.argument("name", required=False, shell_complete=endpoint_names)
@click.option("-v", "--verbose", is_flag=True, help="Show every name in full.")
@on_workspace("json", "openmetrics", zones="each")
def status(workspace: LocalWorkspace, name: str | None, output_format: str, verbose: bool) -> int:
    """Compare what is intended, recorded and answered by each server.

    NAME may be short (postgres.prod). Asks by DNS only and needs no credentials. Without NAME, names that agree take
    one line each; -v shows them in full.

    Exit 1 when anything differs; an older answer of a resolver within its TTL does not count, and is shown with the
    time left. Exit 4 when every answer agrees, but a required server did not answer.

    --format openmetrics prints metrics of every name for the node exporter, also when the exit code is 1 or 4.
    """
    if output_format == "openmetrics":
        if name is not None:
            raise UsageError(f"metrics are of every name, got {name!r}", code="usage", hint="leave NAME out")
        from hyops_gitops.cli.metrics import show_metrics  # noqa: PLC0415 - what a look at drift takes, and TLS
        from hyops_gitops.observe.metrics import status_metrics  # noqa: PLC0415 - as above

        return show_metrics("status", workspace, lambda: look(None, workspace), status_metrics)
    found = look(name, workspace)
    whole = name is not None or verbose
    tell(found, output_format, lambda: status_text(found, whole=whole), lambda: status_blocks(found, whole=whole))
    return found.exit_code
