"""Guard `readiness`: which new targets stop an apply, and which are only spoken of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hyops_gitops.core.contract import Contract
from hyops_gitops.core.guards import Override
from hyops_gitops.core.json_fields import time_text
from hyops_gitops.core.readiness import Candidate, ReadinessReport
from hyops_gitops.plan.limits import Limits
from hyops_gitops.plan.plan import Change, Note, Plan, Refusal

_GUARD = "readiness"
_CLOCKS_APART = timedelta(minutes=5)


def candidates(changes: Iterable[Change], contracts: Mapping[str, Contract]) -> tuple[Candidate, ...]:
    """The targets that endpoints move to, by contract path."""
    moving = {change.contract for change in changes if change.cutover and change.after is not None and change.writes}
    return tuple(Candidate.of(contracts[path]) for path in sorted(moving) if path in contracts)


def attested(report: ReadinessReport, said: datetime | None, minutes: int, now: datetime) -> ReadinessReport:
    """The report, with its publisher's word where that is recent enough to stand for an unknown readiness.

    Args:
        report: What probes said.
        said: When the publisher said that the target is ready.
        minutes: How old that may be; 0: it never counts.
        now: The time of this run.
    """
    if report.verdict != "unknown" or said is None or not minutes:
        return report
    fresh = now - timedelta(minutes=minutes) <= said <= now + _CLOCKS_APART
    return replace(report, attested=said) if fresh else report


def guarded(plan: Plan, reports: Iterable[ReadinessReport], limits: Limits, overrides: Sequence[Override]) -> Plan:
    """The plan with what these reports mean for it."""
    refusals: list[Refusal] = []
    notes: list[Note] = []
    for report in reports:
        if report.verdict == "ready":
            continue
        if _passes(report, limits) or limits.lifted(_GUARD, report.name, overrides):
            notes.append(Note(report.name, _said(report)))
        else:
            refusals.append(limits.honest(Refusal.overridable(_GUARD, report.name, _said(report))))
    return replace(plan, refusals=(*plan.refusals, *refusals), notes=(*plan.notes, *notes))


def _passes(report: ReadinessReport, limits: Limits) -> bool:
    if report.verdict == "unknown":
        return report.attested is not None or limits.readiness_unknown == "warn"
    return report.verdict == "not-probed"


def _said(report: ReadinessReport) -> str:
    name, target = report.name, " ".join(report.target)
    match report.verdict:
        case "not-probed":
            return f"its new target {target} is not probed: {report.reason}"
        case "unknown" if report.attested is not None:
            word = f"its publisher said so at {time_text(report.attested)}"
            return f"taken for ready at {target}, as {word}; probes cannot tell: {report.why}"
        case "unknown":
            return f"whether {name} is ready at {target} is not known: {report.why}"
        case _:
            return f"{name} is not ready at {target}: {report.why}"
