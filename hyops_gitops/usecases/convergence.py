"""Proof by DNS: ask every server, by address, until it serves what was applied or time is up.

One thread a server, so that a silent one delays nobody. The anchor is asked for first: it travels in the same transfer
as the changes, so while it is old there is no use in asking for hundreds of names.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event as Flag

from hyops_gitops.core.authority import Authority, Role, ServerAddress
from hyops_gitops.core.entry_parts import ServerReport, ServerVerdict
from hyops_gitops.core.events import OnEvent, ServerSeen
from hyops_gitops.core.exchange import Answer, Question
from hyops_gitops.core.plan import Change
from hyops_gitops.core.zone import RRset
from hyops_gitops.usecases.ports import Clock, DnsClient

_FIRST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 0.5
_ANSWER_TIMEOUT_S = 1.0
_NOTIFY_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class Watched:
    """One server to ask."""

    role: str  # primary, secondary, resolver
    name: str
    address: ServerAddress
    required: bool

    @property
    def authoritative(self) -> bool:
        """Whether it answers from the zone itself rather than from a cache."""
        return self.role != "resolver"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a server must answer to one question: this RRset, or not the one that went."""

    question: Question
    after: RRset | None
    before: RRset | None = None

    @classmethod
    def of(cls, change: Change) -> "Expectation":
        """What a change must look like from outside."""
        return cls(Question(change.name, change.type), change.after, change.before)

    def met_by(self, answer: Answer, *, authoritative: bool) -> bool:
        """Whether this answer shows the change; a cache may count the TTL down, an authority may not."""
        if answer.rcode not in ("NOERROR", "NXDOMAIN") or (authoritative and not answer.authoritative):
            return False
        found = answered(answer, self.question)
        if self.after is None:
            # A wildcard may answer in its place; only the RRset that was deleted must be gone.
            return found is None or self.before is None or found.rdata != self.before.rdata
        return (
            found is not None and found.rdata == self.after.rdata and (found.ttl == self.after.ttl or not authoritative)
        )


def answered(answer: Answer, question: Question) -> RRset | None:
    """The RRset of an answer that stands at the very name and type asked for."""
    return next((one for one in answer.rrsets if one.key == (question.name, question.type)), None)


def servers_of(authority: Authority) -> tuple[Watched, ...]:
    """Every server that the authority file names and DNS can reach."""
    required = authority.policy.convergence.require

    def of(role: str, group: Role, name: str, address: ServerAddress) -> Watched:
        return Watched(role, name, address, group in required)

    primary = authority.primary.dns
    return (
        *([of("primary", "primary", "primary", primary)] if primary else []),
        *(of("secondary", "secondaries", one.name, one.dns) for one in authority.secondaries),
        *(of("resolver", "resolvers", one.name, one.dns) for one in authority.resolvers),
    )


class _Repeated:
    """Something done again and again, never twice at a time."""

    def __init__(self, pool: ThreadPoolExecutor, work: Callable[[], None]) -> None:
        self._pool = pool
        self._work = work
        self._running: Future[None] | None = None

    def again(self) -> None:
        """Begin once more, unless the last time is not over yet."""
        if self._running is None or self._running.done():
            self._running = self._pool.submit(self._work)


class Watch:
    """Watches all servers from the moment an update was accepted."""

    def __init__(self, dns: DnsClient, clock: Clock, on_event: OnEvent, anchor: Expectation) -> None:
        self._dns = dns
        self._clock = clock
        self._on_event = on_event
        self._anchor = anchor
        self._stop = Flag()

    def run(
        self,
        servers: Sequence[Watched],
        expected: Sequence[Expectation],
        *,
        accepted_at: float,
        timeout_s: float,
        notify: Callable[[], None],
    ) -> tuple[ServerReport, ...]:
        """Ask until every required server serves all of `expected`, or time is up.

        Args:
            servers: Whom to ask.
            expected: What they must answer, the anchor aside.
            accepted_at: The clock's monotonic time at which the primary accepted the update.
            timeout_s: How long to wait, from then on.
            notify: Asks the primary to tell its secondaries; called at once and every two seconds, in a thread of its
                own, so that a hung server delays no look at the others.
        """
        deadline = accepted_at + timeout_s
        with ThreadPoolExecutor(max_workers=len(servers) + 1) as pool:
            told = _Repeated(pool, notify)
            told.again()
            watches = {pool.submit(self._watch, one, expected, accepted_at): one for one in servers}
            try:
                self._wait(watches, deadline, told.again)
            finally:
                self._stop.set()
            return tuple(watch.result() for watch in watches)

    def _wait(self, watches: dict[Future[ServerReport], Watched], deadline: float, notify: Callable[[], None]) -> None:
        pending = set(watches)
        next_notify = self._clock.monotonic() + _NOTIFY_EVERY_S
        while any(watches[one].required for one in pending) and (now := self._clock.monotonic()) < deadline:
            if now >= next_notify:
                notify()
                next_notify = now + _NOTIFY_EVERY_S
            pause = max(0.0, min(next_notify, deadline) - self._clock.monotonic())
            done, pending = wait(pending, timeout=pause, return_when=FIRST_COMPLETED)
            for one in done:
                self._on_event(ServerSeen(one.result()))

    def _watch(self, server: Watched, expected: Sequence[Expectation], accepted_at: float) -> ServerReport:
        """Ask one server until it serves everything, or somebody says stop; always asks at least once."""
        pause = _FIRST_PAUSE_S
        while True:
            answers = self._ask(server, expected)
            if _all_met(server, answers):
                after_ms = round((self._clock.monotonic() - accepted_at) * 1000)
                return _report(server, "converged", after_ms, answers)
            if self._stop.wait(pause):
                return _report(server, _verdict(answers), None, answers)
            pause = min(pause * 1.5, _LONGEST_PAUSE_S)

    def _ask(self, server: Watched, expected: Sequence[Expectation]) -> list[tuple[Expectation, Answer]]:
        if server.authoritative:
            first = self._questions(server, [self._anchor])
            if not _all_met(server, first) and len(expected) > 1:
                return first
            return [*self._questions(server, expected), *first]
        return self._questions(server, expected)

    def _questions(self, server: Watched, expected: Sequence[Expectation]) -> list[tuple[Expectation, Answer]]:
        answers = self._dns.ask(
            server.address,
            [one.question for one in expected],
            recursion_desired=not server.authoritative,
            timeout_s=_ANSWER_TIMEOUT_S,
        )
        return [(one, answers[one.question]) for one in expected]


_Answers = Iterable[tuple[Expectation, Answer]]


def _all_met(server: Watched, answers: _Answers) -> bool:
    return all(one.met_by(answer, authoritative=server.authoritative) for one, answer in answers)


def _verdict(answers: _Answers) -> ServerVerdict:
    return "silent" if all(answer.rcode == "SILENT" for _, answer in answers) else "stale"


def _report(server: Watched, verdict: ServerVerdict, after_ms: int | None, answers: _Answers) -> ServerReport:
    return ServerReport(
        server.role,
        server.name,
        str(server.address),
        verdict,
        after_ms,
        tuple(_said(one.question, answer) for one, answer in answers),
    )


def _said(question: Question, answer: Answer) -> tuple[str, str, str, int | None, tuple[str, ...]]:
    found = answered(answer, question)
    return (
        question.name,
        question.type,
        answer.rcode,
        found.ttl if found else None,
        found.rdata if found else (),
    )
