"""From the files of a break-glass segment to its entries: the numbered checks. Pure.

1. paths: only entries, signatures, witnesses and the zone as it was found; entries contiguous from 1
2. form: canonical JSON, of this zone and segment, the same log and base in all of them, a type that a segment may hold
3. chain: SHA-256 of the entry and signature before, time never going back
4. signatures: canonical, in the break-glass namespace, by one line of allowed_signers valid at that time, by a key that
   the log counts; a witness is somebody else, signing the same bytes under the same rules
5. pairs and continuity: from the zone as it was found, every change of it is an applied intent's, or drift that is told

What is judged against the log is in `log.verify_segment`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.errors import HyopsError, InvalidData
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.signers import SignerSet
from hyops_gitops.core.sshsig import parse_signature
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.admin_entries import Reconcile
from hyops_gitops.log.chain import Problem
from hyops_gitops.log.entries import Intent, Result, ZoneDrift
from hyops_gitops.log.envelope import NO_HASH, Entry, EntryList, decode
from hyops_gitops.log.log import Log, anchor_after, applied_intents, placed
from hyops_gitops.log.segment import (
    ENTRY_FILE,
    START_ZONE,
    SegmentRef,
    entry_file,
    is_segment_id,
    segment_path,
    witness_file,
)
from hyops_gitops.log.trust import BREAKGLASS_NAMESPACE
from hyops_gitops.plan.plan import Change, zone_after
from hyops_gitops.plan.state import after_changes

SignatureCheck = Callable[[bytes, bytes, str, str], bool]  # message, signature, key, namespace
WhyNot = Callable[[str, str], str | None]  # principal, key: why the log does not count it
_NO_SEGMENT = frozenset({"form", "chain", "path", "pairs", "continuity"})  # problems that leave nothing to build on


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment whose entries follow from one another."""

    ref: SegmentRef
    zone: str
    log: str  # the id of the log it goes on from
    entries: EntryList  # at least one
    head_sig_sha256: str
    start: Zone  # the whole zone as it was found
    end: Zone  # and as the last entry leaves it
    witnesses: Mapping[int, str]  # by entry: the principal

    @property
    def head(self) -> Entry:
        """The newest entry."""
        return self.entries[-1]

    @property
    def open_intent(self) -> Entry | None:
        """The intent that has no result yet, if any."""
        newest = next((one for one in reversed(self.entries) if isinstance(one.body, Intent | Result)), None)
        return newest if newest is not None and isinstance(newest.body, Intent) else None

    def intents(self) -> tuple[tuple[Entry, Intent], ...]:
        """The intents that reached the zone, oldest first."""
        return tuple(applied_intents(self.entries))

    def changes(self) -> tuple[Change, ...]:
        """What they changed, in their order."""
        return tuple(chain.from_iterable(intent.changes for _, intent in self.intents()))

    @property
    def anchor(self) -> Anchor | None:
        """What the zone's anchor names after it; None: nothing was applied."""
        return anchor_after(self.entries)

    def as_log(self, base: Log) -> Log:
        """The segment as a log that goes on from another."""
        return Log(
            zone=self.zone,
            commit=f"{self.ref.id}:{len(self.entries)}",
            entries=self.entries,
            head_sig_sha256=self.head_sig_sha256,
            observed=self.end,
            state=self._managed(base),
            trusted=base.trusted,
            segment=self.ref,
            base=base,
        )

    def _managed(self, base: Log) -> ManagedSet:
        state = base.state
        for entry, intent in self.intents():
            state = after_changes(state, intent.changes, placed(intent.holds, base.head.seq + entry.seq))
        return state

    @property
    def operators(self) -> tuple[str, ...]:
        """Whose entries it holds."""
        return tuple(sorted({one.envelope.principal for one in self.entries}))


@dataclass(frozen=True, slots=True)
class SegmentReading:
    """What reading a segment came to: there is one unless something about its entries themselves is wrong."""

    segment: Segment | None
    problems: tuple[Problem, ...]


def read_segment(
    zone: str,
    segment: str,
    files: Mapping[str, bytes],
    *,
    signers: SignerSet,
    check_signature: SignatureCheck,
    why_not: WhyNot,
) -> SegmentReading:
    """Check a segment and make a value of it.

    Args:
        zone: The zone it must be about.
        segment: The name of its folder.
        files: Every file of that folder, by name.
        signers: Who may sign.
        check_signature: Whether a signature is canonical and right.
        why_not: Whether the log counts a key for break-glass.
    """
    return _Reader(zone, segment, files, signers, check_signature, why_not).read()


@dataclass
class _Reader:
    """Reads one segment."""

    zone: str
    segment: str
    files: Mapping[str, bytes]
    signers: SignerSet
    check_signature: SignatureCheck
    why_not: WhyNot
    problems: list[Problem] = field(default_factory=list)
    entries: EntryList = field(default_factory=EntryList)
    witnesses: dict[int, str] = field(default_factory=dict)
    previous_sig: str = NO_HASH

    def read(self) -> SegmentReading:
        """All checks, in their order."""
        count = sum(1 for name in self.files if name.endswith(".json"))
        self.problems += self._check_paths(count)
        for seq in range(1, count + 1):
            if entry_file(seq) not in self.files or not self._read_entry(seq):
                break
        if not self.entries or len(self.entries) != count:
            return SegmentReading(None, tuple(self.problems))
        try:
            start = Zone.parse(self.zone, self.files.get(START_ZONE, b"").decode())
        except (InvalidData, UnicodeDecodeError) as error:
            self._say("path", START_ZONE, f"not a zone: {error}")
            return SegmentReading(None, tuple(self.problems))
        end = self._walk(start)
        first = self.entries[0].envelope
        if first.segment is None or any(one.code in _NO_SEGMENT for one in self.problems):
            return SegmentReading(None, tuple(self.problems))
        found = Segment(
            first.segment, self.zone, first.log, self.entries, self.previous_sig, start, end, dict(self.witnesses)
        )
        return SegmentReading(found, tuple(self.problems))

    def _say(self, code: str, name: str, message: str) -> None:
        self.problems.append(Problem(code, segment_path(self.segment, name), message))

    def _check_paths(self, count: int) -> Iterator[Problem]:
        def at(name: str, message: str) -> Problem:
            return Problem("path", segment_path(self.segment, name), message)

        if not is_segment_id(self.segment):
            yield at("", "not the name of a segment")
        expected = {entry_file(seq) for seq in range(1, max(count, 1) + 1)}
        for name in sorted({START_ZONE, *expected, *(f"{one}.sig" for one in expected)} - self.files.keys()):
            yield at(name, "the file is missing")
        for name in sorted(self.files):
            match = ENTRY_FILE.fullmatch(name)
            if name != START_ZONE and (match is None or entry_file(int(match["seq"])) not in expected):
                yield at(name, "not a file of a segment, or an entry behind a gap")

    def _read_entry(self, seq: int) -> bool:
        """Read and check one entry; False when nothing after it can be judged."""
        name = entry_file(seq)
        data, signature = self.files[name], self.files.get(f"{name}.sig", b"")
        try:
            entry = decode(data)
        except InvalidData as error:
            self._say(error.code, name, error.message)
            return False
        self._check_form(entry, name)
        self._check_signature(entry, name, data, signature)
        self._check_witness(entry, data)
        self.entries.append(data, entry)
        self.previous_sig = sha256_hex(signature)
        return True

    def _check_form(self, entry: Entry, name: str) -> None:
        envelope, before = entry.envelope, self.entries[-1] if self.entries else None
        if envelope.zone != self.zone:
            self._say("form", name, f"the entry is about zone {envelope.zone!r}")
        if envelope.segment is None or envelope.segment.id != self.segment:
            self._say("form", name, "the entry is not of this segment")
        if not isinstance(entry.body, Intent if before is None else Intent | Result | ZoneDrift):
            self._say("form", name, f"a segment holds no {entry.type} entry{'' if before else ' at its beginning'}")
        if envelope.seq != len(self.entries) + 1:
            self._say("chain", name, f"the entry says seq {envelope.seq}")
        if envelope.prev_entry != (before.sha256 if before else NO_HASH):
            self._say("chain", name, "prev.entry is not the SHA-256 of the entry before")
        if envelope.prev_sig != self.previous_sig:
            self._say("chain", name, "prev.sig is not the SHA-256 of the signature before")
        if before is None:
            return
        if (envelope.log, envelope.segment) != (before.envelope.log, before.envelope.segment):
            self._say("chain", name, "the entry goes on from another log, or from another place of it")
        if envelope.time < before.envelope.time:
            self._say("time", name, "the entry is older than the one before")

    def _check_signature(self, entry: Entry, name: str, data: bytes, signature: bytes) -> None:
        envelope = entry.envelope
        try:
            if not self.check_signature(data, signature, envelope.key, BREAKGLASS_NAMESPACE):
                self._say("signature", f"{name}.sig", "not a canonical break-glass signature by the key it names")
                return
            line = self.signers.principal_of(envelope.key, BREAKGLASS_NAMESPACE, envelope.time)
        except HyopsError as error:
            self._say("signer", f"{name}.sig", error.message)
            return
        if line.principal != envelope.principal:
            self._say("signer", name, f"the key belongs to {line.principal!r}, not to {envelope.principal!r}")
        elif (why := self.why_not(envelope.principal, envelope.key)) is not None:
            self._say("trust", name, why)

    def _check_witness(self, entry: Entry, data: bytes) -> None:
        name = witness_file(entry.seq)
        signature = self.files.get(name)
        if signature is None:
            return
        try:
            key = parse_signature(signature).key
            if not self.check_signature(data, signature, key, BREAKGLASS_NAMESPACE):
                self._say("witness", name, "not a canonical break-glass signature of the entry")
                return
            principal = self.signers.principal_of(key, BREAKGLASS_NAMESPACE, entry.envelope.time).principal
        except HyopsError as error:
            self._say("witness", name, error.message)
            return
        if principal == entry.envelope.principal:
            self._say("witness", name, f"{principal} is the operator, and cannot be the witness too")
        elif (why := self.why_not(principal, key)) is not None:
            self._say("witness", name, why)
        else:
            self.witnesses[entry.seq] = principal

    def _walk(self, zone: Zone) -> Zone:
        """The zone as the last entry leaves it; each entry must start where the one before ended."""
        open_intent: Entry | None = None
        for entry in self.entries:
            name, body, expected = entry_file(entry.seq), entry.body, entry.envelope.zone_sha256
            match body:
                case Intent():
                    if open_intent is not None:
                        self._say("pairs", name, f"intent {open_intent.seq} has no result yet")
                    open_intent = entry
                    then = zone_after(zone, body.changes)
                    if (body.before.whole, body.expected.whole) != (zone.digest(), then.digest()):
                        self._say("continuity", name, "the intent starts from another zone than was left, or says so")
                case Result():
                    if open_intent is None or (open_intent.seq, open_intent.sha256) != (
                        body.intent_seq,
                        body.intent_sha256,
                    ):
                        self._say("pairs", name, f"the result names intent {body.intent_seq}, which is not open")
                    elif body.outcome == "applied" and isinstance(open_intent.body, Intent):
                        zone = zone_after(zone, open_intent.body.changes)
                    open_intent = None
                case ZoneDrift():
                    found = {(one.name, one.type): one.observed for one in body.differences}
                    zone = zone.without(found).with_rrsets(one for one in found.values() if one is not None)
                case _:
                    pass
            if zone.digest() != expected:
                self._say("continuity", name, "it leaves another zone than its changes make")
        return zone


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
