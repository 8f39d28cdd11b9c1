"""`reconcile`: import a break-glass segment into the log."""

from dataclasses import replace
from pathlib import Path

import click

from hyops_gitops.adapters.files import read_folder
from hyops_gitops.cli.cutover import BranchOptions
from hyops_gitops.cli.options import on_workspace, taking
from hyops_gitops.cli.output import tell
from hyops_gitops.cli.wiring import LocalWorkspace, override_option, recover_option, run_request
from hyops_gitops.core.errors import Exit, UsageError
from hyops_gitops.log.segment import is_segment_id
from hyops_gitops.recover.reconcile import ReconcileRequest
from hyops_gitops.recover.reconcile import reconcile as bring_in
from hyops_gitops.recover.text import reconciled_text


@click.command()
@click.argument("segment", metavar="SEGMENT")
@click.option("--reviewed", metavar="TEXT", help="Record your review; you must be neither operator nor witness.")
@click.option("--revert", is_flag=True, help="Prepare a pull request that restores the contracts' targets instead.")
@taking("chosen", BranchOptions)
@recover_option
@override_option
@on_workspace("json")
def reconcile(
    workspace: LocalWorkspace,
    segment: str,
    reviewed: str | None,
    revert: bool,
    chosen: BranchOptions,
    recover: int | None,
    override_texts: tuple[str, ...],
    output_format: str,
) -> int:
    """Import a break-glass segment into the log, and prepare its pull request.

    SEGMENT is its folder (FOLDER/segments/ID), or its id if the log already has it. It is verified with today's
    signers, and the zone must end with it. Names that moved stay where they are until their contracts change.
    """
    order = chosen.options()
    folder = Path(segment)
    known = is_segment_id(segment) and not folder.is_dir()
    if not known and not folder.is_dir():
        raise UsageError(
            f"expected a segment's folder or id, got {segment}", code="no-segment", hint="give FOLDER/segments/ID"
        )
    request = ReconcileRequest(
        segment=segment if known else folder.resolve().name,
        files=None if known else read_folder(folder),
        apply=replace(run_request(override_texts, recover), work_tree_matters=order.commits),
        options=order,
        reviewed=reviewed,
        revert=revert,
    )
    done = bring_in(request, workspace)
    tell(done, output_format, lambda: reconciled_text(done))
    return Exit.OK
