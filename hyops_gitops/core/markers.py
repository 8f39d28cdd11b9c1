"""Our three kinds of marker records in the zone, below `_hyops-gitops.<zone>`.

The *anchor* says, on every server, which intent the zone was last changed by. A *claim* is put down by each intent's
own PATCH and turned into a *tombstone* (a CNAME) by the next one. PowerDNS refuses a whole PATCH that puts a TXT where
a CNAME stands, so a late repeat of an old PATCH cannot land (measured on 4.7 and 4.9).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from hyops_gitops.core.names import MARKER_LABEL, absolute
from hyops_gitops.core.zone import RRset

MARKER_TTL = 60  # seconds
TOMBSTONES_KEPT = timedelta(days=1)
_BREAK_GLASS = re.compile(r'"v=hyops1 bg=(?P<segment>[A-Za-z0-9._-]{1,64})(?: [!-~ ]*)?"')
_ANCHOR = re.compile(r'"v=hyops1 seq=(?P<seq>[1-9][0-9]{0,15}) intent=sha256:(?P<sha256>[0-9a-f]{64})"')


@dataclass(frozen=True, slots=True)
class Anchor:
    """The intent that the zone says it was last changed by."""

    seq: int
    sha256: str

    @classmethod
    def parse(cls, rrset: RRset) -> "Anchor | None":
        """The anchor in a TXT RRset, or None when it is not one of ours."""
        match = _ANCHOR.fullmatch(rrset.rdata[0]) if len(rrset.rdata) == 1 else None
        return cls(int(match["seq"]), match["sha256"]) if match else None

    def rrset(self, zone: str) -> RRset:
        """The TXT RRset that says so."""
        return RRset.of(
            anchor_name(zone), "TXT", MARKER_TTL, [f'"v=hyops1 seq={self.seq} intent=sha256:{self.sha256}"']
        )


def break_glass_of(rrset: RRset) -> str | None:
    """The break-glass segment that an anchor names instead of an entry, None when it names none."""
    match = _BREAK_GLASS.fullmatch(rrset.rdata[0]) if len(rrset.rdata) == 1 else None
    return match["segment"] if match else None


def anchor_name(zone: str) -> str:
    """Owner of the anchor."""
    return f"{MARKER_LABEL}.{zone}"


def claim_name(zone: str, seq: int) -> str:
    """Owner of an intent's claim, and later of its tombstone."""
    return f"_{seq}.{MARKER_LABEL}.{zone}"


def claim(zone: str, seq: int, sha256: str) -> RRset:
    """The claim of one intent."""
    return RRset.of(claim_name(zone, seq), "TXT", MARKER_TTL, [f'"v=hyops1 intent=sha256:{sha256}"'])


def tombstone(zone: str, seq: int) -> RRset:
    """The tombstone of one intent."""
    return RRset.of(claim_name(zone, seq), "CNAME", MARKER_TTL, [absolute(anchor_name(zone))])


def expired_tombstones(superseded: Iterable[tuple[int, datetime]], last: datetime, now: datetime) -> list[int]:
    """Which intents' tombstones this PATCH deletes.

    Args:
        superseded: Sequence number of each applied intent but the newest, and when the next one's result was written.
        last: When the previous applied intent's PATCH did the same.
        now: The time of this one.

    Deleting what is gone already does no harm, so a second is allowed for rounding at the lower edge.
    """
    since, until = last - TOMBSTONES_KEPT - timedelta(seconds=1), now - TOMBSTONES_KEPT
    return [seq for seq, at in superseded if since <= at < until]
