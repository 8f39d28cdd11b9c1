"""`reconcile`: bring a break-glass segment into the log."""

from dataclasses import replace
from pathlib import Path

import click

from hyops_gitops.adapters.files import read_folder
from hyops_gitops.cli.options import common_options, find_repository
from hyops_gitops.cli.output import show_event, tell
from hyops_gitops.cli.run_request import run_request
from hyops_gitops.cli.wiring import LocalWorkspace, override_option
from hyops_gitops.core.errors import Exit, UsageError
from hyops_gitops.log.segment import is_segment_id
from hyops_gitops.move.moving import Order
from hyops_gitops.recover.reconcile import ReconcileRequest
from hyops_gitops.recover.reconcile import reconcile as bring_in
from hyops_gitops.recover.text import reconciled_text


@click.command()
@click.argument("segment", metavar="SEGMENT")
@click.option("--reviewed", metavar="TEXT", help="You looked at it, and wrote none of it: what you say.")
@click.option("--revert", is_flag=True, help="The pull request has the state go back, instead of adopting it.")
@click.option("--commit", is_flag=True, help="Commit the contracts on a new branch.")
@click.option("--push", is_flag=True, help="Commit, and push the new branch.")
@click.option("--pr", "pull_request", is_flag=True, help="Push, and open a pull request with gh where it is.")
@click.option("--branch", metavar="BRANCH", help="The new branch; default: a name is made.")
@click.option("--recover", type=int, metavar="SEQ", help="Settle this open intent: its applier is surely gone.")
@override_option
@common_options("json")
def reconcile(  # noqa: PLR0913, PLR0917 - click hands every option over by name
    segment: str,
    reviewed: str | None,
    revert: bool,
    commit: bool,
    push: bool,
    pull_request: bool,
    branch: str | None,
    recover: int | None,
    override_texts: tuple[str, ...],
    repo: Path | None,
    authority_file: Path | None,
    output_format: str,
    **_common: object,
) -> int:
    """Bring a break-glass segment into the log, and prepare the pull request that adopts its state.

    SEGMENT is the folder where it was written (FOLDER/segments/ID), or its id when the log has it. It is judged by
    today's signers, and the zone has to end with it. Names that moved stay where they are until their contracts change.
    """
    order = Order(commit=commit, push=push, pull_request=pull_request, branch=branch)
    folder = Path(segment)
    known = is_segment_id(segment) and not folder.is_dir()
    if not known and not folder.is_dir():
        raise UsageError(
            f"there is no folder {segment}", code="no-segment", hint="FOLDER/segments/ID, as it was written"
        )
    wiring = LocalWorkspace(find_repository(repo))
    request = ReconcileRequest(
        segment=segment if known else folder.resolve().name,
        files=None if known else read_folder(folder),
        apply=replace(run_request(wiring, override_texts, authority_file, recover), work_tree_matters=order.commits),
        order=order,
        reviewed=reviewed,
        revert=revert,
    )
    done = bring_in(request, wiring.reconcile_ports(show_event, authority_file))
    tell(done, output_format, lambda: reconciled_text(done))
    return Exit.OK
