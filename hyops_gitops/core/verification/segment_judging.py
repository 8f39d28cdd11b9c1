"""Whether a break-glass segment goes on from a log, and whether it may be brought into it. Pure."""

from collections.abc import Iterator, Sequence

from hyops_gitops.core.evidence.custody_entries import Reconcile
from hyops_gitops.core.evidence.entries import Intent
from hyops_gitops.core.evidence.envelope import Entry
from hyops_gitops.core.evidence.log import Log, anchor_after
from hyops_gitops.core.evidence.segment import entry_file, segment_path
from hyops_gitops.core.verification.log_problems import Problem
from hyops_gitops.core.verification.segment_reading import Segment


def check_base(segment: Segment, entries: Sequence[Entry]) -> Iterator[Problem]:
    """Whether a segment goes on from a log with these entries."""
    where, base = segment_path(segment.ref.id, entry_file(1)), segment.ref.base
    if segment.log != entries[0].envelope.log:
        message = f"the segment goes on from log {segment.log}, this one is {entries[0].envelope.log}"
        yield Problem("other-log", where, message)
        return
    known = [base.head]
    if base.anchor is not None and base.anchor.segment is None:
        known.append((base.anchor.seq, base.anchor.sha256))
    for seq, sha256 in known:
        if seq > len(entries):
            message = f"the segment goes on from entry {seq}, and the log ends at {len(entries)}: entries are missing"
            yield Problem("base", where, message)
            return
        if entries[seq - 1].sha256 != sha256:
            yield Problem("fork", where, f"the segment goes on from another entry {seq} than the log has")
            return
    if (last := anchor_after(entries)) != base.anchor:
        said, is_so = (str(one) if one else "nothing" for one in (base.anchor, last))
        message = f"the segment found {said} applied last, the log says {is_so}: one of them overwrote the other"
        yield Problem("fork", where, message)


def check_new(segment: Segment, log: Log) -> Iterator[Problem]:
    """Whether a segment was brought in already, as it is or otherwise."""
    for entry in log.reconciled:
        body = entry.body
        if isinstance(body, Reconcile) and body.segment == segment.ref.id:
            where = segment_path(segment.ref.id, entry_file(body.count))
            if (body.count, body.head) == (len(segment.entries), segment.head.sha256):
                yield Problem("reconciled", where, f"the segment was brought in by entry {entry.seq}")
            else:
                message = f"entry {entry.seq} brought in another segment of this name, with {body.count} entries"
                yield Problem("fork", where, message)


def check_whole(segment: Segment, *, witness_required: bool) -> Iterator[Problem]:
    """Whether nothing about a segment is still to be done by those who wrote it."""
    if (entry := segment.open_intent) is not None:
        message = f"intent {entry.seq} has no result: the next breakglass command in that folder settles it"
        yield Problem("open-intent", segment_path(segment.ref.id, entry_file(entry.seq)), message)
    for entry in segment.entries if witness_required else ():
        if isinstance(entry.body, Intent) and entry.seq not in segment.witnesses:
            message = "the policy requires a witness, and nobody signed as one"
            yield Problem("witness", segment_path(segment.ref.id, entry_file(entry.seq)), message)
