"""Taking back what an intent did to some names: which changes that is, and whether an intent does just that."""

from collections.abc import Collection, Iterable, Iterator, Sequence

from hyops_gitops.core.evidence.entries import Intent
from hyops_gitops.core.plan.plan import Action, Change
from hyops_gitops.core.zone import Zone, served


def taken_back(changes: Iterable[Change], names: Collection[str]) -> tuple[Change, ...]:
    """The changes that bring these names back to what they were."""
    return tuple(_inverse(change) for change in changes if change.name in names and change.writes)


def with_companions(names: Collection[str], moved: Collection[str], groups: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """These names, and those that moved along with them because they belong together."""
    found = set(names)
    for group in groups:
        if found & set(group):
            found |= set(group) & set(moved)
    return tuple(sorted(found))


def changed_meanwhile(zone: Zone, changes: Iterable[Change]) -> tuple[str, ...]:
    """The names at which a zone no longer holds what these changes left there."""
    return tuple(sorted({one.name for one in changes if one.writes and zone.rrsets.get(one.key) != one.after}))


def wrongly_taken_back(intent: Intent, earlier: Intent) -> Iterator[str]:
    """What an intent that calls itself a roll-back of an earlier one does beyond that, a line each."""
    names = {change.name for change in intent.changes}
    due = {_facts(change) for change in taken_back(earlier.changes, names)}
    done = {_facts(change) for change in intent.changes}
    for key in sorted({fact[0] for fact in due ^ done}):
        yield f"{' '.join(key)} is not what it was before"
    held = {hold.name for hold in intent.holds}
    for name in sorted(names - held):
        yield f"{name} is moved back, but not held"


_Side = tuple[int, tuple[str, ...]] | None
_Facts = tuple[tuple[str, str], _Side, _Side]


def _facts(change: Change) -> _Facts:
    return change.key, served(change.before), served(change.after)


def _inverse(change: Change) -> Change:
    was, now = change.before, change.after
    action = Action.DELETE if was is None else Action.CREATE if now is None else Action.REPLACE
    return Change(action, change.name, change.type, now, was, change.contract, cutover=change.cutover)
