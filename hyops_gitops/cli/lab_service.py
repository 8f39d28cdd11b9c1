"""`lab service stop`, `lab service start`: one service of a running lab."""

from pathlib import Path

import click

from hyops_gitops.cli.lab_output import lab_document
from hyops_gitops.cli.options import common_options, lab_directory_option
from hyops_gitops.cli.output import echo, echo_json
from hyops_gitops.lab.services import service_of, start_service, stop_service


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
    """End the service NAME, and nothing else: its address refuses connections until it is started again."""
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
    """Start the service NAME of the lab, after it was stopped or has ended, and wait until it answers."""
    lab = start_service(directory, name)
    if output_format == "json":
        echo_json(lab_document(lab))
    else:
        echo(f"service {name} at {service_of(lab, name).address} answers, pid {service_of(lab, name).pid}")
