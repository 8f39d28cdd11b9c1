"""`cutover`, `failback` and `failover`: move endpoints, by name or by site."""

from collections.abc import Callable
from typing import TypeVar

import click

from hyops_gitops.cli.options import on_workspace
from hyops_gitops.cli.output import note, tell
from hyops_gitops.cli.wiring import LocalWorkspace, overrides_of
from hyops_gitops.core.declaration import KINDS, Declaration, Trailer, read_trailers
from hyops_gitops.core.errors import Exit, UsageError
from hyops_gitops.core.findings import printable
from hyops_gitops.move import cutover as usecases
from hyops_gitops.move.failover import FailoverRequest, rehearse
from hyops_gitops.move.failover import failover as fail_over
from hyops_gitops.move.moves import MoveResult
from hyops_gitops.move.text import move_text, rehearsal_text
from hyops_gitops.move.write_moves import CommitOptions

_Command = TypeVar("_Command", bound=Callable[..., object])


def order_options(command: _Command) -> _Command:
    """`--commit`, `--push`, `--pr`, `--branch`, `--reason`, `--reference`, `--kind`, `--override`."""
    for option in (
        click.option(
            "--override",
            "override_texts",
            multiple=True,
            metavar="GUARD[:NAME]=REASON",
            help="Lift this guard in the apply, by a trailer of the commit. Repeatable.",
        ),
        click.option("--kind", type=click.Choice(KINDS), help="Kind of change, for the evidence."),
        click.option("--reference", metavar="TEXT", help="Ticket, decision or incident, for the evidence."),
        click.option("--reason", metavar="TEXT", help="Reason, for the evidence."),
        click.option("--branch", metavar="BRANCH", help="Name of the new branch; default: derived from the change."),
        click.option(
            "--pr",
            "pull_request",
            is_flag=True,
            help="Push the new branch and open a pull request with gh, if installed.",
        ),
        click.option("--push", is_flag=True, help="Commit on a new branch and push it."),
        click.option("--commit", is_flag=True, help="Commit on a new branch; the work tree is not touched."),
    ):
        command = option(command)
    return command


def order_of(options: dict[str, object], sites_lost: tuple[str, ...] = ()) -> CommitOptions:
    """Read those options.

    Raises:
        UsageError: a text does not fit into a trailer.
    """
    texts = {key: options.get(key) for key in ("kind", "reason", "reference")}
    declared = Declaration(**{key: str(text) for key, text in texts.items() if text}, sites_lost=sites_lost)  # type: ignore[arg-type]  # texts only
    overrides = overrides_of(tuple(map(str, _listed(options.get("override_texts")))))
    problems = read_trailers(
        [
            *(Trailer("", "Hyops-Site-Lost", site) for site in sites_lost),
            *(Trailer("", "Hyops-Override", text) for text in map(str, _listed(options.get("override_texts")))),
        ]
    ).problems
    if problems:
        raise UsageError(problems[0].message, code="bad-trailer")
    branch = options.get("branch")
    return CommitOptions(
        declared,
        overrides,
        commit=bool(options.get("commit")),
        push=bool(options.get("push")),
        pull_request=bool(options.get("pull_request")),
        branch=None if branch is None else str(branch),
    )


def _listed(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else ()


site_lost_option = click.option(
    "--site-lost",
    "sites_lost",
    multiple=True,
    metavar="SITE",
    help="A site that is down: its DNS servers are watched, not required. Repeatable.",
)


@click.command()
@click.argument("name")
@click.option("--to", "site", metavar="SITE", help="The site to move to, one of endpoint_sites.")
@click.option(
    "--target", "targets", multiple=True, metavar="ADDR", help="The new target: addresses or a name. Repeatable."
)
@click.option("--prepare", "only_ttl", is_flag=True, help="Only lower the TTL, ahead of a cutover.")
@click.option("--ttl", type=int, metavar="SECONDS", help="TTL for --prepare; default: policy.cutover_ttl_max.")
@site_lost_option
@order_options
@on_workspace("json")
def cutover(
    workspace: LocalWorkspace,
    name: str,
    site: str | None,
    targets: tuple[str, ...],
    only_ttl: bool,
    ttl: int | None,
    sites_lost: tuple[str, ...],
    **options: object,
) -> int:
    """Point an endpoint at another of its sites, or at another target.

    NAME may be short (postgres.prod). Type and port follow the site. The contract is edited in place, or with --commit
    on a new branch; DNS changes at the next apply. --to with --target also sets this target for the site.
    """
    if only_ttl and (site is not None or targets):
        raise UsageError("--prepare only lowers the TTL: it takes neither --to nor --target", code="usage")
    if ttl is not None and not only_ttl:
        raise UsageError("--ttl belongs to --prepare", code="usage")
    order = order_of(options, sites_lost)
    if only_ttl:
        return show(usecases.prepare(name, ttl, order, workspace), options)
    return show(usecases.cutover(name, site, targets, order, workspace), options)


@click.command()
@click.argument("name")
@site_lost_option
@order_options
@on_workspace("json")
def failback(workspace: LocalWorkspace, name: str, sites_lost: tuple[str, ...], **options: object) -> int:
    """Point an endpoint back at its endpoint_home, or its previous target.

    This is a new change, planned and checked like any other, not a revert of a commit.
    """
    return show(usecases.failback(name, order_of(options, sites_lost), workspace), options)


def show(done: MoveResult, options: dict[str, object]) -> int:
    """Print the move and the next step."""
    for warning in done.warnings:
        note(f"warning: {printable(warning)}" if done.moves else printable(warning))
    tell(done, options["output_format"], lambda: move_text(done))
    return Exit.OK


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
