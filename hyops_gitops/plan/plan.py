"""The plan of an apply, as a value with its digest."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import StrEnum
from functools import cached_property
from typing import Annotated

from hyops_gitops.core.canonical import canonical_json, sha256_hex
from hyops_gitops.core.codec import JsonObject
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.fields import Natural, Part, Split
from hyops_gitops.core.guards import override_line
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.names import is_in_zone
from hyops_gitops.core.zone import Key, RRset, Zone, served


class Action(StrEnum):
    """The kind of change of one RRset."""

    CREATE = "create"
    REPLACE = "replace"
    DELETE = "delete"
    ADOPT = "adopt"  # it is as the contract wants it, but not yet ours: nothing is written but anchor and claim
    FORGET = "forget"  # neither wanted nor there any more: only our own record of it goes


def split_rrset(moment: str) -> Split:
    """An RRset's members beside name and type, without disabled records."""
    return Split(
        (Part(f"ttl.{moment}", Natural | None, _ttl), Part(moment, tuple[str, ...], _rdata)),
        lambda beside, ttl, rdata: None if ttl is None else RRset.of(beside["name"], beside["type"], ttl, rdata),
    )


def _ttl(rrset: RRset | None) -> int | None:
    return rrset.ttl if rrset else None


def _rdata(rrset: RRset | None) -> tuple[str, ...]:
    return rrset.rdata if rrset else ()


@dataclass(frozen=True, slots=True)
class Change(JsonObject):
    """One RRset's way from `before` (observed) to `after` (desired). None is absence."""

    action: Action  # create, replace or delete writes it; adopt and forget only change what counts as managed
    name: str  # the owner name, lower case, without final dot
    type: str  # the record type
    before: Annotated[RRset | None, split_rrset("before")]  # the records before; none where there were none
    after: Annotated[RRset | None, split_rrset("after")]  # the records after; none where there are none
    contract: str  # the path of the contract that asks, or asked, for it
    cutover: bool  # whether the endpoint's target moves, as opposed to a new endpoint or a TTL

    @property
    def key(self) -> Key:
        """Owner name and type."""
        return (self.name, self.type)

    @property
    def writes(self) -> bool:
        """Whether the RRset itself is written."""
        return self.action in (Action.CREATE, Action.REPLACE, Action.DELETE)


@dataclass(frozen=True, slots=True)
class Drift(JsonObject):
    """An RRset that was changed outside the log, and is left alone."""

    name: str  # the owner name
    type: str  # the record type
    recorded: Annotated[RRset | None, split_rrset("recorded")]  # as recorded
    observed: Annotated[RRset | None, split_rrset("observed")]  # as found
    contract: str  # the contract that owns it; empty where none does


@dataclass(frozen=True, slots=True)
class Held(JsonObject):
    """An endpoint that this apply leaves as it was applied last."""

    name: str  # its DNS name
    contract: str  # the path of its contract
    reason: str  # why it is left


@dataclass(frozen=True, slots=True)
class GuardRefusal(JsonObject):
    """A guard's no."""

    guard: str  # the guard that refuses
    name: str | None  # the DNS name that it is about; null: not about one
    message: str  # what it refuses
    hint: str  # what to do

    @classmethod
    def overridable(cls, guard: str, name: str | None, message: str) -> "GuardRefusal":
        """A refusal whose hint is the exact line that lifts it."""
        return cls(guard, name, message, f"if this is right: {override_line(guard, name)}")


@dataclass(frozen=True, slots=True)
class Note(JsonObject):
    """Something worth saying about a name that stops nothing."""

    name: str  # the DNS name
    message: str  # what is worth knowing


@dataclass(frozen=True)  # without slots: it keeps the zone that it leads to
class Plan:
    """Everything one apply would do to one zone."""

    zone: str
    observed: Zone  # the whole zone the plan starts from
    recorded: ManagedSet
    changes: tuple[Change, ...]  # sorted by name and type
    drift: tuple[Drift, ...] = ()
    held: tuple[Held, ...] = ()
    refusals: tuple[GuardRefusal, ...] = ()
    notes: tuple[Note, ...] = ()
    unmanaged: int = 0  # RRsets in the zone that no contract owns and nothing here touches

    def expected_zone(self) -> Zone:
        """The whole zone after this plan."""
        return self._expected

    @cached_property
    def _expected(self) -> Zone:
        return zone_after(self.observed, self.changes)

    def names(self) -> set[str]:
        """The names that it changes, finds drift at, or refuses."""
        decided = {*(change.name for change in self.changes), *(drift.name for drift in self.drift)}
        return decided | {
            refusal.name for refusal in self.refusals if refusal.name and is_in_zone(refusal.name, self.zone)
        }

    def digest(self) -> str:
        """The SHA-256 that a reviewer approves.

        It is of the canonical JSON of zone, base digest and changes.
        """
        return plan_digest(self.zone, self.observed.digest(), self.changes)


def zone_after(zone: Zone, changes: Iterable[Change]) -> Zone:
    """A zone with these changes carried out."""
    written = [change for change in changes if change.writes]
    return zone.without(change.key for change in written).with_rrsets(
        change.after for change in written if change.after is not None
    )


def written_by_name(changes: Iterable[Change]) -> dict[str, list[Change]]:
    """The writing changes by name: an A -> CNAME swap is two."""
    by_name: dict[str, list[Change]] = {}
    for change in changes:
        if change.writes:
            by_name.setdefault(change.name, []).append(change)
    return by_name


def moved(changes: Iterable[Change]) -> dict[Key, Change]:
    """Each RRset that ends otherwise than it was at first, with both."""
    found: dict[Key, Change] = {}
    for change in changes:
        first = found.get(change.key)
        found[change.key] = replace(change, before=first.before if first else change.before)
    return {key: change for key, change in found.items() if served(change.before) != served(change.after)}


def names_moved(changes: Iterable[Change]) -> tuple[str, ...]:
    """The names that are not where they were before these changes."""
    return tuple(sorted({name for name, _ in moved(changes)}))


def plan_digest(zone: str, zone_sha256: str, changes: Iterable[Change]) -> str:
    """The digest of a plan, from its document."""
    document = {"zone": zone, "zone_sha256": zone_sha256, "changes": [change.to_json() for change in changes]}
    return sha256_hex(canonical_json(document))


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
            return f"{what} {after} TTL {_shown_ttl(change.before)} -> {_shown_ttl(change.after)}"
        case Action.REPLACE:
            return f"{what} {before} -> {after}"
        case Action.DELETE:
            return f"{what} {before} deleted"
        case Action.ADOPT:
            return f"{what} {after} adopted"
        case Action.FORGET:
            return f"{what} forgotten"


def _shown_ttl(rrset: RRset | None) -> str:
    return str(rrset.ttl) if rrset else "?"
