"""Entries about the log itself: where it starts, whose keys count, what is missing, what was brought in."""

import re
from dataclasses import dataclass
from datetime import datetime

from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.guards import Override
from hyops_gitops.core.json_fields import Fields, Json, present, time_text
from hyops_gitops.core.markers import Anchor
from hyops_gitops.log.parts import (
    Hold,
    TrustedKey,
    ZoneDigests,
    change_from_json,
    override_from_json,
    override_json,
)
from hyops_gitops.log.segment import Base, anchor_from_json, anchor_json
from hyops_gitops.plan.plan import Change

_CONTINUES = re.compile(r"(?P<log>[0-9a-f]{32}):(?P<seq>[1-9][0-9]{0,8}):(?:sha256:)?(?P<sha256>[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Continues:
    """The last entry of the log that a new one goes on from, after a move to another repository."""

    log: str
    seq: int
    sha256: str

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

    def to_json(self) -> Json:
        """The entry's form."""
        return {"log": self.log, "seq": self.seq, "sha256": self.sha256}

    @classmethod
    def from_json(cls, fields: Fields) -> "Continues":
        """Back from the entry's form."""
        return cls(fields.text("log"), fields.integer("seq"), fields.sha256("sha256"))


@dataclass(frozen=True, slots=True)
class Genesis:
    """The first entry: the commit it was made at, and the keys trusted from the start."""

    commit: str
    trusted: tuple[TrustedKey, ...]
    continues: Continues | None = None

    def to_json(self) -> Json:
        """The entry's form."""
        continues = self.continues.to_json() if self.continues else None
        trusted = [key.to_json() for key in self.trusted]
        return {"commit": self.commit, "trusted": trusted, **present(continues=continues)}

    @classmethod
    def from_json(cls, fields: Fields) -> "Genesis":
        """Back from the entry's form."""
        return cls(
            fields.text("commit"),
            fields.each("trusted", TrustedKey.from_json),
            fields.optional("continues", Continues.from_json),
        )


@dataclass(frozen=True, slots=True)
class Compromised:
    """A stolen key: nothing it signed after this entry counts."""

    key: str
    last_good_seq: int

    def to_json(self) -> Json:
        """The entry's form."""
        return {"key": self.key, "last_good_seq": self.last_good_seq}

    @classmethod
    def from_json(cls, fields: Fields) -> "Compromised":
        """Back from the entry's form."""
        return cls(fields.text("key"), fields.integer("last_good_seq"))


@dataclass(frozen=True, slots=True)
class TrustChange:
    """Keys that count from here on, and keys that no longer do, whatever time they claim."""

    commit: str  # whose authority/allowed_signers lists them
    trust: tuple[TrustedKey, ...]
    retire: tuple[TrustedKey, ...]
    compromised: tuple[Compromised, ...]
    reason: str

    def to_json(self) -> Json:
        """The entry's form."""
        return {
            "commit": self.commit,
            "trust": [key.to_json() for key in self.trust],
            "retire": [key.to_json() for key in self.retire],
            "compromised": [one.to_json() for one in self.compromised],
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, fields: Fields) -> "TrustChange":
        """Back from the entry's form."""
        return cls(
            fields.text("commit"),
            fields.each("trust", TrustedKey.from_json),
            fields.each("retire", TrustedKey.from_json),
            fields.each("compromised", Compromised.from_json),
            fields.text("reason"),
        )


@dataclass(frozen=True, slots=True)
class Gap:
    """Entries that are gone for good, or somebody's word that they know of it."""

    reason: str
    missing: tuple[int, int] | None = None  # first and last number that the zone's anchor proves to have existed
    anchor_sha256: str | None = None  # the intent that the anchor names
    acknowledges: int | None = None  # the gap entry that somebody has looked into

    def to_json(self) -> Json:
        """The entry's form."""
        if self.missing is None or self.anchor_sha256 is None:
            return {"reason": self.reason, "acknowledges": self.acknowledges}
        first, last = self.missing
        return {"reason": self.reason, "missing": {"first": first, "last": last}, "anchor": self.anchor_sha256}

    @classmethod
    def from_json(cls, fields: Fields) -> "Gap":
        """Back from the entry's form."""
        if "acknowledges" in fields:
            return cls(fields.text("reason"), acknowledges=fields.integer("acknowledges"))
        missing = fields.nested("missing")
        return cls(fields.text("reason"), (missing.integer("first"), missing.integer("last")), fields.sha256("anchor"))


@dataclass(frozen=True, slots=True)
class Adopted:
    """What a reconciled segment did to the zone, and what becomes of it."""

    base: Base  # what it went on from
    before: ZoneDigests  # the zone as the segment found it, and as the log left it
    after: ZoneDigests
    changes: tuple[Change, ...]  # of all its applied intents, in their order
    anchor: Anchor | None  # the segment's last applied intent; None: nothing in it was applied
    operators: tuple[str, ...]  # whose entries it holds
    witnesses: tuple[str, ...]
    ended: datetime  # when its last entry was written
    holds: tuple[Hold, ...]  # names that stay as they are until their contracts change
    overrides: tuple[Override, ...]
    commit: str | None = None  # of the contracts that the holds are of; None: an older version did not say

    def to_json(self) -> Json:
        """The entry's form, without what every reconcile entry has."""
        return {
            "base": self.base.to_json(),
            "zone": {"before": self.before.to_json(), "after": self.after.to_json()},
            "plan": {"changes": [change.to_json() for change in self.changes]},
            "ended": time_text(self.ended),
            "holds": [hold.to_json() for hold in self.holds],
            "operators": list(self.operators),
            "witnesses": list(self.witnesses),
            "overrides": [override_json(override) for override in self.overrides],
            **present(anchor=anchor_json(self.anchor) if self.anchor else None, commit=self.commit),
        }

    @classmethod
    def from_json(cls, fields: Fields) -> "Adopted":
        """Back from the entry's form."""
        zone = fields.nested("zone")
        return cls(
            Base.from_json(fields.nested("base")),
            ZoneDigests.from_json(zone.nested("before")),
            ZoneDigests.from_json(zone.nested("after")),
            fields.nested("plan").each("changes", change_from_json),
            fields.optional("anchor", anchor_from_json),
            fields.texts("operators"),
            fields.texts("witnesses"),
            fields.time("ended"),
            fields.each("holds", Hold.from_json),
            fields.each("overrides", override_from_json),
            fields.optional_text("commit"),
        )


@dataclass(frozen=True, slots=True)
class Reconcile:
    """A break-glass segment brought into the log, or somebody's word that they looked at one that was."""

    segment: str
    count: int
    head: str  # SHA-256 of the segment's last entry
    review: str  # who looked at it, or ""
    adopted: Adopted | None = None  # None: the segment was brought in before
    reason: str = ""

    def to_json(self) -> Json:
        """The entry's form."""
        said: Json = {"segment": self.segment, "count": self.count, "head": self.head, "review": self.review}
        return {**said, **(self.adopted.to_json() if self.adopted else {}), **present(reason=self.reason)}

    @classmethod
    def from_json(cls, fields: Fields) -> "Reconcile":
        """Back from the entry's form."""
        return cls(
            fields.text("segment"),
            fields.integer("count"),
            fields.sha256("head"),
            fields.text("review"),
            Adopted.from_json(fields) if "zone" in fields else None,
            fields.optional_text("reason") or "",
        )
