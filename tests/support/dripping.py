"""Servers on loopback that send a byte at a time, or without end."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

EVERY_S = 0.02  # far below each silence that a test bears


@dataclass
class DrippingServer:
    """One TCP port that answers each connection with `head` at once, then `drip` for ever."""

    listener: socket.socket
    head: bytes
    drip: bytes
    reads: bool = True  # the request, before it answers
    at_once: bool = False  # a flood
    connections: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    port: int = field(init=False)

    def __post_init__(self) -> None:
        self.port = self.listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(self) -> None:
        talks = []
        with contextlib.suppress(OSError):  # the listener is closed
            while True:
                connection, _ = self.listener.accept()
                self.connections += 1
                talks.append(threading.Thread(target=self._talk, args=(connection,)))
                talks[-1].start()
        for talk in talks:
            talk.join()

    def _talk(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):  # the client is gone
            if self.reads:
                connection.recv(65536)
            connection.sendall(self.head)
            while not self.over.wait(0 if self.at_once else EVERY_S):
                if not self.reads:
                    connection.recv(8192)
                connection.sendall(self.drip)


@contextlib.contextmanager
def dripping(
    head: bytes = b"", drip: bytes = b"x", *, reads: bool = True, at_once: bool = False, listener: object = None
) -> Iterator[DrippingServer]:
    """Such a server, on a port of its own unless a listener is given."""
    own = listener if isinstance(listener, socket.socket) else socket.create_server(("127.0.0.1", 0))
    server = DrippingServer(own, head, drip, reads, at_once)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        with contextlib.suppress(OSError):
            own.shutdown(socket.SHUT_RDWR)  # wakes accept
        own.close()
        thread.join()
