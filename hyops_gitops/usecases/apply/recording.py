"""What goes into the log beside intents and results: refusals, and what has to be said ahead of an intent."""

from collections.abc import Sequence
from dataclasses import replace

from hyops_gitops.core.errors import Refused
from hyops_gitops.core.evidence.entries import Refusal, Result, Unchanged
from hyops_gitops.core.evidence.entry_parts import MergedCommit, RecordedRefusal
from hyops_gitops.core.evidence.log import Log
from hyops_gitops.core.guards import Override
from hyops_gitops.core.masking import masked
from hyops_gitops.core.plan.plan import Change
from hyops_gitops.core.plan.plan import Refusal as PlanRefusal
from hyops_gitops.usecases.apply.opening import Opened
from hyops_gitops.usecases.apply.preparation import Prepared


def record_refusal(
    opened: Opened,
    merged: tuple[MergedCommit, ...],
    refusals: tuple[RecordedRefusal, ...],
    changes: tuple[Change, ...],
    overrides: Sequence[Override],
) -> Log:
    """Refusals are evidence too; the same one, with nothing applied since, is not written again."""
    log = opened.log
    given = recorded_overrides(overrides)
    body = Refusal(opened.contracts, opened.authority_ref, merged, refusals, changes, given)
    for entry in reversed(log.entries):
        if isinstance(entry.body, Result | Unchanged):
            break
        if isinstance(entry.body, Refusal):
            if entry.body.to_json() == body.to_json():
                return log
            break
    return opened.writer.append(log, body, log.observed, log.state)


def record_circumstances(prepared: Prepared) -> Log:
    """What has to be in the log ahead of what is done: missing entries, a changed authority, drift."""
    log, writer = prepared.opened.log, prepared.opened.writer
    if prepared.gap is not None:
        log = writer.append(log, prepared.gap, log.observed, log.state)
    change = prepared.authority_change
    if change is not None and all(entry.body != change for entry in log.entries.of_types("authority")):
        log = writer.append(log, change, log.observed, log.state)
    if prepared.drift is not None:
        log = writer.append(log, prepared.drift, prepared.plan.observed, log.state)
    return log


def recorded_refusal(refusal: Refused | PlanRefusal) -> RecordedRefusal:
    """A refusal as the log says it."""
    return RecordedRefusal(refusal.guard, refusal.name, masked(refusal.message))


def recorded_overrides(overrides: Sequence[Override]) -> tuple[Override, ...]:
    """Overrides fit for the log: each reason cut, and without secrets and addresses."""
    return tuple(replace(one, reason=masked(one.reason)) for one in overrides)
