"""`drift --repair`: rewrite names whose rows contradict each other."""

import sys
from collections.abc import Callable, Mapping
from typing import TypeVar

import click

from hyops_gitops.cli.output import is_terminal, note, tell
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
        click.option(
            "--yes", is_flag=True, help="With --repair: do not ask for confirmation. Required without a terminal."
        ),
        click.option(
            "--keep",
            multiple=True,
            metavar="NAME=TYPE",
            help="With --repair: the type that stays at a name without a contract. Repeatable.",
        ),
        click.option(
            "--repair",
            is_flag=True,
            help="Rewrite names whose rows contradict each other; needs the API key and the signing key.",
        ),
    ):
        command = option(command)
    return command


def wants_repair(options: Mapping[str, object], *others: object) -> bool:
    """Whether `--repair` is given; it excludes `others`.

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


def repair(workspace: LocalWorkspace, options: Mapping[str, object], output_format: str) -> int:
    """Show the repair, ask for confirmation, send it."""
    keep = options.get("keep")
    chosen = dict(_kept(str(text)) for text in (keep if isinstance(keep, tuple) else ()))
    prepared = prepare_repair(RepairRequest(run_request((), None), chosen), workspace)
    zone = prepared.opened.log.zone
    if prepared.repairs:
        note(repair_plan_text(zone, prepared.repairs))
    if prepared.possible and not options.get("yes"):
        _agree(zone)
    done = carry_out_repair(prepared, workspace)
    tell(done, output_format, lambda: repaired_text(done))
    return done.exit_code


def _kept(text: str) -> tuple[str, str]:
    name, equals, rrtype = text.partition("=")
    if not (equals and name and rrtype):
        hint = "write it as in --keep www.example.org=A"
        raise UsageError(f"--keep: expected NAME=TYPE, got {text!r}", code="bad-keep", hint=hint)
    return canonical_name(name), rrtype.upper()


def _agree(zone: str) -> None:
    """Ask for confirmation.

    Raises:
        UsageError: code `not-confirmed`: stdin is not a terminal.
    """
    if not is_terminal(sys.stdin):
        message = "cannot ask for confirmation of the repair: stdin is not a terminal"
        raise UsageError(message, code="not-confirmed", hint="pass --yes")
    click.confirm(f"rewrite these names of {zone}?", abort=True, err=True)
