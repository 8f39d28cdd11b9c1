"""Deadlines of exchanges with servers.

A socket's time-out begins again with every byte: one a second holds a reader for ever. So each wait gets what is left
of the whole exchange at most.
"""

import contextlib
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_T = TypeVar("_T")


class DeadlinePassed(TimeoutError):
    """An exchange that was not over in time."""


class Deadline:
    """A moment by which an exchange has to be over."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = time.monotonic() + seconds

    def limit(self, sock: socket.socket, silence_s: float | None = None) -> None:
        """Limit the next call on this socket, and its silence.

        Raises:
            DeadlinePassed: time is up.
        """
        left = self._until - time.monotonic()
        if left <= 0:
            raise DeadlinePassed(f"not over within {self.seconds:g} s")
        sock.settimeout(left if silence_s is None else min(left, silence_s))

    @contextlib.contextmanager
    def around(self, sock: socket.socket, silence_s: float | None = None) -> Iterator[None]:
        """Limit one call on this socket, and its silence.

        Raises:
            DeadlinePassed: time is up, before or in it.
        """
        self.limit(sock, silence_s)
        try:
            yield
        except TimeoutError:
            self.limit(sock)
            raise

    def connect(self, host: str, port: int, each_s: float | None = None) -> socket.socket:
        """A connection to the first address that takes one.

        Args:
            host: A name or address.
            port: Its port.
            each_s: The longest wait for one address.

        Raises:
            OSError: none does, or time is up.
        """
        problem = OSError("no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            sock = socket.socket(family, kind, protocol)
            try:
                self.limit(sock, each_s)
                sock.connect(address)
            except OSError as error:
                sock.close()
                problem = error
            else:
                return sock
        raise problem


class TimedSocket:
    """The part of a socket that `http.client` uses, within a deadline."""

    def __init__(self, sock: socket.socket, deadline: Deadline, silence_s: float) -> None:
        self._sock = sock
        self._deadline = deadline
        self._silence_s = silence_s

    def _limited(self) -> AbstractContextManager[None]:
        return self._deadline.around(self._sock, self._silence_s)

    def sendall(self, data: "ReadableBuffer") -> None:
        with self._limited():
            self._sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """A file to read from, which keeps the connection open."""
        return io.BufferedReader(_TimedReads(self._sock.makefile("rb", buffering=0), self._limited))

    def close(self) -> None:
        """Close, once its files are closed."""
        self._sock.close()


class _TimedReads(io.RawIOBase):
    def __init__(self, file: io.RawIOBase, limited: Callable[[], AbstractContextManager[None]]) -> None:
        self._file = file
        self._limited = limited

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int | None:
        """What comes next."""
        with self._limited():
            return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


def within(seconds: float, call: Callable[[], _T]) -> _T:
    """The result of a call, which is left alone at the deadline.

    For libraries that know no deadline.

    Raises:
        DeadlinePassed: it is not over in time.
    """
    outcome: Future[_T] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return outcome.result(seconds)
    except TimeoutError:
        if outcome.done():  # the call's own
            raise
        raise DeadlinePassed(f"not over within {seconds:g} s") from None


def lateness(error: OSError, connect_s: float, silence_s: float) -> str | None:
    """The wait that ended a request, in words, if one did."""
    from requests.exceptions import ConnectTimeout, ReadTimeout  # noqa: PLC0415 - not all that have deadlines use it
    from urllib3.exceptions import ReadTimeoutError  # noqa: PLC0415 - as above

    if isinstance(error, ConnectTimeout):
        return f"no connection within {connect_s:g} s"
    in_body = any(isinstance(cause, ReadTimeoutError) for cause in error.args)
    return f"nothing came within {silence_s:g} s" if in_body or isinstance(error, ReadTimeout) else None
