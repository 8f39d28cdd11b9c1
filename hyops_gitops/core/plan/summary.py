"""One line for a set of changes: the subject of an evidence commit."""

from collections.abc import Sequence

from hyops_gitops.core.plan.plan import Action, Change
from hyops_gitops.core.zone import RRset

_SHOWN = 3


def summarise(changes: Sequence[Change]) -> str:
    """`postgres.prod.hyops.internal A 10.12.0.31 -> 10.72.16.24`, and how many more there are."""
    shown = "; ".join(map(_one, changes[:_SHOWN]))
    more = len(changes) - _SHOWN
    return f"{shown}; and {more} more" if more > 0 else shown


def _one(change: Change) -> str:
    before = " ".join(change.before.rdata) if change.before else ""
    after = " ".join(change.after.rdata) if change.after else ""
    what = f"{change.name} {change.type}"
    match change.action:
        case Action.CREATE:
            return f"{what} {after} created"
        case Action.REPLACE if before == after:
            return f"{what} {after} TTL {_ttl(change.before)} -> {_ttl(change.after)}"
        case Action.REPLACE:
            return f"{what} {before} -> {after}"
        case Action.DELETE:
            return f"{what} {before} deleted"
        case Action.ADOPT:
            return f"{what} {after} adopted"
        case Action.FORGET:
            return f"{what} forgotten"


def _ttl(rrset: RRset | None) -> str:
    return str(rrset.ttl) if rrset else "?"
