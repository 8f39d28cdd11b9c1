"""`failover`: move all endpoints of a site, or rehearse it."""

from collections.abc import Callable
from typing import TypeVar

import click

from hyops_gitops.cli.cutover import show
from hyops_gitops.cli.options import on_workspace
from hyops_gitops.cli.order_options import order_of, order_options
from hyops_gitops.cli.output import tell
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core.errors import UsageError
from hyops_gitops.move.failover import FailoverRequest, rehearse
from hyops_gitops.move.failover import failover as fail_over
from hyops_gitops.move.text import rehearsal_text

_Command = TypeVar("_Command", bound=Callable[..., object])


def site_options(command: _Command) -> _Command:
    """`--from`, `--to`, `--env`, `--include`, `--hold`, `--site-lost`: which endpoints move where."""
    for option in (
        click.option(
            "--site-lost", is_flag=True, help="The site --from is down: its DNS servers are watched, not required."
        ),
        click.option(
            "--hold", "holds", multiple=True, metavar="NAME=REASON", help="Leave this endpoint where it is. Repeatable."
        ),
        click.option(
            "--include", multiple=True, metavar="NAME", help="Also move this endpoint, which need not move. Repeatable."
        ),
        click.option("--env", "environment", metavar="ENV", help="Only endpoints of this environment."),
        click.option("--to", required=True, metavar="SITE", help="The site that endpoints move to."),
        click.option("--from", "origin", required=True, metavar="SITE", help="The site that endpoints leave."),
    ):
        command = option(command)
    return command


@click.command()
@site_options
@click.option(
    "--check", is_flag=True, help="Rehearse: run every guard and probe, write nothing, exit as the apply would."
)
@click.option("--live", is_flag=True, help="With --check: compare with the primary; needs its API key.")
@order_options
@on_workspace("json")
def failover(
    workspace: LocalWorkspace,
    origin: str,
    to: str,
    environment: str | None,
    include: tuple[str, ...],
    holds: tuple[str, ...],
    site_lost: bool,
    check: bool,
    live: bool,
    **options: object,
) -> int:
    """Move every endpoint of a site that must move.

    Lists those that stay, with the reason. An endpoint moves if it is active at --from, has a target at --to, and has
    endpoint_cutover_required: true. One commit, one apply, one PATCH. The contracts are edited in place, or with
    --commit on a new branch.
    """
    if live and not check:
        raise UsageError("--live belongs to --check", code="usage")
    request = FailoverRequest(origin, to, environment, include, holds_of(holds), site_lost)
    order = order_of(options)
    if not check:
        return show(fail_over(request, order, workspace), options)
    found = rehearse(request, order, workspace, live=live)
    tell(found, options["output_format"], lambda: rehearsal_text(found))
    return found.exit_code


def holds_of(texts: tuple[str, ...]) -> dict[str, str]:
    """The values of `--hold`: name -> reason.

    Raises:
        UsageError: a value is not NAME=REASON.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, reason = text.partition("=")
        if not equals or not name.strip() or not reason.strip():
            raise UsageError(f"--hold: expected NAME=REASON, got {text!r}", code="usage")
        found[name.strip()] = reason.strip()
    return found
