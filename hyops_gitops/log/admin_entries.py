"""Entries about the log itself: start, keys, gaps, segments."""

import re
from datetime import datetime
from typing import Annotated, ClassVar, NamedTuple

from hyops_gitops.core.codec import JsonObject
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.declaration import Words
from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.fields import LEFT_OUT, At, Commit, Flat, Keywords, Natural, Seq, Sha256
from hyops_gitops.core.guards import Override
from hyops_gitops.core.markers import Anchor
from hyops_gitops.log.parts import Hold, TrustedKey, ZoneDigests
from hyops_gitops.log.segment import Base
from hyops_gitops.plan.plan import Change

_CONTINUES = re.compile(r"(?P<log>[0-9a-f]{32}):(?P<seq>[1-9][0-9]{0,8}):(?:sha256:)?(?P<sha256>[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Continues(JsonObject):
    """The last entry of an old log that a new one continues."""

    log: str  # that log's id
    seq: Seq  # of that entry
    sha256: Sha256  # of that entry

    @classmethod
    def parse(cls, text: str) -> "Continues":
        """Read `LOG:SEQ:SHA256`.

        Raises:
            UsageError: code `bad-head`.
        """
        match = _CONTINUES.fullmatch(text)
        if match is None:
            raise UsageError(
                f"{text!r} does not name the last entry of a log",
                code="bad-head",
                hint="write LOG:SEQ:SHA256; LOG is `predicate.log` of its entries, see `evidence show`",
            )
        return cls(match["log"], int(match["seq"]), match["sha256"])


@dataclass(frozen=True, slots=True)
class Genesis(JsonObject):
    """The first entry: its commit, and the keys trusted first."""

    commit: Commit  # the contracts' commit that it was made at
    trusted: tuple[TrustedKey, ...]  # the keys that count from the start
    continues: Continues | None = None  # after a move: the last entry of the log before


@dataclass(frozen=True, slots=True)
class StolenKey(JsonObject):
    """A stolen key: nothing it signed after this entry counts."""

    key: str  # type and base64
    last_good_seq: Natural  # the last entry that its signature counts for


@dataclass(frozen=True, slots=True)
class TrustChange(JsonObject):
    """Keys trusted, or retired, from the next entry on."""

    commit: Commit  # whose authority/allowed_signers lists them
    trust: tuple[TrustedKey, ...]  # keys trusted from the next entry on
    retire: tuple[TrustedKey, ...]  # keys that count no longer
    compromised: tuple[StolenKey, ...]  # stolen keys
    reason: Words  # why


class MissingEntries(NamedTuple):
    """Numbers of entries."""

    first: Seq  # the first
    last: Seq  # the last


@dataclass(frozen=True, slots=True)
class Gap(JsonObject):
    """Lost entries, or the acknowledgement of an entry."""

    KEYWORDS: ClassVar = Keywords.of(oneOf=[{"required": ["missing", "anchor"]}, {"required": ["acknowledges"]}])

    reason: Words  # why
    missing: MissingEntries | None = None  # the numbers that the zone's anchor proves to have existed
    anchor_sha256: Annotated[Sha256 | None, At("anchor")] = None  # the intent that the zone's anchor names
    acknowledges: Seq | None = None  # the gap entry that was looked into

    def __post_init__(self) -> None:
        if self.acknowledges is None and (self.missing is None or self.anchor_sha256 is None):
            raise ValueError("expected missing and anchor, or acknowledges")


@dataclass(frozen=True, slots=True)
class ImportedSegment(JsonObject):
    """What an imported segment changed, and the names that it holds."""

    base: Base  # what the segment continues from
    before: Annotated[ZoneDigests, At("zone.before")]  # as the segment found it, and as the log left it
    after: Annotated[ZoneDigests, At("zone.after")]  # as the segment left it
    changes: Annotated[tuple[Change, ...], At("plan.changes")]  # of all its applied intents, in their order
    anchor: Annotated[Anchor | None, LEFT_OUT]  # its last applied intent; absent: nothing in it was applied
    operators: tuple[str, ...]  # who signed its entries
    witnesses: tuple[str, ...]  # who signed them as second persons
    ended: datetime  # when its last entry was written
    holds: tuple[Hold, ...]  # names that stay as they are until their contracts change
    overrides: tuple[Override, ...]  # guards that were lifted to bring it in
    commit: Commit | None = None  # of the contracts that the holds are of; absent in entries of older versions


@dataclass(frozen=True, slots=True)
class Reconcile(JsonObject):
    """Imports a break-glass segment, or records the review of an imported one."""

    segment: str  # its folder under segments/
    count: Seq  # how many entries it has
    head: Sha256  # of its last entry
    review: str  # who reviewed it; empty: not reviewed
    imported: Annotated[ImportedSegment | None, Flat(only_with="zone")] = None  # absent: in the log before
    reason: Words = ""  # why
