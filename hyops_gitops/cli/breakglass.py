"""`breakglass`: move endpoints while the log cannot be reached."""

from dataclasses import replace
from pathlib import Path

import click

from hyops_gitops.apply.prepare import Preparation
from hyops_gitops.cli.completion import endpoint_names
from hyops_gitops.cli.cutover import SiteOptions
from hyops_gitops.cli.options import on_workspace, taking
from hyops_gitops.cli.output import confirm, note, require_terminal, tell
from hyops_gitops.cli.wiring import LocalWorkspace, override_option, run_request, site_lost_option
from hyops_gitops.core.declaration import KINDS, Declaration, DeclaredHold
from hyops_gitops.move.failover import FailoverRequest
from hyops_gitops.recover.breakglass import BreakGlassCommand, ChosenMoves, Cutover, Failback
from hyops_gitops.recover.breakglass import breakglass as break_glass
from hyops_gitops.recover.open_segment import BreakglassRequest
from hyops_gitops.recover.text import breakglass_text, steps_text


def _options(command: click.decorators.FC) -> click.decorators.FC:
    """The options of every command of the group."""
    for option in (
        override_option,
        click.option(
            "--recover", type=int, metavar="SEQ", help="Settle this open intent now; its writer must have ended."
        ),
        click.option("--yes", is_flag=True, help="Do not ask for confirmation. Required without a terminal."),
        click.option(
            "--witness",
            type=click.Path(path_type=Path, dir_okay=False, exists=True),
            metavar="KEYFILE",
            help="A second person's key, or a .pub file with its private half in an agent: it also signs each intent.",
        ),
        click.option("--reference", metavar="TEXT", help="Ticket, decision or incident, for the evidence."),
        click.option(
            "--kind",
            type=click.Choice(KINDS),
            default="incident",
            show_default=True,
            help="Kind of change, for the evidence.",
        ),
        click.option(
            "--reason", required=True, metavar="TEXT", help="Why this cannot wait for the log; becomes evidence."
        ),
    ):
        command = option(command)
    return command


@click.group()
def breakglass() -> None:
    """Move endpoints while the log cannot be reached.

    Works in an unpacked bundle or in a clone. Guards, probes, PATCH and proof are those of apply. Evidence goes into
    segments/ID/ of this folder, signed by your own key (HYOPS_SIGNING_KEY_FILE), which needs the namespace
    hyops-gitops-breakglass in allowed_signers. Every applier then refuses until `hyops-gitops reconcile` has imported
    the segment into the log.
    """


@breakglass.command()
@click.argument("name", shell_complete=endpoint_names)
@click.option("--to", "site", metavar="SITE", help="The site to move to, one of endpoint_sites.")
@click.option(
    "--target", "targets", multiple=True, metavar="ADDR", help="The new target: addresses or a name. Repeatable."
)
@site_lost_option
@_options
@on_workspace("json")
def cutover(workspace: LocalWorkspace, name: str, site: str | None, targets: tuple[str, ...], **options: object) -> int:
    """Point one endpoint at another of its sites, or at another target."""
    return _run(workspace, Cutover(name, site, targets), options)


@breakglass.command()
@click.argument("name", shell_complete=endpoint_names)
@site_lost_option
@_options
@on_workspace("json")
def failback(workspace: LocalWorkspace, name: str, **options: object) -> int:
    """Point an endpoint back at its endpoint_home, or its previous target."""
    return _run(workspace, Failback(name), options)


@breakglass.command()
@taking("which", SiteOptions)
@_options
@on_workspace("json")
def failover(workspace: LocalWorkspace, which: SiteOptions, **options: object) -> int:
    """Move every endpoint of a site that must move."""
    return _run(workspace, which.request(), {**options, "sites_lost": (which.origin,) if which.site_lost else ()})


@breakglass.command()
@site_lost_option
@_options
@on_workspace("json")
def apply(workspace: LocalWorkspace, **options: object) -> int:
    """Apply the contracts in this folder, edited or not.

    Settles what an earlier command left open.
    """
    return _run(workspace, None, options)


def _run(workspace: LocalWorkspace, wanted: BreakGlassCommand, options: dict[str, object]) -> int:
    yes = bool(options["yes"])
    require_terminal(yes=yes)
    recover, declared = options["recover"], _declared(wanted, options)
    own = run_request(_texts(options["override_texts"]), recover if isinstance(recover, int) else None)
    request = BreakglassRequest(replace(own, sites_lost=declared.sites_lost), declared, str(options["witness"] or ""))

    def agree(prepared: Preparation, chosen: ChosenMoves) -> None:
        opened = prepared.opened
        primary = opened.authority.primary.api.url
        note(steps_text(opened.log, prepared.plan, opened.commit, primary, chosen.skipped))
        confirm("Continue?", yes=yes)

    done = break_glass(wanted, request, workspace, agree)
    tell(
        done,
        options["output_format"],
        lambda: breakglass_text(done.receipt, done.segment, done.entries, str(workspace.root)),
    )
    return done.receipt.exit_code


def _declared(wanted: BreakGlassCommand, options: dict[str, object]) -> Declaration:
    holds = wanted.hold if isinstance(wanted, FailoverRequest) else {}
    reference = options["reference"]
    return Declaration(
        kind=str(options["kind"]),
        reason=str(options["reason"]),
        reference=None if reference is None else str(reference),
        sites_lost=_texts(options["sites_lost"]),
        holds=tuple(DeclaredHold(name, reason) for name, reason in holds.items()),
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, tuple) else ()
