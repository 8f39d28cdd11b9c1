"""`reconcile`: import a break-glass segment into the log."""

from dataclasses import replace
from pathlib import Path

import click

from hyops_gitops.adapters.files import read_folder
from hyops_gitops.cli.options import on_workspace
from hyops_gitops.cli.output import tell
from hyops_gitops.cli.wiring import LocalWorkspace, override_option, run_request
from hyops_gitops.core.errors import Exit, UsageError
from hyops_gitops.log.segment import is_segment_id
from hyops_gitops.move.write_moves import CommitOptions
from hyops_gitops.recover.reconcile import ReconcileRequest
from hyops_gitops.recover.reconcile import reconcile as bring_in
from hyops_gitops.recover.text import reconciled_text


@click.command()
@click.argument("segment", metavar="SEGMENT")
@click.option("--reviewed", metavar="TEXT", help="Record your review; you must be neither operator nor witness.")
@click.option("--revert", is_flag=True, help="Prepare a pull request that restores the contracts' targets instead.")
@click.option("--commit", is_flag=True, help="Commit on a new branch; the work tree is not touched.")
@click.option("--push", is_flag=True, help="Commit on a new branch and push it.")
@click.option(
    "--pr", "pull_request", is_flag=True, help="Push the new branch and open a pull request with gh, if installed."
)
@click.option("--branch", metavar="BRANCH", help="Name of the new branch; default: derived from the change.")
@click.option("--recover", type=int, metavar="SEQ", help="Settle this open intent now; its applier must have ended.")
@override_option
@on_workspace("json")
def reconcile(
    workspace: LocalWorkspace,
    segment: str,
    reviewed: str | None,
    revert: bool,
    commit: bool,
    push: bool,
    pull_request: bool,
    branch: str | None,
    recover: int | None,
    override_texts: tuple[str, ...],
    output_format: str,
) -> int:
    """Import a break-glass segment into the log, and prepare its pull request.

    SEGMENT is its folder (FOLDER/segments/ID), or its id if the log already has it. It is verified with today's
    signers, and the zone must end with it. Names that moved stay where they are until their contracts change.
    """
    order = CommitOptions(commit=commit, push=push, pull_request=pull_request, branch=branch)
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
