"""Options of every command that moves endpoints."""

from collections.abc import Callable
from typing import TypeVar

import click

from hyops_gitops.cli.wiring import overrides_of
from hyops_gitops.core.declaration import KINDS, Declaration, Trailer, read_trailers
from hyops_gitops.core.errors import UsageError
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
