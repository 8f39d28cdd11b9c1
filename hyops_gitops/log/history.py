"""Every change of one name that the log knows. Pure."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Annotated

from hyops_gitops.core.codec import JsonReport
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import InvalidData, UsageError
from hyops_gitops.core.fields import At
from hyops_gitops.core.names import canonical_name, resolved_name
from hyops_gitops.core.people import MergedCommit, approved_by, asked_by
from hyops_gitops.core.zone import RRset
from hyops_gitops.log.admin_entries import ImportedSegment, Reconcile
from hyops_gitops.log.entries import Intent, Refusal, ZoneDrift
from hyops_gitops.log.envelope import Entry, decode, entry_path
from hyops_gitops.log.log import Log
from hyops_gitops.log.verify import Reading
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.plan.plan import Change


@dataclass(frozen=True, slots=True)
class NameChange(JsonReport):
    """One change of one RRset, and its outcome."""

    seq: int
    time: datetime
    action: str  # of the plan, or `drift`: changed outside the log
    type: str
    old: tuple[str, ...]
    new: tuple[str, ...]
    asked: Annotated[tuple[str, ...], At("asked_by")]
    approved: Annotated[tuple[str, ...], At("approved_by")]
    outcome: str  # applied, failed, refused, open, found
    converged: bool | None  # None: nothing was sent, or it is not known
    commit: str | None = None
    reason: str = ""  # why it was refused, or not applied


def full_name(log: Log, given: str) -> str:
    """The full name of a short one, among those in the log.

    Raises:
        UsageError: codes `unknown-name`, `ambiguous-name`.
    """
    wanted = canonical_name(given)
    if any(wanted in _names(entry) for entry in log.entries.mentioning(wanted)):
        return wanted
    known = {name for entry in log.entries for name in _names(entry)}
    return resolved_name(given, log.zone, known, "entry of the log")


def name_history(log: Log, name: str) -> Iterator[NameChange]:
    """Oldest first."""
    for entry in log.entries.mentioning(name):
        match entry.body:
            case Intent(merged=merged, changes=changes):
                result, _ = log.end_of(entry) or (None, None)
                outcome = result.outcome if result else "open"
                converged = result.converged if result and result.outcome == "applied" else None
                yield from _changes(entry, name, changes, merged, outcome, converged)
            case Refusal():
                yield from _refused(entry, entry.body, name)
            case ZoneDrift(differences=differences):
                for difference in differences:
                    if difference.name == name:
                        old, new = _rdata(difference.recorded), _rdata(difference.observed)
                        time = entry.envelope.time
                        yield NameChange(entry.seq, time, "drift", difference.type, old, new, (), (), "found", None)
            case Reconcile(imported=ImportedSegment(changes=changes, operators=operators)):
                why = f"break-glass segment {entry.body.segment}"
                brought = _changes(entry, name, changes, (), "applied", None)
                yield from (replace(change, asked=operators, reason=why) for change in brought)


def _refused(entry: Entry, body: Refusal, name: str) -> Iterator[NameChange]:
    """The refused changes of a name, or the guard."""
    reasons = [refusal for refusal in body.refusals if refusal.name == name]
    why = "; ".join(f"{refusal.guard}: {refusal.message}" for refusal in reasons or body.refusals)
    planned = [
        replace(change, reason=why) for change in _changes(entry, name, body.changes, body.merged, "refused", None)
    ]
    yield from planned
    if reasons and not planned:
        asked, approved, commit = _people(body.merged)
        time = entry.envelope.time
        yield NameChange(entry.seq, time, "none", "", (), (), asked, approved, "refused", None, commit, why)


def _people(merged: tuple[MergedCommit, ...]) -> tuple[tuple[str, ...], tuple[str, ...], str | None]:
    """Who asked, who approved, and the newest commit."""
    return asked_by(merged), approved_by(merged), merged[-1].commit if merged else None


def _changes(
    entry: Entry,
    name: str,
    changes: tuple[Change, ...],
    merged: tuple[MergedCommit, ...],
    outcome: str,
    converged: bool | None,
) -> Iterator[NameChange]:
    asked, approved, commit = _people(merged)
    for change in changes:
        if change.name == name:
            yield NameChange(
                entry.seq,
                entry.envelope.time,
                change.action.value,
                change.type,
                _rdata(change.before),
                _rdata(change.after),
                asked,
                approved,
                outcome,
                converged,
                commit,
            )


def _names(entry: Entry) -> Iterator[str]:
    match entry.body:
        case Intent(changes=changes) | Reconcile(imported=ImportedSegment(changes=changes)):
            yield from (change.name for change in changes)
        case Refusal(changes=changes, refusals=refusals):
            yield from (change.name for change in changes)
            yield from (refusal.name for refusal in refusals if refusal.name is not None)
        case ZoneDrift(differences=differences):
            yield from (difference.name for difference in differences)


def _rdata(rrset: RRset | None) -> tuple[str, ...]:
    return rrset.rdata if rrset else ()


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """One entry, and whether the log that it stands in verifies."""

    entry: Entry
    path: str
    content: bytes
    reading: Reading

    @property
    def ok(self) -> bool:
        """Whether the whole log verifies."""
        return self.reading.ok


@dataclass(frozen=True, slots=True)
class NameHistory(JsonReport):
    """Every change of a name."""

    FORMAT = "hyops-history/1"
    zone: str
    name: str
    changes: tuple[NameChange, ...]


def show_entry(workspace: Workspace, seq: int | None) -> ShownEntry:
    """One entry; the newest when no number is given.

    Raises:
        FindingsError: the authority at HEAD is invalid.
        Refused: guard `evidence-missing`.
        UsageError: code `no-entry`.
        InvalidData: it cannot be read as an entry.
    """
    managed = workspace.at("HEAD").zone()
    snapshot = managed.store.recorded()
    if snapshot is None:
        managed.verified(None)
        raise AssertionError("unreachable: without a branch there is no log")
    zone = managed.authority.zone
    try:
        reading = managed.reading(snapshot)
    except InvalidData as error:
        raise InvalidData(error.message, code="evidence-invalid", hint="see `evidence verify`") from None
    last = sum(path.startswith(f"log/{zone}/") and path.endswith(".json") for path in snapshot.paths())
    wanted = last if seq is None else seq
    path = entry_path(zone, max(wanted, 0))
    content = snapshot.read([path]).get(path)
    if content is None:
        raise UsageError(
            f"the log of {zone} has no entry {wanted}", code="no-entry", hint=f"give a number from 1 to {last}"
        )
    return ShownEntry(decode(content), path, content, reading)


def history_of(workspace: Workspace, name: str) -> NameHistory:
    """Every change of a name, oldest first.

    Raises:
        FindingsError: the authority at HEAD is invalid.
        Refused: `evidence-missing`, `evidence-invalid`.
        UsageError: codes `unknown-name`, `ambiguous-name`.
    """
    log = workspace.at("HEAD").zone().log(tolerate_doubt=True)
    full = full_name(log, name)
    return NameHistory(log.zone, full, tuple(name_history(log, full)))
