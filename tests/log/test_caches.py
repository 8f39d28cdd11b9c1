"""What caches may hold: the ledger says what the whole history says, for every moment from its newest entry on."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from hyops_gitops.core.server_report import ServerReport
from hyops_gitops.log.caches import CacheMemory, stopped_serving
from hyops_gitops.log.entries import ZoneDrift
from hyops_gitops.log.ledger import Ledger
from hyops_gitops.log.log import Log
from hyops_gitops.plan.plan import Change, Drift
from tests.support.paper import COMMIT, START, ZONE, Paper, change
from tests.support.site import LONG

NAMES = ("a", "b")
MOMENTS = (0, 1, 59, 60, 61, 600, 7200)  # seconds from the newest entry on


def moved(name: str, ttl: int, number: int) -> Change:
    found = change(name, f"10.0.0.{number}", f"10.0.0.{number + 1}")
    assert found.before is not None
    return replace(found, before=replace(found.before, ttl=ttl))


def server(after_ms: int | None) -> ServerReport:
    return ServerReport("primary", "primary", "127.0.0.1:53", "stale" if after_ms is None else "converged", after_ms)


def log_of(paper: Paper) -> Log:
    ledger = Ledger().after(paper.entries)
    return Log(ZONE, COMMIT, paper.entries, ledger, paper.sig, paper.zone, paper.state)


def by_history(log: Log, name: str, stopped: datetime) -> datetime:
    """The same from every entry that speaks of the name."""
    ends = [stopped, *(seen + timedelta(seconds=ttl) for seen, ttl in log.left(name))]
    for applied in log.applied_to(name):
        when = stopped_serving(applied.result.accepted, applied.result.servers) or stopped
        before = [done.before for done in applied.intent.changes if done.name == name]
        ends += [when + timedelta(seconds=record.ttl if record else 0) for record in before]
    return max(ends)


step = st.tuples(
    st.sampled_from(("applied", "applied", "applied", "failed", "drift")),
    st.sampled_from(NAMES),
    st.sampled_from((0, 30, 60, 300, 86_400)),
    st.sampled_from((0, 1500, 40_000, None)),
)


@settings(max_examples=200 if LONG else 15, deadline=None)
@given(st.lists(step, max_size=8))
def test_the_ledger_says_what_the_history_says(steps: list[tuple[str, str, int, int | None]]) -> None:
    paper = Paper.started()
    for number, (kind, name, ttl, after_ms) in enumerate(steps):
        made = moved(name, ttl, number)
        if kind == "drift":
            gone = Drift(f"{name}.{ZONE}", "A", made.before, None, made.contract)
            paper.add(ZoneDrift(COMMIT, paper.digests(), paper.digests(), (gone,)))
            continue
        paper.intend(made)
        accepted = START + timedelta(minutes=len(paper.entries))
        paper.finish(outcome=kind, accepted=accepted, servers=(server(after_ms),))
        log = log_of(paper)
        for owner, seconds in product((f"{name}.{ZONE}" for name in NAMES), MOMENTS):
            stopped = log.head.envelope.time + timedelta(seconds=seconds)
            assert log.remembered(owner).end(stopped) == by_history(log, owner, stopped)


def test_what_is_forgotten_is_not_kept() -> None:
    paper = Paper.started()
    for number in range(40):
        paper.intend(moved(f"n{number}", 60, 1))
        paper.finish(accepted=START + timedelta(minutes=len(paper.entries)), servers=(server(0),))
        assert len(log_of(paper).ledger.remembered) <= 2
    paper.intend(moved("late", 60, 1)).finish(servers=(server(None),))
    assert log_of(paper).remembered(f"late.{ZONE}") == CacheMemory(None, 60)
