"""`drift`: differences between zone, secondaries, log and contracts."""

import click

from hyops_gitops.cli.options import on_workspace
from hyops_gitops.cli.output import tell
from hyops_gitops.cli.repair import repair, repair_options, wants_repair
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core.errors import UsageError
from hyops_gitops.observe.find_drift import DriftRequest, Look, look_for_drift
from hyops_gitops.observe.text import drift_text


@click.command()
@click.option("--live", is_flag=True, help="Ask only the primary's API; default: the API if its key is set, else DNS.")
@click.option("--dns", "dns_only", is_flag=True, help="Ask only by DNS, even if the API key is set.")
@click.option(
    "--record", is_flag=True, help="Record the findings in the signed log; needs the API key and the signing key."
)
@click.option("--retransfer", metavar="NAME", help="Update this secondary through its API and prove its content.")
@repair_options
@on_workspace("json")
def drift(
    workspace: LocalWorkspace,
    live: bool,
    dns_only: bool,
    record: bool,
    retransfer: str | None,
    output_format: str,
    **options: object,
) -> int:
    """Find changes outside the log, unapplied contracts, and secondaries that differ.

    Each finding has a case (edited, never-applied, secondary-behind, secondary-edited, foreign, restored, other-log,
    log-behind, break-glass, damaged), the expected and the actual records, and the next step.

    Reads the log of this clone (run `git fetch` first). Without an API key it asks by DNS, by zone transfer where a
    server allows it, and lists what could not be checked. Exit 1 when there is drift; 4 when none was found, but not
    everything could be checked.

    --repair rewrites only damaged names: it shows what stays at each name, what goes and why, asks, and sends one PATCH
    with an intent of its own.
    """
    if wants_repair(options, live, dns_only, record, retransfer):
        return repair(workspace, options, output_format)
    if dns_only and (live or record):
        raise UsageError("--dns excludes --live and --record, which need the API", code="usage")
    look: Look = "api" if live else "dns" if dns_only else "auto"
    found = look_for_drift(DriftRequest(look, record=record, retransfer=retransfer), workspace)
    tell(found, output_format, lambda: drift_text(found))
    return found.exit_code
