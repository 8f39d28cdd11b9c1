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
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from hyops_gitops.adapters.dns.records import Unreadable, records, rrsets_of, type_number
from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.core.exchange import Answer, Question
from hyops_gitops.core.names import absolute


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


SILENT = Answer(rcode="SILENT", authoritative=False, rrsets=(), elapsed_ms=0)
UNASKABLE = Answer(rcode="UNKNOWN TYPE", authoritative=False, rrsets=(), elapsed_ms=0)  # its number is not known
_UNREADABLE = "UNREADABLE"  # a reply to the question, whose records cannot be read
_WINDOW = 100  # questions in flight: what the default receive buffer of a UDP socket holds
_BATCH = 20_000  # far fewer than there are message ids
_RESEND_S = 0.4
_PER_QUESTION_S = 0.001  # added to the time-out: servers answer several thousand questions a second
_PAYLOAD = 1232  # RFC 9715: passes every path unfragmented
_MAX_DATAGRAM = 65535
_TCP_WORKERS = 8

_Sockaddr = tuple[int, tuple[str, int] | tuple[str, int, int, int]]  # family, address


@dataclass(slots=True)
class _Pending:
    """One question under way."""

    question: Question
    query: dns.message.Message
    wire: bytes
    first_sent: float | None = None
    last_sent: float = 0.0


@dataclass(slots=True)
class _Batch:
    """The state of one `ask`."""

    timeout_s: float
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
        `timeout_s` plus a millisecond a question, or the server's port is closed or its host name unknown.
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
                answers.update((pending.question, future.result()) for pending, future in batch.truncated)
        return answers


def chaos_text(server: ServerAddress, name: str, timeout_s: float) -> str | None:
    """The first CHAOS-class TXT such as `id.server` (RFC 4892)."""
    sockaddr = _resolve(server)
    if sockaddr is None:
        return None
    query = dns.message.make_query(absolute(name), dns.rdatatype.TXT, dns.rdataclass.CHAOS)
    try:
        reply = dns.query.udp(query, str(sockaddr[1][0]), timeout=timeout_s, port=server.port)
    except (OSError, dns.exception.DNSException):
        return None
    texts = [
        text for rrset in reply.answer if rrset.rdtype == dns.rdatatype.TXT for rdata in rrset for text in rdata.strings
    ]
    return texts[0].decode("ascii", "replace") if texts else None


def _batch(questions: Iterable[Question], *, recursion_desired: bool, timeout_s: float) -> _Batch:
    flags = dns.flags.Flag.RD if recursion_desired else dns.flags.Flag(0)
    unanswered: dict[int, _Pending] = {}
    for question in questions:
        identifier = _unused_id(unanswered)
        rrtype = dns.rdatatype.RdataType.make(type_number(question.type) or 0)
        query = dns.message.make_query(
            absolute(question.name), rrtype, use_edns=0, payload=_PAYLOAD, flags=flags, id=identifier
        )
        unanswered[identifier] = _Pending(question, query, query.to_wire())
    return _Batch(timeout_s, deque(unanswered.values()), unanswered)


def _unused_id(used: Mapping[int, object]) -> int:
    while (identifier := secrets.randbelow(0x10000)) in used:
        pass
    return identifier


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
            sock.send(pending.wire)
        pending.first_sent = pending.first_sent if pending.first_sent is not None else now
        pending.last_sent = now
        batch.in_flight[pending.query.id] = pending


def _receive(batch: _Batch, sock: socket.socket, address: tuple[object, ...], pool: ThreadPoolExecutor) -> None:
    """Take every datagram that is there."""
    while True:
        try:
            wire = sock.recv(_MAX_DATAGRAM)
        except BlockingIOError:
            return
        pending = batch.unanswered.get(int.from_bytes(wire[:2], "big"))
        reply = _parse(wire, pending)
        if pending is None or reply is None:
            continue
        del batch.unanswered[pending.query.id]
        batch.in_flight.pop(pending.query.id, None)
        if reply.flags & dns.flags.TC:
            batch.truncated.append((pending, pool.submit(_ask_tcp, pending, address, batch.timeout_s)))
        else:
            batch.answers[pending.question] = _answer(reply, wire, pending)


def _parse(wire: bytes, pending: _Pending | None) -> dns.message.Message | None:
    """The reply to this query, None when the datagram is anything else."""
    if pending is None:
        return None
    try:
        reply = dns.message.from_wire(wire, continue_on_error=True)
    except (dns.exception.DNSException, ValueError):
        return None
    return reply if pending.query.is_response(reply) else None


def _give_up_waiting(batch: _Batch) -> None:
    """Move overdue questions out of the window, to the queue's end."""
    now = time.monotonic()
    for pending in list(batch.in_flight.values()):
        if pending.last_sent + _RESEND_S > now:
            return
        del batch.in_flight[pending.query.id]
        batch.waiting.append(pending)


def _ask_tcp(pending: _Pending, address: tuple[object, ...], timeout_s: float) -> Answer:
    try:
        with DnsStream(str(address[0]), int(str(address[1])), timeout_s) as stream:
            stream.send(pending.wire)
            wire = stream.receive()
    except OSError:
        return SILENT
    reply = _parse(wire, pending)
    return SILENT if reply is None else _answer(reply, wire, pending)


def _answer(reply: dns.message.Message, wire: bytes, pending: _Pending) -> Answer:
    started = pending.first_sent if pending.first_sent is not None else time.monotonic()
    rcode = dns.rcode.to_text(reply.rcode())
    try:
        rrsets = rrsets_of(records(wire))
    except Unreadable:
        rcode, rrsets = _UNREADABLE, ()
    return Answer(
        rcode=rcode,
        authoritative=bool(reply.flags & dns.flags.AA),
        rrsets=rrsets,
        elapsed_ms=round((time.monotonic() - started) * 1000),
    )
