"""The watch alone: who may hold it up."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from threading import Event as Flag
from types import SimpleNamespace
from typing import cast

import pytest

from hyops_gitops.adapters.host.machine import SystemClock
from hyops_gitops.apply.probe import answering_badly, prove_services
from hyops_gitops.apply.prove import Watch
from hyops_gitops.core.authority import Authority, ServerAddress
from hyops_gitops.core.contract import Readiness, Target, TargetType
from hyops_gitops.core.events import Event, ServerSeen
from hyops_gitops.core.exchange import Answer, Question
from hyops_gitops.core.readiness import Candidate
from hyops_gitops.core.servers import DnsServer, Expectation
from hyops_gitops.core.zone import RRset, Zone
from hyops_gitops.log.workspace import Workspace
from tests.support.faults import FakeClock

ANCHOR = RRset.of("_hyops-gitops.z.internal", "TXT", 60, ['"v=hyops1"'])
CHANGED = RRset.of("pg.prod.z.internal", "A", 60, ["10.0.0.1"])


class Serves:
    """Answers everything as wanted."""

    def ask(
        self, server: ServerAddress, questions: Sequence[Question], *, recursion_desired: bool, timeout_s: float
    ) -> Mapping[Question, Answer]:
        assert (server.port, recursion_desired, timeout_s > 0) == (53, False, True)
        return {question: Answer("NOERROR", True, (ANCHOR, CHANGED), 1) for question in questions}


class OldUntil:
    """Shows the anchor of before until a flag is set."""

    def __init__(self, flag: Flag) -> None:
        self.flag = flag

    def ask(
        self, server: ServerAddress, questions: Sequence[Question], *, recursion_desired: bool, timeout_s: float
    ) -> Mapping[Question, Answer]:
        assert (server.port, recursion_desired, timeout_s > 0) == (53, False, True)
        old = () if self.flag.is_set() else (replace(ANCHOR, rdata=('"before"',)),)
        return {question: Answer("NOERROR", True, old or (ANCHOR, CHANGED), 1) for question in questions}


def test_a_server_that_hangs_when_asked_for_a_transfer_delays_no_look_at_the_others() -> None:
    seen = Flag()
    in_time: list[bool] = []

    def on_event(event: Event) -> None:
        if isinstance(event, ServerSeen):
            seen.set()

    def hang() -> None:
        in_time.append(seen.wait(30))  # until somebody was seen to converge

    expected = [Expectation(Question(*rrset.key), rrset) for rrset in (ANCHOR, CHANGED)]
    server = DnsServer("secondary", "onprem", ServerAddress("127.0.0.1", 53), required=True)
    clock = SystemClock()
    reports = Watch(Serves(), clock, on_event, expected[0]).run(
        [server], expected[1:], accepted_at=clock.monotonic(), timeout_s=20, requests=[hang]
    )
    assert [report.verdict for report in reports] == ["converged"]
    assert in_time == [True]


def test_a_server_that_hangs_when_asked_for_a_transfer_delays_no_request_to_the_others() -> None:
    transferred = Flag()
    in_time: list[bool] = []

    def hang() -> None:
        in_time.append(transferred.wait(30))

    expected = [Expectation(Question(*rrset.key), rrset) for rrset in (ANCHOR, CHANGED)]
    server = DnsServer("secondary", "onprem", ServerAddress("127.0.0.1", 53), required=True)
    clock = SystemClock()
    reports = Watch(OldUntil(transferred), clock, lambda _: None, expected[0]).run(
        [server], expected[1:], accepted_at=clock.monotonic(), timeout_s=20, requests=[hang, transferred.set]
    )
    assert ([report.verdict for report in reports], in_time) == (["converged"], [True])


def test_a_secondary_that_keeps_an_old_answer_is_told_to_drop_it() -> None:
    """As one does that was making an answer while its zone was replaced."""
    dropped = Flag()

    expected = [Expectation(Question(*rrset.key), rrset) for rrset in (ANCHOR, CHANGED)]
    server = DnsServer("secondary", "onprem", ServerAddress("127.0.0.1", 53), required=True)
    clock = SystemClock()
    watch = Watch(OldUntil(dropped), clock, lambda _: None, expected[0], {server.key: dropped.set})
    reports = watch.run([server], expected[1:], accepted_at=clock.monotonic(), timeout_s=20)
    assert [report.verdict for report in reports] == ["converged"]


MANY = [RRset.of(f"s{number}.prod.z.internal", "A", 60, ["10.0.0.1"]) for number in range(5)]


class Looks:
    """Answers each look in its own way: RRsets by the key asked for, and which keys get no answer."""

    def __init__(self, *looks: tuple[Sequence[RRset], Sequence[RRset]]) -> None:
        self.looks = list(looks)
        self.asked: list[list[str]] = []

    def ask(
        self, server: ServerAddress, questions: Sequence[Question], *, recursion_desired: bool, timeout_s: float
    ) -> Mapping[Question, Answer]:
        assert (server.port, recursion_desired, timeout_s > 0) == (53, False, True)
        given, silent = self.looks[0]
        if questions[0].type != "TXT" or not given:  # the anchor is asked for first in each look
            self.asked.append([question.name.partition(".")[0] for question in questions])
            self.looks = self.looks[1:] or self.looks
        shown = {rrset.key: rrset for rrset in given}
        unheard = {rrset.key for rrset in silent}
        none = Answer("SILENT", False, (), 0)
        answers: dict[Question, Answer] = {}
        for question in questions:
            found = shown.get((question.name, question.type))
            heard = Answer("NOERROR", True, (found,) if found else (), 1)
            answers[question] = none if (question.name, question.type) in unheard else heard
        return answers


def looked(looks: Looks, timeout_s: float) -> str:
    """The verdict of a watch over these looks."""
    anchor, *expected = (Expectation(Question(*rrset.key), rrset) for rrset in (ANCHOR, *MANY))
    clock = SystemClock()
    reports = Watch(looks, clock, lambda _: None, anchor).run(
        [watched("secondary", "127.0.0.1")],
        expected,
        accepted_at=clock.monotonic(),
        timeout_s=timeout_s,
    )
    assert len(reports[0].answers) in (1, len(MANY) + 1)
    return reports[0].verdict


def test_what_a_busy_server_answered_is_not_asked_again() -> None:
    """With 50,000 names on a machine at its end, no single look was answered whole."""
    looks = Looks(*(((ANCHOR, *MANY), MANY[number:]) for number in range(1, 6)))
    assert looked(looks, 20) == "converged"
    assert looks.asked == [[f"s{number}" for number in range(first, 5)] for first in (0, 1, 2, 3, 4)]


@pytest.mark.parametrize(
    "between",
    [((), ()), ((ANCHOR, *MANY[:3], replace(MANY[3], rdata=("10.0.0.9",))), MANY[4:])],
    ids=["the anchor went back", "a name was answered otherwise"],
)
def test_what_was_answered_before_something_else_is_asked_again(
    between: tuple[Sequence[RRset], Sequence[RRset]],
) -> None:
    old = (ANCHOR, replace(MANY[0], rdata=("10.0.0.9",)), *MANY[1:])
    looks = Looks(((ANCHOR, *MANY), MANY[3:]), between, (old, ()))
    assert looked(looks, 0.5) == "stale"
    assert looks.asked[-1] == [f"s{number}" for number in range(5)]


class Answers:
    """Each server gives its own answers, and notes what it was asked."""

    def __init__(self, **of: Answer) -> None:
        self.of = of
        self.asked: list[tuple[str, tuple[str, ...], bool]] = []

    def ask(
        self, server: ServerAddress, questions: Sequence[Question], *, recursion_desired: bool, timeout_s: float
    ) -> Mapping[Question, Answer]:
        assert timeout_s > 0
        self.asked.append((server.host, tuple(one.type for one in questions), recursion_desired))
        return dict.fromkeys(questions, self.of[server.host])


def watched(role: str, host: str) -> DnsServer:
    return DnsServer(role, host, ServerAddress(host, 53), required=True)


def test_an_anchor_that_is_old_saves_the_other_questions_and_a_cache_is_asked_for_none() -> None:
    expected = [Expectation(Question(*rrset.key), rrset) for rrset in (ANCHOR, CHANGED)]
    other = RRset.of("web.prod.z.internal", "AAAA", 60, ["fd00::1"])
    expected.append(Expectation(Question(*other.key), other))
    right = Answer("NOERROR", True, (ANCHOR, CHANGED, other), 1)
    dns = Answers(right=right, old=replace(right, rrsets=(CHANGED, other)), cache=replace(right, authoritative=False),
                  dead=Answer("SILENT", False, (), 0))  # fmt: skip
    servers = [watched("primary", "right"), watched("secondary", "old"), watched("secondary", "dead"),
               watched("resolver", "cache")]  # fmt: skip
    reports = Watch(dns, SystemClock(), lambda _: None, expected[0]).once(servers, expected[1:])
    assert [report.verdict for report in reports] == ["converged", "stale", "silent", "converged"]
    assert sorted(dns.asked) == [
        ("cache", ("A", "AAAA"), True),
        ("dead", ("TXT",), False),
        ("old", ("TXT",), False),
        ("right", ("A", "AAAA"), False),
        ("right", ("TXT",), False),
    ]


OLD = replace(CHANGED, rdata=("10.0.0.9",))
RIGHT = Answer("NOERROR", True, (ANCHOR, CHANGED), 1)


@pytest.mark.parametrize(
    ("answer", "verdict", "rcode"),
    [
        (RIGHT, "converged", ""),
        (replace(RIGHT, rrsets=(ANCHOR, OLD)), "stale", ""),
        (Answer("NXDOMAIN", True, (), 1), "stale", ""),
        (Answer("SERVFAIL", True, (), 1), "silent", "SERVFAIL"),
        (Answer("REFUSED", False, (), 1), "silent", "REFUSED"),
        (Answer("SILENT", False, (), 0), "silent", ""),
    ],
)
def test_what_answers_that_it_cannot_is_no_more_stale_than_what_is_silent(
    answer: Answer, verdict: str, rcode: str
) -> None:
    expected = [Expectation(Question(*rrset.key), rrset) for rrset in (ANCHOR, CHANGED)]
    watch = Watch(Answers(asked=answer), SystemClock(), lambda _: None, expected[0])
    (report,) = watch.once([watched("secondary", "asked")], expected[1:])
    assert (report.verdict, report.rcode) == (verdict, rcode)
    assert report.verdict_text == (f"cannot conclude: answered {rcode}" if rcode else verdict)


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (Answer("NOERROR", True, (), 1), "not-ready"),
        (Answer("NXDOMAIN", True, (), 1), "not-ready"),
        (Answer("SERVFAIL", False, (), 1), "unknown"),
        (Answer("REFUSED", False, (), 1), "unknown"),
        (Answer("SILENT", False, (), 0), "unknown"),
    ],
)
def test_a_service_is_not_called_unreachable_because_its_servers_do_not_answer(answer: Answer, verdict: str) -> None:
    """What is not ready is moved back; on silence nothing ever is."""
    target = Target(TargetType.HOST, ("10.0.0.1",), 5432)
    moved = Candidate(CHANGED.name, target, (Readiness("tcp", {}),))
    ports = SimpleNamespace(dns=Answers(asked=answer), clock=FakeClock(), prober=None)
    authority = SimpleNamespace(resolvers=(), policy=SimpleNamespace(target_networks=()))
    (report,) = prove_services(
        [moved],
        [watched("primary", "asked")],
        cast(Authority, authority),
        Zone.of("z.internal", ()),
        0.0,
        cast(Workspace, ports),
    )
    assert report.report.verdict == verdict
    assert answering_badly([report]) == ((CHANGED.name,) if verdict == "not-ready" else ())
