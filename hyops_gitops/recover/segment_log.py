"""Break-glass segments in a folder: reader and writer."""

from collections.abc import Callable, Sequence

from hyops_gitops.apply.look import judge_anchor
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import Refused
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.ports import Clock, SegmentFolder, Signer, Verifier
from hyops_gitops.core.signers import SignerSet
from hyops_gitops.core.text import first_few
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.branch import Signers
from hyops_gitops.log.entries import Body, Intent
from hyops_gitops.log.envelope import decode, encode
from hyops_gitops.log.log import Log
from hyops_gitops.log.segment import START_ZONE, entry_file, witness_file
from hyops_gitops.log.trust import BREAKGLASS_NAMESPACE
from hyops_gitops.log.verify_segment import Segment, SegmentReading, read_segment
from hyops_gitops.log.writer import Author, SigningKey
from hyops_gitops.recover.restore import SecondaryState

_SHOWN = 3


def operator_key(signer: Signer, signers: Signers, log: Log, clock: Clock) -> SigningKey:
    """Check that a key is allowed, trusted and can sign.

    Raises:
        Refused: guard `signing-key`.
    """
    key = SigningKey.prepare(signer, signers, BREAKGLASS_NAMESPACE, clock)
    if (why := log.trust.why_not(key.principal, key.key, BREAKGLASS_NAMESPACE)) is not None:
        raise Refused(
            f"{key.principal} is not a break-glass operator: {why}",
            guard="signing-key",
            hint="trust operators ahead of need: add a line to authority/allowed_signers with "
            f'namespaces="{BREAKGLASS_NAMESPACE}", then `hyops-gitops keys trust`, then a new bundle',
        )
    return key


@dataclass(frozen=True, slots=True)
class SegmentReader:
    """Reader of a folder's segments, by signers and log at hand."""

    folder: SegmentFolder
    signers: SignerSet
    verifier: Verifier
    log: Log  # that they continue

    def read(self, segment: str) -> SegmentReading:
        """Read and verify one segment."""
        trust = self.log.trust
        return read_segment(
            self.log.zone,
            segment,
            self.folder.read(segment),
            signers=self.signers,
            check_signature=self.verifier.verify,
            why_not=lambda principal, key: trust.why_not(principal, key, BREAKGLASS_NAMESPACE),
        )

    def sound(self, segment: str) -> Segment:
        """Read one segment that has to verify.

        Raises:
            Refused: guard `evidence-invalid`.
        """
        reading = self.read(segment)
        if reading.segment is None or reading.problems:
            shown = first_few([f"{problem.where}: {problem.message}" for problem in reading.problems], _SHOWN, "; ")
            raise Refused(
                f"segment {segment} does not verify: {shown}",
                guard="evidence-invalid",
                hint=f"take segments/{segment} again from where it was written",
            )
        return reading.segment


@dataclass(frozen=True, slots=True)
class SegmentWriter:
    """Writer of one segment, perhaps witnessed. Meets `Recorder`."""

    reader: SegmentReader
    empty: Log  # the segment before its first entry
    author: Author
    witness: SigningKey | None

    def head(self) -> str | None:
        """The end of the segment on disk, in the form of `Log.commit`."""
        segment, folder = self.empty.commit, self.reader.folder
        files = folder.read(segment) if segment in folder.segments() else {}
        count = sum(1 for name in files if name.endswith(".json"))
        return f"{segment}:{count}" if count else self.empty.commit

    def newest(self) -> Log:
        """Read and verify the segment on disk."""
        if self.head() == self.empty.commit:
            return self.empty
        return self.reader.sound(self.empty.commit).as_log(self.reader.log)

    def append(self, log: Log, body: Body, observed: Zone, state: ManagedSet) -> Log:
        """Write the next entry; return the segment with it.

        Raises:
            Refused: guard `race`: the segment has this entry already; `signing-key`.
            OutsideFailure: the disk is full or read-only.
        """
        if log.segment is None or log.base is None:
            raise ValueError("not a segment")
        seq = len(log.entries) + 1
        files = {} if log.entries else {START_ZONE: observed.data}
        envelope = self.author.following(log, observed, {name: sha256_hex(content) for name, content in files.items()})
        data = encode(envelope, body)
        signature = self.author.own.sign(data)
        if self.witness is not None and isinstance(body, Intent):
            files[witness_file(seq)] = self.witness.sign(data)
        files |= {f"{entry_file(seq)}.sig": signature, entry_file(seq): data}
        self.reader.folder.append(log.segment.id, files, entry_file(seq))
        return log.with_entry(f"{log.segment.id}:{seq}", data, decode(data), signature, observed, state)


def check_end(
    segment: Segment, log: Log, primary: Anchor | None, ask: Callable[[], Sequence[SecondaryState]]
) -> str | None:
    """Check that a server shows the end; warn of a primary without.

    Args:
        segment: The verified segment.
        log: The log that it continues.
        primary: The anchor there; None: no anchor, or no such zone.
        ask: Asks the secondaries for serial and anchor.

    Raises:
        Refused: guard `segment`; guard `other-log`: a server shows the anchor of another log.
    """
    expected = segment.anchor or log.anchor
    if primary == expected:
        return None
    if not _is_older(primary, segment, log):
        raise _conflict(f"the zone was last changed by {primary}", primary, segment, expected)
    served = ask()
    for secondary in served:
        if secondary.anchor not in (None, expected) and not _is_older(secondary.anchor, segment, log):
            shown = f"secondary {secondary.name} was last changed by {secondary.anchor}"
            raise _conflict(shown, secondary.anchor, segment, expected)
    showing = [secondary.name for secondary in served if secondary.anchor == expected]
    if expected is None or not showing:
        raise _conflict(f"the zone was last changed by {primary or 'no intent of ours'}", primary, segment, expected)
    return (
        f"the primary has lost the segment's changes, secondary {showing[0]} still serves them: "
        "run `hyops-gitops restore` next"
    )


def _is_older(anchor: Anchor | None, segment: Segment, log: Log) -> bool:
    """Whether an anchor is older than the segment's end."""
    if anchor is None or anchor in [entry.anchor for entry, _ in segment.intents()]:
        return anchor is None or segment.anchor is None or anchor.seq < segment.anchor.seq
    return judge_anchor(anchor, log) in ("current", "restored")


def _conflict(shown: str, anchor: Anchor | None, segment: Segment, expected: Anchor | None) -> Refused:
    if anchor is not None and anchor.segment == segment.ref.id and (expected is None or anchor.seq > expected.seq):
        why = f"{shown}: the segment was continued, or its end was dropped"
    else:
        why = f"{shown}, but the segment ends with {expected}: a fork, or no server has its end any more"
    return Refused(why, guard="segment", hint="use the copy of the segment that was continued last")
