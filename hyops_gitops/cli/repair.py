"""`drift --repair`: mend rows that contradict each other."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import click

from hyops_gitops.cli.output import is_terminal, note, show_event, tell
from hyops_gitops.cli.run_request import run_request
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.names import canonical_name
from hyops_gitops.recover.repair import RepairRequest, carry_out_repair, prepare_repair
from hyops_gitops.recover.text import repair_plan_text, repaired_text

_Command = TypeVar("_Command", bound=Callable[..., object])


def repair_options(command: _Command) -> _Command:
    """`--repair`, `--keep`, `--yes`."""
    for option in (
        click.option("--yes", is_flag=True, help="With --repair: do not ask; needed without a terminal."),
        click.option(
            "--keep",
            multiple=True,
            metavar="NAME=TYPE",
            help="With --repair: what stays at a name of no contract. Repeatable.",
        ),
        click.option("--repair", is_flag=True, help="Mend rows that contradict each other; needs both keys."),
    ):
        command = option(command)
    return command


def wants_repair(options: Mapping[str, object], *others: object) -> bool:
    """Whether those options ask for it; `others` are what it excludes.

    Raises:
        UsageError: they contradict each other.
    """
    if not options.get("repair"):
        if options.get("keep") or options.get("yes"):
            raise UsageError("--keep and --yes go with --repair", code="usage")
        return False
    if any(others):
        raise UsageError("--repair excludes --live, --dns, --record and --retransfer", code="usage")
    return True


def repair(
    wiring: LocalWorkspace, options: Mapping[str, object], authority_file: Path | None, output_format: str
) -> int:
    """Show what is about to be done, ask, do it."""
    keep = options.get("keep")
    chosen = dict(_kept(str(text)) for text in (keep if isinstance(keep, tuple) else ()))
    ports = wiring.apply_ports(show_event)
    prepared = prepare_repair(RepairRequest(run_request(wiring, (), authority_file, None), chosen), ports)
    zone = prepared.opened.log.zone
    if prepared.mends:
        note(repair_plan_text(zone, prepared.mends))
    if prepared.mended and not options.get("yes"):
        _agree(zone)
    done = carry_out_repair(prepared, ports)
    tell(done, output_format, lambda: repaired_text(done))
    return done.exit_code


def _kept(text: str) -> tuple[str, str]:
    name, equals, rrtype = text.partition("=")
    if not (equals and name and rrtype):
        raise UsageError(f"--keep {text!r} is not NAME=TYPE", code="bad-keep", hint="such as --keep www.example.org=A")
    return canonical_name(name), rrtype.upper()


def _agree(zone: str) -> None:
    """Ask, after what is about to be done was shown.

    Raises:
        UsageError: code `not-confirmed`: there is no terminal to ask at.
    """
    if not is_terminal(sys.stdin):
        message = "a repair writes to the zone, and there is no terminal to ask at"
        raise UsageError(message, code="not-confirmed", hint="--yes")
    click.confirm(f"rewrite these names of {zone}?", abort=True, err=True)
