"""The row that each PATCH of ours locks first, where a zone has none yet."""

from hyops_gitops.core.errors import OutsideFailure, ReplyLost, ServerRefused
from hyops_gitops.core.markers import Anchor, claim_name, first_lock, protocol_name
from hyops_gitops.core.network import ZoneWriter
from hyops_gitops.core.zone import RRset


def ensure_lock(writer: ZoneWriter, zone: str, previous: Anchor | None) -> None:
    """Put the lock row into the zone, by a PATCH of its own, and read it back; nothing where it is there.

    Args:
        writer: The primary.
        zone: The zone.
        previous: The last applied intent. Its claim, or else the zone's SOA, is what two at the same moment wait for.

    Raises:
        OutsideFailure: the row cannot be put there, or is not there afterwards.
    """
    names = [protocol_name(zone), zone, *([claim_name(zone, previous.seq, previous.segment)] if previous else [])]
    seen = writer.rrsets_at(names)
    if _has_lock(seen, zone):
        return
    held = _held(seen, zone)
    try:
        writer.patch((), (), first_lock(zone, held))
    except ServerRefused as error:
        reason = error.message  # another run has put it there, as can be seen
    except ReplyLost as error:  # of this PATCH, not of the update that is to follow
        reason = error.message
    else:
        reason = "it was accepted and is not there"
    if not _has_lock(writer.rrsets_at(names[:1]), zone):
        raise OutsideFailure(f"the lock row of {zone} cannot be written: {reason}", code="no-lock-row")


def _has_lock(seen: tuple[RRset, ...], zone: str) -> bool:
    return any(one.key == (protocol_name(zone), "TXT") for one in seen)


def _held(seen: tuple[RRset, ...], zone: str) -> RRset:
    """A row that is there, to be written again as it is: the previous claim or its tombstone, else the SOA."""
    for rrset in seen:
        if rrset.name != zone and rrset.type in ("TXT", "CNAME"):
            return rrset
    for rrset in seen:
        if rrset.key == (zone, "SOA"):
            return rrset
    raise OutsideFailure(f"the primary shows no SOA of {zone}", code="no-lock-row")
