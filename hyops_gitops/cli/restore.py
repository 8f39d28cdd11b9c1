"""`restore`: rebuild a lost primary from the recorded zone."""

import click

from hyops_gitops.cli.options import on_workspace
from hyops_gitops.cli.output import confirm, note, tell
from hyops_gitops.cli.wiring import LocalWorkspace, override_option, recover_option, run_request
from hyops_gitops.recover.restore import RestoreRequest, prepare_restore
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
        note(restore_plan_text(prepared.plan))
        confirm(f"write {prepared.plan.zone}?", yes=yes)
    done = carry_out_restore(prepared, workspace)
    tell(done, output_format, lambda: restored_text(done))
    return done.exit_code
