"""`apply`: carry the contracts of a commit to the zone."""

from dataclasses import replace
from pathlib import Path
from typing import TypedDict, Unpack

import click

from hyops_gitops.apply.apply import apply as apply_commit
from hyops_gitops.apply.receipt import Receipt
from hyops_gitops.apply.text import receipt_blocks, receipt_markdown, receipt_text
from hyops_gitops.cli.options import on_workspace
from hyops_gitops.cli.output import echo, echo_drawn, echo_json, write_json
from hyops_gitops.cli.wiring import (
    LocalWorkspace,
    override_option,
    overrides_of,
    recover_option,
    run_request,
    site_lost_option,
)
from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.findings import printable


class _Flags(TypedDict):
    """Flags of the command line."""

    no_wait: bool
    no_watch: bool
    full: bool


@click.command()
@click.option("--commit", "revision", metavar="REV", help="Apply this commit; default: HEAD, with a clean work tree.")
@override_option
@click.option(
    "--no-wait", is_flag=True, help="Refuse at once while another apply is running, instead of waiting for it."
)
@recover_option
@site_lost_option
@click.option(
    "--no-watch",
    is_flag=True,
    help="After a cutover, do not wait for resolvers that the policy does not require. Without it they are watched "
    "until they answer with the new target or the old TTL has passed, within the lease (policy.lease_s, less 20 s).",
)
@click.option(
    "--full",
    is_flag=True,
    help="Read every contract and the whole zone, even where the log and the serial say what they hold.",
)
@click.option(
    "--receipt",
    "receipt_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the receipt (hyops-apply/1) to this file, which stays empty if there is none.",
)
@on_workspace("json", "markdown", zones="at once")
def apply(
    workspace: LocalWorkspace,
    revision: str | None,
    override_texts: tuple[str, ...],
    recover: int | None,
    sites_lost: tuple[str, ...],
    receipt_file: Path | None,
    output_format: str,
    **flags: Unpack[_Flags],
) -> int:
    """Apply a commit's contracts, prove it by DNS, record it.

    Needs the API key, in the variable that the authority file names, and HYOPS_SIGNING_KEY_FILE: a private key whose
    public half is in authority/allowed_signers, or a .pub file whose private half is in an agent. Where CI is set,
    HYOPS_PRIMARY_URL must equal primary.api_url; with several zones it is a list of ZONE=URL. HYOPS_OVERRIDES may
    hold more overrides, one a line.
    """
    if receipt_file is not None:
        _empty(receipt_file)
    workspace.full = flags["full"]
    request = replace(
        run_request((), recover),
        revision=revision or "HEAD",
        work_tree_matters=revision is None,
        overrides=overrides_of(override_texts, workspace.environ),
        wait=not flags["no_wait"],
        sites_lost=sites_lost,
        watch=not flags["no_watch"],
        full=flags["full"],
    )
    receipt = apply_commit(request, workspace)
    try:
        _show(receipt, output_format)
    finally:  # a reader of stdout that is gone takes no receipt away
        if receipt_file is not None:
            write_json(receipt.to_json(), receipt_file)
    return receipt.exit_code


def _show(receipt: Receipt, output_format: str) -> None:
    match output_format:
        case "json":
            echo_json(receipt.to_json())
        case "markdown":
            echo(receipt_markdown(receipt).rstrip("\n"))
        case _:
            echo_drawn(lambda: receipt_text(receipt), lambda: receipt_blocks(receipt))


def _empty(file: Path) -> None:
    """Empty a file, which shows that it can be written."""
    try:
        file.write_bytes(b"")
    except OSError as error:
        message = f"cannot write {printable(str(file))}: {error.strerror}"
        raise UsageError(message, code="usage", hint="name a file in a directory that exists") from None
