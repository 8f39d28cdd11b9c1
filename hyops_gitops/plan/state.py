"""Effects of changes on the managed set and the zone."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from hyops_gitops.core.managed import OWN_TYPES, Managed, ManagedSet
from hyops_gitops.core.zone import Key, Zone
from hyops_gitops.plan.plan import Action, Change, Drift


def after_changes(managed: ManagedSet, changes: Sequence[Change], held: Mapping[str, int] | None = None) -> ManagedSet:
    """The managed set after an apply.

    Args:
        managed: Before it.
        changes: What it does.
        held: The names that it has held, with the number of its intent; a name that it changes is held no longer.
    """
    entries = dict(managed.entries)
    bring_forward(entries, changes, held or {})
    return ManagedSet(managed.apex, entries)


def bring_forward(managed: dict[Key, Managed], changes: Sequence[Change], held: Mapping[str, int]) -> None:
    """Do to a managed set in place what `after_changes` does."""
    for change in changes:
        managed.pop(change.key, None)
        if change.after is not None:
            managed[change.key] = Managed(change.after, change.contract)
    for name in {change.name for change in changes} | held.keys():
        for key in ((name, rrtype) for rrtype in OWN_TYPES):
            if key in managed and managed[key].held != held.get(name):
                managed[key] = replace(managed[key], held=held.get(name))


# --- zones


def differences_between(then: Zone, now: Zone, managed: ManagedSet) -> list[Drift]:
    """Every RRset that is served otherwise."""
    contracts = {key: entry.contract for key, entry in managed.entries.items()}
    keys = then.differing(now)
    return [Drift(*key, then.rrsets.get(key), now.rrsets.get(key), contracts.get(key, "")) for key in keys]


def undone(zone: Zone, differences: Iterable[Drift]) -> Zone:
    """A zone as it was recorded before these differences were found."""
    listed = list(differences)
    kept = zone.without((drift.name, drift.type) for drift in listed)
    return kept.with_rrsets(drift.recorded for drift in listed if drift.recorded is not None)


def brought_back(differences: Iterable[Drift], managed: ManagedSet) -> Iterator[Change]:
    """The changes that undo these differences of managed RRsets."""
    for drift in differences:
        ours = drift.type in OWN_TYPES and (drift.name, drift.type) in managed.entries
        if ours and drift.recorded is not None:
            yield Change(
                Action.REPLACE, drift.name, drift.type, drift.observed, drift.recorded, drift.contract, cutover=False
            )


# --- roll-back


def taken_back(changes: Iterable[Change], names: Collection[str]) -> tuple[Change, ...]:
    """The changes that bring these names back to what they were."""
    return tuple(_inverse(change) for change in changes if change.name in names and change.writes)


def with_companions(names: Collection[str], moved: Collection[str], groups: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """These names, and those that moved together with them."""
    found = set(names)
    for group in groups:
        if found & set(group):
            found |= set(group) & set(moved)
    return tuple(sorted(found))


def changed_meanwhile(zone: Zone, changes: Iterable[Change]) -> tuple[str, ...]:
    """The names at which these changes were overwritten since."""
    return tuple(
        sorted({change.name for change in changes if change.writes and zone.rrsets.get(change.key) != change.after})
    )


def _inverse(change: Change) -> Change:
    was, now = change.before, change.after
    action = Action.DELETE if was is None else Action.CREATE if now is None else Action.REPLACE
    return Change(action, change.name, change.type, now, was, change.contract, cutover=change.cutover)
