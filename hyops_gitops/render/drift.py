"""Drift as text."""

from collections.abc import Iterator

from hyops_gitops.core.inspection.drift import Difference, DriftCase, DriftReport
from hyops_gitops.core.zone import RRset
from hyops_gitops.render.findings import printable

_SHOWN = 20


def drift_text(report: DriftReport) -> str:
    """A block for each case, then what was done and what could not be seen."""
    lines = [line for case in report.cases for line in _case(case)]
    if report.retransferred:
        lines.append(f"secondary {report.retransferred} was brought up to date and holds what it should")
    if report.recorded_seq:
        lines.append(f"recorded as entry {report.recorded_seq}")
    lines += [f"not seen: {printable(reason)}" for reason in report.unseen]
    return "\n".join([*lines, _summary(report)])


def _summary(report: DriftReport) -> str:
    drift = sum(case.counts for case in report.cases)
    notes = len(report.cases) - drift
    said = f"{drift} {'case' if drift == 1 else 'cases'} of drift" if drift else "no drift"
    noted = f", {notes} {'note' if notes == 1 else 'notes'}" if notes else ""
    seen = ", ".join(f"{view.where} by {view.source}" for view in report.views) or "nobody"
    return f"{report.zone}: {said}{noted}; looked at {seen}, against entry {report.seq}"


def _case(case: DriftCase) -> Iterator[str]:
    yield f"{case.kind.value if case.counts else f'note, {case.kind.value}'}: {printable(case.message)}"
    expected, found = case.sides
    for one in case.differences[:_SHOWN]:
        yield from _difference(one, expected, found)
    if len(case.differences) > _SHOWN:
        yield f"  and {len(case.differences) - _SHOWN} more"
    if case.owner:
        yield f"  owner: {printable(case.owner)}"
    yield f"  hint: {printable(case.hint)}"


def _difference(one: Difference, expected: str, found: str) -> Iterator[str]:
    width = max(len(expected), len(found))
    yield f"  {one.name} {one.type}"
    yield f"    {expected:<{width}}  {_records(one.expected)}"
    yield f"    {found:<{width}}  {_records(one.found)}"


def _records(rrset: RRset | None) -> str:
    return "nothing" if rrset is None else f"{' '.join(map(printable, rrset.rdata))} (TTL {rrset.ttl})"
