"""DNS queries by address: many at once over UDP, then TCP.

See RFC 1035, 7766 and 6891; TCP is for answers that were cut.

One connected socket a batch, so that the kernel drops what others send and reports a closed port at once; a window
of questions in flight, lost ones asked again; a reply counts only with the id and the question of its query. Never
the system's resolver for the questions themselves; only a server given by host name is looked up with it.
"""

import contextlib
import secrets
import select
import socket
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import field
from types import TracebackType
from typing import Self

from hyops_gitops.adapters.dns.message import RECURSION_DESIRED, Query, ReplyHeader, header_of, rrsets_in
from hyops_gitops.adapters.dns.records import Unreadable, type_number
from hyops_gitops.adapters.host.deadline import Deadline
from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.exchange import Answer, Question
from hyops_gitops.core.names import absolute


class DnsStream:
    """A connection, until a moment."""

    def __init__(self, host: str, port: int, deadline: Deadline) -> None:
        """Connect.

        Raises:
            OSError: it cannot be, in time.
        """
        self._deadline = deadline
        self._socket = deadline.connect(host, port)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, wire: bytes) -> None:
        """Send one message."""
        with self._deadline.around(self._socket):
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
            with self._deadline.around(self._socket):
                part = self._socket.recv(octets)
            if not part:
                raise ConnectionResetError("the server closed the connection")
            parts.append(part)
            octets -= len(part)
        return b"".join(parts)


SILENT = Answer(rcode="SILENT", authoritative=False, rrsets=(), elapsed_ms=0)
UNASKABLE = Answer(rcode="UNKNOWN TYPE", authoritative=False, rrsets=(), elapsed_ms=0)  # its number is not known
_UNREADABLE = "UNREADABLE"  # a reply to the question, whose records cannot be read
_WINDOW = 100  # questions in flight: what the default receive buffer of a UDP socket holds
_BATCH = 20_000  # far fewer than there are message ids
_RESEND_S = 0.4
_PER_QUESTION_S = 0.001  # added to the time-out: servers answer several thousand questions a second
_MAX_DATAGRAM = 65535
_TCP_WORKERS = 8

_Sockaddr = tuple[int, tuple[str, int] | tuple[str, int, int, int]]  # family, address


@dataclass(slots=True)
class _Pending:
    """One question under way."""

    query: Query
    first_sent: float | None = None
    last_sent: float = 0.0


@dataclass(slots=True)
class _Batch:
    """The state of one `ask`."""

    timeout_s: float
    over_tcp: Deadline  # for all answers together that were cut
    waiting: deque[_Pending]
    unanswered: dict[int, _Pending]  # by message id
    in_flight: dict[int, _Pending] = field(default_factory=dict)  # sent lately, oldest first
    answers: dict[Question, Answer] = field(default_factory=dict)
    truncated: list[tuple[_Pending, "Future[Answer]"]] = field(default_factory=list)


class PlainDnsClient:
    """Meets `core.ports.DnsClient`."""

    def ask(
        self,
        server: ServerAddress,
        questions: Sequence[Question],
        *,
        recursion_desired: bool,
        timeout_s: float,
    ) -> Mapping[Question, Answer]:
        """Ask all questions at once.

        A question is SILENT when the server was silent for `timeout_s`, or the batch has taken
        `timeout_s` plus a millisecond a question (over TCP as much again), or the server's port is closed or its host
        name unknown.
        """
        distinct = list(dict.fromkeys(questions))
        answers = dict.fromkeys(distinct, SILENT)
        answers |= {question: UNASKABLE for question in distinct if type_number(question.type) is None}
        distinct = [question for question in distinct if answers[question] is SILENT]
        sockaddr = _resolve(server)
        if sockaddr is None:
            return answers
        with ThreadPoolExecutor(_TCP_WORKERS) as pool:  # starts no thread before an answer is cut
            for first in range(0, len(distinct), _BATCH):
                part = distinct[first : first + _BATCH]
                batch = _batch(part, recursion_desired=recursion_desired, timeout_s=timeout_s)
                _run(batch, sockaddr, pool)
                answers |= batch.answers
                answers.update((pending.query.question, future.result()) for pending, future in batch.truncated)
        return answers


def chaos_text(server: ServerAddress, name: str, timeout_s: float) -> str | None:
    """The first CHAOS-class TXT such as `id.server` (RFC 4892)."""
    sockaddr = _resolve(server)
    if sockaddr is None:
        return None
    import dns.exception  # noqa: PLC0415 - dnspython takes a tenth of a second to load, and is needed here only
    import dns.message  # noqa: PLC0415
    import dns.query  # noqa: PLC0415
    import dns.rdataclass  # noqa: PLC0415
    import dns.rdatatype  # noqa: PLC0415

    query = dns.message.make_query(absolute(name), dns.rdatatype.TXT, dns.rdataclass.CHAOS)
    try:
        reply = dns.query.udp(query, str(sockaddr[1][0]), timeout=timeout_s, port=server.port)
    except (OSError, dns.exception.DNSException):
        return None
    texts = [
        text for rrset in reply.answer if rrset.rdtype == dns.rdatatype.TXT for rdata in rrset for text in rdata.strings
    ]
    return texts[0].decode("ascii", "replace") if texts else None


def _batch(questions: Sequence[Question], *, recursion_desired: bool, timeout_s: float) -> _Batch:
    flags = RECURSION_DESIRED if recursion_desired else 0
    unanswered: dict[int, _Pending] = {}
    answers: dict[Question, Answer] = {}
    for question, identifier in zip(questions, _unused_ids(len(questions)), strict=True):
        try:
            unanswered[identifier] = _Pending(Query.of(question, identifier, flags))
        except Unreadable:
            answers[question] = UNASKABLE
    longest = timeout_s + _PER_QUESTION_S * len(questions)
    return _Batch(timeout_s, Deadline(2 * longest), deque(unanswered.values()), unanswered, answers=answers)


def _unused_ids(count: int) -> Iterator[int]:
    """So many different message ids at random."""
    used: set[int] = set()
    while len(used) < count:
        drawn = secrets.token_bytes(2 * count)
        for at in range(0, len(drawn), 2):
            identifier = drawn[at] << 8 | drawn[at + 1]
            if identifier not in used and len(used) < count:
                used.add(identifier)
                yield identifier


def _resolve(server: ServerAddress) -> _Sockaddr | None:
    """The first address of a host, None when there is none."""
    try:
        found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return None
    family, _, _, _, address = found[0]
    return int(family), address  # type: ignore[return-value]  # without IPv6 support typeshed allows bytes


def _run(batch: _Batch, sockaddr: _Sockaddr, pool: ThreadPoolExecutor) -> None:
    """Send and receive until all is answered or time is up."""
    family, address = sockaddr
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(address)
            sock.setblocking(False)
            _exchange(batch, sock, address, pool)
        except OSError:
            return  # closed port or no route: what is not answered yet stays silent


def _exchange(batch: _Batch, sock: socket.socket, address: tuple[object, ...], pool: ThreadPoolExecutor) -> None:
    last_heard = time.monotonic()
    deadline = last_heard + batch.timeout_s + _PER_QUESTION_S * len(batch.unanswered)
    while batch.unanswered and (now := time.monotonic()) < min(deadline, last_heard + batch.timeout_s):
        _send(batch, sock, now)
        oldest = next(iter(batch.in_flight.values()))
        until = min(oldest.last_sent + _RESEND_S, deadline, last_heard + batch.timeout_s)
        if select.select([sock], [], [], max(0.0, until - now))[0]:
            last_heard = time.monotonic()
            _receive(batch, sock, address, pool)
        _give_up_waiting(batch)


def _send(batch: _Batch, sock: socket.socket, now: float) -> None:
    """Fill the window."""
    while batch.waiting and len(batch.in_flight) < _WINDOW:
        pending = batch.waiting.popleft()
        if pending.query.id not in batch.unanswered:
            continue  # its answer came late, after it had been put back to be asked again
        with contextlib.suppress(BlockingIOError):  # a full send buffer is the same as a datagram lost on the way
            sock.send(pending.query.wire)
        pending.first_sent = pending.first_sent if pending.first_sent is not None else now
        pending.last_sent = now
        batch.in_flight[pending.query.id] = pending


def _receive(batch: _Batch, sock: socket.socket, address: tuple[object, ...], pool: ThreadPoolExecutor) -> None:
    """Take the datagrams that are there."""
    for _ in range(_WINDOW):  # a flood must not keep us from looking at the time
        try:
            wire = sock.recv(_MAX_DATAGRAM)
        except BlockingIOError:
            return
        pending = batch.unanswered.get(int.from_bytes(wire[:2], "big"))
        header = header_of(wire, pending.query) if pending is not None else None
        if pending is None or header is None:
            continue
        del batch.unanswered[pending.query.id]
        batch.in_flight.pop(pending.query.id, None)
        if header.truncated:
            batch.truncated.append((pending, pool.submit(_ask_tcp, pending, address, batch.over_tcp)))
        else:
            batch.answers[pending.query.question] = _answer(header, wire, pending)


def _give_up_waiting(batch: _Batch) -> None:
    """Move overdue questions out of the window, to the queue's end."""
    now = time.monotonic()
    while batch.in_flight:
        pending = next(iter(batch.in_flight.values()))
        if pending.last_sent + _RESEND_S > now:
            return
        del batch.in_flight[pending.query.id]
        batch.waiting.append(pending)


def _ask_tcp(pending: _Pending, address: tuple[object, ...], deadline: Deadline) -> Answer:
    try:
        with DnsStream(str(address[0]), int(str(address[1])), deadline) as stream:
            stream.send(pending.query.wire)
            wire = stream.receive()
    except OSError:
        return SILENT
    header = header_of(wire, pending.query)
    return SILENT if header is None else _answer(header, wire, pending)


def _answer(header: ReplyHeader, wire: bytes, pending: _Pending) -> Answer:
    now = time.monotonic()
    started = pending.first_sent if pending.first_sent is not None else now
    rcode = header.rcode
    try:
        rrsets = rrsets_in(wire, header, pending.query)
    except Unreadable:
        rcode, rrsets = _UNREADABLE, ()
    return Answer(rcode, header.authoritative, rrsets, round((now - started) * 1000))
