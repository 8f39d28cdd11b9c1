"""What an audit makes of an entry's changes and holds, beside the contracts of its commit."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hyops_gitops.audit.checks import (
    StateBefore,
    check_imported_holds,
    check_plan,
    check_retirements,
    check_unchanged,
    lifted_holds,
)
from hyops_gitops.audit.commits import CommitFacts
from hyops_gitops.audit.entry_checks import AuditFindings
from hyops_gitops.core.contract import Contract
from hyops_gitops.core.guards import Override
from hyops_gitops.core.managed import ManagedRRset, ManagedSet
from hyops_gitops.core.server_report import ServerReport
from hyops_gitops.core.zone import RRset, Zone
from hyops_gitops.log.admin_entries import ImportedSegment, Reconcile
from hyops_gitops.log.caches import CacheMemory
from hyops_gitops.log.chain import Problem
from hyops_gitops.log.entries import Intent, Result
from hyops_gitops.log.envelope import Entry, entry_path
from hyops_gitops.log.holds import hold_of
from hyops_gitops.log.ledger import Ledger
from hyops_gitops.log.parts import Hold, Lease, Restore, Retirement, ZoneDigests
from hyops_gitops.plan.plan import Action, Change, Held, plan_digest
from tests.support.contracts import contract_text, validated
from tests.support.paper import AUTHORITY, COMMIT, CONTRACTS, HASH, START, Paper, change

ZONE = "hyops.internal"
DB, WEB = f"db.prod.{ZONE}", f"web.prod.{ZONE}"
PATHS = {DB: "endpoints/prod/db.yaml", WEB: "endpoints/prod/web.yaml"}
ENTRY = Paper.started().intend(change("a", None, "10.0.0.1")).head
AT = entry_path(ZONE, ENTRY.seq)
DIGESTS = ZoneDigests(HASH, HASH, 1)
HELD_AT = 7  # the entry that a mark of a hold names


def contract(name: str, target: str) -> Contract:
    (found,) = validated({PATHS[name]: contract_text(name, target)}).contracts
    return found


def record(name: str, target: str, ttl: int = 60) -> RRset:
    return RRset.of(name, "A", ttl, [target])


def managed(*rrsets: RRset, held: Collection[str] = ()) -> ManagedSet:
    entries = (ManagedRRset(one, PATHS[one.name], HELD_AT if one.name in held else None) for one in rrsets)
    return ManagedSet.of(ZONE, entries)


def move(name: str, before: RRset | None, after: RRset | None) -> Change:
    action = Action.CREATE if before is None else Action.DELETE if after is None else Action.REPLACE
    return Change(action, name, "A", before, after, PATHS[name], cutover=bool(before and after))


def intent(*changes: Change, **fields: Any) -> Intent:
    digest = plan_digest(ZONE, DIGESTS.whole, changes)
    made = Intent(CONTRACTS, AUTHORITY, (), DIGESTS, DIGESTS, digest, changes, (), (), (), Lease(60, "b", 1))
    return replace(made, **fields)


def facts(*desired: RRset, contracts: Sequence[Contract] = (), **fields: Any) -> CommitFacts:
    found = CommitFacts(
        rules=None,
        commit=COMMIT,
        on_branch=True,
        manifest=HASH,
        authority_sha256=HASH,
        contracts={one.path: one for one in contracts},
        desired=Zone.of(ZONE, desired),
        invalid=frozenset(),
        undecided=frozenset(),
        authority=None,
        separation="off",
        own_authority=True,
        overridable=None,
    )
    return replace(found, **fields)


def holding(*holds: Hold) -> Mapping[int, Entry]:
    return {HELD_AT: replace(ENTRY, body=intent(holds=holds))}


def judged(
    before: ManagedSet,
    commit: CommitFacts,
    body: Intent,
    *,
    holders: Mapping[int, Entry] | None = None,
    taken_back: Intent | None = None,
) -> AuditFindings:
    """The same for both forms of the managed set, which are compared in different ways."""
    found = []
    for form in (before, before.in_lines()):
        stood = StateBefore.of(form, commit, (holders or {}).get, lifted_holds(body))
        findings = AuditFindings()
        findings.add(check_plan(ENTRY, body, stood, taken_back))
        found.append(findings)
    assert found[0] == found[1]
    return found[0]


OLD, NEW, OTHER = record(DB, "10.0.0.1"), record(DB, "10.0.0.2"), record(WEB, "10.0.0.9")
NOT_ASKED = f"{DB} A: the entry leaves 10.0.0.1 (TTL 60), the contracts ask for 10.0.0.2 (TTL 60)"


def test_a_plan_that_does_what_the_contracts_ask_for_is_sound() -> None:
    body = intent(move(DB, OLD, NEW), move(WEB, OTHER, None))
    assert judged(managed(OLD, OTHER), facts(NEW), body) == AuditFindings()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ((), NOT_ASKED),
        ((move(DB, OLD, record(DB, "10.0.0.3")),), NOT_ASKED.replace("10.0.0.1", "10.0.0.3")),
        ((move(DB, OLD, None),), f"{DB} A: the entry leaves nothing, the contracts ask for 10.0.0.2 (TTL 60)"),
        ((move(DB, OLD, record(DB, "10.0.0.2", 30)),), NOT_ASKED.replace("10.0.0.1 (TTL 60)", "10.0.0.2 (TTL 30)")),
        (
            (move(DB, OLD, NEW), move(WEB, None, OTHER)),
            f"{WEB} A: the entry leaves 10.0.0.9 (TTL 60), the contracts ask for nothing",
        ),
    ],
)
def test_a_plan_that_does_something_else_is_named(changes: tuple[Change, ...], message: str) -> None:
    found = judged(managed(OLD), facts(NEW), intent(*changes))
    assert found == AuditFindings(problems=[Problem("plan-not-contract", AT, message)])


def test_a_record_that_no_contract_asks_for_has_to_go() -> None:
    message = f"{WEB} A: the entry leaves 10.0.0.9 (TTL 60), the contracts ask for nothing"
    found = judged(managed(OLD, OTHER), facts(NEW), intent(move(DB, OLD, NEW)))
    assert found == AuditFindings(problems=[Problem("plan-not-contract", AT, message)])


def test_without_the_authority_file_a_ttl_or_a_name_that_is_left_cannot_be_judged() -> None:
    short, left = record(DB, "10.0.0.2", 30), (Held(DB, PATHS[DB], "why"),)
    for body, undecided in ((intent(move(DB, OLD, short)), frozenset()), (intent(), frozenset({DB}))):
        commit = facts(NEW, undecided=undecided)
        without = judged(managed(OLD), replace(commit, own_authority=False), body)
        assert (without.problems, [one.code for one in without.inconclusive]) == ([], ["plan-not-contract"])
        assert [one.code for one in judged(managed(OLD), commit, body).problems] == ["plan-not-contract"]
    listed = judged(managed(OLD), facts(NEW, own_authority=False), intent(held=left))
    assert (listed.problems, [one.code for one in listed.inconclusive]) == ([], ["plan-not-contract", "held"])
    moved = judged(managed(OLD), facts(NEW, own_authority=False), intent(move(DB, OLD, record(DB, "10.0.0.3"))))
    assert [one.code for one in moved.problems] == ["plan-not-contract"]
    gone = judged(managed(OLD), facts(NEW, own_authority=False), intent(move(DB, OLD, None)))
    assert [one.code for one in gone.problems] == ["plan-not-contract"]


def test_the_digest_of_a_plan_is_that_of_its_changes() -> None:
    found = judged(managed(OLD), facts(NEW), intent(move(DB, OLD, NEW), plan_sha256=HASH))
    assert found.problems == [Problem("plan-digest", AT, "the plan's digest is not that of its changes")]


def test_a_restore_carries_out_no_contract() -> None:
    body = intent(restore=Restore(1, True, 2, (), ()), plan_sha256=HASH)
    assert judged(managed(OLD), facts(NEW), body) == AuditFindings()


def test_names_of_an_invalid_contract_have_to_stay() -> None:
    broken = facts(invalid=frozenset({PATHS[DB]}))
    assert judged(managed(OLD), broken, intent()) == AuditFindings()
    message = (
        f"{DB} A: the entry leaves 10.0.0.2 (TTL 60), it had to stay (its contract is invalid) at 10.0.0.1 (TTL 60)"
    )
    moved = judged(managed(OLD), broken, intent(move(DB, OLD, NEW)))
    assert moved == AuditFindings(problems=[Problem("held", AT, message)])
    deleted = judged(managed(OLD), broken, intent(move(DB, OLD, None)))
    message = message.replace("10.0.0.2 (TTL 60)", "nothing")
    assert deleted == AuditFindings(problems=[Problem("held", AT, message)])


def test_a_held_name_stays_until_its_contract_changes_or_its_hold_is_lifted() -> None:
    db, web = contract(DB, "10.0.0.2"), contract(WEB, "10.0.0.9")
    asked = facts(NEW, OTHER, contracts=(db, web))
    before, holders = managed(OLD, OTHER, held={DB}), holding(hold_of(db))
    assert judged(before, asked, intent(held=(Held(DB, PATHS[DB], "held"),)), holders=holders) == AuditFindings()
    moved = judged(before, asked, intent(move(DB, OLD, NEW)), holders=holders)
    why = f"it had to stay (held by entry {HELD_AT}) at 10.0.0.1 (TTL 60)"
    assert moved.problems == [Problem("held", AT, f"{DB} A: the entry leaves 10.0.0.2 (TTL 60), {why}")]
    lifted = (Override("held", DB, "why", "option"),)
    assert judged(before, asked, intent(move(DB, OLD, NEW), overrides=lifted), holders=holders) == AuditFindings()
    assert judged(before, asked, intent(overrides=lifted), holders=holders).problems == [
        Problem("plan-not-contract", AT, NOT_ASKED)
    ]
    since = holding(hold_of(contract(DB, "10.0.0.8")))
    assert judged(before, asked, intent(move(DB, OLD, NEW)), holders=since) == AuditFindings()
    renamed = ManagedSet.of(
        ZONE, [ManagedRRset(OLD, "endpoints/prod/old.yaml", HELD_AT), ManagedRRset(OTHER, PATHS[WEB])]
    )
    assert judged(renamed, asked, intent(held=(Held(DB, PATHS[DB], "held"),)), holders=holders) == AuditFindings()


def test_an_override_lifts_the_hold_of_its_name_unless_it_is_listed_as_held() -> None:
    overrides = tuple(Override(guard, name, "why", "option") for guard, name in (("held", DB), ("drift", WEB)))
    assert lifted_holds(intent(overrides=overrides)) == {DB}
    assert lifted_holds(intent(overrides=overrides, held=(Held(DB, PATHS[DB], "why"),))) == set()
    assert lifted_holds(intent(overrides=(Override("held", None, "why", "option"),))) == set()


def test_what_a_restored_zone_lost_needs_no_deletion() -> None:
    restored = (Override("restored", None, "why", "option"),)
    body = intent(move(DB, OLD, NEW))
    assert judged(managed(OLD, OTHER), facts(NEW), replace(body, overrides=restored)) == AuditFindings()
    drift = (Override("drift", WEB, "why", "option"),)
    assert len(judged(managed(OLD, OTHER), facts(NEW), replace(body, overrides=drift)).problems) == 1
    assert len(judged(managed(OLD), facts(NEW), intent(overrides=restored)).problems) == 1
    added = intent(move(DB, OLD, NEW), move(WEB, None, OTHER), overrides=restored)
    assert len(judged(managed(OLD), facts(NEW), added).problems) == 1


def test_what_comes_behind_something_lost_by_a_restored_zone_is_compared_all_the_same() -> None:
    body = intent(overrides=(Override("restored", None, "why", "option"),))
    found = judged(managed(OLD, OTHER), facts(record(WEB, "10.0.0.8")), body)
    assert [problem.message for problem in found.problems] == [
        f"{WEB} A: the entry leaves 10.0.0.9 (TTL 60), the contracts ask for 10.0.0.8 (TTL 60)"
    ]


# --- roll-back


EARLIER = intent(move(DB, OLD, NEW), move(WEB, None, OTHER))
DB_ASKED = contract(DB, "10.0.0.2")
MOVED = facts(NEW, OTHER, contracts=(DB_ASKED, contract(WEB, "10.0.0.9")))


def rolled_back(body: Intent, taken_back: Intent | None = EARLIER) -> list[tuple[str, str]]:
    found = judged(managed(NEW, OTHER), MOVED, replace(body, rollback_of=3), taken_back=taken_back)
    assert found.inconclusive == []
    assert {one.where for one in found.problems} <= {AT}
    return [(one.code, one.message) for one in found.problems]


def test_a_rollback_brings_a_name_back_and_holds_it() -> None:
    assert rolled_back(intent(move(DB, NEW, OLD), holds=(hold_of(DB_ASKED),))) == []


def test_a_rollback_that_does_something_else_is_named() -> None:
    holds = (hold_of(DB_ASKED),)
    back, elsewhere = move(DB, NEW, OLD), move(DB, NEW, record(DB, "10.0.0.3"))
    assert rolled_back(intent(back, holds=holds), None) == [
        ("rollback", "entry 3, which it names as taken back, is not an earlier intent")
    ]
    assert rolled_back(intent(elsewhere, holds=holds)) == [("rollback", f"{DB} A is not what it was before")]
    assert rolled_back(intent(back)) == [("rollback", f"{DB} is moved back, but not held")]
    both = rolled_back(intent(back, move(WEB, OTHER, record(WEB, "10.0.0.3"))))
    assert both == [
        ("rollback", f"{WEB} A is not what it was before"),
        ("rollback", f"{DB} is moved back, but not held"),
        ("rollback", f"{WEB} is moved back, but not held"),
    ]


def test_a_rollback_brings_back_each_type_of_a_name_and_no_other() -> None:
    holds, address = (hold_of(DB_ASKED),), RRset.of(DB, "AAAA", 60, ["fd00::1"])
    gone, new = (replace(move(DB, *sides), type="AAAA") for sides in ((address, None), (None, address)))
    back, both = move(DB, NEW, OLD), replace(EARLIER, changes=(*EARLIER.changes, gone))
    assert rolled_back(intent(back, new, holds=holds), both) == []
    wrong = [("rollback", f"{DB} AAAA is not what it was before")]
    assert rolled_back(intent(back, holds=holds), both) == wrong
    assert rolled_back(intent(back, new, holds=holds)) == wrong


def test_a_rollback_leaves_the_other_names_to_the_contracts() -> None:
    body = intent(move(DB, NEW, OLD), holds=(hold_of(DB_ASKED),), rollback_of=3)
    found = judged(managed(NEW), MOVED, body, taken_back=EARLIER)
    message = f"{WEB} A: the entry leaves nothing, the contracts ask for 10.0.0.9 (TTL 60)"
    assert found.problems == [Problem("plan-not-contract", AT, message)]


def test_a_hold_without_a_reason_is_named() -> None:
    holds = (hold_of(DB_ASKED),)
    assert judged(managed(NEW, OTHER), MOVED, intent(holds=holds)).problems == [
        Problem("held", AT, f"{DB} is held from here on, but was not moved back")
    ]
    other = (hold_of(contract(DB, "10.0.0.7")),)
    assert rolled_back(intent(move(DB, NEW, OLD), holds=other)) == [
        ("held", f"{DB} is held by another contract than the one at {COMMIT[:12]}")
    ]
    left = (Held(DB, PATHS[DB], "why"),)
    listed = Problem("held", AT, f"{DB} is listed as held, and nothing holds it")
    assert judged(managed(NEW, OTHER), MOVED, intent(held=left)) == AuditFindings(problems=[listed])
    unjudged = judged(managed(NEW, OTHER), replace(MOVED, own_authority=False), intent(held=left))
    assert unjudged == AuditFindings(inconclusive=[listed])
    assert rolled_back(intent(move(DB, NEW, OLD), holds=holds, held=left)) == []


# --- other entries


def test_contracts_that_ask_for_something_are_not_unchanged() -> None:
    def remarks(before: ManagedSet, commit: CommitFacts, *, restored: bool = False) -> AuditFindings:
        found = AuditFindings()
        found.add(check_unchanged(ENTRY, StateBefore.of(before, commit, lambda _: None), restored=restored))
        return found

    assert remarks(managed(NEW), facts(NEW)) == AuditFindings()
    assert remarks(managed(OLD), facts(NEW)) == AuditFindings([Problem("plan-not-contract", AT, NOT_ASKED)])
    gone = remarks(managed(NEW, OTHER), facts(NEW))
    assert [one.code for one in gone.problems] == ["plan-not-contract"]
    assert remarks(managed(OLD), facts(NEW), restored=True) == AuditFindings()
    undecided = facts(NEW, own_authority=False, undecided=frozenset({DB}))
    assert [one.code for one in remarks(managed(OLD), undecided).inconclusive] == ["plan-not-contract"]


def test_a_segment_holds_what_it_leaves_elsewhere_than_its_contract() -> None:
    own = intent(move(DB, NEW, OLD))

    def problems(*holds: Hold, intents: Sequence[Intent] = (own,), before: ManagedSet | None = None) -> list[Problem]:
        digests = (DIGESTS, DIGESTS)
        changes = tuple(each for body in intents for each in body.changes)
        imported = ImportedSegment((0, HASH), *digests, changes, None, (), (), START, holds, ())  # type: ignore[arg-type]
        entry = replace(ENTRY, body=Reconcile("s", 1, HASH, "", imported))
        return list(check_imported_holds(entry, imported, intents, before or managed(NEW, OTHER), MOVED))

    wrong = Problem(
        "held", AT, f"{DB}: its hold is not what follows from the segment and the contracts at {COMMIT[:12]}"
    )
    assert problems(hold_of(DB_ASKED)) == []
    assert problems() == [wrong]
    assert problems(hold_of(contract(DB, "10.0.0.7"))) == [wrong]
    assert problems(hold_of(DB_ASKED), intents=(intent(move(DB, OLD, NEW)),), before=managed(OLD)) == [wrong]


def test_a_target_is_not_free_while_caches_may_name_it() -> None:
    server = ServerReport("primary", "primary", "127.0.0.1:53", "converged", 0)
    body = intent(move(DB, record(DB, "10.0.0.1", 300), NEW), move(WEB, record(WEB, "10.0.0.8", 900), OTHER))
    stopped = START + timedelta(seconds=1)

    def problems(after: timedelta | None, ledger: Ledger, *servers: ServerReport) -> list[Problem]:
        due = Retirement(DB, None if after is None else stopped + after)
        result = Result(2, HASH, "applied", True, 1, DIGESTS, "computed", START, servers or (server,), (due,))
        return list(check_retirements(ZONE, ENTRY, result, body, ledger))

    assert problems(timedelta(seconds=300), Ledger()) == []
    assert problems(timedelta(seconds=299), Ledger()) == [
        Problem(
            "retirement",
            AT,
            f"caches may name the old target of {DB} until 2026-03-01T08:05:01Z, not 2026-03-01T08:05:00Z",
        )
    ]
    assert problems(None, Ledger()) == []
    longer = Ledger(remembered={DB: CacheMemory(stopped + timedelta(seconds=400)), WEB: CacheMemory(unseen=9000)})
    assert len(problems(timedelta(seconds=399), longer)) == 1
    assert problems(timedelta(seconds=400), longer) == []
    assert problems(timedelta(seconds=1), Ledger(), replace(server, after_ms=None)) == []
