"""The timeline of a cutover, and resolvers that cache for longer than they may."""

from datetime import UTC, datetime, timedelta

import pytest

from hyops_gitops.core.readiness import ProbeReport, ReadinessReport
from hyops_gitops.core.server_report import ServerReport, ServerVerdict
from hyops_gitops.log.parts import Retirement
from hyops_gitops.log.retirement import judged
from hyops_gitops.log.timeline import ServiceReport, timeline

NAME = "pg.prod.z.internal"
NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)


def server(role: str, verdict: ServerVerdict, after_ms: int | None = None, *, lost: bool = False) -> ServerReport:
    return ServerReport(role, f"{role}1", "127.0.0.1:53", verdict, after_ms, lost=lost)


def test_everything_stands_in_the_order_in_which_it_came_about_and_what_did_not_last() -> None:
    reached = ServiceReport(ReadinessReport(NAME, ("10.0.0.1",), "ready"), 40)
    servers = [
        server("secondary", "converged", 30),
        server("primary", "converged", 5),
        server("resolver", "stale"),
        server("secondary", "silent", lost=True),
    ]
    moments = timeline(servers, [reached])
    assert [(one.after_ms, one.stage, one.said) for one in moments] == [
        (0, "accepted", "update accepted"),
        (5, "primary", "answers with the change"),
        (30, "secondary", "answers with the change"),
        (40, "service", "reachable by name"),
        (None, "resolver", "still answers from before"),
        (None, "secondary", "does not answer, its site is declared lost"),
    ]


def test_a_service_that_does_not_answer_says_what_it_did() -> None:
    probe = ProbeReport("tcp", "10.0.0.1", 5432, "not-ready", "refuses the connection")
    moments = timeline([], [ServiceReport(ReadinessReport(NAME, ("10.0.0.1",), "not-ready", (probe,)), None)])
    assert moments[-1].said == "not reachable by name: tcp 10.0.0.1:5432 refuses the connection"


@pytest.mark.parametrize(
    ("role", "verdict", "ends", "expected"),
    [
        ("resolver", "stale", (NOW - timedelta(seconds=1),), True),
        ("resolver", "stale", (NOW + timedelta(seconds=1),), False),
        ("resolver", "stale", (NOW - timedelta(seconds=1), None), False),
        ("resolver", "stale", (), False),
        ("resolver", "silent", (NOW - timedelta(seconds=1),), False),
        ("secondary", "stale", (NOW - timedelta(seconds=1),), False),
    ],
)
def test_a_resolver_that_has_what_no_cache_may_have_is_named(
    role: str, verdict: ServerVerdict, ends: tuple[datetime | None, ...], *, expected: bool
) -> None:
    report = judged(server(role, verdict), [Retirement(NAME, end) for end in ends], NOW)
    assert report.overdue is expected
    said = timeline([report], [])[-1].said
    assert (said == "still answers from before, longer than any TTL allows") is expected
