"""The signed log as a value, and the numbered checks that make it one.

Pure: files come in as bytes, signatures are checked by a function passed in. `read_log` checks, for the branch's tree:

1. paths: only entries, their signatures and the derived files; entries contiguous from 1, each with its signature
2. form: canonical JSON, a known statement and type, the zone and the log of the first entry
3. chain: sequence, SHA-256 of the previous entry and of its signature, time never going back
4. signatures: canonical, in our namespace, by the key and principal of one line of allowed_signers valid at that time
5. genesis: its SHA-256 is the one the authority file pins
6. pairs: an intent is followed by its result before anything else is intended; only the last may be open
7. files: README, zone and state are what the newest entry pins, and the zone file has the digest of its subject
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.entries import Genesis, Intent, Result, Unchanged
from hyops_gitops.core.envelope import NAMESPACE, NO_HASH, Entry, decode, entry_path
from hyops_gitops.core.errors import HyopsError, InvalidData
from hyops_gitops.core.signers import SignerSet
from hyops_gitops.core.state import ManagedSet
from hyops_gitops.core.zone import Zone

README = "README.md"
SignatureCheck = Callable[[bytes, bytes, str, str], bool]  # message, signature, key, namespace


def zone_path(zone: str) -> str:
    """Where the whole zone as last observed is."""
    return f"zones/{zone}.zone"


def state_path(zone: str) -> str:
    """Where the managed set as last applied is."""
    return f"state/{zone}.zone"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a log does not verify."""

    code: str  # stable: path, form, chain, time, signature, genesis, pairs, files
    where: str  # a path of the evidence branch
    message: str

    def to_json(self) -> dict[str, str]:
        """The shape used in `hyops-evidence-verify/1`."""
        return {"code": self.code, "where": self.where, "message": self.message}


@dataclass(frozen=True, slots=True)
class Applied:
    """An intent that reached the zone, and the result that says so."""

    intent: Intent
    intent_entry: Entry
    result: Result
    result_entry: Entry


@dataclass(frozen=True, slots=True)
class Log:
    """A verified log."""

    zone: str
    commit: str  # of the evidence branch
    entries: tuple[Entry, ...]  # at least genesis
    head_sig_sha256: str
    observed: Zone  # as last observed
    state: ManagedSet  # as last applied

    @property
    def head(self) -> Entry:
        """The newest entry."""
        return self.entries[-1]

    @property
    def genesis(self) -> Genesis:
        """What the first entry says."""
        body = self.entries[0].body
        if not isinstance(body, Genesis):  # `read_log` has checked it
            raise TypeError("the first entry is not genesis")
        return body

    @property
    def open_intent(self) -> Entry | None:
        """The intent that has no result yet, if any."""
        for entry in reversed(self.entries):
            if isinstance(entry.body, Result):
                return None
            if isinstance(entry.body, Intent):
                return entry
        return None

    def applied(self) -> Iterator[Applied]:
        """Every intent recorded as applied, newest first."""
        for entry in reversed(self.entries):
            if isinstance(entry.body, Result) and entry.body.outcome == "applied":
                intent_entry = self.entries[entry.body.intent_seq - 1]
                if isinstance(intent_entry.body, Intent):
                    yield Applied(intent_entry.body, intent_entry, entry.body, entry)

    @property
    def last_applied(self) -> Applied | None:
        """The newest intent recorded as applied."""
        return next(self.applied(), None)

    @property
    def recorded_commit(self) -> str | None:
        """The newest commit of the contracts that was applied or found to ask for nothing; None before the first."""
        recorded = self.recorded
        return recorded.contracts.commit if recorded else None

    @property
    def recorded(self) -> Intent | Unchanged | None:
        """What said so."""
        for entry in reversed(self.entries):
            if isinstance(entry.body, Unchanged):
                return entry.body
            if isinstance(entry.body, Result) and entry.body.outcome == "applied":
                intent = self.entries[entry.body.intent_seq - 1].body
                return intent if isinstance(intent, Intent) else None
        return None


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading a branch came to: a log only where there is no problem."""

    log: Log | None
    entries: int
    problems: tuple[Problem, ...]


def read_log(
    zone: str,
    commit: str,
    files: Mapping[str, bytes],
    *,
    signers: SignerSet,
    genesis: str | None,
    check_signature: SignatureCheck,
) -> Reading:
    """Check a whole branch and make a log of it.

    Args:
        zone: The zone whose log is expected.
        commit: The evidence branch's commit the files are from.
        files: Every file of that commit's tree.
        signers: Who may sign.
        genesis: The SHA-256 that the first entry must have; None skips the comparison.
        check_signature: Whether a signature is canonical and right.
    """
    problems = list(_check_paths(zone, files))
    entries: list[Entry] = []
    previous_sig = NO_HASH
    for seq in range(1, _count(zone, files) + 1):
        path = entry_path(zone, seq)
        data, signature = files[path], files.get(f"{path}.sig", b"")
        try:
            entry = decode(data)
        except InvalidData as error:
            problems.append(Problem("form", path, error.message))
            break
        problems += _check_entry(entry, path, zone, entries, previous_sig)
        problems += _check_signature(entry, path, data, signature, signers, check_signature)
        previous_sig = sha256_hex(signature)
        entries.append(entry)
    if not problems:
        problems += _check_genesis(zone, entries, genesis)
        problems += _check_pairs(zone, entries)
        problems += _check_files(zone, entries, files)
    if problems:
        return Reading(None, len(entries), tuple(problems))
    return _reading(zone, commit, entries, files, previous_sig)


def _reading(zone: str, commit: str, entries: list[Entry], files: Mapping[str, bytes], head_sig: str) -> Reading:
    try:
        observed = Zone.parse(zone, files[zone_path(zone)].decode())
        state = ManagedSet.parse(zone, files[state_path(zone)].decode())
    except (InvalidData, UnicodeDecodeError) as error:
        return Reading(None, len(entries), (Problem("files", zone_path(zone), str(error)),))
    return Reading(Log(zone, commit, tuple(entries), head_sig, observed, state), len(entries), ())


def _count(zone: str, files: Mapping[str, bytes]) -> int:
    """How many entries there are without a gap."""
    seq = 0
    while entry_path(zone, seq + 1) in files:
        seq += 1
    return seq


def _check_paths(zone: str, files: Mapping[str, bytes]) -> Iterator[Problem]:
    allowed = {README, zone_path(zone), state_path(zone)}
    entries = {entry_path(zone, seq) for seq in range(1, _count(zone, files) + 1)}
    if not entries:
        yield Problem("path", entry_path(zone, 1), "there is no first entry")
    for path in sorted(entries - {path.removesuffix(".sig") for path in files if path.endswith(".sig")}):
        yield Problem("path", path, "the entry has no signature file")
    for path in sorted(set(files) - allowed - entries - {f"{path}.sig" for path in entries}):
        yield Problem("path", path, "not a file of this log, or an entry behind a gap")
    for path in sorted(allowed - set(files)):
        yield Problem("path", path, "the file is missing")


def _check_entry(entry: Entry, path: str, zone: str, before: list[Entry], previous_sig: str) -> Iterator[Problem]:
    envelope = entry.envelope
    if envelope.zone != zone:
        yield Problem("form", path, f"the entry is about zone {envelope.zone!r}")
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


def _check_signature(
    entry: Entry, path: str, data: bytes, signature: bytes, signers: SignerSet, check: SignatureCheck
) -> Iterator[Problem]:
    envelope = entry.envelope
    try:
        if not check(data, signature, envelope.key, NAMESPACE):
            yield Problem("signature", f"{path}.sig", "not a canonical signature of the entry by the key it names")
            return
        line = signers.principal_of(envelope.key, NAMESPACE, envelope.time)
    except HyopsError as error:
        yield Problem("signature", f"{path}.sig", error.message)
        return
    if line.principal != envelope.principal:
        yield Problem("signature", path, f"the key belongs to {line.principal!r}, not to {envelope.principal!r}")


def _check_genesis(zone: str, entries: list[Entry], genesis: str | None) -> Iterator[Problem]:
    if genesis is not None and entries[0].sha256 != genesis:
        message = f"genesis is sha256:{entries[0].sha256}, the authority file pins sha256:{genesis}"
        yield Problem("genesis", entry_path(zone, 1), message)


def _check_pairs(zone: str, entries: Iterable[Entry]) -> Iterator[Problem]:
    intent: Entry | None = None
    for entry in entries:
        path = entry_path(zone, entry.seq)
        match entry.body:
            case Intent() if intent is not None:
                yield Problem("pairs", path, f"intent {intent.seq} has no result yet")
            case Intent():
                intent = entry
            case Result(intent_seq=seq, intent_sha256=sha256):
                if intent is None or (intent.seq, intent.sha256) != (seq, sha256):
                    yield Problem("pairs", path, f"the result names intent {seq}, which is not the open one")
                intent = None
            case _:
                pass


def _check_files(zone: str, entries: list[Entry], files: Mapping[str, bytes]) -> Iterator[Problem]:
    head = entries[-1].envelope
    for path in (README, zone_path(zone), state_path(zone)):
        if head.files.get(path) != sha256_hex(files[path]):
            yield Problem("files", path, "not what the newest entry pins")
    if head.zone_sha256 != head.files.get(zone_path(zone)):
        yield Problem("files", zone_path(zone), "not the zone that the newest entry is about")
