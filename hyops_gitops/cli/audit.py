"""`audit`: cross-check log, contracts, approvals and the served zone."""

from datetime import datetime
from pathlib import Path

import click

from hyops_gitops.adapters.files import read_source
from hyops_gitops.audit.commits import AuditRequest, Look
from hyops_gitops.audit.report import Audit, Period, audit_text, changes_csv
from hyops_gitops.audit.run import audit as run_audit
from hyops_gitops.cli.options import on_workspace, period_options
from hyops_gitops.cli.output import echo, echo_json, note
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core.errors import UsageError
from hyops_gitops.log.pinned_heads import SeenHead


@click.command()
@click.option("--branch", default="HEAD", show_default=True, metavar="REV", help="Branch with the contracts.")
@period_options
@click.option("--offline", is_flag=True, help="Do not ask any server.")
@click.option("--live", is_flag=True, help="Read the zone through the primary's API, which needs its key.")
@click.option(
    "--allowed-signers",
    "signers_file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Trust this copy, pinned outside the repository, instead of authority/allowed_signers.",
)
@click.option(
    "--seen",
    "seen_texts",
    multiple=True,
    metavar="SEQ:SHA256",
    help="A log head noted earlier: it must be an entry of the log. Repeatable.",
)
@on_workspace("json", "csv", zones="each")
def audit(
    workspace: LocalWorkspace,
    branch: str,
    since: datetime | None,
    until: datetime | None,
    offline: bool,
    live: bool,
    signers_file: Path | None,
    seen_texts: tuple[str, ...],
    output_format: str,
) -> int:
    """Cross-check log, contracts, approvals and the served zone.

    Reads the log of this clone (run `git fetch` first) and, unless --offline is given, asks the zone's servers by DNS.
    Exit 0 means that every check was made and passed; exit 4 that none failed, but some could not be made.
    """
    if offline and live:
        raise UsageError("--offline and --live exclude each other", code="usage")
    look: Look = "offline" if offline else "api" if live else "dns"
    request = AuditRequest(
        branch=branch,
        look=look,
        seen=tuple(map(SeenHead.parse, seen_texts)),
        period=Period(since, until),
        allowed_signers=None if signers_file is None else read_source(signers_file.resolve(), str(signers_file)),
    )
    found = run_audit(request, workspace, workspace.audit_git())
    _show(found, output_format)
    return found.exit_code


def _show(found: Audit, output_format: str) -> None:
    if output_format == "json":
        echo_json(found.to_json())
    elif output_format == "csv":
        echo(changes_csv(found.changes).removesuffix("\n"))
        note(audit_text(found).splitlines()[-1])
    else:
        echo(audit_text(found))
