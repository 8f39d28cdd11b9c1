"""Reading the signed log, and writing the next entry of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.entries import Body
from hyops_gitops.core.envelope import NAMESPACE, NO_HASH, Envelope, decode, encode, entry_path
from hyops_gitops.core.errors import Refused
from hyops_gitops.core.log import README, Log, Reading, read_log, state_path, zone_path
from hyops_gitops.core.signers import SignerSet, parse_allowed_signers
from hyops_gitops.core.state import ManagedSet
from hyops_gitops.core.zone import Zone
from hyops_gitops.usecases.ports import Clock, EvidenceSnapshot, EvidenceStore, Signer, Verifier

SIGNERS_PATH = "authority/allowed_signers"
_PROBLEMS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Signers:
    """Who may sign, and the digest of the file that says so."""

    lines: SignerSet
    sha256: str


def read_signers(files: Mapping[str, bytes]) -> Signers:
    """The signers of a tree's `authority/allowed_signers`; nobody when there is no such file."""
    data = files.get(SIGNERS_PATH, b"")
    lines, _ = parse_allowed_signers(data, SIGNERS_PATH)
    return Signers(SignerSet(lines), sha256_hex(data))


def read_evidence(snapshot: EvidenceSnapshot, authority: Authority, signers: Signers, verifier: Verifier) -> Reading:
    """Verify the whole branch at one commit."""
    files = snapshot.read(snapshot.paths())
    return read_log(
        authority.zone,
        snapshot.commit,
        files,
        signers=signers.lines,
        genesis=authority.evidence.genesis,
        check_signature=verifier.verify,
    )


def require_log(snapshot: EvidenceSnapshot | None, authority: Authority, signers: Signers, verifier: Verifier) -> Log:
    """The verified log.

    Raises:
        Refused: `evidence-missing` when it is not initialised or its branch is gone; `evidence-invalid`.
    """
    branch = authority.evidence.branch
    if authority.evidence.genesis is None:
        raise Refused(
            f"the log of {authority.zone} is not initialised: {authority.path} has no evidence.genesis",
            guard="evidence-missing",
            hint="run `hyops-gitops evidence init`, then commit the line it adds",
        )
    if snapshot is None:
        remote = authority.evidence.remote
        where = f"on remote {remote!r}" if remote else "in this clone"
        hint = f"`git fetch {remote} {branch}` brings it" if remote else "no log is ever started by itself"
        raise Refused(f"there is no branch {branch!r} {where}", guard="evidence-missing", hint=hint)
    reading = read_evidence(snapshot, authority, signers, verifier)
    if reading.log is None:
        shown = "; ".join(f"{problem.where}: {problem.message}" for problem in reading.problems[:_PROBLEMS_SHOWN])
        raise Refused(
            f"the log does not verify: {shown}",
            guard="evidence-invalid",
            hint="`hyops-gitops evidence verify` lists every problem",
        )
    return reading.log


@dataclass(frozen=True, slots=True)
class EntryWriter:
    """Writes entries as one signer."""

    store: EvidenceStore
    signer: Signer
    key: str
    principal: str
    signers_sha256: str
    clock: Clock
    tool: str
    run: Mapping[str, str]

    @classmethod
    def prepare(
        cls,
        store: EvidenceStore,
        signer: Signer,
        signers: Signers,
        clock: Clock,
        tool: str,
        run: Mapping[str, str],
    ) -> "EntryWriter":
        """A writer whose key is known to be allowed, and known to sign.

        Raises:
            Refused: guard `signing-key`.
        """
        key = signer.public_key()
        line = signers.lines.principal_of(key, NAMESPACE, clock.now())
        signer.sign(b"hyops-gitops: can this key sign?\n", NAMESPACE)
        return cls(store, signer, key, line.principal, signers.sha256, clock, tool, run)

    def start(self, zone: str, log_id: str, body: Body, readme: bytes) -> str:
        """Write genesis; the SHA-256 of the entry."""
        derived = {README: readme, zone_path(zone): b"", state_path(zone): b""}
        envelope = self._envelope(zone, log_id, 1, (NO_HASH, NO_HASH), Zone.of(zone, ()), derived)
        data, signature = self._signed(envelope, body)
        self._commit(None, 1, data, signature, derived, envelope, f"genesis of the log of {zone}")
        return sha256_hex(data)

    def append(self, log: Log, body: Body, observed: Zone, state: ManagedSet, subject: str) -> Log:
        """Write the next entry; the log with it.

        Raises:
            Refused: guard `race` when the branch is no longer where `log` was read.
            OutsideFailure: the remote cannot be reached.
        """
        derived = {zone_path(log.zone): observed.text().encode(), state_path(log.zone): state.text().encode()}
        previous = (log.head.sha256, log.head_sig_sha256)
        head = log.head.envelope
        seq = log.head.seq + 1
        envelope = self._envelope(log.zone, head.log, seq, previous, observed, derived)
        envelope = replace(
            envelope,
            time=max(envelope.time, head.time),
            files={**envelope.files, README: head.files[README]},
        )
        data, signature = self._signed(envelope, body)
        entry = decode(data)
        commit = self._commit(log.commit, seq, data, signature, derived, envelope, subject)
        return Log(log.zone, commit, (*log.entries, entry), sha256_hex(signature), observed, state)

    def _envelope(
        self, zone: str, log_id: str, seq: int, previous: tuple[str, str], observed: Zone, derived: Mapping[str, bytes]
    ) -> Envelope:
        return Envelope(
            zone=zone,
            zone_sha256=observed.digest(),
            log=log_id,
            seq=seq,
            prev_entry=previous[0],
            prev_sig=previous[1],
            time=self.clock.now().replace(microsecond=0),
            principal=self.principal,
            key=self.key,
            signers_sha256=self.signers_sha256,
            tool=self.tool,
            run=self.run,
            files={path: sha256_hex(content) for path, content in derived.items()},
        )

    def _signed(self, envelope: Envelope, body: Body) -> tuple[bytes, bytes]:
        data = encode(envelope, body)
        return data, self.signer.sign(data, NAMESPACE)

    def _commit(
        self,
        parent: str | None,
        seq: int,
        data: bytes,
        signature: bytes,
        derived: Mapping[str, bytes],
        envelope: Envelope,
        subject: str,
    ) -> str:
        path = entry_path(envelope.zone, seq)
        files: dict[str, bytes | None] = {path: data, f"{path}.sig": signature, **derived}
        return self.store.append(parent, files, f"{seq:06d} {subject}", envelope.principal, envelope.time)
