"""A chain of signed entries: the one reader of log and segments.

Invariants of a chain that was read without a problem:

1. numbers: entries count from 1 without a gap, each with its signature
2. form: each is canonical JSON, a known statement and type, about this zone
3. chain: each names the SHA-256 of the entry before it and of that entry's signature, is of the same log, and its time
   is not before that of the entry before
4. signatures: each is canonical, in a namespace that its type may be signed in, by the key and principal of one line of
   allowed_signers that is valid at its time, and by a key that counts at its place
5. pairs: there is one open intent at most; a result names it, and ends it
6. continuity: each entry starts from the zone that the one before it left, and leaves what it says; what brings an
   earlier zone back brings back that of the entry which it names

What is the log's alone is in `log.verify`, what is a segment's alone in `log.verify_segment`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence

from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.codec import JsonReport
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import HyopsError, InvalidData
from hyops_gitops.core.signers import SignerSet
from hyops_gitops.log.admin_entries import ImportedSegment, Reconcile
from hyops_gitops.log.entries import Intent, Result, Unchanged, ZoneDrift
from hyops_gitops.log.envelope import NO_HASH, Entry, EntryList, decode
from hyops_gitops.log.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Problem(JsonReport):
    """One reason why a log, or a segment, does not verify.

    Codes: path, form, not-canonical, bad-entry, unknown-type, unknown-form, chain, time, signature, signer, trust,
    compromised, genesis, pairs, continuity, state, files, page, history, seen; of break-glass segments also segment,
    other-log, base, fork, witness, open-intent, reconciled, review.
    """

    code: str
    where: str  # a path of the evidence branch
    message: str


SignatureCheck = Callable[[bytes, bytes, str, str], bool]  # message, signature, key, namespace


class ChainReader(ABC):
    """Reads one chain; lives for one call."""

    def __init__(
        self, zone: str, files: Mapping[str, bytes], signers: SignerSet, check_signature: SignatureCheck
    ) -> None:
        self.zone = zone
        self.files = files
        self.signers = signers
        self.check_signature = check_signature
        self.problems: list[Problem] = []
        self.entries = EntryList()
        self.previous_sig = NO_HASH  # SHA-256 of the newest entry's signature
        self.signed_in: dict[int, str] = {}  # the namespace of each entry that was read

    @abstractmethod
    def path_of(self, seq: int) -> str:
        """The path of an entry; its signature has `.sig` after that."""

    @abstractmethod
    def check_form(self, entry: Entry, before: Entry | None) -> Iterator[tuple[str, str]]:
        """What is wrong with an entry of this kind: code, message."""

    @abstractmethod
    def namespaces_of(self, entry: Entry) -> Sequence[str]:
        """The namespaces that an entry may be signed in."""

    @abstractmethod
    def why_not(self, principal: str, key: str, namespace: str) -> str | None:
        """Why a key does not count for the next entry; else None."""

    @abstractmethod
    def was_read(self, entry: Entry, data: bytes) -> None:
        """Take note of an entry whose signature was checked."""

    def report(self, code: str, path: str, message: str) -> None:
        """Add a problem."""
        self.problems.append(Problem(code, path, message))

    def read_entries(self, count: int) -> None:
        """Read entries up to a number, or the first unreadable."""
        for seq in range(len(self.entries) + 1, count + 1):
            path = self.path_of(seq)
            data, signature = self.files[path], self.files.get(f"{path}.sig", b"")
            try:
                entry = decode(data)
            except InvalidData as error:
                self.report(error.code, path, error.message)
                return
            before = self.entries.outline(seq - 1) if self.entries else None
            for code, message in (*self._check_place(entry, before), *self.check_form(entry, before)):
                self.report(code, path, message)
            self._check_signature(entry, path, data, signature)
            self.was_read(entry, data)
            self.previous_sig = sha256_hex(signature)
            self.entries.append(data, entry)

    def _check_place(self, entry: Entry, before: Entry | None) -> Iterator[tuple[str, str]]:
        envelope = entry.envelope
        if envelope.zone != self.zone:
            yield "form", f"the entry is about zone {envelope.zone!r}"
        if envelope.seq != len(self.entries) + 1:
            yield "chain", f"the entry says seq {envelope.seq}"
        if envelope.prev_entry != (before.sha256 if before else NO_HASH):
            yield "chain", "prev.entry is not the SHA-256 of the entry before"
        if envelope.prev_sig != self.previous_sig:
            yield "chain", "prev.sig is not the SHA-256 of the signature before"
        if before and envelope.log != before.envelope.log:
            yield "chain", "the entry belongs to another log"
        if before and envelope.time < before.envelope.time:
            yield "time", "the entry is older than the one before"

    def _check_signature(self, entry: Entry, path: str, data: bytes, signature: bytes) -> None:
        key, principal, time = entry.envelope.key, entry.envelope.principal, entry.envelope.time
        try:
            namespace = self.namespace_in(data, signature, key, self.namespaces_of(entry))
            if namespace is None:
                message = "not a canonical signature of the entry by the key it names, in its namespace"
                self.report("signature", f"{path}.sig", message)
                return
            self.signed_in[entry.seq] = namespace
            line = self.signers.principal_of(key, namespace, time)
        except HyopsError as error:
            self.report("signer", f"{path}.sig", error.message)
            return
        if line.principal != principal:
            self.report("signer", path, f"the key belongs to {line.principal!r}, not to {principal!r}")
        elif (why := self.why_not(principal, key, namespace)) is not None:
            self.report("trust", path, why)

    def namespace_in(self, data: bytes, signature: bytes, key: str, namespaces: Sequence[str]) -> str | None:
        """The first of these namespaces in which a signature is right."""
        right = (name for name in namespaces if self.check_signature(data, signature, key, name))
        return next(right, None)

    def check_pairs(self, ledger: Ledger) -> Iterator[Problem]:
        """Results and intents after a ledger's entries that do not pair up."""
        intent = self.entries[ledger.open_intent - 1] if ledger.open_intent else None
        for entry in entries_after(self.entries, ledger):
            path = self.path_of(entry.seq)
            match entry.body:
                case Intent() | Unchanged() | Reconcile() if intent is not None:
                    yield Problem("pairs", path, f"intent {intent.seq} has no result yet")
                case Intent():
                    intent = entry
                case Result(intent_seq=seq, intent_sha256=sha256):
                    if intent is None or (intent.seq, intent.sha256) != (seq, sha256):
                        yield Problem("pairs", path, f"the result names intent {seq}, which is not the open one")
                    intent = None


def entries_after(entries: Sequence[Entry], ledger: Ledger) -> Iterator[Entry]:
    """The entries that a ledger does not hold yet."""
    return (entries[index] for index in range(ledger.count, len(entries)))


def check_zone(ledger: Ledger, entries: EntryList, entry: Entry) -> Iterator[tuple[str, str]]:
    """Whether the next entry starts from the zone that was left."""
    left, now = entries.outline(ledger.count).envelope.zone_sha256, entry.envelope.zone_sha256
    if isinstance(entry.body, Intent) and (why := _not_brought_back(ledger, entries, entry, entry.body)) is not None:
        yield "restore", why
    start, end, wrong = _way(entry, entries, left)
    takes_baseline = not ledger.has_baseline and isinstance(entry.body, Intent | Reconcile)
    if (start != left and not takes_baseline) or now != end:
        yield "continuity", wrong


def _way(entry: Entry, entries: Sequence[Entry], left: str) -> tuple[str, str, str]:
    """The zones before and after an entry; any discontinuity."""
    match entry.body:
        case Intent(before=before):
            return before.whole, before.whole, "the intent starts from another zone than the entry before left"
        case Result(outcome=outcome, intent_seq=seq, after=after):
            intent = entries[seq - 1].body
            expected = intent.expected.whole if outcome == "applied" and isinstance(intent, Intent) else left
            wrong = "the result leaves another zone than its intent expected"
            return left, expected if after.whole == expected else "", wrong
        case ZoneDrift(before=before, after=after):
            return before.whole, after.whole, "the drift does not lead from the zone before to the one after"
        case Reconcile(imported=ImportedSegment(before=before, after=after)):
            return before.whole, after.whole, "the segment does not lead from the zone before to the one after"
        case _:
            return left, left, "the zone changed without an intent, result or drift entry"


def _not_brought_back(ledger: Ledger, entries: Sequence[Entry], entry: Entry, intent: Intent) -> str | None:
    """Why an intent does not restore what the log had; else None."""
    restore = intent.restore
    if restore is None:
        return None
    if not 0 < restore.from_seq < entry.seq:
        return f"it restores the zone of entry {restore.from_seq}, which is not before it"
    if intent.changes:
        return "it restores the zone and changes it in one"
    if entries[restore.from_seq - 1].envelope.zone_sha256 != intent.expected.whole:
        return f"what it brings back is not the zone of entry {restore.from_seq}"
    if ledger.left_by > restore.from_seq:
        return f"the zone was changed after entry {restore.from_seq}, whose zone it brings back"
    return None
