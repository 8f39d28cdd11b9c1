"""Text output of break-glass, reconcile, restore and repair."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from hyops_gitops.apply.receipt import Receipt
from hyops_gitops.apply.text import receipt_text, server_line
from hyops_gitops.core.damage import CAUSE, SETTINGS
from hyops_gitops.core.exchange import NO_ANSWER
from hyops_gitops.core.findings import printable
from hyops_gitops.core.text import counted
from hyops_gitops.core.zone import in_words
from hyops_gitops.log.log import Log
from hyops_gitops.log.repairing import RowRepair
from hyops_gitops.move.moves import SkippedEndpoint
from hyops_gitops.move.text import move_text
from hyops_gitops.plan.plan import Plan
from hyops_gitops.plan.text import change_line, counts, plan_lines

if TYPE_CHECKING:  # each command needs one of them
    from hyops_gitops.recover.reconcile import ReconcileResult
    from hyops_gitops.recover.repair import RepairResult
    from hyops_gitops.recover.restore import RestorePlan
    from hyops_gitops.recover.restore_write import RestoreResult


def steps_text(log: Log, plan: Plan, commit: str, primary: str, skipped: Sequence[SkippedEndpoint]) -> str:
    """The steps of a break-glass command, for its confirmation."""
    segment, base = log.segment.id if log.segment else "", log.base.head.seq if log.base else 0
    begins = not log.entries
    lines = [
        f"break-glass on {plan.zone}: contracts of {commit[:12]}, log as known up to entry {base}; nothing is fetched",
        *plan_lines(plan),
        *(f"{endpoint.name}: stays: {printable(endpoint.reason)}" for endpoint in skipped),
        f"1. the intent becomes entry {len(log.entries) + 1} of segments/{segment}/, signed by your own key",
        f"2. one PATCH to {primary}: {counts(plan.changes)}, and the anchor names the segment, on every server",
    ]
    if begins:
        lines.append("   it also closes the log's next numbers to appliers that may still hold an older plan")
    lines += [
        "3. every server is asked by DNS until it serves the change; the result becomes the next entry",
        f"4. from then on every apply refuses, until: hyops-gitops reconcile segments/{segment}, in a clone",
    ]
    return "\n".join(lines)


def breakglass_text(receipt: Receipt, segment: str, entries: int, folder: str) -> str:
    """The receipt, and the steps still to take."""
    lines = [receipt_text(receipt)]
    if entries:
        lines += [
            f"segment {segment} has {entries} entries in {printable(folder)}/segments/{segment}; keep it",
            f"with the log back, in a clone: hyops-gitops reconcile {printable(folder)}/segments/{segment} --pr",
            "until then every apply refuses",
        ]
    return "\n".join(lines)


def reconciled_text(done: "ReconcileResult") -> str:
    """The segment in the log, and the next steps."""
    how = "imported by" if done.written else "in the log since"
    lines = [f"segment {done.segment} by {', '.join(done.operators)}: {how} entry {done.seq}"]
    lines += map(change_line, done.changes)
    lines += [f"{name}: stays as the segment left it, until its contract changes" for name in done.holds]
    if done.commit is not None:
        lines.append(move_text(done.commit))
    elif done.holds:
        lines.append(
            f"next: hyops-gitops reconcile {done.segment} --pr changes the contracts to match; --revert undoes it"
        )
    if done.reviewed_by:
        lines.append(f"reviewed by {done.reviewed_by}")
    if done.pending is not None:
        lines += [done.pending.message, f"  {done.pending.hint}"]
    lines.append(f"log head {done.head}")
    return "\n".join(lines)


_SHOWN = 20


def restore_plan_text(plan: "RestorePlan") -> str:
    """The zone to bring back, and the zone that it replaces."""
    restore = plan.restore
    there = "the primary has no such zone" if restore.created else f"the primary serves serial {plan.serial_before}"
    lines = [f"restore {plan.zone}: {plan.records} records, as entry {restore.from_seq} left them; {there}"]
    for difference in restore.differences[:_SHOWN]:
        now = " ".join(difference.observed.rdata) if difference.observed else "nothing"
        then = " ".join(difference.recorded.rdata) if difference.recorded else "nothing"
        sign = "+" if difference.observed is None else "-" if difference.recorded is None else "~"
        lines.append(f"{sign} {printable(f'{difference.name} {difference.type}: {now} -> {then}')}")
    if (more := len(restore.differences) - _SHOWN) > 0:
        lines.append(f"and {more} more RRsets")
    lines += [
        f"secondary {name}: {plan.troubles.get(name, NO_ANSWER) if serial is None else f'serial {serial}'}"
        for name, serial in restore.serials
    ]
    lines.append(f"new serial {restore.serial}, above every known serial")
    if plan.troubles:
        lines.append(f"unknown serial: {', '.join(plan.troubles)}; run `hyops-gitops status` when it answers again")
    return "\n".join(lines)


def restored_text(done: "RestoreResult") -> str:
    lines = list(map(server_line, done.servers))
    match done.outcome:
        case "restored":
            digest = done.plan.zone_sha256 if done.plan else ""
            lines.append(f"restored {done.zone}: serial {done.serial_after}, zone sha256:{digest} as recorded")
        case "nothing":
            lines.append(f"nothing to do: the primary serves {done.zone} as the log left it")
        case "unconfirmed" | "failed":
            lines.append(_failure_line(done))
    return "\n".join([*lines, f"log head {done.head}"])


def _failure_line(done: "RestoreResult | RepairResult") -> str:
    start = "not confirmed" if done.outcome == "unconfirmed" else "failed, nothing was changed"
    return f"{start}: {printable(done.reason)}"


def repair_plan_text(zone: str, repairs: Iterable[RowRepair]) -> str:
    """Each damaged name: rows that stay and go, and why."""
    lines = [line for repair in repairs for line in _repair_lines(repair)]
    return "\n".join([f"rows of {zone} that contradict each other, left by {CAUSE}:", *lines])


def repaired_text(done: "RepairResult") -> str:
    lines = list(map(server_line, done.servers))
    count = sum(repair.possible for repair in done.names)
    names = counted(count, "name")
    match done.outcome:
        case "mended":  # verbatim: hyops-repair/1
            lines.append(f"repaired {names} of {done.zone}; serial {done.serial_after}")
        case "nothing":
            lines.append(f"nothing to do: no rows of {done.zone} contradict each other")
        case "left":
            left = ", ".join(repair.name for repair in done.names if not repair.possible)
            lines.append(f"repaired {names} of {done.zone}; left as they are: {left}")
        case "unconfirmed" | "failed":
            lines.append(_failure_line(done))
    if done.names:
        lines.append(f"prevent it: {SETTINGS}")
    return "\n".join([*lines, f"log head {done.head}"])


def _repair_lines(repair: RowRepair) -> Iterator[str]:
    for damage in repair.damage:
        yield f"{damage.kind.value}: {printable(damage.message)}"
    if not repair.possible:
        yield f"  left   {printable(repair.why)}"
        return
    yield from (f"  stays  {printable(rrset.type)} {printable(in_words(rrset))}" for rrset in repair.stays)
    yield from (f"  goes   {printable(rrset.type)} {printable(in_words(rrset))}" for rrset in repair.goes)
    yield f"  why    {printable(repair.why)}"
