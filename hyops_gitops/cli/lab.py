"""`lab up`, `lab down`, `lab status`."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from hyops_gitops.cli.options import common_options, find_repository
from hyops_gitops.cli.output import echo, echo_json
from hyops_gitops.core.errors import Exit
from hyops_gitops.core.names import canonical_name
from hyops_gitops.lab.files import AUTHORITY_FILE, ENV_FILE, find_authority, read_authority
from hyops_gitops.lab.model import Backend, Lab, load_lab
from hyops_gitops.lab.run import MAX_SECONDARIES, ServerStatus, lab_status, start_lab, stop_lab

_Command = TypeVar("_Command", bound=Callable[..., object])


def _dir_option(command: _Command) -> _Command:
    option = click.option(
        "--dir",
        "directory",
        type=click.Path(path_type=Path, file_okay=False),
        required=True,
        help="The lab's directory.",
    )
    return option(command)


@click.group("lab", context_settings={"help_option_names": ["-h", "--help"]})
def lab() -> None:
    """Run a real local authority: a PowerDNS primary and its secondaries.

    The servers are ordinary processes of the calling user on loopback addresses. Linux only; needs `pdns_server`.
    """


@lab.command("up")
@_dir_option
@click.option(
    "--secondaries",
    type=click.IntRange(1, MAX_SECONDARIES),
    default=1,
    show_default=True,
    help="How many secondaries, on 127.0.0.2 and up.",
)
@click.option(
    "--backend",
    type=click.Choice(["gsqlite3", "lmdb"]),
    default="gsqlite3",
    show_default=True,
    help="PowerDNS's storage.",
)
@common_options("json")
def up(
    directory: Path,
    secondaries: int,
    backend: Backend,
    repo: Path | None,
    authority_file: Path | None,
    output_format: str,
    verbose: bool,  # noqa: ARG001 - read by the command group; click passes flags by name
) -> None:
    """Start the servers, make the zone and wait until all answer.

    Writes DIR/authority.yaml, the repository's authority file with this lab's addresses, and DIR/env, to be sourced.
    """
    authority = read_authority(authority_file or find_authority(find_repository(repo)))
    started = start_lab(
        directory,
        zone=canonical_name(authority["zone"]),
        secondaries=secondaries,
        backend=backend,
        authority=authority,
    )
    statuses = lab_status(started)
    if output_format == "json":
        echo_json(_document(started, statuses))
        return
    echo(f"the lab of {started.zone} is up in {started.directory} ({started.backend})")
    _echo_servers(statuses)
    env, adapted = (shlex.quote(str(started.directory / name)) for name in (ENV_FILE, AUTHORITY_FILE))
    echo(f"use it: set -a; . {env}; set +a; hyops-gitops plan --live --authority {adapted}")
    echo(f"end it: hyops-gitops lab down --dir {shlex.quote(str(started.directory))}")


@lab.command("down")
@_dir_option
@common_options("json")
def down(
    directory: Path,
    repo: Path | None,  # noqa: ARG001 - taken by every command; a lab's directory says all
    authority_file: Path | None,  # noqa: ARG001 - as above
    output_format: str,
    verbose: bool,  # noqa: ARG001 - read by the command group; click passes flags by name
) -> None:
    """End exactly the processes that `lab up` started and remove the files it made."""
    stopped = stop_lab(directory)
    if output_format == "json":
        echo_json(_document(stopped, tuple(ServerStatus(server, False, None) for server in stopped.servers)))
    else:
        echo(f"the lab of {stopped.zone} in {stopped.directory} is down")


@lab.command("status")
@_dir_option
@common_options("json")
def status(
    directory: Path,
    repo: Path | None,  # noqa: ARG001 - taken by every command; a lab's directory says all
    authority_file: Path | None,  # noqa: ARG001 - as above
    output_format: str,
    verbose: bool,  # noqa: ARG001 - read by the command group; click passes flags by name
) -> int:
    """Show each server; exit 1 when one does not run."""
    known = load_lab(directory)
    statuses = lab_status(known)
    if output_format == "json":
        echo_json(_document(known, statuses))
    else:
        _echo_servers(statuses)
    return Exit.OK if all(each.running for each in statuses) else Exit.NO


def _echo_servers(statuses: tuple[ServerStatus, ...]) -> None:
    for each in statuses:
        server = each.server
        state = f"pid {server.pid}" if each.running else "not running"
        served = "zone not served" if each.serial is None else f"serial {each.serial}"
        echo(f"  {server.name:<10}  dns {server.dns!s:<15}  api {server.api_url:<22}  {state}  {served}")


def _document(known: Lab, statuses: tuple[ServerStatus, ...]) -> dict[str, object]:
    return {
        "format": "hyops-lab/1",
        "directory": str(known.directory),
        "zone": known.zone,
        "backend": known.backend,
        "servers": [
            {
                "name": each.server.name,
                "role": each.server.role,
                "dns": str(each.server.dns),
                "api_url": each.server.api_url,
                "pid": each.server.pid,
                "running": each.running,
                "serial": each.serial,
            }
            for each in statuses
        ],
    }
