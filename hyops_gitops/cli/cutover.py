"""`cutover`, `failback` and `failover`: move endpoints, by name or by site."""

import click

from hyops_gitops.cli.completion import endpoint_names
from hyops_gitops.cli.options import on_workspace, option, taking
from hyops_gitops.cli.output import note, tell
from hyops_gitops.cli.wiring import LocalWorkspace, overrides_of, site_lost_option
from hyops_gitops.cli.zones import ZoneChoice, on_chosen
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.declaration import KINDS, NOTHING_DECLARED, Declaration, Trailer, read_trailers
from hyops_gitops.core.errors import Exit, UsageError
from hyops_gitops.core.findings import printable
from hyops_gitops.core.guards import Override
from hyops_gitops.move import cutover as usecases
from hyops_gitops.move.failover import FailoverRequest, choose_together, failover_parts, rehearse
from hyops_gitops.move.failover import failover as fail_over
from hyops_gitops.move.moves import MoveResult
from hyops_gitops.move.text import move_text, rehearsal_text, site_loss_markdown
from hyops_gitops.move.write_moves import CommitOptions


@dataclass(frozen=True)
class BranchOptions:
    """Where an edit of contracts goes."""

    commit: bool = option("--commit", is_flag=True, help="Commit on a new branch; the work tree is not touched.")
    push: bool = option("--push", is_flag=True, help="Commit on a new branch and push it.")
    pull_request: bool = option(
        "--pr", is_flag=True, help="Push the new branch and open a pull request with gh, if installed."
    )
    branch: str | None = option(
        "--branch", metavar="BRANCH", help="Name of the new branch; default: derived from the change."
    )

    def options(self, declared: Declaration = NOTHING_DECLARED, overrides: tuple[Override, ...] = ()) -> CommitOptions:
        """The commit that these options ask for."""
        return CommitOptions(
            declared,
            overrides,
            commit=self.commit,
            push=self.push,
            pull_request=self.pull_request,
            branch=self.branch,
        )


@dataclass(frozen=True)
class OrderOptions(BranchOptions):
    """Where it goes, and what its trailers declare."""

    reason: str | None = option("--reason", metavar="TEXT", help="Reason, for the evidence.")
    reference: str | None = option(
        "--reference", metavar="TEXT", help="Ticket, decision or incident, for the evidence."
    )
    kind: str | None = option("--kind", type=click.Choice(KINDS), help="Kind of change, for the evidence.")
    override_texts: tuple[str, ...] = option(
        "--override",
        multiple=True,
        metavar="GUARD[:NAME]=REASON",
        help="Lift this guard in the apply, by a trailer of the commit. Repeatable.",
    )

    def order(self, sites_lost: tuple[str, ...] = ()) -> CommitOptions:
        """The commit, with its trailers.

        Raises:
            UsageError: a text does not fit into a trailer.
        """
        texts = {"kind": self.kind, "reason": self.reason, "reference": self.reference}
        declared = Declaration(**{key: text for key, text in texts.items() if text}, sites_lost=sites_lost)  # type: ignore[arg-type]  # texts only
        overrides = overrides_of(self.override_texts)
        lines = [
            *(Trailer("", "Hyops-Site-Lost", site) for site in sites_lost),
            *(Trailer("", "Hyops-Override", text) for text in self.override_texts),
        ]
        if problems := read_trailers(lines).problems:
            raise UsageError(problems[0].message, code="bad-trailer")
        return self.options(declared, overrides)


@click.command()
@click.argument("name", shell_complete=endpoint_names)
@click.option("--to", "site", metavar="SITE", help="The site to move to, one of endpoint_sites.")
@click.option(
    "--target", "targets", multiple=True, metavar="ADDR", help="The new target: addresses or a name. Repeatable."
)
@click.option("--prepare", "only_ttl", is_flag=True, help="Only lower the TTL, ahead of a cutover.")
@click.option("--ttl", type=int, metavar="SECONDS", help="TTL for --prepare; default: policy.cutover_ttl_max.")
@site_lost_option
@taking("chosen", OrderOptions)
@on_workspace("json", zones="own")
def cutover(
    workspace: LocalWorkspace,
    name: str,
    site: str | None,
    targets: tuple[str, ...],
    only_ttl: bool,
    ttl: int | None,
    sites_lost: tuple[str, ...],
    chosen: OrderOptions,
    output_format: str,
) -> int:
    """Point an endpoint at another of its sites, or at another target.

    NAME may be short (postgres.prod). Type and port follow the site. The contract is edited in place, or with --commit
    on a new branch; DNS changes at the next apply. --to with --target also sets this target for the site. The zone is
    that of the name, of several the one with the longest suffix; a short name must mean one endpoint of all zones.
    """
    if only_ttl and (site is not None or targets):
        raise UsageError("--prepare only lowers the TTL: it takes neither --to nor --target", code="usage")
    if ttl is not None and not only_ttl:
        raise UsageError("--ttl belongs to --prepare", code="usage")
    order = chosen.order(sites_lost)
    if only_ttl:
        return _show(usecases.prepare(name, ttl, order, workspace), output_format)
    return _show(usecases.cutover(name, site, targets, order, workspace), output_format)


@click.command()
@click.argument("name", shell_complete=endpoint_names)
@site_lost_option
@taking("chosen", OrderOptions)
@on_workspace("json", zones="own")
def failback(
    workspace: LocalWorkspace, name: str, sites_lost: tuple[str, ...], chosen: OrderOptions, output_format: str
) -> int:
    """Point an endpoint back at its endpoint_home, or its previous target.

    This is a new change, planned and checked like any other, not a revert of a commit. Of several zones it is the one
    that NAME is in, as for cutover.
    """
    return _show(usecases.failback(name, chosen.order(sites_lost), workspace), output_format)


def _show(done: MoveResult, output_format: str) -> int:
    """Print the move and the next step."""
    for warning in done.warnings:
        note(f"warning: {printable(warning)}" if done.moves else printable(warning))
    tell(done, output_format, lambda: move_text(done))
    return Exit.OK


@dataclass(frozen=True)
class SiteOptions:
    """Which endpoints move where."""

    origin: str = option("--from", required=True, metavar="SITE", help="The site that endpoints leave.")
    to: str | None = option("--to", metavar="SITE", help="The site that endpoints move to.")
    environment: str | None = option("--env", metavar="ENV", help="Only endpoints of this environment.")
    include: tuple[str, ...] = option(
        "--include", multiple=True, metavar="NAME", help="Also move this endpoint, which need not move. Repeatable."
    )
    holds: tuple[str, ...] = option(
        "--hold", multiple=True, metavar="NAME=REASON", help="Leave this endpoint where it is. Repeatable."
    )
    site_lost: bool = option(
        "--site-lost", is_flag=True, help="The site --from is down: its DNS servers are watched, not required."
    )

    def request(self, *, to_any: bool = False) -> FailoverRequest:
        """The failover, to a site or, for a report, to any other.

        Raises:
            UsageError: a hold is not NAME=REASON; the site to move to is missing.
        """
        if self.to is None and not to_any:
            hint = "--to: the site that endpoints move to; only a report of a drill does without"
            raise UsageError("missing option --to", code="usage", hint=hint)
        holds = dict(map(_hold, self.holds))
        return FailoverRequest(self.origin, self.to or "", self.environment, self.include, holds, self.site_lost)


def _hold(text: str) -> tuple[str, str]:
    name, equals, reason = text.partition("=")
    if not equals or not name.strip() or not reason.strip():
        raise UsageError(f"--hold: expected NAME=REASON, got {text!r}", code="usage")
    return name.strip(), reason.strip()


@click.command()
@taking("which", SiteOptions)
@click.option(
    "--check", is_flag=True, help="Rehearse: run every guard and probe, write nothing, exit as the apply would."
)
@click.option(
    "--report",
    is_flag=True,
    help="With --check: what the loss of --from means for each endpoint, as Markdown; --to may be left out.",
)
@click.option("--live", is_flag=True, help="With --check: compare with the primary; needs its API key.")
@taking("chosen", OrderOptions)
@on_workspace("json", zones="own")
def failover(
    workspace: LocalWorkspace,
    which: SiteOptions,
    check: bool,
    report: bool,
    live: bool,
    chosen: OrderOptions,
    output_format: str,
) -> int:
    """Move every endpoint of a site that must move.

    Lists those that stay, with the reason. An endpoint moves if it is active at --from, has a target at --to, and has
    endpoint_cutover_required: true. One commit, one apply, one PATCH. The contracts are edited in place, or with
    --commit on a new branch. With several zones the endpoints of all move by this one commit, each by the rules of its
    zone, and --check rehearses each zone.
    """
    if not check and (live or report):
        raise UsageError(f"{'--live' if live else '--report'} belongs to --check", code="usage")
    request, order = which.request(to_any=report), chosen.order()
    if not check:
        return _show(fail_over(request, order, workspace), output_format)
    parts = {part.workspace.zone_name: part for part in failover_parts(request, order.looking_only, workspace)}
    selected = {} if report else dict(zip(parts, choose_together(parts.values()), strict=True))

    def look(own: LocalWorkspace) -> int:
        """Rehearse the failover of one zone."""
        if report:
            from hyops_gitops.move.readiness_report import report_site_loss  # noqa: PLC0415 - of this option alone

            drill = report_site_loss(parts[own.zone_name], order, live=live)
            tell(drill, output_format, lambda: site_loss_markdown(drill))
            return drill.exit_code
        found = rehearse(selected[own.zone_name], order, live=live)
        tell(found, output_format, lambda: rehearsal_text(found))
        return found.exit_code

    zones = workspace.work_tree.division.zones if workspace.zone_name is None else ()
    return on_chosen(workspace, ZoneChoice(zones, zones), "each", output_format, look)
