"""What a break-glass command is about to do, step by step, and what it did."""

from collections.abc import Sequence

from hyops_gitops.core.apply.receipt import Receipt
from hyops_gitops.core.breakglass.reconciled import Reconciled
from hyops_gitops.core.evidence.log import Log
from hyops_gitops.core.moves.moves import Skipped
from hyops_gitops.core.plan.plan import Plan
from hyops_gitops.render.changes import change_line, counts, plan_lines
from hyops_gitops.render.findings import printable
from hyops_gitops.render.moves import moving_text
from hyops_gitops.render.reports import receipt_text


def steps_text(log: Log, plan: Plan, commit: str, primary: str, skipped: Sequence[Skipped]) -> str:
    """The steps ahead, before anybody is asked to confirm them."""
    segment, base = log.segment.id if log.segment else "", log.base.head.seq if log.base else 0
    begins = not log.entries
    lines = [
        f"break-glass on {plan.zone}: contracts of {commit[:12]}, log as known up to entry {base}; nothing is fetched",
        *plan_lines(plan),
        *(f"{one.name}: stays: {printable(one.reason)}" for one in skipped),
        f"1. the intent becomes entry {len(log.entries) + 1} of segments/{segment}/, signed by your own key",
        f"2. one PATCH to {primary}: {counts(plan.changes)}, and the anchor names the segment, on every server",
    ]
    if begins:
        lines.append("   it also closes the log's next numbers to appliers that may be asleep behind the dead forge")
    lines += [
        "3. every server is asked by DNS until it serves the change; the result becomes the next entry",
        f"4. from then on every apply refuses, until: hyops-gitops reconcile segments/{segment}, in a clone",
    ]
    return "\n".join(lines)


def broken_text(receipt: Receipt, segment: str, entries: int, folder: str) -> str:
    """What it came to, and what is still to be done."""
    lines = [receipt_text(receipt)]
    if entries:
        lines += [
            f"segment {segment} has {entries} entries in {printable(folder)}/segments/{segment}; keep it",
            f"when the forge is back, in a clone: hyops-gitops reconcile {printable(folder)}/segments/{segment} --pr",
            "until then every apply refuses",
        ]
    return "\n".join(lines)


def reconciled_text(done: Reconciled) -> str:
    """What came into the log, and who has to do what next."""
    how = "brought in by" if done.written else "in the log since"
    lines = [f"segment {done.segment} by {', '.join(done.operators)}: {how} entry {done.seq}"]
    lines += map(change_line, done.changes)
    lines += [f"{name}: stays as the segment left it, until its contract changes" for name in done.holds]
    if done.moving is not None:
        lines.append(moving_text(done.moving))
    elif done.holds:
        lines.append(f"to adopt it: hyops-gitops reconcile {done.segment} --pr (--revert: to have it go back)")
    if done.reviewed_by:
        lines.append(f"reviewed by {done.reviewed_by}")
    if done.pending is not None:
        lines += [done.pending.message, f"  {done.pending.hint}"]
    lines.append(f"log head {done.head[0]}:{done.head[1]}")
    return "\n".join(lines)
