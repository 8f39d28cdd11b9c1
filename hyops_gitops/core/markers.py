"""Our records below `_hyops-gitops.<zone>`, with which a server refuses stale updates.

- The *anchor* names, on every server, the intent that the zone was last changed by.
- The *protocol marker* names the way in which the zone's updates are fenced. Its row is the lock: each PATCH of ours
  begins by rewriting it, so that a database which isolates nothing but written rows still carries them out in turn.
- The *turn* after an entry of the log is taken once: by the update of the intent that follows it, or by the process
  that settles that intent. The second to come, be it a copy of the same PATCH, is refused whole.
- A *claim* (TXT) is put down by each intent's update, and becomes a *tombstone* (CNAME) by the next one or by settling.

PowerDNS refuses a whole PATCH that puts a TXT where a CNAME stands, and the reverse, and carries a PATCH out in
its order (measured on 4.7, 4.9 and 5.1). An intent of a break-glass segment counts for itself: its markers name it.
"""

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import chain
from typing import Annotated

from hyops_gitops.core.codec import JsonObject
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.fields import Keywords, Seq, Sha256
from hyops_gitops.core.names import MARKER_LABEL, absolute
from hyops_gitops.core.zone import Key, Operation, RRset

PROTOCOL = 2  # of the markers; 1 had neither lock nor turns
MARKER_TTL = 60  # seconds
MARKERS_KEPT = timedelta(days=1)  # how late an update may be and still be refused
INTENTS_KEPT = 500  # and how many intents may have followed it
EXPIRED_AT_ONCE = 200  # markers that one PATCH deletes: a log of any length is swept within a few
SEGMENT_ID = re.compile(r"[0-9a-f]{12}")
SegmentId = Annotated[str, Keywords.of(pattern=r"^[0-9a-f]{12}(?!\n)$")]
RESERVED_CLAIMS = 8  # main numbers after the anchor's that break-glass closes to an applier asleep behind a dead forge
_ANCHOR = re.compile(
    rf'"v=hyops1 (?:bg=(?P<segment>{SEGMENT_ID.pattern}) )?seq=(?P<seq>[1-9][0-9]{{0,15}}) '
    r'(?(segment)entry|intent)=sha256:(?P<sha256>[0-9a-f]{64})"'
)
_PROTOCOL = re.compile(r'"v=hyops[0-9]+ protocol=(?P<protocol>[1-9][0-9]{0,3})(?: [ -~]*)?"')
_NAME = re.compile(
    rf"_(?P<seq>[1-9][0-9]{{0,15}})(?:-(?P<segment>{SEGMENT_ID.pattern}))?(?P<turn>-after-[0-9a-f]{{12}})?"
)


@dataclass(frozen=True, slots=True)
class Anchor(JsonObject):
    """The intent that the zone says it was last changed by."""

    seq: Seq  # of the intent
    sha256: Sha256  # of the intent
    segment: SegmentId | None = None  # the break-glass segment that the intent is of; absent: the log itself

    @classmethod
    def parse(cls, rrset: RRset) -> "Anchor | None":
        """The newest anchor in a TXT RRset; None for foreign content."""
        found = [_ANCHOR.fullmatch(row) for row in rrset.rdata]
        anchors = [cls(int(match["seq"]), match["sha256"], match["segment"]) for match in found if match]
        return max(anchors, key=lambda anchor: anchor.seq) if anchors and len(anchors) == len(found) else None

    def rrset(self, zone: str) -> RRset:
        """The TXT RRset that says so."""
        intent = f"seq={self.seq} intent" if self.segment is None else f"bg={self.segment} seq={self.seq} entry"
        return RRset.of(anchor_name(zone), "TXT", MARKER_TTL, [f'"v=hyops1 {intent}=sha256:{self.sha256}"'])

    def __str__(self) -> str:
        where = "" if self.segment is None else f" of break-glass segment {self.segment}"
        return f"entry {self.seq}{where}"


def anchor_name(zone: str) -> str:
    """Owner of the anchor."""
    return f"{MARKER_LABEL}.{zone}"


# --- claims and tombstones


def claim_name(zone: str, seq: int, segment: str | None = None) -> str:
    """Owner of an intent's claim, and later of its tombstone."""
    return f"{_label(seq, segment)}.{MARKER_LABEL}.{zone}"


def claim(zone: str, seq: int, sha256: str, segment: str | None = None) -> RRset:
    """The claim of one intent."""
    return RRset.of(claim_name(zone, seq, segment), "TXT", MARKER_TTL, [f'"v=hyops1 intent=sha256:{sha256}"'])


def tombstone(zone: str, seq: int, segment: str | None = None) -> RRset:
    """The tombstone of one intent."""
    return _alias(claim_name(zone, seq, segment), anchor_name(zone))


def closing(zone: str, intent: Anchor | None) -> list[Operation]:
    """The operations that make an intent's claim a tombstone.

    Either way a row is locked that programs of protocol 1 lock too.
    """
    if intent is None:
        return []
    return [
        (claim_name(zone, intent.seq, intent.segment), "TXT"),
        tombstone(zone, intent.seq, intent.segment),
    ]


# --- the lock


def protocol_name(zone: str) -> str:
    """Owner of the protocol marker."""
    return f"_protocol.{MARKER_LABEL}.{zone}"


def protocol_marker(zone: str) -> RRset:
    """The protocol marker that this program writes."""
    return RRset.of(protocol_name(zone), "TXT", MARKER_TTL, [f'"v=hyops1 protocol={PROTOCOL}"'])


def parse_protocol(rrset: RRset) -> int | None:
    """The protocol that a marker names; None for foreign content."""
    match = _PROTOCOL.fullmatch(rrset.rdata[0]) if rrset.type == "TXT" and len(rrset.rdata) == 1 else None
    return int(match["protocol"]) if match else None


def lock(zone: str) -> list[Operation]:
    """The first operation of each PATCH, which takes the lock row.

    By the delete one waits for a PATCH that is under way; what it stored is seen by the replace, a statement of its
    own, which waits for one more that was waiting beside it.
    """
    marker = protocol_marker(zone)
    return [marker.key, marker]


def first_lock(zone: str, held: RRset) -> list[Operation]:
    """The operation that creates the lock row of a zone.

    Two at the same moment both rewrite `held`, a row that is there, and the second is refused: a CNAME cannot
    be put beside the TXT of the first. The same refuses one that comes late.
    """
    marker = protocol_marker(zone)
    probe = _alias(marker.name, anchor_name(zone))
    return [held.key, probe, probe.key, marker, held]


# --- turns


@dataclass(frozen=True, slots=True)
class Turn:
    """The turn after one entry of the log, or of a segment."""

    zone: str
    seq: int  # of the intent that follows the entry
    follows: str  # SHA-256 of the entry
    segment: str | None = None

    @property
    def name(self) -> str:
        """Owner of its marker."""
        return f"{_label(self.seq, self.segment)}-after-{self.follows[:12]}.{MARKER_LABEL}.{self.zone}"

    def taken(self, *, landed: bool) -> RRset:
        """The marker of a taken turn, with the entry that took it."""
        update = claim_name(self.zone, self.seq, self.segment)
        return _alias(self.name, update if landed else anchor_name(self.zone))

    def take(self, *, landed: bool) -> list[Operation]:
        """The operations that take it, refused where it was taken."""
        return [*self.free(), self.taken(landed=landed)]

    def free(self) -> list[Operation]:
        """The operations that are refused where it was taken, else leave nothing."""
        probe = RRset.of(self.name, "TXT", MARKER_TTL, ['"v=hyops1 turn"'])
        return [probe, probe.key]


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


def marker_of_an_end(zone: str, name: str, landed: Callable[[int, str | None], bool]) -> RRset | None:
    """The marker that stays when an intent is over, by name.

    Args:
        zone: The zone.
        name: The owner.
        landed: Whether the intent of that number, of the log or of a segment, is recorded as applied.
    """
    match = _NAME.fullmatch(name.removesuffix(f".{MARKER_LABEL}.{zone}"))
    if match is None:
        return None
    seq, segment = int(match["seq"]), match["segment"]
    by_update = match["turn"] is not None and landed(seq, segment)
    return _alias(name, claim_name(zone, seq, segment) if by_update else anchor_name(zone))


# --- expiry


def expired_markers(
    seen: Iterable[Key], zone: str, written: Callable[[int, str | None], datetime | None], now: datetime
) -> list[Key]:
    """The oldest tombstones and turns, which the next PATCH deletes.

    Args:
        seen: Every owner and type below the anchor.
        zone: The zone.
        written: When the entry of that number, of the log or of a segment, was written; None where that is not known.
        now: The time of the PATCH.
    """
    own: dict[int, list[Key]] = {}
    found: list[Key] = []
    for key in sorted(seen):
        match = _NAME.fullmatch(key[0].removesuffix(f".{MARKER_LABEL}.{zone}"))
        if match is None or key[1] != "CNAME":
            continue
        if match["segment"] is None:
            own.setdefault(int(match["seq"]), []).append(key)
        elif _is_old(written(int(match["seq"]), match["segment"]), now):
            found.append(key)
    numbers = sorted(own)
    for place, number in enumerate(numbers):
        at = written(number, None)
        if at is None:
            continue
        if not _is_old(at, now) and place >= len(numbers) - INTENTS_KEPT:
            break  # those after it are younger
        found += own[number]
    return found[:EXPIRED_AT_ONCE]


def _is_old(at: datetime | None, now: datetime) -> bool:
    return at is not None and at < now - MARKERS_KEPT


def _label(seq: int, segment: str | None) -> str:
    return f"_{seq}{f'-{segment}' if segment else ''}"


def _alias(name: str, target: str) -> RRset:
    return RRset.of(name, "CNAME", MARKER_TTL, [absolute(target)])
