"""A contract that was valid when it was applied and no longer is: held, while the others go on."""

import pytest

from hyops_gitops.apply.propose import LastRecordedTree, PlanBase, about_zone, propose, sort_findings
from hyops_gitops.core.guards import Override
from hyops_gitops.core.managed import ManagedRRset, ManagedSet
from hyops_gitops.core.tree import Contents
from hyops_gitops.core.zone import Zone
from hyops_gitops.validate.validation import MemoryTree, Validation
from tests.support.contracts import AUTHORITY, MINIMAL, contract_text, validated
from tests.support.strategies import NO_LIMITS

ZONE = "hyops.internal"
DB, WEB = "endpoints/prod/db.yaml", "endpoints/prod/web.yaml"
THEN = {DB: contract_text(f"db.prod.{ZONE}", "192.0.2.1"), WEB: contract_text(f"web.prod.{ZONE}", "10.0.0.1")}
TIGHTER = MINIMAL + b"policy: {target_networks: [10.0.0.0/8]}\n"


@pytest.fixture
def past() -> LastRecordedTree:
    tree = MemoryTree({path: text.encode() for path, text in THEN.items()} | {AUTHORITY: MINIMAL})
    return LastRecordedTree(Contents(tree), None, frozenset(), frozenset())


def recorded(then: Validation) -> ManagedSet:
    return ManagedSet.of(ZONE, (ManagedRRset(rrset, one.path) for one in then.contracts for rrset in one.rrsets()))


def test_a_finding_in_a_file_that_did_not_change_holds_its_record_and_stops_nothing_else(
    past: LastRecordedTree,
) -> None:
    managed = recorded(validated(THEN))
    now = validated({**THEN, WEB: contract_text(f"web.prod.{ZONE}", "10.0.0.2")}, TIGHTER)
    found = sort_findings(now, past)
    zone = Zone.of(ZONE, (entry.rrset for entry in managed.entries.values()))
    plan = propose(now, NO_LIMITS, PlanBase(managed, zone), held=found.held, past=past)
    assert (found.blocking, list(found.held)) == ((), [DB])
    assert found.held[DB].startswith("target-network: 192.0.2.1")
    assert [change.name for change in plan.changes] == [f"web.prod.{ZONE}"]


def test_a_finding_in_a_file_that_changed_stops(past: LastRecordedTree) -> None:
    now = validated({**THEN, DB: contract_text(f"db.prod.{ZONE}", "192.0.2.2")}, TIGHTER)
    found = sort_findings(now, past)
    assert ([one.path for one in found.blocking], found.held) == ([DB], {})


def test_before_anything_was_applied_every_finding_stops() -> None:
    found = sort_findings(validated(THEN, TIGHTER), None)
    assert ([one.rule for one in found.blocking], found.held) == (["target-network"], {})


def test_an_override_for_a_name_of_another_zone_is_not_recorded_here() -> None:
    targets = ("max-deletes", "drift:db.prod.corp.example", "drift:db.prod.eu.corp.example", "drift:db.elsewhere")
    given = [Override.parse(f"{target}=seen") for target in targets]

    kept = about_zone(given, "corp.example", ["eu.corp.example"])

    assert [override.target for override in kept] == ["max-deletes", "drift:db.prod.corp.example", "drift:db.elsewhere"]
