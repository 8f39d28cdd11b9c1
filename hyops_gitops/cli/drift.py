"""`drift`: find differences, record them, repair contradicting rows."""

import click

from hyops_gitops.cli.options import on_workspace
from hyops_gitops.cli.output import confirm, note, tell
from hyops_gitops.cli.wiring import LocalWorkspace, run_request
from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.names import canonical_name
from hyops_gitops.observe.find_drift import DriftRequest, Look, look_for_drift
from hyops_gitops.observe.text import drift_text
from hyops_gitops.recover.repair import RepairRequest, carry_out_repair, prepare_repair
from hyops_gitops.recover.text import repair_plan_text, repaired_text


@click.command()
@click.option("--live", is_flag=True, help="Ask only the primary's API; default: the API if its key is set, else DNS.")
@click.option("--dns", "dns_only", is_flag=True, help="Ask only by DNS, even if the API key is set.")
@click.option(
    "--record", is_flag=True, help="Record the findings in the signed log; needs the API key and the signing key."
)
@click.option("--retransfer", metavar="NAME", help="Update this secondary through its API and prove its content.")
@click.option(
    "--repair",
    is_flag=True,
    help="Rewrite names whose rows contradict each other; needs the API key and the signing key.",
)
@click.option(
    "--keep",
    multiple=True,
    metavar="NAME=TYPE",
    help="With --repair: the type that stays at a name without a contract. Repeatable.",
)
@click.option("--yes", is_flag=True, help="With --repair: do not ask for confirmation. Required without a terminal.")
@on_workspace("json", "openmetrics", zones="each")
def drift(
    workspace: LocalWorkspace,
    live: bool,
    dns_only: bool,
    record: bool,
    retransfer: str | None,
    repair: bool,
    keep: tuple[str, ...],
    yes: bool,
    output_format: str,
) -> int:
    """Find changes outside the log, unapplied contracts, and secondaries that differ.

    Each finding has a case (edited, never-applied, secondary-behind, secondary-edited, foreign, restored, other-log,
    log-behind, break-glass, damaged), the expected and the actual records, and the next step.

    Reads the log of this clone (run `git fetch` first). Without an API key it asks by DNS, by zone transfer where a
    server allows it, and lists what could not be checked. Exit 1 when there is drift; 4 when none was found, but not
    everything could be checked.

    --repair rewrites only damaged names: it shows what stays at each name, what goes and why, asks, and sends one PATCH
    with an intent of its own.

    --format openmetrics prints metrics for the node exporter, also when the exit code is 1 or 4.
    """
    if repair and (live or dns_only or record or retransfer):
        raise UsageError("--repair excludes --live, --dns, --record and --retransfer", code="usage")
    if repair and output_format == "openmetrics":
        raise UsageError("--repair has no metrics", code="usage", hint="use --format text or json")
    if repair:
        return _repair(workspace, keep, output_format, yes=yes)
    if keep or yes:
        raise UsageError("--keep and --yes go with --repair", code="usage")
    if dns_only and (live or record):
        raise UsageError("--dns excludes --live and --record, which need the API", code="usage")
    look: Look = "api" if live else "dns" if dns_only else "auto"
    request = DriftRequest(look, record=record, retransfer=retransfer)
    if output_format == "openmetrics":
        from hyops_gitops.cli.metrics import show_metrics  # noqa: PLC0415 - other forms do without
        from hyops_gitops.observe.metrics import drift_metrics  # noqa: PLC0415 - as above

        return show_metrics("drift", workspace, lambda: look_for_drift(request, workspace), drift_metrics)
    found = look_for_drift(request, workspace)
    tell(found, output_format, lambda: drift_text(found))
    return found.exit_code


def _repair(workspace: LocalWorkspace, keep: tuple[str, ...], output_format: str, *, yes: bool) -> int:
    """Show the repair, ask for confirmation, send it."""
    prepared = prepare_repair(RepairRequest(run_request((), None), dict(map(_kept, keep))), workspace)
    zone = prepared.opened.log.zone
    if prepared.repairs:
        note(repair_plan_text(zone, prepared.repairs))
    if prepared.possible:
        confirm(f"rewrite these names of {zone}?", yes=yes)
    done = carry_out_repair(prepared, workspace)
    tell(done, output_format, lambda: repaired_text(done))
    return done.exit_code


def _kept(text: str) -> tuple[str, str]:
    name, equals, rrtype = text.partition("=")
    if not (equals and name and rrtype):
        hint = "write it as in --keep www.example.org=A"
        raise UsageError(f"--keep: expected NAME=TYPE, got {text!r}", code="bad-keep", hint=hint)
    return canonical_name(name), rrtype.upper()
