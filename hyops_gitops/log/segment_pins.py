"""Break-glass segments on the evidence branch: each as a reconcile entry pins it, and all of it sound. Pure.

A segment is judged as the log stood when it was brought in: by the keys that counted then, unless the entry says that
somebody lifted that guard.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.fields import time_text
from hyops_gitops.core.signers import SignerSet
from hyops_gitops.log.admin_entries import Adopted, Reconcile
from hyops_gitops.log.chain import Problem
from hyops_gitops.log.envelope import Entry, EntryList, entry_path
from hyops_gitops.log.log import Log
from hyops_gitops.log.segment import ENTRY_FILE, SEGMENTS, entry_file, segment_path
from hyops_gitops.log.trust import BREAKGLASS_NAMESPACE, TrustBook
from hyops_gitops.log.verify_segment import Segment, SignatureCheck, check_base, read_segment

TRUST_GUARD = "segment-trust"


def segment_files(paths: Mapping[str, bytes], segment: str) -> dict[str, bytes]:
    """The files of one segment, by name, out of those of the branch."""
    folder = segment_path(segment, "")
    return {path.removeprefix(folder): content for path, content in paths.items() if path.startswith(folder)}


def brought_in(entries: EntryList, files: Mapping[str, bytes]) -> dict[str, EntryList]:
    """The entries of each segment that a verified log holds, by its id."""
    bodies = (one.body for one in entries.of_types("reconcile"))
    return {
        body.segment: EntryList(files[segment_path(body.segment, entry_file(seq))] for seq in range(1, body.count + 1))
        for body in bodies
        if isinstance(body, Reconcile) and body.adopted is not None
    }


def check_pins(zone: str, entries: EntryList, files: Mapping[str, bytes]) -> Iterator[Problem]:
    """Whether each reconciled segment has as many entries as the log says, and the last one that it says."""
    for path in files:
        if path.startswith(SEGMENTS) and path.count("/") != 2:  # noqa: PLR2004 - segments/<id>/<file>
            yield Problem("path", path, "not a file of a segment")
    seen: dict[str, Reconcile] = {}
    for entry in entries.of_types("reconcile"):
        body, where = entry.body, entry_path(zone, entry.seq)
        if not isinstance(body, Reconcile):
            continue
        known = seen.setdefault(body.segment, body)
        if (known.adopted is body.adopted) is not (known is body) or (known.count, known.head) != (
            body.count,
            body.head,
        ):
            yield Problem("segment", where, f"segment {body.segment} was brought in before, or otherwise")
        found = segment_files(files, body.segment)
        count = sum(1 for name in found if (match := ENTRY_FILE.fullmatch(name)) and not match["signature"])
        if count != body.count:
            message = f"segment {body.segment} holds {count} entries, the log says {body.count}"
            yield Problem("segment", where, message)
        elif sha256_hex(found.get(entry_file(count), b"")) != body.head:
            yield Problem("segment", where, f"segment {body.segment} does not end as the log says")


def check_adopted(
    zone: str,
    entries: EntryList,
    files: Mapping[str, bytes],
    since: int,
    signers: SignerSet,
    check_signature: SignatureCheck,
) -> Iterator[Problem]:
    """Whether each segment brought in after the first `since` entries verifies and did what its entry says."""
    for entry in entries.of_types("reconcile"):
        body = entry.body
        if entry.seq <= since or not isinstance(body, Reconcile) or body.adopted is None:
            continue
        trust = TrustBook.of(EntryList(entries.blobs(entry.seq - 1)))
        lifted = any(one.guard == TRUST_GUARD for one in body.adopted.overrides)

        def why_not(principal: str, key: str, trust: TrustBook = trust, lifted: bool = lifted) -> str | None:
            return None if lifted else trust.why_not(principal, key, BREAKGLASS_NAMESPACE)

        reading = read_segment(
            zone,
            body.segment,
            segment_files(files, body.segment),
            signers=signers,
            check_signature=check_signature,
            why_not=why_not,
        )
        yield from reading.problems
        if reading.segment is not None:
            yield from check_base(reading.segment, entries[: entry.seq - 1])
            yield from _check_said(entry, body.adopted, reading.segment)


def _check_said(entry: Entry, adopted: Adopted, segment: Segment) -> Iterator[Problem]:
    """Whether a reconcile entry says of its segment what that holds."""
    where = entry_path(segment.zone, entry.seq)
    for what, said, is_so in (
        ("changes", adopted.changes, segment.changes()),
        ("last applied intent", adopted.anchor, segment.anchor),
        ("base", adopted.base, segment.ref.base),
        ("operators", adopted.operators, segment.operators),
        ("witnesses", adopted.witnesses, tuple(sorted(set(segment.witnesses.values())))),
        ("zone before", adopted.before.whole, segment.start.digest()),
        ("zone after", adopted.after.whole, segment.end.digest()),
    ):
        if said != is_so:
            yield Problem("segment", where, f"its {what} is not what segment {segment.ref.id} holds")


@dataclass(frozen=True, slots=True)
class PendingReview:
    """A segment in the log that nobody but those who wrote it has looked at."""

    segment: str
    seq: int  # the entry that brought it in
    operators: tuple[str, ...]
    due: datetime

    def overdue(self, now: datetime) -> bool:
        """Whether the policy's time is over."""
        return now > self.due

    @property
    def message(self) -> str:
        """What is missing, and until when."""
        return (
            f"break-glass segment {self.segment} by {', '.join(self.operators)} (entry {self.seq}) has to be reviewed "
            f"by somebody else until {time_text(self.due)}"
        )

    @property
    def hint(self) -> str:
        """How that is done."""
        return f"somebody else runs: hyops-gitops reconcile {self.segment} --reviewed 'what they saw'"


def segment_warnings(log: Log, folder: Iterable[str], review_h: int) -> Iterator[str]:
    """What is still to be done about break-glass: reviews, and segments in the folder that are not in the log."""
    yield from (one.message for one in pending_reviews(log, review_h))
    done = {one.body.segment for one in log.reconciled if isinstance(one.body, Reconcile)}
    for segment in sorted(set(folder) - done):
        yield f"break-glass segment {segment} in this folder is not reconciled with the log"


def pending_reviews(log: Log, review_h: int) -> Iterator[PendingReview]:
    """The segments that wait for a review, oldest first."""
    bodies = [(entry.seq, entry.body) for entry in log.entries.of_types("reconcile")]
    reviewed = {body.segment for _, body in bodies if isinstance(body, Reconcile) and body.review}
    for seq, body in bodies:
        if isinstance(body, Reconcile) and body.adopted is not None and body.segment not in reviewed:
            yield PendingReview(
                body.segment, seq, body.adopted.operators, body.adopted.ended + timedelta(hours=review_h)
            )
