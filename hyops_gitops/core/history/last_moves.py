"""What the log knows of earlier moves, for the assertions that ask."""

from datetime import datetime

from hyops_gitops.core.evidence.log import Applied, Log
from hyops_gitops.core.plan.assertions import LastMove, Moves, sides_of


def moves_of(log: Log | None, now: datetime) -> Moves | None:
    """What a log knows of earlier moves; it is looked at for names that move only."""
    return None if log is None else Moves(now, lambda name: _last_move(log, name))


def _last_move(log: Log, name: str) -> LastMove | None:
    moved: Applied | None = None
    for applied in log.applied_to(name):
        if any(change.cutover and change.name == name for change in applied.intent.changes):
            moved = applied
    if moved is None:
        return None
    changes = [change for change in moved.intent.changes if change.name == name and change.cutover]
    return LastMove(moved.result.accepted or moved.result_entry.envelope.time, sides_of(changes, "before"))
