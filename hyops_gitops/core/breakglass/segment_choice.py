"""Which break-glass segment a command goes on with: the one that the zone names, or one of its own. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from hyops_gitops.core.errors import Refused
from hyops_gitops.core.evidence.custody_entries import Reconcile
from hyops_gitops.core.evidence.entry_list import EntryList
from hyops_gitops.core.evidence.log import Log
from hyops_gitops.core.evidence.segment import Base, SegmentRef
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.verification.segment_reading import Segment


def choose_segment(anchor: Anchor | None, segments: Sequence[Segment], log: Log, new: str) -> Segment | Log:
    """The segment to go on with; an empty one, as a log, where none is under way.

    Args:
        anchor: What the zone's anchor names now.
        segments: Those in the folder that verify.
        log: The log at hand.
        new: The id of a segment to begin.

    Raises:
        Refused: guard `breakglass`: the zone was last changed by a segment, or an entry of one, that is not here.
    """
    done = {one.body.segment for one in log.reconciled if isinstance(one.body, Reconcile)}
    open_ones = [one for one in segments if one.ref.id not in done]
    matching = [one for one in open_ones if (one.anchor or one.ref.base.anchor) == anchor]
    if matching:
        return max(matching, key=lambda one: (one.anchor is not None, one.head.envelope.time))
    if anchor is not None and anchor.segment is not None and anchor != log.anchor:
        raise _not_here(anchor, next((one for one in segments if one.ref.id == anchor.segment), None))
    return begun(log, SegmentRef(new, Base((log.head.seq, log.head.sha256), anchor)))


def begun(log: Log, ref: SegmentRef) -> Log:
    """A segment without entries, as a log that goes on from another."""
    return replace(log, commit=ref.id, entries=EntryList(), head_sig_sha256="", doubtful=(), segment=ref, base=log)


def _not_here(anchor: Anchor, own: Segment | None) -> Refused:
    where = f"segments/{anchor.segment}"
    if own is None:
        message = f"the zone was last changed by {anchor}, and that segment is not in this folder"
        hint = f"copy {where} here from the host where it was written, then run again: this command continues it"
    elif own.anchor is not None and own.anchor.seq >= anchor.seq:
        message = (
            f"the zone was last changed by another {anchor} than the one in this folder: it was continued elsewhere"
        )
        hint = f"go on from the folder whose {where} the zone names; a fork cannot be reconciled"
    else:
        message = f"the zone was last changed by {anchor}, and {where} here ends before that"
        hint = f"copy {where} here again from where it was continued, then run again"
    return Refused(message, guard="breakglass", hint=hint)
