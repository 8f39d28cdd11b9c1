"""`lab up`, `lab down`, `lab status`."""

import shlex
from pathlib import Path

import click

from hyops_gitops.cli.options import common_options, find_repository, lab_directory_option
from hyops_gitops.cli.output import echo, echo_json
from hyops_gitops.core.errors import Exit, UsageError
from hyops_gitops.core.names import canonical_name
from hyops_gitops.lab.containers import start_container_lab
from hyops_gitops.lab.folder import AUTHORITY_FILE, ENV_FILE, find_authority, read_authority
from hyops_gitops.lab.lifecycle import (
    MAX_SECONDARIES,
    ListenerStatus,
    lab_software,
    lab_status,
    listener_status,
    start_lab,
    stop_lab,
)
from hyops_gitops.lab.model import BACKENDS, Backend, Lab, LabResolver, LabService, load_lab
from hyops_gitops.lab.services import parse_services, service_of, start_service, stop_service


def echo_lab(lab: Lab) -> None:
    """Print one line for each server, resolver and service."""
    for each in lab_status(lab):
        server = each.server
        process = "container" if lab.compose else f"pid {server.pid}"
        state = process if each.running else "not running"
        served = "zone not served" if each.serial is None else f"serial {each.serial}"
        echo(f"  {server.name:<10}  dns {server.dns!s:<15}  api {server.api_url:<22}  {state}  {served}")
    for watched in listener_status(lab):
        match watched.listener:
            case LabResolver(name=name, dns=dns):
                echo(f"  {name:<10}  dns {dns!s:<15}  {_state(watched)}")
            case LabService(name=name, address=address):
                echo(f"  service {name}  {address}  {_state(watched)}")
    if software := lab_software(lab):
        echo(f"  {', '.join(software)}")


def _state(watched: ListenerStatus) -> str:
    if watched.running:
        return f"pid {watched.listener.pid}" if watched.answers else f"pid {watched.listener.pid}, does not answer"
    return "stopped" if watched.as_wanted else "not running"


def lab_document(lab: Lab) -> dict[str, object]:
    """`hyops-lab/1`: each process as it is now."""
    listeners = listener_status(lab)
    return {
        "format": "hyops-lab/1",
        "directory": str(lab.directory),
        "zone": lab.zone,
        "backend": lab.backend,
        "compose": lab.compose,
        "software": list(lab_software(lab)),
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
            for each in lab_status(lab)
        ],
        "resolver": next(
            (
                {"name": watched.listener.name, "dns": str(watched.listener.dns), **_process(watched)}
                for watched in listeners
                if isinstance(watched.listener, LabResolver)
            ),
            None,
        ),
        "services": [
            {"name": watched.listener.name, "address": str(watched.listener.address), **_process(watched)}
            for watched in listeners
            if isinstance(watched.listener, LabService)
        ],
    }


def _process(watched: ListenerStatus) -> dict[str, object]:
    return {"pid": watched.listener.pid, "running": watched.running, "answers": watched.answers}


@click.group("service", context_settings={"help_option_names": ["-h", "--help"]})
def service() -> None:
    """Stop and start single services of a running lab."""


@service.command("stop")
@click.argument("name")
@lab_directory_option
@common_options("json")
def stop(
    name: str,
    directory: Path,
    output_format: str,
    **_common: object,
) -> None:
    """Stop the service NAME: its address then refuses connections."""
    lab = stop_service(directory, name)
    if output_format == "json":
        echo_json(lab_document(lab))
    else:
        echo(f"service {name} at {service_of(lab, name).address} is stopped")


@service.command("start")
@click.argument("name")
@lab_directory_option
@common_options("json")
def start(
    name: str,
    directory: Path,
    output_format: str,
    **_common: object,
) -> None:
    """Start the service NAME again and wait until it answers."""
    lab = start_service(directory, name)
    if output_format == "json":
        echo_json(lab_document(lab))
    else:
        echo(f"service {name} at {service_of(lab, name).address} answers, pid {service_of(lab, name).pid}")


@click.group("lab", context_settings={"help_option_names": ["-h", "--help"]})
def lab() -> None:
    """Run a real local authority: a PowerDNS primary and its secondaries.

    The servers are ordinary processes of the calling user on loopback addresses. Linux only; needs `pdns_server`, or
    for `--docker` a Docker engine.
    """


@lab.command("up")
@lab_directory_option
@click.option(
    "--secondaries",
    type=click.IntRange(1, MAX_SECONDARIES),
    default=1,
    show_default=True,
    help="Number of secondaries, on 127.0.0.2 and up.",
)
@click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    default="gsqlite3",
    show_default=True,
    help="Storage of PowerDNS; gpgsql and gmysql start a PostgreSQL or MariaDB for the lab.",
)
@click.option(
    "--resolver",
    is_flag=True,
    help="Also start a caching resolver in front of the first secondary; needs pdns_recursor.",
)
@click.option(
    "--service",
    "services",
    multiple=True,
    metavar="NAME=ADDR:PORT",
    help="Also start a TCP listener on this loopback address; HTTP /health answers 200. Repeatable.",
)
@click.option("--docker", is_flag=True, help="Run in containers of the image PDNS_AUTH_IMAGE, with one secondary.")
@common_options("json")
def up(
    directory: Path,
    secondaries: int,
    backend: Backend,
    resolver: bool,
    services: tuple[str, ...],
    docker: bool,
    repo: Path | None,
    authority_file: Path | None,
    output_format: str,
) -> None:
    """Start the servers, the zone and the services; wait until all answer.

    Writes DIR/authority.yaml, the repository's authority file with the lab's addresses, and DIR/env for your shell.
    """
    authority = read_authority(authority_file or find_authority(find_repository(repo)))
    zone = canonical_name(authority["zone"])
    if docker:
        if secondaries != 1 or backend != "gsqlite3" or resolver or services:
            raise UsageError("--docker excludes --secondaries, --backend, --resolver and --service", code="usage")
        started = start_container_lab(directory, zone=zone, authority=authority)
    else:
        started = start_lab(
            directory,
            zone=zone,
            secondaries=secondaries,
            backend=backend,
            authority=authority,
            resolver=resolver,
            services=parse_services(services),
        )
    if output_format == "json":
        echo_json(lab_document(started))
        return
    echo(f"the lab of {started.zone} is up in {started.directory} ({started.backend})")
    echo_lab(started)
    env, adapted = (shlex.quote(str(started.directory / name)) for name in (ENV_FILE, AUTHORITY_FILE))
    echo(f"use it: set -a; . {env}; set +a; hyops-gitops plan --live --authority {adapted}")
    echo(f"end it: hyops-gitops lab down --dir {shlex.quote(str(started.directory))}")


@lab.command("down")
@lab_directory_option
@common_options("json")
def down(
    directory: Path,
    output_format: str,
    **_common: object,
) -> None:
    """Stop the processes that `lab up` started and remove its files."""
    stopped = stop_lab(directory)
    if output_format == "json":
        echo_json(lab_document(stopped))
    else:
        echo(f"the lab of {stopped.zone} in {stopped.directory} is down")


@lab.command("status")
@lab_directory_option
@common_options("json")
def status(
    directory: Path,
    output_format: str,
    **_common: object,
) -> int:
    """Show each server and service.

    Exit 1 if one is not running, unless it was stopped.
    """
    known = load_lab(directory)
    if output_format == "json":
        echo_json(lab_document(known))
    else:
        echo_lab(known)
    servers, listeners = lab_status(known), listener_status(known)
    return (
        Exit.OK
        if all(server.running for server in servers) and all(watched.as_wanted for watched in listeners)
        else Exit.NO
    )


lab.add_command(service)
