"""Why a log does not verify."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hyops_gitops.core.managed import Managed, ManagedSet
from hyops_gitops.core.zone import Key
from hyops_gitops.log.admin_entries import Adopted, Reconcile
from hyops_gitops.log.entries import Intent, Result, Unchanged, ZoneDrift
from hyops_gitops.log.envelope import Entry, EntryList, entry_path
from hyops_gitops.log.log import goes_on, placed
from hyops_gitops.log.parts import Hold
from hyops_gitops.plan.plan import Change
from hyops_gitops.plan.state import bring_forward


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
        bring_forward(managed, changes, placed(holds, seq))
    if ManagedSet(zone, managed).text().encode() != state:
        yield Problem("state", f"state/{zone}.zone", "not the sum of the changes that the entries applied")


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


def follows_from_log(entries: EntryList, entry: Entry, intent: Intent) -> str | None:
    """Why an intent that restores does not bring back what the log had, or None when it does."""
    restore = intent.restore
    if restore is None:
        return None
    if not 0 < restore.from_seq < entry.seq:
        return f"it restores the zone of entry {restore.from_seq}, which is not before it"
    if intent.changes:
        return "it restores the zone and changes it in one"
    if entries[restore.from_seq - 1].envelope.zone_sha256 != intent.expected.whole:
        return f"what it brings back is not the zone of entry {restore.from_seq}"
    if any(goes_on(entries[index].body) for index in range(restore.from_seq, entry.seq - 1)):
        return f"the zone went on after entry {restore.from_seq}, whose zone it brings back"
    return None
