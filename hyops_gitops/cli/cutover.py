"""`cutover` and `failback`: one endpoint, by name."""

import click

from hyops_gitops.cli.options import on_workspace
from hyops_gitops.cli.order_options import order_of, order_options
from hyops_gitops.cli.output import note, tell
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core.errors import Exit, UsageError
from hyops_gitops.core.findings import printable
from hyops_gitops.move import cutover as usecases
from hyops_gitops.move.moves import MoveResult
from hyops_gitops.move.text import move_text

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
