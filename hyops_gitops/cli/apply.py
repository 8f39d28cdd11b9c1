"""`apply`: carry the contracts of a commit to the zone."""

from dataclasses import replace
from typing import TypedDict, Unpack

import click

from hyops_gitops.apply.apply import apply as apply_commit
from hyops_gitops.apply.text import receipt_blocks, receipt_markdown, receipt_text
from hyops_gitops.cli.options import on_workspace
from hyops_gitops.cli.output import echo, echo_drawn, echo_json
from hyops_gitops.cli.wiring import (
    LocalWorkspace,
    override_option,
    overrides_of,
    recover_option,
    run_request,
    site_lost_option,
)


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
@on_workspace("json", "markdown")
def apply(
    workspace: LocalWorkspace,
    revision: str | None,
    override_texts: tuple[str, ...],
    recover: int | None,
    sites_lost: tuple[str, ...],
    output_format: str,
    **flags: Unpack[_Flags],
) -> int:
    """Apply a commit's contracts, prove it by DNS, record it.

    Needs the API key, in the variable that the authority file names, and HYOPS_SIGNING_KEY_FILE: a private key whose
    public half is in authority/allowed_signers, or a .pub file whose private half is in an agent. Where CI is set,
    HYOPS_PRIMARY_URL must equal primary.api_url. HYOPS_OVERRIDES may hold more overrides, one a line.
    """
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
    match output_format:
        case "json":
            echo_json(receipt.to_json())
        case "markdown":
            echo(receipt_markdown(receipt).rstrip("\n"))
        case _:
            echo_drawn(lambda: receipt_text(receipt), lambda: receipt_blocks(receipt))
    return receipt.exit_code
