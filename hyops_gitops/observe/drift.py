"""The report of `drift`: differences between zone, secondaries, log and contracts."""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Annotated, Literal

from hyops_gitops.core.codec import JsonObject, JsonReport
from hyops_gitops.core.damage import Damage
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.fields import At, Of
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


class DriftCaseDocument:
    """One thing that is not as it should be, in hyops-drift/1."""

    kind: DriftKind
    where: str
    name: str | None
    message: str
    expected: Annotated[str, At("compares.expected"), Of(lambda case: case.sides[0])]
    found: Annotated[str, At("compares.found"), Of(lambda case: case.sides[1])]
    differences: tuple[Difference, ...]
    hint: str
    owner: str | None
    changes: tuple[str, ...]
    counts: bool
    damage: Damage | None


@dataclass(frozen=True, slots=True)
class DriftCase(JsonReport):
    """One thing that is not as it should be."""

    FORM = DriftCaseDocument
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


ViewSource = Literal["api", "axfr", "dns"]


def _anchor_seq(view: "ServerView") -> int | None:
    return view.anchor.seq if view.anchor and view.anchor.segment is None else None


class ServerViewDocument:
    """A server that was looked at, in hyops-drift/1."""

    role: str
    name: str
    address: str
    source: ViewSource
    whole: Annotated[bool, Of(lambda view: view.looked_at is None)]
    serial: int | None
    anchor_seq: Annotated[int | None, Of(_anchor_seq)]
    break_glass: Annotated[str | None, Of(lambda view: view.anchor.segment if view.anchor else None)]


@dataclass(frozen=True, slots=True)
class ServerView(JsonReport):
    """A server's zone, as far as it could be looked at."""

    FORM = ServerViewDocument
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
