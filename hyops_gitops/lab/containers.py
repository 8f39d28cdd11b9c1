"""A lab in containers: the same primary and secondary, in Docker."""

import ipaddress
import secrets
from pathlib import Path

from ruamel.yaml.comments import CommentedMap

from hyops_gitops.adapters.dns.client import chaos_text
from hyops_gitops.adapters.powerdns.http import PowerDnsHttp
from hyops_gitops.core.contracts.authority import ServerAddress
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.lab import directory as directories
from hyops_gitops.lab.compose import (
    IMAGE_FOLDER,
    IMAGE_VARIABLE,
    compose_command,
    create_containers,
    remove_containers,
)
from hyops_gitops.lab.files import write_authority, write_env
from hyops_gitops.lab.model import TRANSFER_PORT, Lab, LabServer, save_lab
from hyops_gitops.lab.ports import free_addresses
from hyops_gitops.lab.zones import create_zone, wait_until

_ATTEMPTS = 5  # a port or a network found free can be taken meanwhile
_START_S = 30.0
_ANSWER_S = 0.5
_TAKEN = ("port is already allocated", "address already in use", "Pool overlaps")


def container_lab(directory: Path, zone: str, *, made_directory: bool) -> Lab:
    """A lab with addresses, a network and a key of its own, nothing of it started."""
    (dns, api), (other_dns, other_api) = free_addresses(["127.0.0.1", "127.0.0.2"])
    network = ipaddress.ip_network(f"172.31.{secrets.randbelow(256)}.0/28")
    transfer = [ServerAddress(str(network[number]), TRANSFER_PORT) for number in (2, 3)]
    return Lab(
        directory=directory,
        zone=zone,
        backend="gsqlite3",
        api_key=secrets.token_hex(16),
        primary=LabServer("primary", "primary", api, dns, transfer=transfer[0]),
        secondaries=(LabServer("secondary1", "secondary", other_api, other_dns, transfer=transfer[1]),),
        made_directory=made_directory,
        compose=f"hyops-lab-{secrets.token_hex(4)}",
    )


def start_container_lab(directory: Path, *, zone: str, authority: CommentedMap | None = None) -> Lab:
    """Start a primary and a secondary in containers, and wait until both answer for the zone.

    Raises:
        UsageError: codes `lab-running`, `lab-directory`, `lab-busy`.
        OutsideFailure: codes `lab-no-docker`, `lab-start`, `lab-zone`, `lab-ports`, `lab-directory`; whatever was
            started is removed again.
    """
    command = compose_command()
    directory = directory.resolve()
    made = directories.make(directory)
    with directories.exclusive(directory):
        made = directories.claim(directory) or made
        try:
            lab = _up(command, directory, zone, made_directory=made)
            try:
                wait_for_containers(lab)
                create_zone(lab, lab.zone)
                write_env(lab)
                if authority is not None:
                    write_authority(lab, authority)
            except BaseException:
                remove_containers(lab)
                directories.tidy(lab)
                raise
        except BaseException:
            if made:
                directories.remove_if_empty(directory)
            raise
    return lab


def _up(command: tuple[str, ...], directory: Path, zone: str, *, made_directory: bool) -> Lab:
    said: str | None = None
    for _ in range(_ATTEMPTS):
        lab = container_lab(directory, zone, made_directory=made_directory)
        save_lab(lab)
        said = create_containers(command, lab)
        if said is None:
            return lab
        remove_containers(lab)
        directories.tidy(lab)
        if not any(word in said for word in _TAKEN):
            break
    hint = f"where no registry is reachable: docker build -t pdns-auth {IMAGE_FOLDER}, then {IMAGE_VARIABLE}=pdns-auth"
    last = (said or "").splitlines()[-1]
    raise OutsideFailure(f"the containers could not be started: {last}", code="lab-start", hint=hint)


def wait_for_containers(lab: Lab) -> None:
    """Wait until both servers answer by API, with this lab's key, and by DNS.

    Raises:
        OutsideFailure: code `lab-zone`.
    """
    for server in lab.servers:
        wait_until(lambda server=server: _answers(lab, server), _START_S, f"{server.name} to answer")  # type: ignore[misc]


def _answers(lab: Lab, server: LabServer) -> bool:
    try:
        http = PowerDnsHttp(server.api_url, lab.api_key, None, _ANSWER_S)
        reply = http.exchange("GET", "/api/v1/servers/localhost", {})
    except OutsideFailure:
        return False
    return reply.status == 200 and chaos_text(server.dns, "id.server", _ANSWER_S) is not None  # noqa: PLR2004 - "OK"
