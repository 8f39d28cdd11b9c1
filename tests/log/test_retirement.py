"""When an old target may be switched off."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from hyops_gitops.core.server_report import RecordedAnswer, ServerReport, ServerVerdict
from hyops_gitops.core.zone import RRset
from hyops_gitops.log.caches import NOTHING_REMEMBERED, CacheMemory, after_drift, after_result, remembered_at
from hyops_gitops.log.entries import ZoneDrift
from hyops_gitops.log.log import Landing
from hyops_gitops.log.parts import Retirement
from hyops_gitops.log.retirement import Observed, cached_until, judged, meets, retirements, ttl_notes
from hyops_gitops.plan.plan import Action, Change, Drift, Note

ACCEPTED = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)
NAME = "pg.prod.z.internal"


def move(ttl_before: int, ttl_after: int = 60, *, cutover: bool = True) -> Change:
    before, after = RRset.of(NAME, "A", ttl_before, ["10.0.0.1"]), RRset.of(NAME, "A", ttl_after, ["10.0.0.2"])
    return Change(Action.REPLACE, NAME, "A", before, after, "endpoints/prod/pg.yaml", cutover)


def server(role: str, after_ms: int | None) -> ServerReport:
    verdict: ServerVerdict = "stale" if after_ms is None else "converged"
    return ServerReport(role, role, "127.0.0.1:53", verdict, after_ms)


def past(accepted: datetime, change: Change, after_ms: int | None = 0) -> Landing:
    """An earlier apply, as far as retirement looks at it."""
    result = SimpleNamespace(accepted=accepted, servers=(server("primary", after_ms),))
    return cast(Landing, SimpleNamespace(intent=SimpleNamespace(changes=(change,)), result=result))


def remembering(*earlier: Landing, drift: Iterable[tuple[str, CacheMemory]] = ()) -> Callable[[str], CacheMemory]:
    """What a ledger keeps of them until the move."""
    kept: Mapping[str, CacheMemory] = {}
    for more in (*(after_result(applied.intent, applied.result) for applied in earlier), drift):
        kept = remembered_at(ACCEPTED, kept, more)
    return lambda name: kept.get(name, NOTHING_REMEMBERED)


NOTHING = remembering()


def after(change: Change, servers: Sequence[ServerReport], *earlier: Landing) -> datetime | None:
    (one,) = retirements((change,), ACCEPTED, servers, remembering(*earlier))
    assert one.name == NAME
    return one.after


def test_the_old_ttl_counts_from_the_last_authority_server() -> None:
    servers = [server("primary", 10), server("secondary", 4200)]
    assert after(move(300), servers) == ACCEPTED + timedelta(seconds=4 + 1 + 300)


def resolver(rdata: str, rcode: str = "NOERROR", verdict: ServerVerdict = "stale") -> ServerReport:
    answer = RecordedAnswer(NAME, "A", rcode, 9, (rdata,) if rdata else ())
    return ServerReport("resolver", "clients", "127.0.0.1:53", verdict, None, (answer,))


NEW, OLD, BOTH = ("10.0.0.2",), ("10.0.0.1",), ("10.0.0.1", "10.0.0.2")
CREATED = replace(move(300), action=Action.CREATE, before=None)
DELETED = replace(move(300), action=Action.DELETE, after=None)
GONE = replace(DELETED, before=None)


@pytest.mark.parametrize(
    ("change", "answer", "by_authority", "by_cache"),
    [
        (move(300), None, False, False),
        (move(300), ("SERVFAIL", 60, NEW), False, False),
        (move(300), ("NOERROR", 60, NEW), True, True),
        (move(300), ("NOERROR", 59, NEW), False, True),  # a cache counts down
        (move(300), ("NOERROR", 60, OLD), False, False),
        (move(300), ("NOERROR", 60, BOTH), False, False),
        (CREATED, ("NOERROR", 60, NEW), True, True),
        (DELETED, ("NXDOMAIN", None, ()), True, True),
        (DELETED, ("NOERROR", 300, OLD), False, False),
        (DELETED, ("NOERROR", 300, NEW), True, True),  # of a wildcard
        (GONE, ("NOERROR", 300, OLD), True, True),
    ],
)
def test_which_answers_show_a_change(
    change: Change, answer: Observed | None, *, by_authority: bool, by_cache: bool
) -> None:
    assert meets(change, answer, authoritative=True) is by_authority
    assert meets(change, answer, authoritative=False) is by_cache


def test_several_resolvers_and_servers_are_named_one_by_one() -> None:
    behind = [replace(server("secondary", None), name=name) for name in ("ns1", "ns2")]
    (late,) = retirements((move(300),), ACCEPTED, behind, NOTHING)
    assert late.why == "secondary ns1 is stale, secondary ns2 is stale and may still serve the old answer"
    caches = [replace(resolver("10.0.0.1"), name=name) for name in ("one", "two")]
    (held,) = retirements((move(300),), ACCEPTED, [server("primary", 0), *caches], NOTHING)
    assert held.why == "resolver one, resolver two still gives the old answer"


def test_only_resolvers_say_that_the_authority_was_not_asked() -> None:
    (asked,) = retirements((move(300),), ACCEPTED, [server("resolver", None)], NOTHING)

    assert (asked.name, asked.after, asked.why) == (NAME, None, "no authority server was asked")


def test_what_caches_hold_is_asked_for_by_name() -> None:
    names: list[str] = []

    def nothing(name: str) -> CacheMemory:
        names.append(name)
        return NOTHING_REMEMBERED

    retirements((move(300),), ACCEPTED, [server("primary", 0)], nothing)
    assert names == [NAME]


def test_it_is_unknown_while_a_resolver_is_seen_to_give_the_old_answer() -> None:
    (one,) = retirements((move(300),), ACCEPTED, [server("primary", 0), resolver("10.0.0.1")], NOTHING)
    assert (one.after, one.why) == (None, "resolver clients still gives the old answer")
    assert one.not_before == ACCEPTED + timedelta(seconds=1 + 300)
    assert after(move(300), [server("primary", 0), server("resolver", None)]) is None  # stale, and no answer on record


@pytest.mark.parametrize(
    "other",
    [resolver("10.0.0.2"), resolver("", "SERVFAIL", "silent"), resolver("", "SILENT", "silent")],
    ids=["new answer", "SERVFAIL", "silence"],
)
def test_a_resolver_that_is_not_seen_to_give_the_old_answer_does_not_count(other: ServerReport) -> None:
    assert after(move(300), [server("primary", 0), other]) == ACCEPTED + timedelta(seconds=1 + 300)


def test_it_is_not_before_the_last_resolver_gave_the_new_answer() -> None:
    slow = server("resolver", 400_000)
    assert after(move(300), [server("primary", 0), slow]) == ACCEPTED + timedelta(seconds=400 + 1)


@pytest.mark.parametrize(
    ("late", "why"),
    [
        (server("secondary", None), "secondary is stale and may still serve the old answer"),
        (
            ServerReport("secondary", "onprem", "127.0.0.1:53", "silent", None, rcode="REFUSED"),
            "secondary onprem answered REFUSED and may still serve the old answer",
        ),
    ],
)
def test_an_authority_server_that_is_not_seen_to_serve_it_makes_it_unknown(late: ServerReport, why: str) -> None:
    (one,) = retirements((move(300),), ACCEPTED, [server("primary", 0), late], NOTHING)
    assert (one.after, one.why, one.not_before) == (None, why, None)


def test_where_no_authority_server_was_asked_it_is_unknown() -> None:
    (one,) = retirements((move(300),), ACCEPTED, [], NOTHING)
    assert (one.after, one.why) == (None, "no authority server was asked")


def test_a_longer_ttl_of_the_past_still_counts() -> None:
    lowered = past(ACCEPTED - timedelta(minutes=10), move(3600, 30, cutover=False))
    expected = ACCEPTED - timedelta(minutes=10) + timedelta(seconds=1 + 3600)
    assert after(move(30), [server("primary", 0)], lowered) == expected


def test_a_ttl_of_long_ago_does_not() -> None:
    lowered = past(ACCEPTED - timedelta(days=1), move(3600, 30, cutover=False))
    assert after(move(30), [server("primary", 0)], lowered) == ACCEPTED + timedelta(seconds=1 + 30)


def test_a_server_that_was_behind_then_has_caught_up_by_now_at_the_latest() -> None:
    lowered = past(ACCEPTED - timedelta(days=1), move(3600, 30, cutover=False), after_ms=None)
    assert after(move(30), [server("primary", 0)], lowered) == ACCEPTED + timedelta(seconds=1 + 3600)


def test_a_change_of_ttl_alone_retires_nothing() -> None:
    assert retirements((move(300, cutover=False),), ACCEPTED, [server("primary", 0)], NOTHING) == ()


def test_lowering_a_ttl_five_minutes_before_a_move_does_not_help_those_who_hold_the_old_one() -> None:
    lowered = past(ACCEPTED - timedelta(minutes=5), move(3600, 30, cutover=False))
    until = ACCEPTED - timedelta(minutes=5) + timedelta(seconds=1 + 3600)

    assert after(move(30), [server("primary", 0)], lowered) == until
    assert cached_until(NAME, [lowered], ACCEPTED) == (until, 3600)


def test_what_nobody_was_served_with_before_no_cache_holds() -> None:
    assert cached_until(NAME, [], ACCEPTED) is None
    assert cached_until("other.prod.z.internal", [past(ACCEPTED, move(60))], ACCEPTED) is None


def test_a_plan_says_which_moves_leave_clients_with_the_old_target_for_long() -> None:
    assert [note.name for note in ttl_notes([move(61)], 60)] == [NAME]
    assert [*ttl_notes([move(60)], 60), *ttl_notes([move(3600, cutover=False)], 60)] == []


def test_what_somebody_served_by_hand_for_a_while_counts_until_caches_have_forgotten_it() -> None:
    seen = ACCEPTED - timedelta(minutes=5)
    by_hand = Drift(NAME, "A", RRset.of(NAME, "A", 7200, ["10.0.0.9"]), None, "endpoints/prod/pg.yaml")
    drift = after_drift(cast(ZoneDrift, SimpleNamespace(differences=(by_hand,))), seen)
    (one,) = retirements((move(30),), ACCEPTED, [server("primary", 0)], remembering(drift=drift))
    assert one.after == seen + timedelta(seconds=7200)


def test_each_name_waits_for_its_own_records() -> None:
    other = replace(move(9000), name="other.prod.z.internal")
    of_other = past(ACCEPTED - timedelta(minutes=1), replace(move(8000), name="other.prod.z.internal"))
    found = retirements((move(300), other), ACCEPTED, [server("primary", 0)], remembering(of_other))
    assert [(one.name, one.after) for one in found] == [
        ("other.prod.z.internal", ACCEPTED + timedelta(seconds=1 + 9000)),
        (NAME, ACCEPTED + timedelta(seconds=1 + 300)),
    ]


def test_where_nothing_was_served_before_nothing_retires() -> None:
    restored = replace(move(300), before=None)
    assert retirements((restored,), ACCEPTED, [server("primary", 0)], NOTHING) == ()
    assert list(ttl_notes([restored], 60)) == []
    created = past(ACCEPTED - timedelta(minutes=1), replace(restored, cutover=False))
    assert after(move(30), [server("primary", 0)], created) == ACCEPTED + timedelta(seconds=1 + 30)
    assert cached_until(NAME, [created], ACCEPTED) is None


def test_of_several_ends_the_last_counts() -> None:
    early = past(ACCEPTED - timedelta(minutes=9), move(60))
    late = past(ACCEPTED - timedelta(minutes=2), move(90))
    expected = (ACCEPTED - timedelta(minutes=2) + timedelta(seconds=1 + 90), 90)
    assert cached_until(NAME, [early, late], ACCEPTED) == cached_until(NAME, [late, early], ACCEPTED) == expected
    never_accepted = past(cast(datetime, None), move(90))
    assert cached_until(NAME, [never_accepted], ACCEPTED) == (ACCEPTED + timedelta(seconds=90), 90)


def test_a_note_names_the_longest_ttl_that_a_name_had() -> None:
    short = replace(move(300), type="AAAA")
    said = "clients may keep the old target for 3600 s: its TTL is above policy.cutover_ttl_max, 60 s"
    assert list(ttl_notes([move(3600), short], 60)) == list(ttl_notes([short, move(3600)], 60)) == [Note(NAME, said)]
    assert list(ttl_notes([move(60)], 60)) == []
    assert list(ttl_notes([move(1)], 0)) == [Note(NAME, said.replace("3600", "1").replace("60 s", "0 s"))]


def test_an_apply_that_asked_no_server_counts_from_its_acceptance() -> None:
    asked_nobody = cast(
        Landing,
        SimpleNamespace(
            intent=SimpleNamespace(changes=(move(90),)), result=SimpleNamespace(accepted=ACCEPTED, servers=())
        ),
    )
    assert cached_until(NAME, [asked_nobody], ACCEPTED) == (ACCEPTED + timedelta(seconds=1 + 90), 90)


def test_a_move_that_was_found_done_leaves_nobody_with_the_old_target() -> None:
    assert list(ttl_notes([replace(move(3600), action=Action.ADOPT)], 60)) == []


def test_a_resolver_that_still_has_what_no_cache_may_hold_is_overdue() -> None:
    end = Retirement(NAME, ACCEPTED)
    later = ACCEPTED + timedelta(seconds=1)
    stale = server("resolver", None)
    assert judged(stale, [end], later).overdue
    assert judged(stale, [Retirement(NAME, None, "held", ACCEPTED)], later).overdue
    for report, ends, now in (
        (stale, [end], ACCEPTED),
        (stale, [], later),
        (stale, [end, Retirement(NAME, None)], later),
        (stale, [end, Retirement(NAME, later)], later),
        (server("resolver", 5), [end], later),
        (server("secondary", None), [end], later),
        (replace(stale, verdict="silent"), [end], later),
    ):
        assert judged(report, ends, now) == report
