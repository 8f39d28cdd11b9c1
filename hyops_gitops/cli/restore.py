"""`restore`: rebuild a lost primary from the recorded zone."""

import sys

import click

from hyops_gitops.cli.options import on_workspace
from hyops_gitops.cli.output import is_terminal, note, tell
from hyops_gitops.cli.wiring import LocalWorkspace, override_option, recover_option, run_request
from hyops_gitops.core.errors import UsageError
from hyops_gitops.recover.restore import RestorePlan, RestoreRequest, prepare_restore
from hyops_gitops.recover.restore_write import carry_out_restore
from hyops_gitops.recover.text import restore_plan_text, restored_text


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask for confirmation. Required without a terminal.")
@recover_option
@click.option(
    "--tsig-key",
    "transfer_keys",
    multiple=True,
    metavar="NAME",
    help="TSIG key of the primary for transfers of a zone that restore has to create. Repeatable.",
)
@override_option
@on_workspace("json")
def restore(
    workspace: LocalWorkspace,
    yes: bool,
    recover: int | None,
    transfer_keys: tuple[str, ...],
    override_texts: tuple[str, ...],
    output_format: str,
) -> int:
    """Rebuild a lost or outdated primary from the recorded zone.

    Creates the zone, or rewrites what differs in one PATCH, with a serial above every secondary's; proves and records
    it. Needs the API key and HYOPS_SIGNING_KEY_FILE, as apply does. The primary's settings and keys come from deploy/.
    """
    request = RestoreRequest(run_request(override_texts, recover), transfer_keys)
    prepared = prepare_restore(request, workspace)
    if prepared.plan is not None:
        _agree(prepared.plan, yes=yes)
    done = carry_out_restore(prepared, workspace)
    tell(done, output_format, lambda: restored_text(done))
    return done.exit_code


def _agree(plan: RestorePlan, *, yes: bool) -> None:
    """Show the plan and ask for confirmation.

    Raises:
        UsageError: code `not-confirmed`: no --yes, and stdin is not a terminal.
    """
    note(restore_plan_text(plan))
    if yes:
        return
    if not is_terminal(sys.stdin):
        message = "restore rewrites the whole zone and needs confirmation, but stdin is not a terminal"
        raise UsageError(message, code="not-confirmed", hint="pass --yes")
    click.confirm(f"write {plan.zone}?", abort=True, err=True)
