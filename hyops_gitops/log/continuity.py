"""Why a log does not verify."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from hyops_gitops.core.managed import OWN_TYPES, Managed, ManagedSet
from hyops_gitops.core.zone import Key, Zone, served
from hyops_gitops.log.admin_entries import Adopted, Reconcile
from hyops_gitops.log.entries import Intent, Result, Unchanged, ZoneDrift
from hyops_gitops.log.envelope import Entry, EntryList, entry_path
from hyops_gitops.log.parts import Hold
from hyops_gitops.log.restoring import follows_from_log
from hyops_gitops.plan.plan import Action, Change


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason.

    Codes: path, form, not-canonical, bad-entry, unknown-type, unknown-form, chain, time, signature, signer, trust,
    compromised, genesis, pairs, continuity, state, files, page, history, seen; of break-glass segments also segment,
    other-log, base, fork, witness, open-intent, reconciled, review.
    """

    code: str
    where: str  # a path of the evidence branch
    message: str

    def to_json(self) -> dict[str, str]:
        """The shape used in `hyops-evidence-verify/1`."""
        return {"code": self.code, "where": self.where, "message": self.message}


@dataclass(frozen=True, slots=True)
class Prefix:
    """Entries that were verified before, from the first on, and the managed set as they left it."""

    count: int
    state: ManagedSet

    @classmethod
    def none(cls, zone: str) -> "Prefix":
        """Nothing was verified before."""
        return cls(0, ManagedSet.of(zone, ()))


def check_continuity(zone: str, entries: EntryList, state: bytes, prefix: Prefix) -> Iterator[Problem]:
    """Every break in zone and managed set after the prefix, of entries that pair up."""
    yield from _check_zone(zone, entries, prefix.count)
    managed: dict[Key, Managed] = dict(prefix.state.entries)  # brought forward in place: a log is long
    for seq, changes, holds in _applied(entries, prefix.count):
        _bring_forward(managed, changes, placed(holds, seq))
    if ManagedSet(zone, managed).text().encode() != state:
        yield Problem("state", f"state/{zone}.zone", "not the sum of the changes that the entries applied")


def after_changes(managed: ManagedSet, changes: Sequence[Change], held: Mapping[str, int] | None = None) -> ManagedSet:
    """The managed set after an apply.

    Args:
        managed: Before it.
        changes: What it does.
        held: The names that it has held, with the number of its intent; a name that it changes is held no longer.
    """
    entries = dict(managed.entries)
    _bring_forward(entries, changes, held or {})
    return ManagedSet(managed.apex, entries)


def placed(holds: Iterable[Hold], seq: int) -> dict[str, int]:
    """The names that an intent has held, with its number."""
    return {hold.name: seq for hold in holds}


def _bring_forward(managed: dict[Key, Managed], changes: Sequence[Change], held: Mapping[str, int]) -> None:
    for change in changes:
        managed.pop(change.key, None)
        if change.after is not None:
            managed[change.key] = Managed(change.after, change.contract)
    for name in {change.name for change in changes} | held.keys():
        for key in ((name, rrtype) for rrtype in OWN_TYPES):
            if key in managed and managed[key].held != held.get(name):
                managed[key] = replace(managed[key], held=held.get(name))


def _applied(entries: EntryList, start: int) -> Iterator[tuple[int, Sequence[Change], Sequence[Hold]]]:
    """Every intent that was applied, and every segment brought in: its entry's number, its changes, its holds."""
    for entry in _from(entries, start):
        if isinstance(entry.body, Result) and entry.body.outcome == "applied":
            intent = entries[entry.body.intent_seq - 1].body
            if isinstance(intent, Intent):
                yield entry.body.intent_seq, intent.changes, intent.holds
        elif isinstance(entry.body, Reconcile) and entry.body.adopted is not None:
            yield entry.seq, entry.body.adopted.changes, entry.body.adopted.holds


def check_pairs(zone: str, entries: EntryList, start: int) -> Iterator[Problem]:
    """Results that are not of the open intent, and intents that have none, after the first `start` entries."""
    intent = _open_intent(entries, start)
    for entry in _from(entries, start):
        path = entry_path(zone, entry.seq)
        match entry.body:
            case Intent() | Unchanged() | Reconcile() if intent is not None:
                yield Problem("pairs", path, f"intent {intent.seq} has no result yet")
            case Intent():
                intent = entry
            case Result(intent_seq=seq, intent_sha256=sha256):
                if intent is None or (intent.seq, intent.sha256) != (seq, sha256):
                    yield Problem("pairs", path, f"the result names intent {seq}, which is not the open one")
                intent = None
            case _:
                pass


def _open_intent(entries: EntryList, start: int) -> Entry | None:
    """The intent that has no result among the first `start` entries."""
    for index in range(start - 1, -1, -1):
        if isinstance(entries[index].body, Result):
            return None
        if isinstance(entries[index].body, Intent):
            return entries[index]
    return None


def _from(entries: EntryList, start: int) -> Iterator[Entry]:
    """The entries after the first `start`; the others are not looked at."""
    return (entries[index] for index in range(start, len(entries)))


def _check_zone(zone: str, entries: EntryList, since: int) -> Iterator[Problem]:
    first = next(entries.of_types("intent", "reconcile"), None)
    baseline = first is not None and first.seq <= since  # whether an entry has taken the zone as it found it
    for before, entry in pairwise(_from(entries, max(since - 1, 0))):
        left, left_now = before.envelope.zone_sha256, entry.envelope.zone_sha256
        if isinstance(entry.body, Intent) and (why := follows_from_log(entries, entry, entry.body)) is not None:
            yield Problem("restore", entry_path(zone, entry.seq), why)
        start, end, wrong = _way(entry, entries, left)
        if (start != left and (baseline or not isinstance(entry.body, Intent | Reconcile))) or left_now != end:
            yield Problem("continuity", entry_path(zone, entry.seq), wrong)
        baseline = baseline or isinstance(entry.body, Intent | Reconcile)


def _way(entry: Entry, entries: EntryList, left: str) -> tuple[str, str, str]:
    """The zone that an entry starts from, the one it comes to, and what to say where it does not."""
    match entry.body:
        case Intent(before=before):
            return before.whole, before.whole, "the intent starts from another zone than the entry before left"
        case Result(outcome=outcome, intent_seq=seq, after=after):
            intent = entries[seq - 1].body if 0 < seq < entry.seq else None
            expected = intent.expected.whole if outcome == "applied" and isinstance(intent, Intent) else left
            wrong = "the result leaves another zone than its intent expected"
            return left, expected if after.whole == expected else "", wrong
        case ZoneDrift(before=before, after=after):
            return before.whole, after.whole, "the drift does not lead from the zone before to the one after"
        case Reconcile(adopted=Adopted(before=before, after=after)):
            return before.whole, after.whole, "the segment does not lead from the zone before to the one after"
        case _:
            return left, left, "the zone changed without an intent, result or drift entry"


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
