"""The report of `drift`: differences between zone, secondaries, log and contracts."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from hyops_gitops.core.codec import JsonObject
from hyops_gitops.core.damage import Damage
from hyops_gitops.core.errors import Exit
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.server_report import server_label
from hyops_gitops.core.zone import Key, RRset, Zone
from hyops_gitops.log.parts import SecondaryDrift
from hyops_gitops.plan.plan import Drift, split_rrset


class DriftKind(StrEnum):
    """The kind of a difference, as far as it can be known."""

    EDITED = "edited"  # one of our records, by hand
    NEVER_APPLIED = "never-applied"  # contracts that ask for something else than was applied last
    SECONDARY_BEHIND = "secondary-behind"  # it serves an older zone
    SECONDARY_EDITED = "secondary-edited"  # it has the zone's serial and other content
    FOREIGN = "foreign"  # a record that no contract owns came, went or changed
    RESTORED = "restored"  # the zone is an older one, or was rebuilt
    OTHER_LOG = "other-log"  # another repository writes the zone
    LOG_BEHIND = "log-behind"  # the zone is newer than this log
    BREAK_GLASS = "break-glass"  # the zone was changed past the log, by the procedure for that
    DAMAGED = "damaged"  # rows that contradict each other, as no request of one writer leaves them


# What a case's two sides are.
SIDES: Mapping[DriftKind, tuple[str, str]] = {
    DriftKind.NEVER_APPLIED: ("intended", "recorded"),
    DriftKind.SECONDARY_BEHIND: ("primary", "secondary"),
    DriftKind.SECONDARY_EDITED: ("primary", "secondary"),
}
_RECORDED_AND_OBSERVED = ("recorded", "observed")


@dataclass(frozen=True, slots=True)
class Difference(JsonObject):
    """One RRset as it should be and as it is."""

    name: str
    type: str
    expected: Annotated[RRset | None, split_rrset("expected")]
    found: Annotated[RRset | None, split_rrset("found")]


@dataclass(frozen=True, slots=True)
class DriftCase:
    """One thing that is not as it should be."""

    kind: DriftKind
    where: str  # `primary`, `secondary onprem`, or the contract's path
    name: str | None  # the DNS name, where it is about one
    message: str
    differences: tuple[Difference, ...]
    hint: str  # what to do next
    owner: str | None = None  # the team that answers for the endpoint
    changes: tuple[str, ...] = ()  # the commits that were not applied, newest last
    damage: Damage | None = None
    counts: bool = True  # whether it is drift, or only worth a note where others may write the zone, too

    @property
    def sides(self) -> tuple[str, str]:
        """The names of `expected` and `found` in this case."""
        return SIDES.get(self.kind, _RECORDED_AND_OBSERVED)

    def to_json(self) -> dict[str, object]:
        """The shape used in `hyops-drift/1`."""
        expected, found = self.sides
        return {
            "kind": self.kind.value,
            "where": self.where,
            "name": self.name,
            "message": self.message,
            "compares": {"expected": expected, "found": found},
            "differences": [difference.to_json() for difference in self.differences],
            "hint": self.hint,
            "owner": self.owner,
            "changes": list(self.changes),
            "counts": self.counts,
            "damage": self.damage.to_json() if self.damage else None,
        }


ViewSource = Literal["api", "axfr", "dns"]


@dataclass(frozen=True, slots=True)
class ServerView:
    """A server's zone, as far as it could be looked at."""

    role: str
    name: str
    address: str
    source: ViewSource
    zone: Zone
    looked_at: frozenset[Key] | None  # None: the whole zone
    marker: RRset | None  # the anchor's RRset
    serial: int | None  # of the SOA that it serves
    serves: bool = True  # whether it answers for the zone with authority
    damage: tuple[Damage, ...] = ()  # as far as this kind of look shows rows

    @property
    def where(self) -> str:
        """Its label in cases."""
        return server_label(self.role, self.name)

    @property
    def anchor(self) -> Anchor | None:
        """The entry that its copy was last changed by."""
        return Anchor.parse(self.marker) if self.marker else None

    def differences(self, expected: Zone) -> tuple[Difference, ...]:
        """The differences from a zone, in what was looked at, as served."""
        return compare(expected, self.zone, self.looked_at)


@dataclass(frozen=True, slots=True)
class DriftReport:
    """All cases, and what could not be seen."""

    zone: str
    commit: str
    seq: int  # the newest entry of the log
    cases: tuple[DriftCase, ...]
    views: tuple[ServerView, ...]
    unseen: tuple[str, ...]  # what could not be looked at, and why
    blind: bool  # whether that includes a server that has to be looked at
    recorded_seq: int | None = None  # the drift entry written by this run
    retransferred: str | None = None  # the secondary that transferred, and now holds what the primary holds

    @property
    def exit_code(self) -> Exit:
        """1: drift. 4: none seen, but a server that counts was not."""
        if any(case.counts for case in self.cases):
            return Exit.NO
        return Exit.OUTSIDE if self.blind else Exit.OK

    def to_json(self) -> dict[str, object]:
        """`hyops-drift/1`."""
        return {
            "format": "hyops-drift/1",
            "zone": self.zone,
            "commit": self.commit,
            "seq": self.seq,
            "drift": any(case.counts for case in self.cases),
            "cases": [case.to_json() for case in self.cases],
            "servers": [
                {
                    "role": view.role,
                    "name": view.name,
                    "address": view.address,
                    "source": view.source,
                    "whole": view.looked_at is None,
                    "serial": view.serial,
                    "anchor_seq": view.anchor.seq if view.anchor and view.anchor.segment is None else None,
                    "break_glass": view.anchor.segment if view.anchor else None,
                }
                for view in self.views
            ],
            "unseen": list(self.unseen),
            "recorded_seq": self.recorded_seq,
            "retransferred": self.retransferred,
        }


def secondary_drift(case: DriftCase, view: ServerView, contracts: Mapping[Key, str]) -> SecondaryDrift:
    """The form of a secondary's case in a `drift` entry."""
    kind: Literal["behind", "edited"] = "behind" if case.kind is DriftKind.SECONDARY_BEHIND else "edited"
    differences = tuple(
        Drift(
            difference.name,
            difference.type,
            difference.expected,
            difference.found,
            contracts.get((difference.name, difference.type), ""),
        )
        for difference in case.differences
    )
    return SecondaryDrift(view.name, view.address, kind, differences)


def compare(expected: Zone, found: Zone, within: Collection[Key] | None = None) -> tuple[Difference, ...]:
    """The differences between zones, within some keys or everywhere."""
    keys = (key for key in expected.served_otherwise(found) if within is None or key in within)
    return tuple(Difference(*key, expected.rrsets.get(key), found.rrsets.get(key)) for key in keys)
