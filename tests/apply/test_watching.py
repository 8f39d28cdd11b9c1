"""The watch alone: who may hold it up."""

from collections.abc import Mapping, Sequence
from threading import Event as Flag

from hyops_gitops.adapters.clock import SystemClock
from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.core.events import Event, ServerSeen
from hyops_gitops.core.exchange import Answer, Question
from hyops_gitops.core.zone import RRset
from hyops_gitops.usecases.convergence import Expectation, Watch, Watched

ANCHOR = RRset.of("_hyops-gitops.z.internal", "TXT", 60, ['"v=hyops1"'])
CHANGED = RRset.of("pg.prod.z.internal", "A", 60, ["10.0.0.1"])


class Serves:
    """Answers everything as wanted."""

    def ask(
        self, server: ServerAddress, questions: Sequence[Question], *, recursion_desired: bool, timeout_s: float
    ) -> Mapping[Question, Answer]:
        assert (server.port, recursion_desired, timeout_s > 0) == (53, False, True)
        return {question: Answer("NOERROR", True, (ANCHOR, CHANGED), 1) for question in questions}


def test_a_server_that_hangs_when_asked_for_a_transfer_delays_no_look_at_the_others() -> None:
    seen = Flag()
    in_time: list[bool] = []

    def on_event(event: Event) -> None:
        if isinstance(event, ServerSeen):
            seen.set()

    def hang() -> None:
        in_time.append(seen.wait(30))  # until somebody was seen to converge

    expected = [Expectation(Question(*rrset.key), rrset) for rrset in (ANCHOR, CHANGED)]
    server = Watched("secondary", "onprem", ServerAddress("127.0.0.1", 53), required=True)
    clock = SystemClock()
    reports = Watch(Serves(), clock, on_event, expected[0]).run(
        [server], expected[1:], accepted_at=clock.monotonic(), timeout_s=20, notify=hang
    )
    assert [report.verdict for report in reports] == ["converged"]
    assert in_time == [True]
