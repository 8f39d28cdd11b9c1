"""From the files of the evidence branch to a log: the numbered checks.

Pure: files come in as bytes, signatures are checked by a function passed in.

1. paths: only entries, pages and derived files; entries contiguous from 1, each with its signature
2. form: canonical JSON, a known statement and type, the zone and the log of the first entry
3. chain: sequence, SHA-256 of the previous entry and of its signature, time never going back
4. signatures: canonical, in our namespace, by the key and principal of one line of allowed_signers valid at that time
5. trust: that key counts at that place of the log, by genesis and the trust entries before it
6. genesis: its SHA-256 is the one the authority file pins
7. continuity: intents and results pair up, without which nothing below is looked at; zone and managed set change only
   as entries say (`continuity`)
8. files: what the newest entry pins; the pages for people are made anew and compared, their signatures checked
9. segments: each as a reconcile entry pins it, and sound as the log stood then (log.segment_pins)
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.errors import HyopsError, InvalidData
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.signers import SignerSet
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.admin_entries import Genesis, TrustChange
from hyops_gitops.log.chain import Prefix, Problem, check_continuity, check_pairs
from hyops_gitops.log.envelope import ENTRIES_PER_FOLDER, NO_HASH, Entry, EntryList, decode, entry_path
from hyops_gitops.log.log import README, Log, state_path, zone_path
from hyops_gitops.log.pages import FORM, LOG_PAGE, folder_page, folder_readme, log_page
from hyops_gitops.log.segment import SEGMENTS
from hyops_gitops.log.segment_pins import brought_in, check_adopted, check_pins
from hyops_gitops.log.trust import MAIN_NAMESPACE, TRUST_NAMESPACE, TrustBook
from hyops_gitops.log.verify_segment import SignatureCheck


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading a branch came to.

    There is a log where nothing is wrong, or nothing but entries in doubt that nobody has acknowledged yet.
    """

    log: Log | None
    entries: int
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether the log verifies."""
        return self.log is not None and not self.problems


@dataclass
class LogReader:
    """Reads one branch; lives for one call of `read_log`."""

    zone: str
    files: Mapping[str, bytes]
    signers: SignerSet
    check_signature: SignatureCheck
    problems: list[Problem] = field(default_factory=list)
    entries: EntryList = field(default_factory=EntryList)
    trust: TrustBook = field(default_factory=TrustBook)
    previous_sig: str = NO_HASH
    namespaces: dict[int, str] = field(default_factory=dict)  # by entry: the one it is signed in
    prefix: Prefix | None = None  # what need not be verified again
    same_pages: frozenset[str] = frozenset()  # pages that stand, with their signatures, as they were verified

    def read(self, commit: str, genesis: str | None) -> Reading:
        """All checks, in their order; later ones only where the entries themselves are sound."""
        count = _count(self.zone, self.files)
        self.problems += _check_paths(self.zone, self.files, count)
        prefix = self.prefix or Prefix.none(self.zone)
        if not self.problems:
            self._recall(prefix)
        for seq in range(len(self.entries) + 1, count + 1):
            if not self._read_entry(seq):
                break
        if not self.problems:
            self.problems += check_pairs(self.zone, self.entries, prefix.count)
        if not self.problems:
            self.problems += _check_genesis(self.zone, self.entries, genesis)
            self.problems += check_continuity(self.zone, self.entries, self.files[state_path(self.zone)], prefix)
            self.problems += _check_files(self.zone, self.entries, self.files)
            self.problems += self._check_pages()
            self.problems += check_pins(self.zone, self.entries, self.files)
            self.problems += check_adopted(
                self.zone, self.entries, self.files, prefix.count, self.signers, self.check_signature
            )
        if self.problems:
            return Reading(None, len(self.entries), tuple(self.problems))
        return self._reading(commit)

    def _recall(self, prefix: Prefix) -> None:
        """Take over entries that were verified before, without looking at most of them."""
        paths = [entry_path(self.zone, seq) for seq in range(1, prefix.count + 1)]
        self.entries = EntryList(self.files[path] for path in paths)
        self.trust = TrustBook.of(self.entries)
        if paths:
            self.previous_sig = sha256_hex(self.files[f"{paths[-1]}.sig"])

    def _read_entry(self, seq: int) -> bool:
        """Read and check one entry; False when nothing after it can be judged."""
        path = entry_path(self.zone, seq)
        data, signature = self.files[path], self.files.get(f"{path}.sig", b"")
        try:
            entry = decode(data)
        except InvalidData as error:
            self.problems.append(Problem(error.code, path, error.message))
            return False
        self.problems += _check_entry(entry, path, self.zone, self.entries, self.previous_sig)
        if isinstance(entry.body, Genesis) and not self.entries:
            self.trust.accept(seq, entry.body)  # genesis vouches for itself: the authority file pins it
        self._check_signature(entry, path, data, signature)
        if not isinstance(entry.body, Genesis):
            self.trust.accept(seq, entry.body)
        self.previous_sig = sha256_hex(signature)
        self.entries.append(data, entry)
        return True

    def _check_signature(self, entry: Entry, path: str, data: bytes, signature: bytes) -> None:
        envelope = entry.envelope
        namespaces = [MAIN_NAMESPACE]
        if isinstance(entry.body, TrustChange):
            namespaces.append(TRUST_NAMESPACE)
        try:
            namespace = next(
                (one for one in namespaces if self.check_signature(data, signature, envelope.key, one)), None
            )
            if namespace is None:
                message = "not a canonical signature of the entry by the key it names"
                self.problems.append(Problem("signature", f"{path}.sig", message))
                return
            self.namespaces[entry.seq] = namespace
            line = self.signers.principal_of(envelope.key, namespace, envelope.time)
        except HyopsError as error:
            self.problems.append(Problem("signer", f"{path}.sig", error.message))
            return
        if line.principal != envelope.principal:
            message = f"the key belongs to {line.principal!r}, not to {envelope.principal!r}"
            self.problems.append(Problem("signer", path, message))
        elif (why := self.trust.why_not(envelope.principal, envelope.key, namespace)) is not None:
            self.problems.append(Problem("trust", path, why))

    def _check_pages(self) -> Iterator[Problem]:
        """LOG.md and the folders' READMEs: made anew, and signed as the last entry that they show was."""
        pages: dict[str, tuple[bytes, Entry]] = {}
        if LOG_PAGE not in self.same_pages:
            pages[LOG_PAGE] = (log_page(self.zone, self.entries), self.entries[-1])
        for seq in _last_of_folders(len(self.entries)):
            path = folder_page(self.zone, seq)
            if path not in self.same_pages:
                pages[path] = (folder_readme(self.zone, self.entries, seq), self.entries[seq - 1])
        for path, (expected, entry) in pages.items():
            if self.files[path] != expected:
                yield Problem("page", path, "not what follows from the entries")
            signature = self.files.get(f"{path}.sig", b"")
            try:
                namespace = self._namespace(entry)
                sound = self.check_signature(self.files[path], signature, entry.envelope.key, namespace)
            except HyopsError as error:
                yield Problem("signature", f"{path}.sig", error.message)
                continue
            if not sound:
                yield Problem("signature", f"{path}.sig", "not a canonical signature of the page")

    def _namespace(self, entry: Entry) -> str:
        """The namespace that an entry is signed in; of one verified before it is found out again."""
        if entry.seq in self.namespaces or not isinstance(entry.body, TrustChange):
            return self.namespaces.get(entry.seq, MAIN_NAMESPACE)
        path = entry_path(self.zone, entry.seq)
        data, signature = self.files[path], self.files[f"{path}.sig"]
        in_main = self.check_signature(data, signature, entry.envelope.key, MAIN_NAMESPACE)
        return MAIN_NAMESPACE if in_main else TRUST_NAMESPACE

    def _reading(self, commit: str) -> Reading:
        try:
            observed = Zone.parse(self.zone, self.files[zone_path(self.zone)].decode())
            state = ManagedSet.parse(self.zone, self.files[state_path(self.zone)].decode())
        except (InvalidData, UnicodeDecodeError) as error:
            problem = Problem("files", zone_path(self.zone), str(error))
            return Reading(None, len(self.entries), (problem,))
        doubtful: tuple[int, ...] = ()
        if self.trust.casts_doubt:
            doubtful = tuple(one.seq for one in self.entries if self.trust.doubtful(one.envelope.key, one.seq))
        trusted = self.trust.trusted()
        log = Log(self.zone, commit, self.entries, self.previous_sig, observed, state, trusted, doubtful)
        log = replace(log, segments=brought_in(self.entries, self.files))
        unacknowledged = [seq for seq in doubtful if seq not in log.acknowledged]
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
    prefix: Prefix | None = None,
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
        prefix: Entries that were verified before, under the same signers and genesis, and are the same bytes still.
        same_pages: Pages of which the same is true, signatures included.
    """
    reader = LogReader(zone, files, signers, check_signature, prefix=prefix, same_pages=same_pages)
    return reader.read(commit, genesis)


def _last_of_folders(count: int) -> list[int]:
    """The number of the last entry in each folder."""
    return sorted({*range(ENTRIES_PER_FOLDER - 1, count, ENTRIES_PER_FOLDER), count})


def _count(zone: str, files: Mapping[str, bytes]) -> int:
    """How many entries there are without a gap."""
    seq = 0
    while entry_path(zone, seq + 1) in files:
        seq += 1
    return seq


def _check_paths(zone: str, files: Mapping[str, bytes], count: int) -> Iterator[Problem]:
    entries = {entry_path(zone, seq) for seq in range(1, count + 1)}
    pages = {LOG_PAGE, *(folder_page(zone, seq) for seq in range(1, count + 1))}
    plain = {README, zone_path(zone), state_path(zone)}
    signed = entries | pages
    if not entries:
        yield Problem("path", entry_path(zone, 1), "there is no first entry")
    for path in sorted(signed | plain):
        if path not in files:
            yield Problem("path", path, "the file is missing")
    for path in sorted(signed):
        if f"{path}.sig" not in files:
            yield Problem("path", f"{path}.sig", "the signature is missing")
    known = signed | plain | {f"{path}.sig" for path in signed}
    for path in sorted(files.keys() - known):
        if not path.startswith(SEGMENTS):
            yield Problem("path", path, "not a file of this log, or an entry behind a gap")


def _check_entry(entry: Entry, path: str, zone: str, before: Sequence[Entry], previous_sig: str) -> Iterator[Problem]:
    envelope = entry.envelope
    if envelope.zone != zone:
        yield Problem("form", path, f"the entry is about zone {envelope.zone!r}")
    if envelope.segment is not None:
        yield Problem("form", path, "the entry is of a break-glass segment")
    if envelope.form != FORM:
        yield Problem("unknown-form", path, f"its pages have form {envelope.form}, this version knows {FORM}")
    if envelope.seq != len(before) + 1:
        yield Problem("chain", path, f"the entry says seq {envelope.seq}")
    if envelope.prev_entry != (before[-1].sha256 if before else NO_HASH):
        yield Problem("chain", path, "prev.entry is not the SHA-256 of the entry before")
    if envelope.prev_sig != previous_sig:
        yield Problem("chain", path, "prev.sig is not the SHA-256 of the signature before")
    if before and envelope.log != before[0].envelope.log:
        yield Problem("chain", path, "the entry belongs to another log")
    if before and envelope.time < before[-1].envelope.time:
        yield Problem("time", path, "the entry is older than the one before")
    if isinstance(entry.body, Genesis) == bool(before):
        yield Problem("chain", path, "genesis is the first entry, and only the first")


def _check_genesis(zone: str, entries: Sequence[Entry], genesis: str | None) -> Iterator[Problem]:
    if genesis is not None and entries[0].sha256 != genesis:
        message = f"genesis is sha256:{entries[0].sha256}, the authority file pins sha256:{genesis}"
        yield Problem("genesis", entry_path(zone, 1), message)


def _check_files(zone: str, entries: Sequence[Entry], files: Mapping[str, bytes]) -> Iterator[Problem]:
    head = entries[-1].envelope
    for path in (README, LOG_PAGE, zone_path(zone), state_path(zone), folder_page(zone, head.seq)):
        if head.files.get(path) != sha256_hex(files[path]):
            yield Problem("files", path, "not what the newest entry pins")
    if head.zone_sha256 != head.files.get(zone_path(zone)):
        yield Problem("files", zone_path(zone), "not the zone that the newest entry is about")
