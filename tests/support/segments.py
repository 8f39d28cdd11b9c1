"""Segments written by the product's own code on the log of `tests.tamper`, and ways to damage them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hyops_gitops.adapters.ssh.signing import SshVerifier
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.signers import SignerSet
from hyops_gitops.core.zone import RRset
from hyops_gitops.log.entries import Body, Intent, Result
from hyops_gitops.log.log import Log, placed
from hyops_gitops.log.parts import Hold, Lease, ZoneDigests
from hyops_gitops.log.reconciling import Reconciliation, reconciliation
from hyops_gitops.log.segment import Base, SegmentRef
from hyops_gitops.log.trust import BREAKGLASS_NAMESPACE
from hyops_gitops.log.verify_segment import Segment, SegmentReading, read_segment
from hyops_gitops.log.writer import Author, SigningKey
from hyops_gitops.plan.plan import Action, Change, plan_digest, zone_after
from hyops_gitops.plan.state import after_changes
from hyops_gitops.recover.segment_log import SegmentReader, SegmentWriter
from tests.support.book import ZONE, Book, read_files
from tests.support.signing import signer_of

SEGMENT = "0123456789ab"
Files = dict[str, bytes]


@dataclass
class MemoryFolder:
    """Segments in memory."""

    files: dict[str, Files] = field(default_factory=dict)

    def segments(self) -> Sequence[str]:
        return sorted(self.files)

    def read(self, segment: str) -> Mapping[str, bytes]:
        return self.files[segment]

    def append(self, segment: str, files: Mapping[str, bytes], last: str) -> None:  # noqa: ARG002
        self.files.setdefault(segment, {}).update(files)


@dataclass
class Breakglass:
    """A segment being written on a log."""

    book: Book
    log: Log
    folder: MemoryFolder = field(default_factory=MemoryFolder)

    @classmethod
    def on(cls, book: Book, segment: str = SEGMENT, *, anchor: Anchor | None = None) -> "Breakglass":
        """The beginning of one, on the log as it stands."""
        main = book.head
        ref = SegmentRef(segment, Base((main.head.seq, main.head.sha256), anchor or main.anchor))
        return cls(book, main.with_segment(ref))

    @property
    def files(self) -> Files:
        """A copy of its files, to be damaged."""
        assert self.log.segment is not None
        return dict(self.folder.files[self.log.segment.id])

    def writer(self, operator: str = "alice@tests", witness: str | None = None) -> SegmentWriter:
        lines, main = self.book.signers.lines, self.book.head
        return SegmentWriter(
            SegmentReader(self.folder, lines, SshVerifier(), main),
            self.log,
            Author(self._key(operator), self.book.signers.sha256, self.book.clock, "hyops-gitops tests", {}),
            self._key(witness) if witness else None,
        )

    def _key(self, principal: str) -> SigningKey:
        signer = self.book.tokens.get(principal) or signer_of(self.book.keys[principal])
        return SigningKey(signer, signer.public_key(), principal, BREAKGLASS_NAMESPACE)

    def add(self, body: Body, operator: str = "alice@tests", witness: str | None = None) -> None:
        self.log = self.writer(operator, witness).append(self.log, body, self.log.observed, self.log.state)

    def intend(
        self, target: str, operator: str = "alice@tests", witness: str | None = None, holds: tuple[Hold, ...] = ()
    ) -> None:
        """An intent to move `first.prod`."""
        name = f"first.prod.{ZONE}"
        before = self.log.observed.rrsets[name, "A"]
        after = RRset.of(name, "A", before.ttl, [target])
        change = Change(Action.REPLACE, name, "A", before, after, "endpoints/prod/first.yaml", cutover=True)
        contracts, authority, _ = self.book.references()
        observed, state = self.log.observed, self.log.state
        body = Intent(
            contracts=contracts,
            authority=authority,
            merged=(),
            before=ZoneDigests.of(observed, state, 1),
            expected=ZoneDigests.of(zone_after(observed, [change]), after_changes(state, [change]), None),
            plan_sha256=plan_digest(ZONE, observed.digest(), [change]),
            changes=(change,),
            drift=(),
            held=(),
            overrides=(),
            lease=Lease(120, "boot", 1),
            holds=holds,
        )
        self.add(body, operator, witness)

    def finish(self, operator: str = "alice@tests") -> None:
        """The result of the open intent: applied."""
        intended = self.log.head
        intent = intended.body
        assert isinstance(intent, Intent)
        marks = placed(intent.holds, self.log.numbered(intended.seq))
        zone, state = (
            zone_after(self.log.observed, intent.changes),
            after_changes(self.log.state, intent.changes, marks),
        )
        after = ZoneDigests.of(zone, state, 7)
        result = Result(
            intended.seq, intended.sha256, "applied", False, 1, after, "computed", self.book.clock.at, (), ()
        )  # fmt: skip
        self.log = self.writer(operator).append(self.log, result, zone, state)

    def move(self, target: str, operator: str = "alice@tests", witness: str | None = None) -> "Breakglass":
        self.intend(target, operator, witness)
        self.finish(operator)
        return self


def read(book: Book, files: Files, segment: str = SEGMENT, *, signers: SignerSet | None = None) -> SegmentReading:
    """What reading these files comes to, as the log stands."""
    trust = book.head.trust

    def why_not(principal: str, key: str) -> str | None:
        return trust.why_not(principal, key, BREAKGLASS_NAMESPACE)

    return read_segment(
        ZONE,
        segment,
        files,
        signers=signers or book.signers.lines,
        check_signature=SshVerifier().verify,
        why_not=why_not,
    )


def codes(reading: SegmentReading) -> set[str]:
    return {one.code for one in reading.problems}


def folder_of(files: Files, directory: Path) -> Path:
    """These files on disk."""
    directory.mkdir(parents=True)
    for name, content in files.items():
        (directory / name).write_bytes(content)
    return directory


def segment_of(glass: Breakglass) -> Segment:
    segment = read(glass.book, glass.files).segment
    assert segment is not None
    return segment


def take_in(glass: Breakglass) -> tuple[Log, Reconciliation]:
    """The log with the segment of `glass` in it, read again."""
    book, segment = glass.book, segment_of(glass)
    commit, contracts = book.references()[0].commit, book.validation().contracts
    taken = reconciliation(segment, book.head, commit, contracts=contracts, review="", reason="", overrides=())
    book.store.trees.append({**book.files, **{f"segments/{SEGMENT}/{name}": one for name, one in glass.files.items()}})
    if taken.drift is not None:
        book.add(taken.drift, observed=taken.found)
    book.add(taken.entry, observed=taken.observed, state=taken.state)
    log = read_files(book.files, book.signers.lines, book.genesis).log
    assert log is not None
    book.log = log
    return log, taken
