"""`bundle`: contracts, log and program in one signed file."""

from pathlib import Path

import click

from hyops_gitops.adapters.files import bundle_files, replace_file
from hyops_gitops.adapters.wheels import Wheels, tarball
from hyops_gitops.adapters.yaml.schema import shipped_schemas
from hyops_gitops.cli.options import on_workspace
from hyops_gitops.cli.output import EventDisplay, echo, echo_json
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.errors import Exit, UsageError
from hyops_gitops.core.fields import time_text
from hyops_gitops.core.findings import printable
from hyops_gitops.recover.make_bundle import make_bundle


@click.command()
@click.option(
    "--out",
    "file",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The .tar.gz file to write.",
)
@click.option(
    "--commit", "revision", default="HEAD", show_default=True, metavar="REV", help="Commit whose contracts are packed."
)
@click.option(
    "--wheels",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Take wheels from this directory only; default: what is installed here, or else what pip finds.",
)
@click.option(
    "--platform", metavar="NAME", help="Platform of the target machine, as pip names it: manylinux2014_aarch64."
)
@click.option(
    "--python", "pythons", multiple=True, metavar="X.Y", help="Python version of the target machine. Repeatable."
)
@on_workspace("json")
def bundle(
    workspace: LocalWorkspace,
    file: Path,
    revision: str,
    folder: Path | None,
    platform: str | None,
    pythons: tuple[str, ...],
    output_format: str,
) -> int:
    """Pack contracts, signed log and program into one file.

    It works on a machine without git and network. HYOPS_SIGNING_KEY_FILE signs it; the key's line in
    authority/allowed_signers must allow the namespace hyops-gitops-bundle. The same commit, log and wheels give the
    same bytes. Run `git fetch origin evidence` first.
    """
    if workspace.authority_override is not None:
        raise UsageError("--authority has no use here: a bundle holds what was committed", code="usage")
    wheels = Wheels(folder, platform, pythons, EventDisplay())
    made = make_bundle(revision, workspace, wheels, lambda: {**shipped_schemas(), **bundle_files()}, tarball)
    replace_file(file, made.content)
    if output_format == "json":
        echo_json(made.to_json(str(file)))
    else:
        info = made.info
        echo(f"{printable(str(file))}: {made.files} files, {len(made.content)} bytes, signed by {made.principal}")
        echo(f"contracts of {info.commit}, log head {info.log.seq}:{info.log.sha256}, as of {time_text(info.as_of)}")
        echo(f"for {info.platform}, Python {', '.join(info.pythons)}")
        echo(f"sha256:{sha256_hex(made.content)}")
    return Exit.OK
