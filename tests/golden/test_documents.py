"""Plans, receipts and errors for machines, from fixed values; `message`, `hint` and `reason` are words and masked."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import get_args

import pytest

from hyops_gitops.apply.receipt import Outcome, Receipt, RollBack
from hyops_gitops.core import errors
from hyops_gitops.core.errors import HyopsError, OutsideFailure, Refused, UsageError
from hyops_gitops.core.readiness import ReadinessReport
from hyops_gitops.log.envelope import EntryRef
from hyops_gitops.log.timeline import Moment, ServiceReport
from hyops_gitops.plan.limits import Limits, Proposal
from hyops_gitops.plan.plan import GuardRefusal, Held, Note, Plan
from tests.golden import values
from tests.golden.test_bytes import kept

WORDS = ("message", "hint", "reason", "said")
NOTHING = Plan(values.ZONE, values.ZONE_BEFORE, values.STATE, ())
LIMITS = Limits(10, 3, 50, 10, "warn", frozenset({"drift", "foreign"}))
PLAN = Plan(
    values.ZONE,
    values.ZONE_BEFORE,
    values.STATE,
    values.CHANGES,
    values.DRIFTS,
    (Held(values.SECOND, "endpoints/prod/redis.yaml", "held since entry 3"),),
    (GuardRefusal("drift", values.NAME, "approved A, live is B", "look"),),
    (Note(values.NAME, "hides a wildcard"),),
    7,
)


def masked(value: object) -> object:
    """The document with the words of its program taken out."""
    if isinstance(value, Mapping):
        return {name: "..." if name in WORDS and item else masked(item) for name, item in value.items()}
    return [masked(item) for item in value] if isinstance(value, list) else value


def document(value: object) -> bytes:
    """A document as it is kept: its words masked, its keys in the order in which they are written."""
    return f"{json.dumps(masked(value), indent=1)}\n".encode()


def proposals() -> Iterator[tuple[str, Proposal]]:
    yield "plan-bare", Proposal(NOTHING, values.COMMIT, False, "evidence", None, None, LIMITS)
    yield (
        "plan",
        Proposal(
            PLAN, values.COMMIT, True, "live", 2026030100, 9, LIMITS, values.OVERRIDES, ("a segment",), values.HEAD
        ),
    )


def receipts() -> Iterator[tuple[str, Receipt]]:
    for outcome in get_args(Outcome):
        yield (
            f"receipt-{outcome}",
            Receipt(outcome, values.COMMIT, NOTHING),
        )
    service = ServiceReport(ReadinessReport(values.NAME, ("10.72.16.24",), "ready", (values.PROBE,)), 111)
    ref = EntryRef(9, values.sha("9"))
    yield (
        "receipt",
        Receipt(
            "rolled-back",
            values.COMMIT,
            PLAN,
            "it did not answer",
            values.READINESS,
            2026030100,
            2026030101,
            ref,
            ref,
            ref,
            values.SERVERS,
            (service,),
            values.RETIRE,
            (Moment(0, "accepted", "", "update accepted"),),
            RollBack((values.NAME,), "applied", "it did not answer", ref, None, values.SERVERS[:1], (service,)),
            values.SERVERS[:1],
            timings_ms={"prepare": 5, "intent": 7},
        ),
    )


@pytest.mark.parametrize(("name", "proposal"), list(proposals()), ids=[name for name, _ in proposals()])
def test_a_plan_is_written_as_it_was(name: str, proposal: Proposal) -> None:
    written = document(proposal.to_json())
    assert written == kept(f"documents/{name}.json", written)


@pytest.mark.parametrize(("name", "receipt"), list(receipts()), ids=[name for name, _ in receipts()])
def test_a_receipt_is_written_as_it_was(name: str, receipt: Receipt) -> None:
    written = document(receipt.to_json())
    assert written == kept(f"documents/{name}.json", written)


def test_errors_are_written_as_they_were() -> None:
    raised: list[HyopsError] = [
        UsageError("no such site", code="unknown-site", hint="look"),
        OutsideFailure("no answer", code="powerdns-timeout"),
        Refused("not ready", guard="readiness", hint="wait"),
    ]
    written = document([error.to_json() for error in raised])
    assert written == kept("documents/errors.json", written)


def test_exit_codes_are_what_they_were() -> None:
    written = document({code.name: int(code) for code in errors.Exit})
    assert written == kept("documents/exit-codes.json", written)


def test_only_words_are_masked() -> None:
    moment = datetime(2026, 3, 1, tzinfo=UTC).isoformat()
    assert masked({"reason": "x", "at": moment, "list": [{"hint": ""}]}) == {
        "reason": "...",
        "at": moment,
        "list": [{"hint": ""}],
    }
