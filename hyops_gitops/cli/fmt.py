"""`fmt`: put the keys of contracts in canonical order."""

from pathlib import Path

import click

from hyops_gitops.cli.options import inside, on_workspace
from hyops_gitops.cli.output import echo, echo_json, note
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core.errors import Exit
from hyops_gitops.core.findings import printable
from hyops_gitops.move.contract_files import format_contracts


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing; exit 1 when a contract is not in canonical order.")
@on_workspace("json")
def fmt(workspace: LocalWorkspace, paths: tuple[Path, ...], check: bool, output_format: str) -> int:
    """Put the keys of contracts in canonical order; comments stay.

    With PATHS, only in those files. A comment moves with the key below it.
    """
    chosen = inside(workspace.root, paths) if paths else None
    done = format_contracts(workspace, chosen, write=not check)
    if output_format == "json":
        echo_json(done.to_json())
    else:
        for path in done.changed:
            echo(printable(path))
        note(f"{done.checked} contracts checked, {len(done.changed)} {'not in order' if check else 'rewritten'}")
    return Exit.NO if check and done.changed else Exit.OK
