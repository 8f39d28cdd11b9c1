"""Effects of changes on the managed set and the zone."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from hyops_gitops.core.managed import OWN_TYPES, ManagedRRset, ManagedSet
from hyops_gitops.core.zone import Key, Zone
from hyops_gitops.plan.plan import Action, Change, Drift


def after_changes(managed: ManagedSet, changes: Sequence[Change], held: Mapping[str, int] | None = None) -> ManagedSet:
    """The managed set after an apply.

    Args:
        managed: Before it.
        changes: What it does.
        held: The names that it has held, with the number of its intent; a name that it changes is held no longer.
    """
    entries: dict[Key, ManagedRRset | None] = {}
    bring_forward(managed, entries, changes, held or {})
    return managed.with_entries(entries)


def bring_forward(
    managed: ManagedSet, entries: dict[Key, ManagedRRset | None], changes: Iterable[Change], held: Mapping[str, int]
) -> None:
    """Note what `after_changes` changes: an entry, or None where it goes.

    Args:
        managed: As it was at first.
        entries: What differs from it before and, in place, after these changes.
        changes: As of `after_changes`.
        held: As of `after_changes`.
    """
    names = set(held)
    for change in changes:
        names.add(change.name)
        entries[change.key] = ManagedRRset(change.after, change.contract) if change.after is not None else None
    for name in names:
        before = managed.entries.at(name)
        for key in ((name, rrtype) for rrtype in OWN_TYPES):
            entry = entries[key] if key in entries else before.get(key[1])
            if entry is not None and entry.held != held.get(name):
                entries[key] = replace(entry, held=held.get(name))


# --- zones


def differences_between(then: Zone, now: Zone, managed: ManagedSet) -> list[Drift]:
    """Every RRset that is served otherwise."""
    return [
        Drift(*key, then.rrsets.get(key), now.rrsets.get(key), entry.contract if entry else "")
        for key in then.differing(now)
        for entry in (managed.entries.get(key),)
    ]


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
