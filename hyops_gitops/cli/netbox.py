"""`netbox check` and `netbox suggest`: contracts beside NetBox."""

import sys
from collections.abc import Callable
from pathlib import Path

import click

from hyops_gitops.cli.completion import endpoint_names
from hyops_gitops.cli.options import inside, on_workspace, place_in_checkout
from hyops_gitops.cli.output import is_terminal, note, tell
from hyops_gitops.cli.validate import show_findings
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core.errors import Exit
from hyops_gitops.core.findings import has_errors
from hyops_gitops.core.text import counted
from hyops_gitops.netbox.check import NETBOX_RULES, check_zones
from hyops_gitops.netbox.ipam import Ipam
from hyops_gitops.netbox.suggest import SuggestRequest, outcomes, suggestions_text
from hyops_gitops.netbox.suggest import suggest as suggest_contracts

timeout_option = click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0.1, max=3600),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="The longest wait for one answer.",
)


@click.group()
def netbox() -> None:
    """Compare contracts with NetBox, and draft contracts from it.

    Needs HYOPS_NETBOX_URL and HYOPS_NETBOX_TOKEN (or HYOPS_NETBOX_TOKEN_FILE). NetBox is only read, and only here.
    """


@netbox.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@timeout_option
@on_workspace("json", "github", "sarif", zones="own")
def check(workspace: LocalWorkspace, paths: tuple[Path, ...], timeout_s: float, output_format: str) -> int:
    """Report where NetBox disagrees with contracts.

    With PATHS, look only at these contracts. policy.netbox of the authority file says what is expected, and which
    findings are errors.
    """
    zones = workspace.here().every_zone()
    wrong = {path for zone in zones for path in zone.revision.validation.invalid_paths}
    if wrong:
        note(f"warning: {counted(len(wrong), 'file')} with errors left out: `hyops-gitops validate` shows them")
    about = inside(workspace.root, paths) if paths else None
    ipam = _open(workspace, timeout_s)
    by_zone = [(zone.authority, zone.revision.validation.contracts) for zone in zones]
    findings = check_zones(by_zone, ipam, about)
    checked = sum(about is None or contract.path in about for _, contracts in by_zone for contract in contracts)
    show_findings(
        findings,
        checked,
        output_format,
        place_in_checkout(workspace.root)[1],
        rules=NETBOX_RULES,
        form="hyops-netbox-check/1",
    )
    return Exit.NO if has_errors(findings) else Exit.OK


def _open(workspace: LocalWorkspace, timeout_s: float) -> Ipam:
    from hyops_gitops.adapters.netbox import netbox_from_environment  # noqa: PLC0415 - requests: a tenth of a second

    return netbox_from_environment(workspace.environ, _progress(), timeout_s)


def _progress() -> Callable[[str], None]:
    return (lambda text: note(f"- read {text}")) if is_terminal(sys.stderr) else (lambda _: None)


@netbox.command()
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=endpoint_names)
@click.option("--write", is_flag=True, help="Write the files into the work tree; without it they are only shown.")
@click.option("--update", is_flag=True, help="Also edit files that exist, where NetBox says otherwise.")
@timeout_option
@on_workspace("json", zones="one")
def suggest(
    workspace: LocalWorkspace,
    names: tuple[str, ...],
    write: bool,
    update: bool,
    timeout_s: float,
    output_format: str,
) -> int:
    """Draft contracts from the addresses that have policy.netbox.tag.

    A draft that would not validate is refused, with the reason, and exit 1. Nothing is committed or applied.
    """
    found = suggest_contracts(SuggestRequest(names, update, write), workspace, _open(workspace, timeout_s))
    tell(found, output_format, lambda: "\n".join(suggestions_text(found)))
    counts = ", ".join(f"{number} {outcome}" for outcome, number in outcomes(found).items() if number)
    waiting = any(draft.content for draft in found.drafts) and not write
    note(f"{counted(len(found.drafts), 'draft')}{': ' if counts else ''}{counts}")
    if waiting:
        note("nothing was written: --write writes them")
    return Exit.NO if found.refused else Exit.OK
