"""The numbered checks of a break-glass segment, alone and against the log.

2 to 5 are those of any chain (`log.chain`).

1. paths: only entries, signatures, witnesses and the zone as it was found; entries contiguous from 1
2. form: also this segment, from the same entry of the log in all of them, a type that a segment may hold
4. signatures: in the break-glass namespace; a witness is another person, signing the same bytes under the same rules
5. trust: by a key that the log counts
6. continuity: from the zone as it was found, every change of it is an applied intent's, or drift that is recorded

A segment on the evidence branch is as a reconcile entry pins it. It is judged as the log stood when it was brought in:
by the keys that counted then, unless the entry says that this guard was lifted.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import HyopsError, InvalidData
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.signers import SignerSet
from hyops_gitops.core.sshsig import parse_signature
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.admin_entries import ImportedSegment, Reconcile
from hyops_gitops.log.chain import ChainReader, Problem, SignatureCheck
from hyops_gitops.log.entries import Intent, Result, ZoneDrift
from hyops_gitops.log.envelope import Entry, EntryList, entry_path
from hyops_gitops.log.ledger import Ledger
from hyops_gitops.log.log import Log, applied_intents, placed
from hyops_gitops.log.segment import (
    ENTRY_FILE,
    SEGMENTS,
    START_ZONE,
    SegmentRef,
    entry_file,
    is_segment_id,
    segment_path,
    witness_file,
)
from hyops_gitops.log.trust import BREAKGLASS_NAMESPACE, TrustBook
from hyops_gitops.plan.plan import Change, zone_after
from hyops_gitops.plan.state import after_changes

WhyNot = Callable[[str, str], str | None]  # principal, key: why the log does not count it
TRUST_GUARD = "segment-trust"
_NO_SEGMENT = frozenset({"form", "chain", "path", "pairs", "continuity"})  # problems that leave nothing to build on


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment whose entries follow from one another."""

    ref: SegmentRef
    zone: str
    log: str  # the id of the log that it continues
    entries: EntryList  # at least one
    ledger: Ledger
    head_sig_sha256: str
    start: Zone  # the whole zone as it was found
    end: Zone  # and as the last entry leaves it
    witnesses: Mapping[int, str]  # by entry: the principal

    @property
    def head(self) -> Entry:
        """The newest entry."""
        return self.entries[-1]

    def intents(self) -> tuple[tuple[Entry, Intent], ...]:
        """The intents that reached the zone, oldest first."""
        return tuple(applied_intents(self.entries))

    def changes(self) -> tuple[Change, ...]:
        """What they changed, in their order."""
        return tuple(chain.from_iterable(intent.changes for _, intent in self.intents()))

    @property
    def anchor(self) -> Anchor | None:
        """What the zone's anchor names after it; None: nothing was applied."""
        return self.ledger.anchor

    def explains(self, anchor: Anchor | None) -> bool:
        """Whether the zone's anchor may be this one after it."""
        opened = self.ledger.open_intent
        landed = self.entries[opened - 1].anchor if opened else None  # perhaps
        return anchor == (self.anchor or self.ref.base.anchor) or (anchor is not None and anchor == landed)

    def as_log(self, base: Log) -> Log:
        """The segment as a log that continues another."""
        state = base.state
        for entry, intent in self.intents():
            state = after_changes(state, intent.changes, placed(intent.holds, base.head.seq + entry.seq))
        return replace(
            base.with_segment(self.ref),
            commit=f"{self.ref.id}:{len(self.entries)}",
            entries=self.entries,
            ledger=self.ledger,
            head_sig_sha256=self.head_sig_sha256,
            observed=self.end,
            state=state,
            segments={},
        )

    @property
    def operators(self) -> tuple[str, ...]:
        """Whose entries it holds."""
        return tuple(sorted({entry.envelope.principal for entry in self.entries}))


@dataclass(frozen=True, slots=True)
class SegmentReading:
    """The result of reading a segment; None: its entries are not sound."""

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
    return _SegmentChainReader(zone, segment, files, signers, check_signature, why_not).read()


class _SegmentChainReader(ChainReader):
    """Reads one segment."""

    def __init__(
        self,
        zone: str,
        segment: str,
        files: Mapping[str, bytes],
        signers: SignerSet,
        check_signature: SignatureCheck,
        why_not: WhyNot,
    ) -> None:
        placed_files = {segment_path(segment, name): content for name, content in files.items()}
        super().__init__(zone, placed_files, signers, check_signature)
        self.segment = segment
        self.names = files.keys()
        self.counts = why_not
        self.witnesses: dict[int, str] = {}

    def read(self) -> SegmentReading:
        """All checks, in their order."""
        count = sum(1 for name in self.names if name.endswith(".json"))
        self._check_paths(count)
        listed = (seq for seq in range(1, count + 1) if entry_file(seq) not in self.names)
        self.read_entries(next(listed, count + 1) - 1)
        if not self.entries or len(self.entries) != count:
            return SegmentReading(None, tuple(self.problems))
        try:
            start = Zone.parse(self.zone, self.files.get(segment_path(self.segment, START_ZONE), b""))
        except InvalidData as error:
            self._say("path", START_ZONE, f"not a zone: {error}")
            return SegmentReading(None, tuple(self.problems))
        self.problems += self.check_pairs(Ledger())
        end = self._walk(start)
        first = self.entries[0].envelope
        if first.segment is None or any(problem.code in _NO_SEGMENT for problem in self.problems):
            return SegmentReading(None, tuple(self.problems))
        ledger = Ledger().after(self.entries)
        found = Segment(
            first.segment, self.zone, first.log, self.entries, ledger, self.previous_sig, start, end, self.witnesses
        )
        return SegmentReading(found, tuple(self.problems))

    def _say(self, code: str, name: str, message: str) -> None:
        self.report(code, segment_path(self.segment, name), message)

    def _check_paths(self, count: int) -> None:
        if not is_segment_id(self.segment):
            self._say("path", "", "not the name of a segment")
        expected = {entry_file(seq) for seq in range(1, max(count, 1) + 1)}
        for name in sorted({START_ZONE, *expected, *(f"{file}.sig" for file in expected)} - self.names):
            self._say("path", name, "the file is missing")
        for name in sorted(self.names):
            match = ENTRY_FILE.fullmatch(name)
            if name != START_ZONE and (match is None or entry_file(int(match["seq"])) not in expected):
                self._say("path", name, "not a file of a segment, or an entry behind a gap")

    # --- what is a segment's own in a chain

    def path_of(self, seq: int) -> str:
        """Where an entry of the segment is."""
        return segment_path(self.segment, entry_file(seq))

    def check_form(self, entry: Entry, before: Entry | None) -> Iterator[tuple[str, str]]:
        """What is wrong with an entry as one of this segment."""
        own = entry.envelope.segment
        if own is None or own.id != self.segment:
            yield "form", "the entry is not of this segment"
        if not isinstance(entry.body, Intent if before is None else Intent | Result | ZoneDrift):
            yield "form", f"a segment holds no {entry.type} entry{'' if before else ' at its beginning'}"
        if before is not None and own != before.envelope.segment:
            yield "chain", "the entry continues from another place of the log"

    def namespaces_of(self, entry: Entry) -> Sequence[str]:  # noqa: ARG002
        """That of break-glass alone."""
        return (BREAKGLASS_NAMESPACE,)

    def why_not(self, principal: str, key: str, namespace: str) -> str | None:  # noqa: ARG002
        """Why the log does not count a key."""
        return self.counts(principal, key)

    def was_read(self, entry: Entry, data: bytes) -> None:
        """Check who witnessed the entry."""
        name = witness_file(entry.seq)
        signature = self.files.get(segment_path(self.segment, name))
        if signature is None:
            return
        try:
            key = parse_signature(signature).key
            if self.namespace_in(data, signature, key, self.namespaces_of(entry)) is None:
                self._say("witness", name, "not a canonical break-glass signature of the entry")
                return
            principal = self.signers.principal_of(key, BREAKGLASS_NAMESPACE, entry.envelope.time).principal
        except HyopsError as error:
            self._say("witness", name, error.message)
            return
        if principal == entry.envelope.principal:
            self._say("witness", name, f"{principal} is the operator, and cannot be the witness too")
        elif (why := self.counts(principal, key)) is not None:
            self._say("witness", name, why)
        else:
            self.witnesses[entry.seq] = principal

    def _walk(self, zone: Zone) -> Zone:
        """The zone as the last entry leaves it, checked entry by entry."""
        for entry in self.entries:
            name, body = entry_file(entry.seq), entry.body
            match body:
                case Intent():
                    then = zone_after(zone, body.changes)
                    if (body.before.whole, body.expected.whole) != (zone.digest(), then.digest()):
                        self._say("continuity", name, "the intent starts from another zone than was left, or says so")
                case Result(outcome="applied", intent_seq=seq) if 0 < seq < entry.seq:
                    intent = self.entries[seq - 1].body
                    zone = zone_after(zone, intent.changes) if isinstance(intent, Intent) else zone
                case ZoneDrift():
                    found = {(drift.name, drift.type): drift.observed for drift in body.differences}
                    zone = zone.without(found).with_rrsets(rrset for rrset in found.values() if rrset is not None)
            if zone.digest() != entry.envelope.zone_sha256:
                self._say("continuity", name, "it leaves another zone than its changes make")
        return zone


# --- against the log


def check_base(segment: Segment, entries: Sequence[Entry], ledger: Ledger) -> Iterator[Problem]:
    """Whether a segment continues the log that a ledger is of."""
    where, base = segment_path(segment.ref.id, entry_file(1)), segment.ref.base
    if segment.log != entries[0].envelope.log:
        message = f"the segment continues log {segment.log}, this one is {entries[0].envelope.log}"
        yield Problem("other-log", where, message)
        return
    known = [base.head]
    if base.anchor is not None and base.anchor.segment is None:
        known.append((base.anchor.seq, base.anchor.sha256))
    for seq, sha256 in known:
        if seq > ledger.count:
            message = f"the segment starts from entry {seq}, but the log ends at {ledger.count}: entries are missing"
            yield Problem("base", where, message)
            return
        if entries[seq - 1].sha256 != sha256:
            yield Problem("fork", where, f"the segment starts from another entry {seq} than the log has")
            return
    if ledger.anchor != base.anchor:
        found, last = (str(anchor) if anchor else "nothing" for anchor in (base.anchor, ledger.anchor))
        yield Problem("fork", where, f"the segment starts from {found} but the log ends with {last}: they conflict")


def check_new(segment: Segment, log: Log) -> Iterator[Problem]:
    """Whether a segment was brought in already, as it is or otherwise."""
    for entry, reconcile in log.reconciles:
        if reconcile.imported is not None and reconcile.segment == segment.ref.id:
            where = segment_path(segment.ref.id, entry_file(reconcile.count))
            if (reconcile.count, reconcile.head) == (len(segment.entries), segment.head.sha256):
                yield Problem("reconciled", where, f"the segment was brought in by entry {entry.seq}")
            else:
                message = f"entry {entry.seq} brought in another segment of this name, with {reconcile.count} entries"
                yield Problem("fork", where, message)


def check_whole(segment: Segment, *, witness_required: bool) -> Iterator[Problem]:
    """Whether a segment is complete: no open intent, no missing witness."""
    if (open_intent := segment.ledger.open_intent) is not None:
        message = f"intent {open_intent} has no result: the next breakglass command in that folder settles it"
        yield Problem("open-intent", segment_path(segment.ref.id, entry_file(open_intent)), message)
    for entry in segment.entries if witness_required else ():
        if isinstance(entry.body, Intent) and entry.seq not in segment.witnesses:
            message = "the policy requires a witness, and there is no witness's signature"
            yield Problem("witness", segment_path(segment.ref.id, entry_file(entry.seq)), message)


# --- on the evidence branch


def segment_files(paths: Mapping[str, bytes], segment: str) -> dict[str, bytes]:
    """The files of one segment on the branch, by name."""
    folder = segment_path(segment, "")
    return {path.removeprefix(folder): paths[path] for path in paths if path.startswith(folder)}


def recorded_entries(reconcile: Reconcile, files: Mapping[str, bytes]) -> EntryList:
    """The entries of a reconciled segment, as far as there are files."""
    paths = (segment_path(reconcile.segment, entry_file(seq)) for seq in range(1, reconcile.count + 1))
    return EntryList(files[path] for path in paths if path in files)


def check_pins(zone: str, entries: Sequence[Entry], ledger: Ledger, files: Mapping[str, bytes]) -> Iterator[Problem]:
    """Whether each reconciled segment ends as the log says."""
    for path in files:
        if path.startswith(SEGMENTS) and path.count("/") != 2:  # noqa: PLR2004 - segments/<id>/<file>
            yield Problem("path", path, "not a file of a segment")
    seen: dict[str, Reconcile] = {}
    for entry in (entries[seq - 1] for seq in ledger.reconciles):
        body, where = entry.body, entry_path(zone, entry.seq)
        if not isinstance(body, Reconcile):
            continue
        known = seen.setdefault(body.segment, body)
        if (known.imported is body.imported) is not (known is body) or (known.count, known.head) != (
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


def check_imported(
    zone: str,
    entries: EntryList,
    ledger: Ledger,
    entry: Entry,
    files: Mapping[str, bytes],
    signers: SignerSet,
    check_signature: SignatureCheck,
) -> Iterator[Problem]:
    """Whether the segment that the next entry brings in verifies."""
    body = entry.body
    if not isinstance(body, Reconcile) or body.imported is None:
        return
    trust = TrustBook.of(entries, ledger)
    lifted = any(override.guard == TRUST_GUARD for override in body.imported.overrides)
    reading = read_segment(
        zone,
        body.segment,
        segment_files(files, body.segment),
        signers=signers,
        check_signature=check_signature,
        why_not=lambda principal, key: None if lifted else trust.why_not(principal, key, BREAKGLASS_NAMESPACE),
    )
    yield from reading.problems
    if reading.segment is not None:
        yield from check_base(reading.segment, entries, ledger)
        yield from _check_summary(entry, body.imported, reading.segment)


def _check_summary(entry: Entry, imported: ImportedSegment, segment: Segment) -> Iterator[Problem]:
    """Check that a reconcile entry's summary is that of its segment."""
    where = entry_path(segment.zone, entry.seq)
    for fact, recorded, actual in (
        ("changes", imported.changes, segment.changes()),
        ("last applied intent", imported.anchor, segment.anchor),
        ("base", imported.base, segment.ref.base),
        ("operators", imported.operators, segment.operators),
        ("witnesses", imported.witnesses, tuple(sorted(set(segment.witnesses.values())))),
        ("zone before", imported.before.whole, segment.start.digest()),
        ("zone after", imported.after.whole, segment.end.digest()),
    ):
        if recorded != actual:
            yield Problem("segment", where, f"its {fact} is not what segment {segment.ref.id} holds")
