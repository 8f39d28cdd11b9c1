"""A repair as text: what it is about to do, and what came of it."""

from collections.abc import Iterable, Iterator

from hyops_gitops.core.damage import CAUSE, SETTINGS
from hyops_gitops.core.restore.repairing import Mend, Repaired
from hyops_gitops.core.zone import RRset
from hyops_gitops.render.findings import printable
from hyops_gitops.render.reports import server_line


def repair_plan_text(zone: str, mends: Iterable[Mend]) -> str:
    """Each damaged name: what stands there, what stays, what goes, and why."""
    lines = [line for one in mends for line in _mend(one)]
    return "\n".join([f"rows of {zone} that contradict each other, left by {CAUSE}:", *lines])


def repaired_text(done: Repaired) -> str:
    """What a repair came to."""
    lines = list(map(server_line, done.servers))
    count = sum(one.mended for one in done.mends)
    names = f"{count} {'name' if count == 1 else 'names'}"
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
        lines.append(f"so that it does not come back: {SETTINGS}")
    return "\n".join([*lines, f"log head {done.head}"])


def _mend(one: Mend) -> Iterator[str]:
    for damage in one.damage:
        yield f"{damage.kind.value}: {printable(damage.message)}"
    if not one.mended:
        yield f"  left   {printable(one.why)}"
        return
    yield from (f"  stays  {_records(rrset)}" for rrset in one.stays)
    yield from (f"  goes   {_records(rrset)}" for rrset in one.goes)
    yield f"  why    {printable(one.why)}"


def _records(rrset: RRset) -> str:
    return printable(f"{rrset.type} {', '.join(rrset.rdata)} (TTL {rrset.ttl})")
