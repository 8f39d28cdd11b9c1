"""Free ports on loopback addresses."""

import contextlib
import socket

from hyops_gitops.core.contracts.authority import ServerAddress
from hyops_gitops.core.errors import OutsideFailure

_TRIES = 100


def free_addresses(hosts: list[str]) -> list[tuple[ServerAddress, ServerAddress]]:
    """For each host a DNS address, free for UDP and TCP alike, and an API address.

    All are held until the last is found, so that they differ. Somebody may still take one before the server does:
    PowerDNS then ends at once, and the caller tries again.
    """
    with contextlib.ExitStack() as held:
        return [(_dns(host, held), ServerAddress(host, _bind(host, 0, socket.SOCK_STREAM, held))) for host in hosts]


def _dns(host: str, held: contextlib.ExitStack) -> ServerAddress:
    for _ in range(_TRIES):
        port = _bind(host, 0, socket.SOCK_DGRAM, held)
        with contextlib.suppress(OSError):
            return ServerAddress(host, _bind(host, port, socket.SOCK_STREAM, held))
    raise OutsideFailure(f"no port of {host} is free for both UDP and TCP", code="lab-ports")


def _bind(host: str, port: int, kind: socket.SocketKind, held: contextlib.ExitStack) -> int:
    sock = held.enter_context(socket.socket(socket.AF_INET, kind))
    sock.bind((host, port))
    return int(sock.getsockname()[1])
