"""A TCP proxy before a PowerDNS API: it counts the PATCHes that pass, and can hold one.

It is the witness of these tests: what was sent, and what the server said, is read here and not from the program.
"""

import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

from hyops_gitops.core.authority import ServerAddress

WAIT_S = 30.0
_CLAIM = re.compile(r"_(?P<seq>[0-9]+)\._hyops-gitops\..*")
_INTENT = re.compile(r'"v=hyops1 (?:seq=(?P<seq>[0-9]+) )?intent=sha256:(?P<sha256>[0-9a-f]{64})"')

Side = Literal["request", "reply"]


@dataclass(frozen=True, slots=True)
class Patch:
    """One PATCH as it passed."""

    raw: bytes
    status: int  # 0: no reply

    def rrsets(self) -> list[dict[str, object]]:
        """What it asks for."""
        rrsets = json.loads(self.raw.partition(b"\r\n\r\n")[2])["rrsets"]
        assert isinstance(rrsets, list)
        return rrsets

    @property
    def claims(self) -> tuple[int, str] | None:
        """The intent whose claim it puts down: an update. A PATCH without is one that settles."""
        if self._is_first_lock:
            return None
        for rrset in self.rrsets():
            named = _CLAIM.fullmatch(str(rrset["name"]))
            if named and rrset["type"] == "TXT" and rrset["changetype"] == "REPLACE":
                records = rrset["records"]
                assert isinstance(records, list)
                said = _INTENT.fullmatch(records[0]["content"])
                assert said is not None
                return int(named["seq"]), said["sha256"]
        return None

    @property
    def _is_first_lock(self) -> bool:
        """Whether it puts the lock row into a zone; what it begins with, such as the last claim, it puts back."""
        return any(str(one["name"]).startswith("_protocol.") and one["type"] == "CNAME" for one in self.rrsets())

    @property
    def settles(self) -> bool:
        """Whether it settles an intent: it takes a turn, or puts a CNAME at a claim, without being an update."""
        names = [str(one["name"]) for one in self.rrsets()]
        takes = any("-after-" in name for name in names)
        return self.claims is None and (takes or any(map(_CLAIM.fullmatch, names))) and not self._is_first_lock

    @property
    def landed(self) -> bool:
        """Whether the server stored it."""
        return self.status == 204


@dataclass
class _Hold:
    side: Side
    arrived: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)


class Proxy:
    """Listens on loopback until `close`."""

    def __init__(self, upstream: ServerAddress) -> None:
        self._upstream = upstream
        self.doubling = False  # whether each PATCH is sent on twice at the same moment, and the last reply counts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = ServerAddress("127.0.0.1", int(self._listener.getsockname()[1]))
        self.patches: list[Patch] = []
        self._lock = threading.Lock()
        self._hold: _Hold | None = None
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    def close(self) -> None:
        """Stop, with nothing left behind."""
        if self._hold:
            self._hold.go_on.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in (self._acceptor, *self._threads):
            thread.join(WAIT_S)

    @contextmanager
    def hold(self, side: Side) -> Iterator["Held"]:
        """Hold the next PATCH: its request before it is forwarded, or its reply once the server has answered.

        It goes on when told to, or at the end.
        """
        hold = _Hold(side)
        self._hold = hold
        try:
            yield Held(hold)
        finally:
            hold.go_on.set()
            with self._lock:
                self._hold = None
            if hold.arrived.is_set():
                assert hold.done.wait(WAIT_S)

    def replay(self, patch: Patch) -> int:
        """Send the very bytes of an old PATCH again; the status that the server answers."""
        return _status(self._forward(patch.raw))

    def updates(self) -> list[Patch]:
        """The PATCHes that put down a claim."""
        return [patch for patch in list(self.patches) if patch.claims is not None]

    def landed(self) -> list[Patch]:
        """The updates that the server stored, in the order of its replies."""
        return [patch for patch in self.updates() if patch.landed]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads = [one for one in self._threads if one.is_alive()]
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(WAIT_S)
            raw = _read_request(connection)
            if raw:
                connection.sendall(self._exchange(raw))

    def _exchange(self, raw: bytes) -> bytes:
        if not raw.startswith(b"PATCH "):
            return self._forward(raw)
        with self._lock:
            hold, self._hold = self._hold, None
        try:
            self._pause(hold, "request")
            for reply in self._twice(raw) if self.doubling else [self._once(raw)]:
                self.patches.append(Patch(raw, _status(reply)))
            self._pause(hold, "reply")
        finally:
            if hold:
                hold.done.set()
        return reply

    def _once(self, raw: bytes) -> bytes:
        try:
            return self._forward(raw)
        except OSError:
            return b""

    def _twice(self, raw: bytes) -> list[bytes]:
        with ThreadPoolExecutor(2) as pool:
            return [done.result() for done in as_completed([pool.submit(self._once, raw) for _ in range(2)])]

    def _pause(self, hold: _Hold | None, side: Side) -> None:
        if hold and hold.side == side:
            hold.arrived.set()
            hold.go_on.wait(4 * WAIT_S)

    def _forward(self, raw: bytes) -> bytes:
        with socket.create_connection((self._upstream.host, self._upstream.port), timeout=WAIT_S) as server:
            server.sendall(raw)
            reply = b""
            while chunk := server.recv(65536):
                reply += chunk
            return reply


class Held:
    """A PATCH on its way."""

    def __init__(self, hold: _Hold) -> None:
        self._hold = hold

    def wait(self) -> None:
        """Until it has arrived."""
        assert self._hold.arrived.wait(WAIT_S), "no PATCH came"

    def let_go(self) -> None:
        """Let it go on, and wait until it has."""
        self._hold.go_on.set()
        assert self._hold.done.wait(WAIT_S)


def _read_request(connection: socket.socket) -> bytes:
    """One whole request; nothing when the client left before it was."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        data += chunk
    head, _, _ = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", head)
    whole = len(head) + 4 + (int(length[1]) if length else 0)
    while len(data) < whole:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        data += chunk
    return data


def _status(reply: bytes) -> int:
    match = re.match(rb"HTTP/1\.[01] ([0-9]{3})", reply)
    return int(match[1]) if match else 0
