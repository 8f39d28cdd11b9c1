"""A restore as text: what it is about to do, and what came of it."""

from hyops_gitops.core.exchange import NO_ANSWER
from hyops_gitops.core.restore.restoration import Restored, RestorePlan
from hyops_gitops.render.findings import printable
from hyops_gitops.render.reports import server_line

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


def restored_text(done: Restored) -> str:
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
