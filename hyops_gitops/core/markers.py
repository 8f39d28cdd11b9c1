"""Our three kinds of marker records in the zone, below `_hyops-gitops.<zone>`.

The *anchor* says, on every server, which intent the zone was last changed by. A *claim* is put down by each intent's
own PATCH and turned into a *tombstone* (a CNAME) by the next one. PowerDNS refuses a whole PATCH that puts a TXT where
a CNAME stands, so a late repeat of an old PATCH cannot land (measured on 4.7 and 4.9).

An intent of a break-glass segment counts for itself: its anchor and its claim name the segment too.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from hyops_gitops.core.names import MARKER_LABEL, absolute
from hyops_gitops.core.zone import RRset

MARKER_TTL = 60  # seconds
TOMBSTONES_KEPT = timedelta(days=1)
SEGMENT_ID = re.compile(r"[0-9a-f]{12}")
RESERVED_CLAIMS = 8  # main numbers after the anchor's that break-glass closes to an applier asleep behind a dead forge
_ANCHOR = re.compile(
    rf'"v=hyops1 (?:bg=(?P<segment>{SEGMENT_ID.pattern}) )?seq=(?P<seq>[1-9][0-9]{{0,15}}) '
    r'(?(segment)entry|intent)=sha256:(?P<sha256>[0-9a-f]{64})"'
)


@dataclass(frozen=True, slots=True)
class Anchor:
    """The intent that the zone says it was last changed by."""

    seq: int
    sha256: str
    segment: str | None = None  # None: an entry of the log itself; else of this break-glass segment

    @classmethod
    def parse(cls, rrset: RRset) -> "Anchor | None":
        """The anchor in a TXT RRset, or None when it is not one of ours; of several, which is damage, the newest."""
        found = [_ANCHOR.fullmatch(row) for row in rrset.rdata]
        anchors = [cls(int(one["seq"]), one["sha256"], one["segment"]) for one in found if one]
        return max(anchors, key=lambda anchor: anchor.seq) if anchors and len(anchors) == len(found) else None

    def rrset(self, zone: str) -> RRset:
        """The TXT RRset that says so."""
        said = f"seq={self.seq} intent" if self.segment is None else f"bg={self.segment} seq={self.seq} entry"
        return RRset.of(anchor_name(zone), "TXT", MARKER_TTL, [f'"v=hyops1 {said}=sha256:{self.sha256}"'])

    def __str__(self) -> str:
        where = "" if self.segment is None else f" of break-glass segment {self.segment}"
        return f"entry {self.seq}{where}"


def anchor_name(zone: str) -> str:
    """Owner of the anchor."""
    return f"{MARKER_LABEL}.{zone}"


def claim_name(zone: str, seq: int, segment: str | None = None) -> str:
    """Owner of an intent's claim, and later of its tombstone."""
    return f"_{seq}{f'-{segment}' if segment else ''}.{MARKER_LABEL}.{zone}"


def claim(zone: str, seq: int, sha256: str, segment: str | None = None) -> RRset:
    """The claim of one intent."""
    return RRset.of(claim_name(zone, seq, segment), "TXT", MARKER_TTL, [f'"v=hyops1 intent=sha256:{sha256}"'])


def tombstone(zone: str, seq: int, segment: str | None = None) -> RRset:
    """The tombstone of one intent."""
    return RRset.of(claim_name(zone, seq, segment), "CNAME", MARKER_TTL, [absolute(anchor_name(zone))])


def reserved_numbers(anchored: int, head: int, open_intent: int | None) -> tuple[int, ...]:
    """The numbers of the log whose claims break-glass makes tombstones of.

    An applier that got its intent into the log and then lost the forge may still send its PATCH. Its number is the
    one of the open intent, or one of the next after the anchor's, or after the newest entry known here.

    Args:
        anchored: The number that the zone's anchor names; 0 for none.
        head: The newest entry known here.
        open_intent: The intent known here that has no result.
    """
    newest = max(anchored, head)
    after = (range(start + 1, start + 1 + RESERVED_CLAIMS) for start in (anchored, newest))
    return tuple(sorted({*chain.from_iterable(after), *(() if open_intent is None else (open_intent,))}))


def expired_tombstones(superseded: Iterable[tuple[str, datetime]], last: datetime, now: datetime) -> list[str]:
    """Which tombstones this PATCH deletes, by owner name.

    Args:
        superseded: The claim's name of each applied intent but the newest, and when the next one's result was written.
        last: When the previous applied intent's PATCH did the same.
        now: The time of this one.

    Deleting what is gone already does no harm, so a second is allowed for rounding at the lower edge.
    """
    since, until = last - TOMBSTONES_KEPT - timedelta(seconds=1), now - TOMBSTONES_KEPT
    return [name for name, at in superseded if since <= at < until]
