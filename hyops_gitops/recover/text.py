"""What a break-glass command is about to do, step by step, and what it did."""

from collections.abc import Iterable, Iterator, Sequence

from hyops_gitops.apply.receipt import Receipt
from hyops_gitops.apply.text import receipt_text, server_line
from hyops_gitops.core.damage import CAUSE, SETTINGS
from hyops_gitops.core.exchange import NO_ANSWER
from hyops_gitops.core.findings import printable
from hyops_gitops.core.text import counted
from hyops_gitops.core.zone import in_words
from hyops_gitops.log.log import Log
from hyops_gitops.log.repairing import Mend, RepairResult
from hyops_gitops.move.moves import SkippedEndpoint
from hyops_gitops.move.text import moving_text
from hyops_gitops.plan.plan import Plan
from hyops_gitops.plan.text import change_line, counts, plan_lines
from hyops_gitops.recover.reconcile import ReconcileResult
from hyops_gitops.recover.restore import RestorePlan, RestoreResult


def steps_text(log: Log, plan: Plan, commit: str, primary: str, skipped: Sequence[SkippedEndpoint]) -> str:
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


def reconciled_text(done: ReconcileResult) -> str:
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


_SHOWN = 20


def restore_plan_text(plan: RestorePlan) -> str:
    """What would come back, and over what."""
    restore = plan.restore
    there = "the primary has no such zone" if restore.created else f"the primary serves serial {plan.serial_before}"
    lines = [f"restore {plan.zone}: {plan.records} records, as entry {restore.from_seq} left them; {there}"]
    for one in restore.differences[:_SHOWN]:
        now = " ".join(one.observed.rdata) if one.observed else "nothing"
        then = " ".join(one.recorded.rdata) if one.recorded else "nothing"
        sign = "+" if one.observed is None else "-" if one.recorded is None else "~"
        lines.append(f"{sign} {printable(f'{one.name} {one.type}: {now} -> {then}')}")
    if (more := len(restore.differences) - _SHOWN) > 0:
        lines.append(f"and {more} more RRsets")
    lines += [
        f"secondary {name}: {plan.troubles.get(name, NO_ANSWER) if serial is None else f'serial {serial}'}"
        for name, serial in restore.serials
    ]
    lines.append(f"new serial {restore.serial}, above every one that is known")
    if plan.silent:
        lines.append(f"not known: what {', '.join(plan.silent)} serves; look at `hyops-gitops status` when it is back")
    return "\n".join(lines)


def restored_text(done: RestoreResult) -> str:
    """What a restore came to."""
    lines = list(map(server_line, done.servers))
    match done.outcome:
        case "restored":
            digest = done.plan.zone_sha256 if done.plan else ""
            lines.append(f"restored {done.zone}: serial {done.serial_after}, zone sha256:{digest} as recorded")
        case "nothing":
            lines.append(f"nothing to do: the primary serves {done.zone} as the log left it")
        case "unconfirmed":
            lines.append(f"not confirmed: {printable(done.reason)}")
        case "failed":
            lines.append(f"failed, nothing was changed: {printable(done.reason)}")
    return "\n".join([*lines, f"log head {done.head}"])


def repair_plan_text(zone: str, mends: Iterable[Mend]) -> str:
    """Each damaged name: what stands there, what stays, what goes, and why."""
    lines = [line for one in mends for line in _mend(one)]
    return "\n".join([f"rows of {zone} that contradict each other, left by {CAUSE}:", *lines])


def repaired_text(done: RepairResult) -> str:
    """What a repair came to."""
    lines = list(map(server_line, done.servers))
    count = sum(one.mended for one in done.mends)
    names = counted(count, "name")
    match done.outcome:
        case "mended":
            lines.append(f"mended {names} of {done.zone}; serial {done.serial_after}")
        case "nothing":
            lines.append(f"nothing to do: no rows of {done.zone} contradict each other")
        case "left":
            left = ", ".join(one.name for one in done.mends if not one.mended)
            lines.append(f"mended {names} of {done.zone}; left as they are: {left}")
        case "unconfirmed":
            lines.append(f"not confirmed: {printable(done.reason)}")
        case "failed":
            lines.append(f"failed, nothing was changed: {printable(done.reason)}")
    if done.mends:
        lines.append(f"prevent it: {SETTINGS}")
    return "\n".join([*lines, f"log head {done.head}"])


def _mend(one: Mend) -> Iterator[str]:
    for damage in one.damage:
        yield f"{damage.kind.value}: {printable(damage.message)}"
    if not one.mended:
        yield f"  left   {printable(one.why)}"
        return
    yield from (f"  stays  {printable(rrset.type)} {printable(in_words(rrset))}" for rrset in one.stays)
    yield from (f"  goes   {printable(rrset.type)} {printable(in_words(rrset))}" for rrset in one.goes)
    yield f"  why    {printable(one.why)}"
