"""The numbered checks of the evidence branch, from files to a log.

Pure: files come in as bytes, signatures are checked by a function passed in. 2 to 5 and 7 are those of any chain.

1. paths: only entries, pages and derived files; entries contiguous from 1, each with its signature
2. form: also the zone's own log, not a segment, and pages of a form that this version knows
3. chain: genesis is the first entry and only the first
4. signatures: in our namespace; of a trust entry also in that of recovery keys
5. trust: that key counts at that place of the log, by genesis and the trust entries before it
6. genesis: its SHA-256 is the one the authority file pins
7. pairs, without which nothing below is looked at; then continuity of the zone, and of the managed set
8. files: what the newest entry pins; the pages for people are made again and compared, their signatures checked
9. segments: each as a reconcile entry pins it, and sound as the log stood then (`log.verify_segment`)
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import field

from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import HyopsError, InvalidData
from hyops_gitops.core.managed import ManagedRRset, ManagedSet
from hyops_gitops.core.ports import EvidenceSnapshot
from hyops_gitops.core.signers import SignerSet
from hyops_gitops.core.zone import Key, Zone
from hyops_gitops.log.admin_entries import Genesis, ImportedSegment, Reconcile, TrustChange
from hyops_gitops.log.chain import ChainReader, Problem, SignatureCheck, check_zone, entries_after
from hyops_gitops.log.entries import Intent, Result
from hyops_gitops.log.envelope import ENTRIES_PER_FOLDER, Entry, EntryList, entry_path
from hyops_gitops.log.ledger import Ledger
from hyops_gitops.log.log import README, Log, placed, state_path, zone_path
from hyops_gitops.log.pages import FORM, LOG_PAGE, folder_page, folder_readme, log_page, pages_after
from hyops_gitops.log.segment import SEGMENTS
from hyops_gitops.log.trust import MAIN_NAMESPACE, TRUST_NAMESPACE, TrustBook
from hyops_gitops.log.verify_segment import check_imported, check_pins, recorded_entries
from hyops_gitops.plan.state import bring_forward

_SPLICED = 50  # new entries; the pages of more are made whole


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of reading a branch.

    There is a log if nothing is wrong, or only entries in doubt wait for an acknowledgement.
    """

    log: Log | None
    entries: int
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether the log verifies."""
        return self.log is not None and not self.problems


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What verification continues from: the entries verified before."""

    ledger: Ledger
    state: ManagedSet  # as those entries left it
    pages: Mapping[str, bytes] = field(default_factory=dict)  # as the newest of them pins its own, where they are known
    zone: Zone | None = None  # likewise
    paths: frozenset[str] = frozenset()  # of the branch's files then that are the same now; its entries among them

    @classmethod
    def none(cls, zone: str) -> "Checkpoint":
        """Nothing was verified before."""
        return cls(Ledger(), ManagedSet.of(zone, ()))


class BranchFiles(Mapping[str, bytes]):
    """The files of the branch, each read when it is asked for."""

    def __init__(self, snapshot: EvidenceSnapshot) -> None:
        self._snapshot = snapshot
        self._paths = dict.fromkeys(snapshot.paths())
        self._read: dict[str, bytes] = {}

    def read(self, paths: Collection[str]) -> list[bytes]:
        """The content of these files, at once."""
        if unread := [path for path in paths if path not in self._read]:
            self._read |= self._snapshot.read(unread)
        return [self._read[path] for path in paths]

    def __getitem__(self, path: str) -> bytes:
        if path not in self._paths:
            raise KeyError(path)
        return self.read([path])[0]

    def __contains__(self, path: object) -> bool:
        return path in self._paths

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


class BranchReader(ChainReader):
    """Reads one branch; lives for one call of `read_log`."""

    def __init__(
        self,
        zone: str,
        files: Mapping[str, bytes],
        signers: SignerSet,
        check_signature: SignatureCheck,
        checkpoint: Checkpoint,
        same_pages: frozenset[str],
    ) -> None:
        super().__init__(zone, files, signers, check_signature)
        self.checkpoint = checkpoint
        self.ledger = checkpoint.ledger
        self.trust = TrustBook()
        self.segments: dict[str, EntryList] = {}
        self.state = checkpoint.state
        self.same_pages = same_pages  # pages that stand, with their signatures, as they were verified

    def read(self, commit: str, genesis: str | None) -> Reading:
        """All checks, in their order; the later ones on sound entries."""
        known = self.checkpoint.ledger.count if self.checkpoint.paths else 0
        count = _count(self.zone, self.files, known)
        self.problems += _check_paths(self.zone, self.files, known, count, self.checkpoint.paths)
        if not self.problems:
            self._recall()
        self.read_entries(count)
        if not self.problems:
            self.problems += self.check_pairs(self.ledger)
        if not self.problems:
            self.problems += _check_genesis(self.zone, self.entries, genesis)
            self._fold()
            self.problems += _check_files(self.zone, self.entries, self.files)
            self.problems += self._check_pages()
            self.problems += check_pins(self.zone, self.entries, self.ledger, self.files)
        if self.problems:
            return Reading(None, len(self.entries), tuple(self.problems))
        return self._reading(commit)

    def _recall(self) -> None:
        """Take over entries that were verified before."""
        count = self.ledger.count
        self.entries = EntryList.unread(count, lambda places: self._read([self.path_of(place + 1) for place in places]))
        self.trust = TrustBook.of(self.entries, self.ledger)
        for seq in self.ledger.reconciles:
            self._bring_in(self.entries[seq - 1])
        if count:
            self.previous_sig = sha256_hex(self.files[f"{self.path_of(count)}.sig"])

    def _read(self, paths: Collection[str]) -> list[bytes]:
        return self.files.read(paths) if isinstance(self.files, BranchFiles) else [self.files[path] for path in paths]

    # --- what is the log's own in a chain

    def path_of(self, seq: int) -> str:
        """Where an entry is on the branch."""
        return entry_path(self.zone, seq)

    def check_form(self, entry: Entry, before: Entry | None) -> Iterator[tuple[str, str]]:
        """What is wrong with an entry as one of the log itself."""
        if entry.envelope.segment is not None:
            yield "form", "the entry is of a break-glass segment"
        if entry.envelope.form != FORM:
            yield "unknown-form", f"its pages have form {entry.envelope.form}, this version knows {FORM}"
        if isinstance(entry.body, Genesis) == (before is not None):
            yield "chain", "genesis is the first entry, and only the first"
        elif isinstance(entry.body, Genesis):
            self.trust.accept(1, entry.body)  # genesis vouches for itself: the authority file pins it

    def namespaces_of(self, entry: Entry) -> Sequence[str]:
        """Ours; for trust entries that of recovery keys too."""
        return (MAIN_NAMESPACE, TRUST_NAMESPACE) if isinstance(entry.body, TrustChange) else (MAIN_NAMESPACE,)

    def why_not(self, principal: str, key: str, namespace: str) -> str | None:
        """Why a key does not count at this place of the log."""
        return self.trust.why_not(principal, key, namespace)

    def was_read(self, entry: Entry, data: bytes) -> None:  # noqa: ARG002
        """Take note of the keys that an entry speaks of."""
        if not isinstance(entry.body, Genesis):
            self.trust.accept(entry.seq, entry.body)

    # --- the fold

    def _fold(self) -> None:
        """Bring ledger, segments and managed set forward."""
        managed = dict[Key, ManagedRRset | None]()  # in place: a log is long
        for entry in entries_after(self.entries, self.ledger):
            if self.ledger.count:
                path = self.path_of(entry.seq)
                for code, message in check_zone(self.ledger, self.entries, entry):
                    self.report(code, path, message)
            self._bring_in(entry)
            self.problems += check_imported(
                self.zone, self.entries, self.ledger, entry, self.files, self.signers, self.check_signature
            )
            sound = {} if self.problems else self.segments  # a segment that does not verify may hold no entries at all
            self.ledger = self.ledger.with_next(self.entries, entry, sound)
            match entry.body:
                case Result(outcome="applied", intent_seq=seq):
                    intent = self.entries[seq - 1].body
                    if isinstance(intent, Intent):
                        bring_forward(self.state, managed, intent.changes, placed(intent.holds, seq))
                case Reconcile(imported=ImportedSegment(changes=changes, holds=holds)):
                    bring_forward(self.state, managed, changes, placed(holds, entry.seq))
        path, self.state = state_path(self.zone), self.state.with_entries(managed)
        if self.state.data != self.files[path]:
            self.report("state", path, "not the sum of the changes that the entries applied")

    def _bring_in(self, entry: Entry) -> None:
        """Take up the segment that an entry brought in, if any."""
        body = entry.body
        if isinstance(body, Reconcile) and body.imported is not None:
            self.segments[body.segment] = recorded_entries(body, self.files)

    def _check_pages(self) -> Iterator[Problem]:
        """LOG.md and the folders' READMEs: made again, their signatures checked."""
        pages: dict[str, tuple[bytes, Entry]] = {}
        made = self._spliced_pages()
        if LOG_PAGE not in self.same_pages:
            page = made.get(LOG_PAGE) or log_page(self.zone, self.entries)
            pages[LOG_PAGE] = (page, self.entries.outline(len(self.entries)))
        for seq in _last_of_folders(len(self.entries)):
            path = folder_page(self.zone, seq)
            if path not in self.same_pages:
                page = made.get(path) or folder_readme(self.zone, self.entries, seq)
                pages[path] = (page, self.entries.outline(seq))
        for path, (expected, entry) in pages.items():
            if self.files[path] != expected:
                yield Problem("page", path, "not what follows from the entries")
            try:
                namespace, signature = self._namespace(entry), self.files[f"{path}.sig"]
                sound = self.check_signature(self.files[path], signature, entry.envelope.key, namespace)
            except HyopsError as error:
                yield Problem("signature", f"{path}.sig", error.message)
                continue
            if not sound:
                yield Problem("signature", f"{path}.sig", "not a canonical signature of the page")

    def _spliced_pages(self) -> Mapping[str, bytes]:
        """The pages of a few new entries, made from those before."""
        known, made = self.checkpoint.ledger.count, self.checkpoint.pages
        if not made or len(self.entries) - known > _SPLICED:
            return {}
        for seq in range(known + 1, len(self.entries) + 1):
            made = pages_after(self.zone, self.entries, seq, made)
        return made

    def _namespace(self, entry: Entry) -> str:
        """The namespace that an entry is signed in."""
        if entry.seq not in self.signed_in:
            path, key = self.path_of(entry.seq), entry.envelope.key
            found = self.namespace_in(self.files[path], self.files[f"{path}.sig"], key, self.namespaces_of(entry))
            self.signed_in[entry.seq] = found or MAIN_NAMESPACE
        return self.signed_in[entry.seq]

    def _reading(self, commit: str) -> Reading:
        try:
            observed = Zone.parse(self.zone, self.files[zone_path(self.zone)], self.checkpoint.zone)
            state = self.state  # whose lines are those of the file; made of objects, it is read from them
            if state.entries.canonical is None:
                state = ManagedSet.parse(self.zone, self.files[state_path(self.zone)])
        except InvalidData as error:
            problem = Problem("files", zone_path(self.zone), str(error))
            return Reading(None, len(self.entries), (problem,))
        pages = {path: self.files[path] for path in (LOG_PAGE, folder_page(self.zone, len(self.entries)))}
        sig, segments = self.previous_sig, self.segments
        log = Log(self.zone, commit, self.entries, self.ledger, sig, observed, state, segments=segments, pages=pages)
        unacknowledged = [seq for seq in log.doubtful if seq not in log.acknowledged]
        message = "signed by a key after it was stolen; look into it, then `evidence acknowledge` it"
        problems = tuple(Problem("compromised", entry_path(self.zone, seq), message) for seq in unacknowledged)
        return Reading(log, len(self.entries), problems)


def read_log(
    zone: str,
    commit: str,
    files: Mapping[str, bytes],
    *,
    signers: SignerSet,
    genesis: str | None,
    check_signature: SignatureCheck,
    checkpoint: Checkpoint | None = None,
    same_pages: frozenset[str] = frozenset(),
) -> Reading:
    """Check a whole branch and make a log of it.

    Args:
        zone: The zone whose log is expected.
        commit: The evidence branch's commit the files are from.
        files: Every file of that commit's tree.
        signers: Who may sign.
        genesis: The SHA-256 that the first entry must have; None skips the comparison.
        check_signature: Whether a signature is canonical and right.
        checkpoint: Entries that were verified before, under the same signers and genesis, and are the same bytes still.
        same_pages: Pages of which the same is true, signatures included.
    """
    start = checkpoint or Checkpoint.none(zone)
    return BranchReader(zone, files, signers, check_signature, start, same_pages).read(commit, genesis)


def _last_of_folders(count: int) -> list[int]:
    """The number of the last entry in each folder."""
    return sorted({*range(ENTRIES_PER_FOLDER - 1, count, ENTRIES_PER_FOLDER), count})


def _count(zone: str, files: Mapping[str, bytes], known: int) -> int:
    """How many entries there are without a gap, these first ones apart."""
    seq = known
    while entry_path(zone, seq + 1) in files:
        seq += 1
    return seq


def _check_paths(
    zone: str, files: Mapping[str, bytes], known: int, count: int, same: frozenset[str]
) -> Iterator[Problem]:
    """Check that no path is missing, and no other one is there.

    Args:
        zone: Whose log it is.
        files: Every file.
        known: How many entries were checked before.
        count: How many there are.
        same: Paths that were checked with those, and are as they were.
    """
    entries = {entry_path(zone, seq) for seq in range(known + 1, count + 1)}
    pages = {LOG_PAGE, *(folder_page(zone, seq) for seq in _last_of_folders(count))}
    plain = {README, zone_path(zone), state_path(zone)}
    signed = entries | pages
    if not count:
        yield Problem("path", entry_path(zone, 1), "the first entry is missing")
    for path in sorted(signed | plain):
        if path not in files:
            yield Problem("path", path, "the file is missing")
    for path in sorted(signed):
        if f"{path}.sig" not in files:
            yield Problem("path", f"{path}.sig", "the signature is missing")
    expected = signed | plain | {f"{path}.sig" for path in signed}
    for path in sorted({*files} - same - expected):
        if not path.startswith(SEGMENTS):
            yield Problem("path", path, "not a file of this log, or an entry behind a gap")


def _check_genesis(zone: str, entries: Sequence[Entry], genesis: str | None) -> Iterator[Problem]:
    if genesis is not None and entries[0].sha256 != genesis:
        message = f"genesis is sha256:{entries[0].sha256}, the authority file pins sha256:{genesis}"
        yield Problem("genesis", entry_path(zone, 1), message)


def _check_files(zone: str, entries: EntryList, files: Mapping[str, bytes]) -> Iterator[Problem]:
    head = entries.outline(len(entries)).envelope
    for path in (README, LOG_PAGE, zone_path(zone), state_path(zone), folder_page(zone, head.seq)):
        if head.files.get(path) != sha256_hex(files[path]):
            yield Problem("files", path, "not what the newest entry pins")
    if head.zone_sha256 != head.files.get(zone_path(zone)):
        yield Problem("files", zone_path(zone), "not the zone that the newest entry is about")
