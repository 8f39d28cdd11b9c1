"""The entries that apply, settlement, restore and repair write."""

from collections.abc import Sequence
from dataclasses import replace

from hyops_gitops.apply.opening import ApplyBase
from hyops_gitops.core.errors import Refused
from hyops_gitops.core.guards import Override
from hyops_gitops.core.people import MergedCommit
from hyops_gitops.core.text import masked
from hyops_gitops.log.entries import Intent, Refusal, Result, ResultOutcome
from hyops_gitops.log.envelope import Entry, EntryRef
from hyops_gitops.log.log import Log
from hyops_gitops.log.parts import RecordedRefusal, ZoneDigests
from hyops_gitops.plan.plan import Change, GuardRefusal


def head_of(log: Log) -> EntryRef:
    """The log's newest entry."""
    return EntryRef(log.head.seq, log.head.sha256)


def result_of(entry: Entry, outcome: ResultOutcome, after: ZoneDigests, reason: str = "") -> Result:
    """The result of an intent by its outcome; `replace` adds more."""
    if not isinstance(entry.body, Intent):
        raise TypeError(f"entry {entry.seq} is of type {entry.type}, expected an intent")
    return Result(
        intent_seq=entry.seq,
        intent_sha256=entry.sha256,
        outcome=outcome,
        converged=False,
        serial_before=entry.body.before.serial,
        after=after,
        after_source="computed",
        accepted=None,
        servers=(),
        retire=(),
        reason=masked(reason),
    )


def recorded_refusal(refusal: Refused | GuardRefusal) -> RecordedRefusal:
    """A refusal in the form of the log."""
    return RecordedRefusal(refusal.guard, refusal.name, masked(refusal.message))


def recorded_overrides(overrides: Sequence[Override]) -> tuple[Override, ...]:
    """Overrides fit for the log: reasons cut, without secrets and addresses."""
    return tuple(replace(override, reason=masked(override.reason)) for override in overrides)


def record_refusal(
    opened: ApplyBase,
    merged: tuple[MergedCommit, ...],
    refusals: tuple[RecordedRefusal, ...],
    changes: tuple[Change, ...],
    overrides: Sequence[Override],
) -> Log:
    """Append a refusal, unless the newest since the last result is equal."""
    log = opened.log
    given = recorded_overrides(overrides)
    body = Refusal(opened.contracts, opened.authority_ref, merged, refusals, changes, given)
    last = log.entries[log.ledger.refusal - 1].body if log.ledger.refusal else None
    if isinstance(last, Refusal) and last.to_json() == body.to_json():
        return log
    return opened.writer.append(log, body, log.observed, log.state)
