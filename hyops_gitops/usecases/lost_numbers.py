"""Making room in the zone for numbers that are used again after entries were lost.

A lost intent left a claim or a tombstone at its number, and the server would refuse the claim of the intent that gets
that number now. They go by a PATCH of their own, before that intent is written: an intent whose own PATCH deleted what
stands at its claim could never be settled, because that PATCH would delete the settling tombstone as well. Nothing but
markers is touched, and only those of numbers inside a gap that the log has recorded.
"""

from hyops_gitops.core.custody_entries import Gap
from hyops_gitops.core.log import Log
from hyops_gitops.core.markers import claim_name, tombstone
from hyops_gitops.core.zone import Key, RRset
from hyops_gitops.usecases.ports import ZoneWriter

_AT_ONCE = 1000  # numbers: a PATCH has a limit, and a gap has none


def free_lost_numbers(primary: ZoneWriter, log: Log) -> None:
    """Clear the numbers of a gap that the next intents will get; nothing unless a gap is newer than the last apply.

    The lost intent that the anchor names has landed; where its number is not used again its claim becomes a tombstone,
    as it would have.

    Raises:
        OutsideFailure: the primary cannot be reached, or refuses; nothing but markers was changed.
    """
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
    if deletes:
        primary.patch(list(dict.fromkeys(deletes)), list(dict.fromkeys(replaces)))
