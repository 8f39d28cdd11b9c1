"""Changes, drift and refusals as lines for people."""

from collections.abc import Iterable, Iterator

from hyops_gitops.core.fields import time_text
from hyops_gitops.core.findings import printable
from hyops_gitops.core.names import canonical_name
from hyops_gitops.core.readiness import ReadinessReport
from hyops_gitops.core.table import Block, Cell, Tone, table
from hyops_gitops.core.zone import RRset
from hyops_gitops.plan.plan import Action, Change, Plan

_SIGNS = {
    Action.CREATE: "+",
    Action.REPLACE: "~",
    Action.DELETE: "-",
    Action.ADOPT: "=",
    Action.FORGET: "x",
}


def plan_lines(plan: Plan) -> Iterator[str]:
    """Everything a plan says, changes first, refusals last."""
    yield from (change_line(change, there=change.key in plan.observed.rrsets) for change in plan.changes)
    yield from (remark.text for remark in _remarks(plan))


def plan_blocks(plan: Plan) -> Iterator[Block]:
    """What `plan_lines` says, with the changes as a table."""
    rows = (_change_row(change, there=change.key in plan.observed.rrsets) for change in plan.changes)
    yield from table(("change", "name", "type", "from", "to", "ttl"), rows)
    yield from _remarks(plan)


def _remarks(plan: Plan) -> Iterator[Cell]:
    for drift in plan.drift:
        yield Cell(
            f"! {drift.name} {drift.type}: drift, left alone: applied {rrset_text(drift.recorded)}, "
            f"live {printable(rrset_text(drift.observed))}",
            "doubtful",
        )
    for held in plan.held:
        yield Cell(f"| {held.name}: held as it was applied last: {printable(held.reason)}", "doubtful")
    for note in plan.notes:
        yield Cell(f"note: {note.name}: {printable(note.message)}")
    for refusal in plan.refusals:
        yield Cell(f"refused ({refusal.guard}): {printable(refusal.message)}", "bad")
        if refusal.hint:
            yield Cell(f"  hint: {refusal.hint}")


def change_line(change: Change, *, there: bool = False) -> str:
    """`~ postgres.prod.hyops.internal A 10.12.0.31 -> 10.72.16.24 (TTL 30) cutover`.

    `there`: whether the zone has records of that name and type.
    """
    cutover = " cutover" if change.cutover else ""
    return f"{_SIGNS[change.action]} {change.name} {change.type} {printable(_way(change, there=there))}{cutover}"


def _way(change: Change, *, there: bool) -> str:
    match change.action:
        case Action.CREATE:
            return rrset_text(change.after)
        case Action.ADOPT:
            return f"{rrset_text(change.after)} already as wanted: adopted"
        case Action.DELETE:
            return rrset_text(change.before)
        case Action.FORGET:
            return "stays unseen below a cut: forgotten" if there else "is gone already: forgotten"
        case Action.REPLACE:
            return f"{_targets(change.before)} -> {_targets(change.after)} ({_ttls(change.before, change.after)})"


def _change_row(change: Change, *, there: bool) -> tuple[str | Cell, ...]:
    tones: dict[Action, Tone] = {Action.CREATE: "good", Action.REPLACE: "doubtful", Action.DELETE: "bad"}
    action = Cell(
        f"{_SIGNS[change.action]} {'cutover' if change.cutover else change.action.value}",
        tones.get(change.action, "plain"),
    )
    before, after = (_targets(rrset) if rrset else "" for rrset in (change.before, change.after))
    match change.action:
        case Action.ADOPT:
            after += ", there already"
        case Action.FORGET:
            after = "stays unseen" if there else "gone already"
    ttl = _ttls(change.before or change.after, change.after or change.before).removeprefix("TTL ")
    return action, change.name, change.type, before, after, ttl


def counts(changes: Iterable[Change]) -> str:
    """`2 to create, 1 to replace`, or `nothing to change`."""
    words = {
        Action.CREATE: "to create",
        Action.REPLACE: "to replace",
        Action.DELETE: "to delete",
        Action.ADOPT: "to adopt",
        Action.FORGET: "to forget",
    }
    tally: dict[Action, int] = {}
    for change in changes:
        tally[change.action] = tally.get(change.action, 0) + 1
    return ", ".join(f"{tally[action]} {word}" for action, word in words.items() if action in tally) or (
        "nothing to change"
    )


def rrset_text(rrset: RRset | None) -> str:
    """`10.72.16.24 (TTL 30)`."""
    return "nothing" if rrset is None else f"{_targets(rrset)} (TTL {rrset.ttl})"


def _targets(rrset: RRset | None) -> str:
    if rrset is None:
        return "nothing"
    return " ".join(map(canonical_name, rrset.rdata)) or "nothing served"


def _ttls(before: RRset | None, after: RRset | None) -> str:
    old, new = before.ttl if before else None, after.ttl if after else None
    return f"TTL {new}" if old == new else f"TTL {old} -> {new}"


def readiness_line(report: ReadinessReport) -> str:
    """`ready: pg.prod.hyops.internal at 10.72.16.24: tcp 10.72.16.24:5432 accepts connections`."""
    verdict = report.verdict.replace("-", " ")
    if report.attested is not None:
        verdict = f"ready (attested by its publisher at {time_text(report.attested)}; probes inconclusive)"
    why = "; ".join(map(str, report.probes)) or report.reason
    return f"{verdict}: {report.name} at {' '.join(map(printable, report.target))}: {printable(why)}"
