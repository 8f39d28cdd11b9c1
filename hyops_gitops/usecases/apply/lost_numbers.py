"""Making room in the zone for numbers that are used again after entries were lost.

A lost intent left a claim or a tombstone at its number, and the server would refuse the claim of the intent that gets
that number now. They go by a PATCH of their own, before that intent is written: an intent whose own PATCH deleted what
stands at its claim could never be settled by programs of protocol 1. Nothing but markers is touched, and only those of
numbers inside a gap that the log has recorded; never a turn. The PATCH is refused once the turn after the log's head
was taken.
"""

from hyops_gitops.core.breakglass.reconciling import markers_left
from hyops_gitops.core.evidence.custody_entries import Gap
from hyops_gitops.core.evidence.log import Log
from hyops_gitops.core.markers import RESERVED_CLAIMS, Turn, claim_name, lock, tombstone
from hyops_gitops.core.zone import Key, RRset
from hyops_gitops.usecases.apply.locking import ensure_lock
from hyops_gitops.usecases.ports import ZoneWriter

_AT_ONCE = 1000  # numbers: a PATCH has a limit, and a gap has none


def free_reserved_numbers(primary: ZoneWriter, log: Log) -> bool:
    """Clear what a reconciled break-glass segment left at the next numbers; whether anything was there.

    Raises:
        OutsideFailure: the primary cannot be reached, or refuses; nothing but markers was changed.
    """
    return _clear(primary, log, markers_left(log))


def _free_after_a_lost_segment(primary: ZoneWriter, log: Log) -> None:
    """Clear the next numbers where break-glass closed them and nobody can reconcile it: somebody vouched for the zone.

    No intent of this log ever had a number behind its head, so nothing there is anybody's fence.
    """
    following = log.head.seq + 1
    numbers = range(following, following + RESERVED_CLAIMS)
    _clear(primary, log, [(claim_name(log.zone, one), "CNAME") for one in numbers])


def free_lost_numbers(primary: ZoneWriter, log: Log, *, restored: bool = False) -> None:
    """Clear the numbers that the next intents will get, after a gap or a segment that is newer than the last apply.

    The lost intent that the anchor names has landed; where its number is not used again its claim becomes a tombstone,
    as it would have.

    Args:
        primary: The zone.
        log: The log, ahead of the next intent.
        restored: Whether the zone's anchor is older than the log, or gone, and somebody vouched for going on.

    Raises:
        OutsideFailure: the primary cannot be reached, or refuses; nothing but markers was changed.
    """
    free_reserved_numbers(primary, log)
    if restored and log.segment is None:
        _free_after_a_lost_segment(primary, log)
    zone, last, following = log.zone, log.last_applied, log.head.seq + 1
    deletes: list[Key] = []
    replaces: list[RRset] = []
    for gap in (one.body for one in log.gaps if last is None or one.seq > last.result_entry.seq):
        if not isinstance(gap, Gap) or gap.missing is None:
            continue
        anchored = gap.missing[1]
        if anchored < following:
            deletes.append((claim_name(zone, anchored), "TXT"))
            replaces.append(tombstone(zone, anchored))
        for number in range(following, min(anchored + 1, following + _AT_ONCE)):
            deletes += [(claim_name(zone, number), rrtype) for rrtype in ("CNAME", "TXT")]
    _clear(primary, log, list(dict.fromkeys(deletes)), list(dict.fromkeys(replaces)))


def _clear(primary: ZoneWriter, log: Log, deletes: list[Key], replaces: list[RRset] | None = None) -> bool:
    """Delete those of the markers that are there; whether anything was, or is to be put."""
    if not deletes and not replaces:
        return False
    there = {rrset.key for rrset in primary.rrsets_at({name for name, _ in deletes})}
    found = [key for key in deletes if key in there]
    put = [rrset for rrset in replaces or () if rrset.key not in there]
    if not found and not put:
        return False
    ensure_lock(primary, log.zone, log.anchor)
    turn = Turn(log.zone, log.head.seq + 1, log.head.sha256)
    primary.patch(found, put, [*lock(log.zone), *turn.free()])
    return True
