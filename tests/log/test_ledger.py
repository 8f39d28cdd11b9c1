"""The ledger: continued from any place it is what it is from the first entry on, and says what the entries say."""

import json
from dataclasses import replace

import pytest

from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.server_report import ServerReport
from hyops_gitops.log.admin_entries import Compromised, Gap, TrustChange
from hyops_gitops.log.envelope import EntryList
from hyops_gitops.log.ledger import Ledger
from hyops_gitops.log.parts import Retirement
from tests.log.test_verify_log import TRUST_BOB, UNCHANGED, long_log
from tests.support.paper import ADA, BOB, COMMIT, MAIN, START, ZONE, Paper, change


def fold(log: Paper) -> Ledger:
    return Ledger().after(log.entries)


def stored(ledger: Ledger) -> Ledger:
    return Ledger.from_json(json.loads(json.dumps(ledger.to_json())))


@pytest.mark.parametrize("known", range(1, 14))
def test_a_stored_ledger_is_continued(known: int) -> None:
    log = long_log()
    first = Ledger().after(EntryList(log.entries.blobs(known)))
    assert stored(first) == first
    assert stored(first).after(log.entries) == fold(log)


def test_what_is_open_applied_and_recorded() -> None:
    log = Paper.started()
    assert (fold(log).open_intent, fold(log).applied, fold(log).has_baseline) == (None, None, False)
    log.intend(change("a", None, "10.0.0.1"))
    assert (fold(log).open_intent, fold(log).has_baseline) == (2, True)
    log.finish()
    ledger = fold(log)
    assert (ledger.open_intent, ledger.applied, ledger.recorded, ledger.left_by) == (None, (2, 3), 2, 3)
    assert ledger.anchor is not None
    assert (ledger.anchor.seq, ledger.anchor.sha256) == (2, log.entries[1].sha256)
    log.intend(change("a", "10.0.0.1", "10.0.0.2")).finish(outcome="failed").add(UNCHANGED)
    ledger = fold(log)
    assert (ledger.open_intent, ledger.applied, ledger.recorded, ledger.reports) == (None, (2, 3), 6, ())
    report = ServerReport("secondary", "ns1", "127.0.0.1:53", "converged", 5)
    assert fold(log.add(replace(UNCHANGED, caught_up=(report,)))).reports == (7,)
    assert fold(log.intend(change("b", None, "10.0.0.3")).finish()).reports == ()


def test_a_name_waits_until_its_retirement_is_known() -> None:
    name = f"a.{ZONE}"
    log = Paper.started().intend(change("a", None, "10.0.0.1")).finish()
    log.intend(change("a", "10.0.0.1", "10.0.0.2")).finish(retire=(Retirement(name, None, "silent"),))
    assert fold(log).retiring == {name: (5, 5)}
    log.intend(change("a", "10.0.0.2", "10.0.0.3")).finish(retire=(Retirement(name, START),))
    assert fold(log).retiring == {}


def test_what_a_stolen_key_signed_is_in_doubt_wherever_the_fold_was_continued() -> None:
    log = Paper.started().add(TRUST_BOB).add(UNCHANGED).add(UNCHANGED, by="bob", key=BOB).add(UNCHANGED)
    stolen = TrustChange(COMMIT, (), (), (Compromised(ADA, 2),), "stolen")
    log.add(stolen, by="bob", key=BOB).add(Gap("looked", acknowledges=3), by="bob", key=BOB)
    assert fold(log).doubtful == (3, 5)
    assert fold(log).gaps == (7,)
    assert fold(log.add(UNCHANGED, key=ADA, namespace=MAIN)).doubtful == (3, 5, 8)


@pytest.mark.parametrize(
    "damage",
    [
        {"version": 0},
        {"count": 0},
        {"open_intent": 99},
        {"applied": [1]},
        {"anchor": {}},
        {"trust": "x"},
        {"retiring": []},
        {"damage": 7},
        {"stolen": {"k": None}},
    ],
)
def test_what_is_no_stored_ledger_is_refused(damage: dict[str, object]) -> None:
    values: list[object] = [None, [], {}, {**fold(long_log()).to_json(), **damage}]
    for value in values:
        with pytest.raises(InvalidData):
            Ledger.from_json(value)
