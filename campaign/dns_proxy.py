"""A proxy before a DNS server, UDP and TCP, that does to each answer what it is told to."""

import contextlib
import random
import socket
import threading
import time
from collections.abc import Callable, Mapping

from hyops_gitops.core.authority import ServerAddress

_WAIT_S = 5.0
_TICK_S = 0.2
_AA, _TC, _QR = 0x04, 0x02, 0x80  # of the first byte of flags
_SERVFAIL, _REFUSED = 2, 5
_HEAD = 12

Answers = list[bytes]
Way = Callable[["DnsProxy", bytes, bytes], Answers]


class DnsProxy:
    """Listens on loopback until `close`; passes everything on while no way is set."""

    def __init__(self, upstream: ServerAddress, seed: int = 0) -> None:
        self._usual = self.upstream = upstream
        self.way: Way | None = None
        self.rng = random.Random(seed)
        self.kept: dict[bytes, bytes] = {}  # the first answer to each question, by its question
        self.last = b""  # the answer before
        self._over = threading.Event()
        self._udp, self._tcp = _listeners()
        self.address = ServerAddress(*self._udp.getsockname()[:2])
        self._threads = [threading.Thread(target=serve, daemon=True) for serve in (self._serve_udp, self._serve_tcp)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._over.set()
        for thread in self._threads:
            thread.join(_WAIT_S)
        self._udp.close()
        self._tcp.close()

    def calm(self) -> None:
        """Pass everything on from now on."""
        self.way, self.upstream = None, self._usual
        self.kept.clear()

    def _serve_udp(self) -> None:
        self._udp.settimeout(_TICK_S)
        while not self._over.is_set():
            with contextlib.suppress(OSError):
                query, client = self._udp.recvfrom(65535)
                threading.Thread(target=self._answer_udp, args=(query, client), daemon=True).start()

    def _answer_udp(self, query: bytes, client: tuple[str, int]) -> None:
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.settimeout(_WAIT_S)
            out.connect((self.upstream.host, self.upstream.port))
            out.send(query)
            for answer in self._changed(query, out.recv(65535)):
                self._udp.sendto(answer, client)

    def _serve_tcp(self) -> None:
        self._tcp.settimeout(_TICK_S)
        while not self._over.is_set():
            with contextlib.suppress(OSError):
                connection, _ = self._tcp.accept()
                threading.Thread(target=self._answer_tcp, args=(connection,), daemon=True).start()

    def _answer_tcp(self, connection: socket.socket) -> None:
        upstream = (self.upstream.host, self.upstream.port)
        with contextlib.suppress(OSError, EOFError), connection, socket.create_connection(upstream, _WAIT_S) as out:
            connection.settimeout(_WAIT_S)
            while not self._over.is_set():
                query = _message(connection)
                out.sendall(len(query).to_bytes(2, "big") + query)
                for answer in self._changed(query, _message(out)):
                    connection.sendall(len(answer).to_bytes(2, "big") + answer)

    def _changed(self, query: bytes, answer: bytes) -> Answers:
        self.kept.setdefault(query[_HEAD:], answer)
        answers = self.way(self, query, answer) if self.way else [answer]
        self.last = answer
        return answers


def _listeners() -> tuple[socket.socket, socket.socket]:
    """A port that is free for both."""
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        try:
            return udp, socket.create_server(udp.getsockname())
        except OSError:
            udp.close()


def _message(connection: socket.socket) -> bytes:
    return _exactly(connection, int.from_bytes(_exactly(connection, 2), "big"))


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data


def _failing(code: int) -> Way:
    """Nothing but a code."""
    return lambda _, query, __: [query[:2] + bytes([_QR, code]) + query[4:6] + bytes(6) + _question(query)]


def _question(message: bytes) -> bytes:
    """The question of a message, without what follows."""
    end = message.index(b"\0", _HEAD) + 5
    return message[_HEAD:end]


def _truncated(_: DnsProxy, query: bytes, answer: bytes) -> Answers:
    """Nothing but that there is more by TCP; where the proxy is asked by TCP too, never an answer."""
    return [query[:2] + bytes([answer[2] | _TC, answer[3]]) + query[4:6] + bytes(6) + _question(query)]


def _cut(proxy: DnsProxy, _: bytes, answer: bytes) -> Answers:
    return [answer[: proxy.rng.randrange(len(answer))]]


def _lame(_: DnsProxy, __: bytes, answer: bytes) -> Answers:
    """Without authority, as a server that has lost the zone and knows it from elsewhere."""
    return [answer[:2] + bytes([answer[2] & ~_AA]) + answer[3:]]


def _referring(_: DnsProxy, query: bytes, __: bytes) -> Answers:
    """To the root, without an answer."""
    root = b"\0" + b"\0\2\0\1" + b"\0\0\0\x3c" + b"\0\x14" + b"\1a\x0croot-servers\3net\0"
    return [query[:2] + bytes([_QR, 0]) + query[4:6] + b"\0\0\0\1\0\0" + _question(query) + root]


def _spoofed(proxy: DnsProxy, _: bytes, answer: bytes) -> Answers:
    """Others' answers first: with another number, to another question, garbage."""
    number = (int.from_bytes(answer[:2], "big") ^ 0x5A5A).to_bytes(2, "big")
    other = answer[:_HEAD] + answer[_HEAD : _HEAD + 1] + b"\0" + answer[_HEAD + 2 :]
    return [number + answer[2:], other, proxy.rng.randbytes(40), answer]


def _doubled(proxy: DnsProxy, _: bytes, answer: bytes) -> Answers:
    """Twice, after the answer to another question."""
    return [*([proxy.last] if proxy.last else []), answer, answer]


def _damaged(proxy: DnsProxy, _: bytes, answer: bytes) -> Answers:
    place = proxy.rng.randrange(_HEAD, len(answer))
    return [answer[:place] + bytes([answer[place] ^ (1 << proxy.rng.randrange(8))]) + answer[place + 1 :]]


def _lost(proxy: DnsProxy, _: bytes, answer: bytes) -> Answers:
    return [answer] if proxy.rng.random() < 0.5 else []


def _late(proxy: DnsProxy, _: bytes, answer: bytes) -> Answers:
    time.sleep(proxy.rng.uniform(0.0, 1.5))
    return [answer]


def _old(proxy: DnsProxy, query: bytes, answer: bytes) -> Answers:
    """The first answer that it ever gave to this question, as one that caches for too long."""
    return [answer[:2] + proxy.kept.get(query[_HEAD:], answer)[2:]]


def _dead(_: DnsProxy, __: bytes, ___: bytes) -> Answers:
    return []


DNS_WAYS: Mapping[str, Way] = {
    "truncated": _truncated,
    "cut": _cut,
    "SERVFAIL": _failing(_SERVFAIL),
    "refused": _failing(_REFUSED),
    "lame": _lame,
    "referring": _referring,
    "spoofed": _spoofed,
    "doubled": _doubled,
    "damaged": _damaged,
    "lost": _lost,
    "late": _late,
    "old": _old,
    "dead": _dead,
}
