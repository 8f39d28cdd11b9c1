"""Step 9: prove by DNS that an intent's changes are served.

Every server is asked, by address, until it serves what was applied or time is up: one thread a server, so that a silent
one delays no other. The anchor is asked for first: it travels in the same transfer as the changes, so while it is old
there is no use in asking for hundreds of names.
"""

import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from threading import Event as Flag

from hyops_gitops.core.authority import Authority, Secondary
from hyops_gitops.core.errors import HyopsError
from hyops_gitops.core.events import OnEvent, ServerSeen, Warned, WatchBegins, WatchEnds
from hyops_gitops.core.exchange import Question, failures
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.network import DnsClient, Refresher, ZoneWriter
from hyops_gitops.core.ports import Clock
from hyops_gitops.core.server_report import RecordedAnswer, Server, ServerReport, ServerVerdict
from hyops_gitops.core.servers import (
    Answers,
    DnsServer,
    Expectation,
    answered,
    ask,
    is_shared,
    late_ones,
    servers_of,
    unmet,
)
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.plan.plan import Action, Change

_FIRST_PAUSE_S = 0.01
_LONGER = 1.2  # a look is late by a sixth of the time since the update, at most
_LONGEST_PAUSE_S = 0.5
_FLUSHED_FROM_S = 0.03  # the pause before a look that asks for a flush first: some 0.15 s after the update
_ANSWER_TIMEOUT_S = 1.0
_REQUEST_EVERY_S = 2.0

Linger = Callable[[Sequence[ServerReport]], float]


def expected_of(change: Change) -> Expectation:
    """The answer that shows a change."""
    return Expectation(Question(change.name, change.type), change.after, change.before)


def expectations(changes: Iterable[Change]) -> list[Expectation]:
    """The answers that show what is written and what is adopted."""
    return [expected_of(change) for change in changes if change.writes or change.action is Action.ADOPT]


def open_refreshers(
    authority: Authority, secondaries: Iterable[Secondary], workspace: Workspace
) -> Mapping[str, Refresher]:
    """The means to ask these secondaries for a transfer, by name."""
    opened = {secondary.name: workspace.open_refresher(authority, secondary) for secondary in secondaries}
    return {name: refresher for name, refresher in opened.items() if refresher is not None}


def transfer_requests(
    authority: Authority, primary: ZoneWriter, refreshers: Iterable[Refresher], on_event: OnEvent
) -> list[Callable[[], None]]:
    """NOTIFY, and a request to each secondary.

    A failure is warned of, each once. Where a database replicates the zone, no NOTIFY is sent.
    """
    warned: set[str] = set()

    def tolerated(request: Callable[[], None]) -> None:
        try:
            request()
        except HyopsError as error:
            if error.message not in warned:
                warned.add(error.message)
                on_event(Warned(error.message))

    requests = [*([] if is_shared(authority) else [primary.notify]), *(each.refresh for each in refreshers)]
    return [partial(tolerated, request) for request in requests]


def prove(
    authority: Authority,
    primary: ZoneWriter,
    anchor: Anchor,
    changes: Sequence[Change],
    accepted_at: float,
    workspace: Workspace,
    *,
    sites_lost: Collection[str] = (),
    linger: Linger | None = None,
) -> tuple[ServerReport, ...]:
    """Ask for transfers, then watch the servers until they serve the changes.

    Args:
        authority: Which servers to ask, and for how long.
        primary: Sends NOTIFY, unless its database replicates the zone.
        anchor: The intent that the servers must come to show.
        changes: What it changed.
        accepted_at: Monotonic time of the primary's acceptance.
        workspace: Clock, DNS, transfers.
        sites_lost: Sites whose servers are watched, but not required.
        linger: How long to watch the others after the required ones are done; see `Watch.run`.
    """
    reachable = [secondary for secondary in authority.secondaries if secondary.site not in sites_lost]
    refreshers = open_refreshers(authority, reachable, workspace)
    marker = Expectation.exactly(anchor.rrset(authority.zone))
    forget = {("secondary", name): refresher.forget_answers for name, refresher in refreshers.items()}
    reports = Watch(workspace.dns, workspace.clock, workspace.on_event, marker, forget).run(
        servers_of(authority, sites_lost),
        expectations(changes),
        accepted_at=accepted_at,
        timeout_s=authority.policy.convergence.timeout_s,
        requests=transfer_requests(authority, primary, refreshers.values(), workspace.on_event),
        linger=linger,
    )
    if is_shared(authority):
        for warning in late_ones(authority.zone, reports, refreshers):
            workspace.on_event(Warned(warning))
    return reports


def converged(authority: Authority, reports: Sequence[ServerReport], sites_lost: Collection[str] = ()) -> bool:
    """Whether every server that the policy requires serves the change."""
    required = {server.key for server in servers_of(authority, sites_lost) if server.required}
    return all(report.verdict == "converged" for report in reports if report.key in required)


def behind(reports: Iterable[ServerReport]) -> str:
    """The servers that do not serve the change, in words."""
    return ", ".join(report.state for report in reports if report.verdict != "converged")


class _Repeated:
    """Work that is repeated, never twice at a time."""

    def __init__(self, pool: ThreadPoolExecutor, work: Callable[[], None]) -> None:
        self._pool = pool
        self._work = work
        self._running: Future[None] | None = None

    def again(self) -> None:
        """Begin once more, unless the last time is not over yet."""
        if self._running is None or self._running.done():
            self._running = self._pool.submit(self._work)


class Watch:
    """Watches all servers from the moment an update was accepted.

    PowerDNS drops its cached answers when a transfer is complete. One that is just being made, of the zone before, may
    be put down after that, and is then given for 20 s (measured on 4.7.3: once in 500 transfers of 1,000 records). So a
    secondary whose API is known is asked to drop them again before each later look.
    """

    def __init__(
        self,
        dns: DnsClient,
        clock: Clock,
        on_event: OnEvent,
        anchor: Expectation,
        forget: Mapping[Server, Callable[[], None]] | None = None,
    ) -> None:
        self._dns = dns
        self._forget = forget or {}
        self._clock = clock
        self._on_event = on_event
        self._anchor = anchor
        self._stop = Flag()
        self._silent: set[DnsServer] = set()  # those that did not answer the last time
        self._authorities: set[DnsServer] = set()  # those that do not serve the change yet
        self._asked_while_behind = 1  # so many names are asked for although the anchor is old

    def run(
        self,
        servers: Sequence[DnsServer],
        expected: Sequence[Expectation],
        *,
        accepted_at: float,
        timeout_s: float,
        requests: Sequence[Callable[[], None]] = (),
        linger: Linger | None = None,
    ) -> tuple[ServerReport, ...]:
        """Ask until every required server serves all of `expected`, then linger.

        Args:
            servers: The servers to ask.
            expected: The answers they must give, the anchor aside.
            accepted_at: The clock's monotonic time at which the primary accepted the update.
            timeout_s: How long to wait, from then on.
            requests: Ask for transfers; each is called at once and every two seconds, in a thread of its own, so that a
                server that hangs delays neither the requests to the others nor the looks at them.
            linger: Called with the servers that are done when the wait for required ones is over; until which monotonic
                moment to watch those that still answer with something else.
        """
        deadline = accepted_at + timeout_s
        self._authorities |= {server for server in servers if server.authoritative and not server.lost}
        self._on_event(WatchBegins(tuple(server.key for server in servers)))
        reports: tuple[ServerReport, ...] = ()
        try:
            reports = self._watch_all(servers, expected, accepted_at, deadline, requests, linger)
        finally:
            self._on_event(WatchEnds(reports))
        return reports

    def _watch_all(
        self,
        servers: Sequence[DnsServer],
        expected: Sequence[Expectation],
        accepted_at: float,
        deadline: float,
        requests: Sequence[Callable[[], None]],
        linger: Linger | None,
    ) -> tuple[ServerReport, ...]:
        with ThreadPoolExecutor(max_workers=len(servers) + len(requests)) as pool:
            asked = [_Repeated(pool, request) for request in requests]
            for request in asked:
                request.again()
            watches = {pool.submit(self._watch, server, expected, accepted_at): server for server in servers}
            try:
                pending = self._wait(watches, deadline, asked)
                if linger is not None:
                    done = [watch.result() for watch in watches if watch not in pending]
                    self._linger(watches, pending, linger(done))
            finally:
                self._stop.set()
            return tuple(watch.result() for watch in watches)

    def once(self, servers: Sequence[DnsServer], expected: Sequence[Expectation]) -> tuple[ServerReport, ...]:
        """Ask each server once, and one that is behind a single question."""
        self._stop.set()
        self._asked_while_behind = 0
        if not servers:
            return ()
        now = self._clock.monotonic()
        with ThreadPoolExecutor(max_workers=len(servers)) as pool:
            return tuple(pool.map(lambda server: self._watch(server, expected, now), servers))

    def _wait(
        self, watches: dict[Future[ServerReport], DnsServer], deadline: float, asked: Sequence[_Repeated]
    ) -> set[Future[ServerReport]]:
        """Wait for the required servers; the watches that are not over yet."""
        pending = set(watches)
        next_request = self._clock.monotonic() + _REQUEST_EVERY_S
        while any(watches[watch].required for watch in pending) and (now := self._clock.monotonic()) < deadline:
            if now >= next_request:
                for request in asked:
                    request.again()
                next_request = now + _REQUEST_EVERY_S
            pause = max(0.0, min(next_request, deadline) - self._clock.monotonic())
            pending = self._over(pending, pause)
        return pending

    def _linger(
        self, watches: dict[Future[ServerReport], DnsServer], pending: set[Future[ServerReport]], until: float
    ) -> None:
        """Wait for servers that answer, and are not at lost sites."""
        waiting = {watch for watch in pending if not (watches[watch].required or watches[watch].lost)}
        while (left := until - self._clock.monotonic()) > 0 and waiting:
            waiting = self._over(waiting, min(left, _LONGEST_PAUSE_S))
            waiting = {watch for watch in waiting if watches[watch] not in self._silent}

    def _over(self, pending: set[Future[ServerReport]], pause: float) -> set[Future[ServerReport]]:
        """Wait for a watch to end, and report it; the other watches."""
        done, pending = wait(pending, timeout=pause, return_when=FIRST_COMPLETED)
        for watch in done:
            self._on_event(ServerSeen(watch.result()))
        return pending

    def _watch(self, server: DnsServer, expected: Sequence[Expectation], accepted_at: float) -> ServerReport:
        """Ask a server until it serves everything, or the watch is stopped."""
        pause = _FIRST_PAUSE_S
        # Asked before the authorities serve the change, a cache would keep the old records for a whole TTL more.
        while not server.authoritative and self._authorities - self._silent and not self._stop.wait(pause):
            continue
        kept: Answers = {}  # of a look in which nothing else was answered otherwise
        while True:
            asked, answers = self._ask(server, expected, kept)
            missing = unmet(asked, answers, authoritative=server.authoritative)
            verdict = _verdict(missing, answers)
            unseen = {expectation.question for expectation in missing}
            right = {question: answer for question, answer in answers.items() if question not in unseen}
            kept = {**kept, **right} if verdict == "silent" else {}
            if verdict == "silent":
                self._silent.add(server)
            else:
                self._silent.discard(server)
            if not missing:
                self._authorities.discard(server)
                after_ms = round((self._clock.monotonic() - accepted_at) * 1000)
                return _report(server, "converged", after_ms, asked, answers)
            if self._stop.wait(pause):
                return _report(server, verdict, None, asked, answers)
            if pause >= _FLUSHED_FROM_S and verdict == "stale" and server.key in self._forget:
                with contextlib.suppress(HyopsError):  # it may not be allowed, and nothing depends on it
                    self._forget[server.key]()
            pause = min(pause * _LONGER, _LONGEST_PAUSE_S)

    def _ask(
        self, server: DnsServer, expected: Sequence[Expectation], kept: Answers
    ) -> tuple[Sequence[Expectation], Answers]:
        """The questions and answers; while the anchor is old, it alone.

        A busy server may leave some of many thousand questions out: those that it answered are not asked again.
        """
        left = [expectation for expectation in expected if expectation.question not in kept]
        if not server.authoritative:
            return expected, {**kept, **self._answers(server, left)}
        first = [self._anchor]
        answers = self._answers(server, first)
        if unmet(first, answers, authoritative=True) and len(expected) > self._asked_while_behind:
            return first, answers
        return [*expected, *first], {**kept, **self._answers(server, left), **answers}

    def _answers(self, server: DnsServer, expected: Sequence[Expectation]) -> Answers:
        return ask(self._dns, server, [expectation.question for expectation in expected], _ANSWER_TIMEOUT_S)


def _verdict(missing: Sequence[Expectation], answers: Answers) -> ServerVerdict:
    """Stale where an answer shows something else, silent where none does."""
    return "stale" if any(answers[expectation.question].conclusive for expectation in missing) else "silent"


def _report(
    server: DnsServer, verdict: ServerVerdict, after_ms: int | None, asked: Iterable[Expectation], answers: Answers
) -> ServerReport:
    return ServerReport(
        server.role,
        server.name,
        str(server.address),
        verdict,
        after_ms,
        tuple(_answer(expectation.question, answers) for expectation in asked),
        lost=server.lost,
        rcode=failures(answer.rcode for answer in answers.values()) if verdict == "silent" else "",
    )


def _answer(question: Question, answers: Answers) -> RecordedAnswer:
    found, rcode = answered(answers, question), answers[question].rcode
    ttl, rdata = (found.ttl, found.rdata) if found else (None, ())
    return RecordedAnswer(question.name, question.type, rcode, ttl, rdata)
