"""`drift`: where zone, secondaries, log and contracts are not what they should be to each other."""

from pathlib import Path

import click

from hyops_gitops.cli.options import common_options, find_repository
from hyops_gitops.cli.output import show_event, tell
from hyops_gitops.cli.repair import repair, repair_options, wants_repair
from hyops_gitops.cli.wiring import TOOL, LocalWorkspace
from hyops_gitops.core.errors import UsageError
from hyops_gitops.observe.find_drift import DriftRequest, Look, look_for_drift
from hyops_gitops.observe.text import drift_text


@click.command()
@click.option("--live", is_flag=True, help="Only by the primary's API; without it, by the API where its key is set.")
@click.option("--dns", "dns_only", is_flag=True, help="Only by DNS, even where there is a key.")
@click.option("--record", is_flag=True, help="Write what was found to the signed log; needs both keys.")
@click.option("--retransfer", metavar="NAME", help="Bring this secondary up to date by its API, and prove its content.")
@repair_options
@common_options("json")
def drift(
    live: bool,
    dns_only: bool,
    record: bool,
    retransfer: str | None,
    repo: Path | None,
    authority_file: Path | None,
    output_format: str,
    **options: object,
) -> int:
    """Find what was changed outside the log, what was never applied, and secondaries that differ.

    Each case is named: edited, never-applied, secondary-behind, secondary-edited, foreign, restored, other-log,
    log-behind, break-glass, damaged; with what should be there, what is, and what to do next.

    Reads the log from this clone (run `git fetch` first). Without an API key it looks by DNS, by zone transfer where a
    server allows it, and says what it could not see. Exit 1 when there is drift; 4 when none was seen, but not all
    that has to be looked at could be.

    --repair mends what is damaged, and nothing else: it shows what stays at each name, what goes and why, asks, and
    rewrites it by one PATCH with an intent of its own.
    """
    wiring = LocalWorkspace(find_repository(repo))
    if wants_repair(options, live, dns_only, record, retransfer):
        return repair(wiring, options, authority_file, output_format)
    if dns_only and (live or record):
        raise UsageError("--dns excludes --live and --record, which need the API", code="usage")
    look: Look = "api" if live else "dns" if dns_only else "auto"
    ports = wiring.drift_ports(show_event, authority_file)
    found = look_for_drift(DriftRequest(look, record=record, retransfer=retransfer, tool=TOOL), ports)
    tell(found, output_format, lambda: drift_text(found))
    return found.exit_code
