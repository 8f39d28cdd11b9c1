"""Proof by DNS: ask every server, by address, until it serves what was applied or time is up.

One thread a server, so that a silent one delays nobody. The anchor is asked for first: it travels in the same transfer
as the changes, so while it is old there is no use in asking for hundreds of names.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from threading import Event as Flag

from hyops_gitops.core.authority import Authority, Role, ServerAddress
from hyops_gitops.core.events import OnEvent, ServerSeen
from hyops_gitops.core.exchange import Answer, Question, failures
from hyops_gitops.core.network import DnsClient
from hyops_gitops.core.ports import Clock
from hyops_gitops.core.server_report import Server, ServerReport, ServerVerdict
from hyops_gitops.core.zone import RRset
from hyops_gitops.plan.plan import Action, Change

_FIRST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 0.5
_ANSWER_TIMEOUT_S = 1.0
_NOTIFY_EVERY_S = 2.0


Linger = Callable[[Sequence[ServerReport]], float]


@dataclass(frozen=True, slots=True)
class Watched:
    """One server to ask."""

    role: str  # primary, secondary, resolver
    name: str
    address: ServerAddress
    required: bool
    site: str = ""
    lost: bool = False  # it stands at a site declared lost

    @property
    def key(self) -> Server:
        """Which server it is."""
        return (self.role, self.name)

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
        if not answer.conclusive or (authoritative and not answer.authoritative):
            return False
        found = answered(answer, self.question)
        if self.after is None:
            # A wildcard may answer in its place; only the RRset that was deleted must be gone.
            return found is None or self.before is None or found.rdata != self.before.rdata
        return (
            found is not None and found.rdata == self.after.rdata and (found.ttl == self.after.ttl or not authoritative)
        )


def expectations(changes: Iterable[Change]) -> list[Expectation]:
    """What these changes must look like from outside: what is written, and what is adopted."""
    return [Expectation.of(one) for one in changes if one.writes or one.action is Action.ADOPT]


def answered(answer: Answer, question: Question) -> RRset | None:
    """The RRset of an answer that stands at the very name and type asked for."""
    return next((one for one in answer.rrsets if one.key == (question.name, question.type)), None)


def servers_of(authority: Authority, sites_lost: Collection[str] = ()) -> tuple[Watched, ...]:
    """Every server that the authority file names and DNS can reach; none of a lost site is required.

    Where that leaves nobody, every other authority server is: somebody has to show that a change is served.
    """
    required = authority.policy.convergence.require

    def of(role: str, group: Role, name: str, address: ServerAddress, site: str) -> Watched:
        lost = site in sites_lost
        return Watched(role, name, address, group in required and not lost, site, lost)

    primary = authority.primary
    servers = (
        *([of("primary", "primary", "primary", primary.dns, primary.site)] if primary.dns else []),
        *(of("secondary", "secondaries", one.name, one.dns, one.site) for one in authority.secondaries),
        *(of("resolver", "resolvers", one.name, one.dns, one.site) for one in authority.resolvers),
    )
    if any(one.required for one in servers) or not any(one.lost for one in servers):
        return servers
    return tuple(replace(one, required=one.authoritative and not one.lost) for one in servers)


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
        self._silent: set[Watched] = set()  # those that did not answer the last time
        self._authorities: set[Watched] = set()  # those that do not serve the change yet
        self._shown_while_behind = 1  # so many names are asked for although the anchor is old

    def run(
        self,
        servers: Sequence[Watched],
        expected: Sequence[Expectation],
        *,
        accepted_at: float,
        timeout_s: float,
        notify: Callable[[], None],
        linger: Linger | None = None,
    ) -> tuple[ServerReport, ...]:
        """Ask until every required server serves all of `expected`, or time is up; then others as long as it is useful.

        Args:
            servers: Whom to ask.
            expected: What they must answer, the anchor aside.
            accepted_at: The clock's monotonic time at which the primary accepted the update.
            timeout_s: How long to wait, from then on.
            notify: Asks the primary to tell its secondaries; called at once and every two seconds, in a thread of its
                own, so that a hung server delays no look at the others.
            linger: Told who converged when the wait for required servers is over; until which monotonic moment to go on
                watching those that answer, but with something else.
        """
        deadline = accepted_at + timeout_s
        self._authorities |= {one for one in servers if one.authoritative and not one.lost}
        with ThreadPoolExecutor(max_workers=len(servers) + 1) as pool:
            told = _Repeated(pool, notify)
            told.again()
            watches = {pool.submit(self._watch, one, expected, accepted_at): one for one in servers}
            try:
                pending = self._wait(watches, deadline, told.again)
                if linger is not None:
                    seen = [one.result() for one in watches if one not in pending]
                    self._linger(watches, pending, linger(seen))
            finally:
                self._stop.set()
            return tuple(watch.result() for watch in watches)

    def once(self, servers: Sequence[Watched], expected: Sequence[Expectation]) -> tuple[ServerReport, ...]:
        """Ask each server a single time, and one that is behind a single question."""
        self._stop.set()
        self._shown_while_behind = 0
        if not servers:
            return ()
        now = self._clock.monotonic()
        with ThreadPoolExecutor(max_workers=len(servers)) as pool:
            return tuple(pool.map(lambda one: self._watch(one, expected, now), servers))

    def _wait(
        self, watches: dict[Future[ServerReport], Watched], deadline: float, notify: Callable[[], None]
    ) -> set[Future[ServerReport]]:
        """Until required servers are there; what is not yet."""
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
        return pending

    def _linger(
        self, watches: dict[Future[ServerReport], Watched], pending: set[Future[ServerReport]], until: float
    ) -> None:
        """Wait for whoever answers; there is no use in waiting for the silent, or for a lost site."""
        waiting = {one for one in pending if not (watches[one].required or watches[one].lost)}
        while (left := until - self._clock.monotonic()) > 0 and waiting:
            done, waiting = wait(waiting, timeout=min(left, _LONGEST_PAUSE_S), return_when=FIRST_COMPLETED)
            for one in done:
                self._on_event(ServerSeen(one.result()))
            waiting = {one for one in waiting if watches[one] not in self._silent}

    def _watch(self, server: Watched, expected: Sequence[Expectation], accepted_at: float) -> ServerReport:
        """Ask one server until it serves everything, or somebody says stop; always asks at least once."""
        pause = _FIRST_PAUSE_S
        # Asked before the authorities serve the change, a cache would keep the old records for a whole TTL more.
        while not server.authoritative and self._authorities - self._silent and not self._stop.wait(pause):
            continue
        while True:
            answers = self._ask(server, expected)
            if _verdict(server, answers) == "silent":
                self._silent.add(server)
            else:
                self._silent.discard(server)
            if _all_met(server, answers):
                self._authorities.discard(server)
                after_ms = round((self._clock.monotonic() - accepted_at) * 1000)
                return _report(server, "converged", after_ms, answers)
            if self._stop.wait(pause):
                return _report(server, _verdict(server, answers), None, answers)
            pause = min(pause * 1.5, _LONGEST_PAUSE_S)

    def _ask(self, server: Watched, expected: Sequence[Expectation]) -> list[tuple[Expectation, Answer]]:
        if server.authoritative:
            first = self._questions(server, [self._anchor])
            if not _all_met(server, first) and len(expected) > self._shown_while_behind:
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


def _verdict(server: Watched, answers: _Answers) -> ServerVerdict:
    """Stale where an answer shows something else; silent where none does, and others are missing or failed."""
    unmet = (answer for one, answer in answers if not one.met_by(answer, authoritative=server.authoritative))
    return "stale" if any(answer.conclusive for answer in unmet) else "silent"


def _report(server: Watched, verdict: ServerVerdict, after_ms: int | None, answers: _Answers) -> ServerReport:
    return ServerReport(
        server.role,
        server.name,
        str(server.address),
        verdict,
        after_ms,
        tuple(_said(one.question, answer) for one, answer in answers),
        lost=server.lost,
        rcode=failures(answer.rcode for _, answer in answers) if verdict == "silent" else "",
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
