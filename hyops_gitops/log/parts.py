"""Values that several types of entry share."""

from datetime import datetime
from typing import Annotated, Literal, NamedTuple

from hyops_gitops.core.codec import JsonObject
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.fields import LEFT_OUT, At, Commit, Natural, Part, Seq, Sha256, Split
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.zone import Zone
from hyops_gitops.plan.plan import Drift


@dataclass(frozen=True, slots=True)
class ContractsRef(JsonObject):
    """Which contracts: a commit and the digest of its manifest.

    The manifest has a line `SHA256  PATH` for each file under authority/ and endpoints/, by path, as sha256sum prints.
    """

    commit: Commit  # their commit
    manifest: Sha256  # of the manifest
    rules: Sha256 | None = None  # of the rules by which all of them were found valid; absent where that is not known


@dataclass(frozen=True, slots=True)
class AuthorityRef(JsonObject):
    """The authority file: digest, and whether from outside the commit."""

    sha256: Sha256  # of the file
    outside_commit: bool  # whether it was given by --authority


@dataclass(frozen=True, slots=True)
class ZoneDigests(JsonObject):
    """Digests of managed set and zone, and the API's serial."""

    managed: Sha256  # the digest of the managed set
    whole: Sha256  # the digest of the whole zone
    serial: Annotated[Natural | None, LEFT_OUT]  # that the API reported; absent where it is not known

    @classmethod
    def of(cls, zone: Zone, managed: ManagedSet, serial: int | None) -> "ZoneDigests":
        """The digests of a zone and of its managed set."""
        return cls(zone.digest_at(managed.zone), zone.digest(), serial)


@dataclass(frozen=True, slots=True)
class Hold(JsonObject):
    """A name that stays until its contract changes."""

    name: str  # its DNS name
    contract_sha256: Sha256  # of the canonical JSON of its contract's data then (log.holds)


@dataclass(frozen=True, slots=True)
class Lease(JsonObject):
    """The time and process that an intent's writer has."""

    seconds: Seq  # from the entry's time
    boot_id: Annotated[str | None, LEFT_OUT]  # the machine since it started; absent where it is not known
    pid: Natural  # the process


@dataclass(frozen=True, slots=True)
class TrustedKey(JsonObject):
    """A key with principal and namespaces (empty: any)."""

    principal: str  # whose it is
    key: str  # type and base64, as in allowed_signers
    namespaces: tuple[str, ...]  # what it may sign in; empty: anything


@dataclass(frozen=True, slots=True)
class RecordedRefusal(JsonObject):
    """What stopped an apply."""

    guard: str  # the guard; findings: the contracts themselves
    name: Annotated[str | None, LEFT_OUT]  # the DNS name that it is about
    message: str  # what it refuses


SecondaryDriftKind = Literal["behind", "edited"]


@dataclass(frozen=True, slots=True)
class Retirement(JsonObject):
    """The time after which no cache has the old target."""

    name: str  # the DNS name
    after: datetime | None  # the moment; null while it cannot be known
    why: str = ""  # why it cannot be known
    not_before: datetime | None = None  # the moment that the TTLs alone would allow, where it cannot be known


class Serial(NamedTuple):
    """A secondary's serial before a restore."""

    name: str  # the secondary
    serial: Annotated[Natural | None, LEFT_OUT]  # absent where it did not answer


_SERIALS = Split(
    (Part("secondaries", tuple[Serial, ...], lambda serials: [Serial(*serial) for serial in serials]),),
    lambda _, serials: serials,
)


@dataclass(frozen=True, slots=True)
class Restore(JsonObject):
    """An earlier zone, brought back to a primary without it."""

    from_seq: Annotated[Seq, At("from")]  # the entry that left the zone so
    created: bool  # whether the primary had no such zone
    serial: Natural  # the serial that the zone gets
    serials: Annotated[tuple[tuple[str, int | None], ...], _SERIALS]  # of each secondary
    differences: tuple[Drift, ...]  # recorded: what comes back; observed: what was there


@dataclass(frozen=True, slots=True)
class SecondaryDrift(JsonObject):
    """A secondary that does not hold what the primary holds."""

    name: str  # its name in the authority file
    address: str  # where it was asked
    kind: SecondaryDriftKind  # behind: an older zone; edited: other content under the same serial
    differences: tuple[Drift, ...]  # recorded: the primary's; observed: the secondary's
