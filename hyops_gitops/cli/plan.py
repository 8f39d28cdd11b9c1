"""`plan`: what an apply would change."""

import click

from hyops_gitops.apply.preview import PlanRequest, make_proposal
from hyops_gitops.apply.text import proposal_blocks, proposal_markdown, proposal_text
from hyops_gitops.cli.options import on_workspace
from hyops_gitops.cli.output import echo, echo_drawn, echo_json
from hyops_gitops.cli.wiring import LocalWorkspace, override_option, overrides_of
from hyops_gitops.core.errors import Exit


@click.command()
@click.option("--commit", "revision", metavar="REV", help="Plan this commit instead of the work tree.")
@click.option(
    "--into",
    metavar="REV",
    help="Plan the result of a merge into this branch; default: into what was applied last, unless HEAD contains it.",
)
@click.option("--live", is_flag=True, help="Compare with the primary instead of the signed log; needs its API key.")
@click.option("--exit-code", "exit_code", is_flag=True, help="Exit 1 if there are changes, 3 if they are refused.")
@override_option
@click.option("--full", is_flag=True, help="Read every contract, even where the log says that it is valid as applied.")
@on_workspace("json", "markdown", zones="each")
def plan(
    workspace: LocalWorkspace,
    revision: str | None,
    into: str | None,
    live: bool,
    exit_code: bool,
    full: bool,
    override_texts: tuple[str, ...],
    output_format: str,
) -> int:
    """Show what an apply would change.

    Compares with the last signed evidence in this clone and needs neither credentials nor network. Run
    `git fetch origin evidence` first.
    """
    workspace.full = full
    request = PlanRequest(revision, live, overrides_of(override_texts), into)
    proposal = make_proposal(request, workspace)
    match output_format:
        case "json":
            echo_json(proposal.to_json())
        case "markdown":
            echo(proposal_markdown(proposal).rstrip("\n"))
        case _:
            echo_drawn(lambda: proposal_text(proposal), lambda: proposal_blocks(proposal))
    if exit_code and proposal.plan.refusals:
        return Exit.REFUSED
    return Exit.NO if exit_code and proposal.plan.changes else Exit.OK
