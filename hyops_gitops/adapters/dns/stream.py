"""DNS messages over TCP (RFC 7766): each one behind its length in two octets."""

import socket
import time
from types import TracebackType
from typing import Self


class DnsStream:
    """A connection, until a moment."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        """Connect.

        Raises:
            OSError: it cannot be, in time.
        """
        self._until = time.monotonic() + timeout_s
        self._socket = socket.create_connection((host, port), timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, wire: bytes) -> None:
        """Send one message."""
        self._wait()
        self._socket.sendall(len(wire).to_bytes(2, "big") + wire)

    def receive(self) -> bytes:
        """The next message.

        Raises:
            OSError: the connection was closed, or time is up.
        """
        return self._read(int.from_bytes(self._read(2), "big"))

    def _read(self, octets: int) -> bytes:
        parts = []
        while octets:
            self._wait()
            part = self._socket.recv(octets)
            if not part:
                raise ConnectionResetError("the server closed the connection")
            parts.append(part)
            octets -= len(part)
        return b"".join(parts)

    def _wait(self) -> None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(left)
