"""The writer of entries, of the log and of segments.

Invariants:

- An entry names the head of what the writer has read, so that of two writers one loses: its append is refused.
- Its time is not before the head's, whatever this machine's clock shows.
- Pages say what the entry says, and the entry pins the pages; all of it is one commit.
- A key that is not allowed, not trusted, or cannot sign is refused before anything is written.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import Refused
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.ports import Clock, EvidenceStore, Signer
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.admin_entries import Genesis, Reconcile
from hyops_gitops.log.branch import Signers
from hyops_gitops.log.entries import Body
from hyops_gitops.log.envelope import (
    NO_HASH,
    Entry,
    EntryList,
    Envelope,
    Subject,
    decode_own,
    entry_path,
    fields_of,
    pinned,
    statement_of,
)
from hyops_gitops.log.log import README, Log, state_path, zone_path
from hyops_gitops.log.pages import FORM, pages_after, subject, whole_pages
from hyops_gitops.log.trust import GIT_NAMESPACE, MAIN_NAMESPACE
from hyops_gitops.log.verify_segment import recorded_entries

Warn = Callable[[str], None]


def _say_nothing(_text: str) -> None:
    """For commands without warnings."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs in one namespace, and whose it is."""

    signer: Signer
    key: str
    principal: str
    namespace: str

    @classmethod
    def prepare(cls, signer: Signer, signers: Signers, namespace: str, clock: Clock) -> "SigningKey":
        """A key that is known to be allowed, and known to sign.

        Raises:
            Refused: guard `signing-key`.
        """
        key = signer.public_key()
        line = signers.lines.principal_of(key, namespace, clock.now())
        signer.sign(b"hyops-gitops: can this key sign?\n", namespace)
        return cls(signer, key, line.principal, namespace)

    def sign(self, data: bytes) -> bytes:
        """The signature of these bytes."""
        return self.signer.sign(data, self.namespace)


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes entries, and what each of them says of the run."""

    own: SigningKey
    signers_sha256: str
    clock: Clock
    tool: str
    run: Mapping[str, str]

    def first(self, zone: str, log_id: str, observed: Zone) -> Envelope:
        """The envelope of an entry without another before it."""
        return Envelope(
            Subject(zone, observed.digest()),
            log=log_id,
            seq=1,
            prev_entry=NO_HASH,
            prev_sig=NO_HASH,
            time=self.clock.now().replace(microsecond=0),
            principal=self.own.principal,
            key=self.own.key,
            signers_sha256=self.signers_sha256,
            tool=self.tool,
            run=self.run,
            files={},
            form=FORM,
        )

    def following(self, log: Log, observed: Zone, files: Mapping[str, str]) -> Envelope:
        """The envelope of the next entry; `files`: the digests that it pins."""
        head = log.head.envelope
        first = self.first(log.zone, head.log, observed)
        first = replace(first, time=max(first.time, head.time), files=files, segment=log.segment)
        if not log.entries:
            return first
        return replace(first, seq=len(log.entries) + 1, prev_entry=log.head.sha256, prev_sig=log.head_sig_sha256)


class _Written(NamedTuple):
    data: bytes
    entry: Entry
    signature: bytes
    commit: str
    pages: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class EntryWriter:
    """Writes entries of the log as one signer."""

    store: EvidenceStore
    author: Author
    warn: Warn = _say_nothing
    sign_commits: bool = False

    @classmethod
    def prepare(
        cls,
        store: EvidenceStore,
        signer: Signer,
        signers: Signers,
        clock: Clock,
        tool: str,
        run: Mapping[str, str],
        *,
        namespace: str = MAIN_NAMESPACE,
        warn: Warn = _say_nothing,
    ) -> "EntryWriter":
        """A writer whose key is allowed, and signs.

        Raises:
            Refused: guard `signing-key`.
        """
        own = SigningKey.prepare(signer, signers, namespace, clock)
        # Git looks a commit's signer up in the same file, in a namespace of its own.
        lines = [line for line in signers.lines.lines if line.key == own.key and line.allows(GIT_NAMESPACE)]
        sign_commits = len(lines) == 1 and lines[0].covers(clock.now())
        return cls(store, Author(own, signers.sha256, clock, tool, run), warn, sign_commits)

    @property
    def principal(self) -> str:
        return self.author.own.principal

    @property
    def key(self) -> str:
        """The public key that signs."""
        return self.author.own.key

    def start(self, zone: str, log_id: str, body: Genesis, readme: bytes) -> str:
        """Write genesis; the SHA-256 of the entry."""
        derived = {README: readme, zone_path(zone): b"", state_path(zone): b""}
        envelope = self.author.first(zone, log_id, Zone.of(zone, ()))
        return self._write(None, EntryList(), envelope, body, derived, {}).entry.sha256

    def append(
        self, log: Log, body: Body, observed: Zone, state: ManagedSet, more: Mapping[str, bytes] | None = None
    ) -> Log:
        """Write the next entry, and more files with it; the log then.

        Raises:
            Refused: guard `race` when the branch is no longer where `log` was read; `signing-key` when the log does
                not trust the key.
            OutsideFailure: the remote cannot be reached.
        """
        self.require_trust(log)
        derived = {zone_path(log.zone): observed.data, state_path(log.zone): state.data}
        envelope = self.author.following(log, observed, {README: log.head.envelope.files[README]})
        written = self._write(log.commit, log.entries, envelope, body, derived, more or {}, log.pages)
        if isinstance(body, Reconcile) and body.imported is not None:
            log = replace(log, segments={**log.segments, body.segment: recorded_entries(body, more or {})})
        return log.with_entry(
            written.commit, written.data, written.entry, written.signature, observed, state, written.pages
        )

    def require_trust(self, log: Log) -> None:
        """Whether the log counts this writer's key.

        Raises:
            Refused: guard `signing-key`.
        """
        if (why := log.trust.why_not(self.principal, self.key, self.author.own.namespace)) is not None:
            raise Refused(
                f"{self.principal} cannot write to this log: {why}",
                guard="signing-key",
                hint="run with a key that counts: hyops-gitops keys trust PRINCIPAL --reason REASON",
            )

    def _write(
        self,
        parent: str | None,
        before: EntryList,
        envelope: Envelope,
        body: Body,
        derived: Mapping[str, bytes],
        more: Mapping[str, bytes],
        known: Mapping[str, bytes] | None = None,
    ) -> "_Written":
        """Sign and commit an entry and its pages, from those before."""
        zone, seq = envelope.zone, envelope.seq
        # The pages say what the entry says, and the entry pins the pages: they are made from the unpinned entry.
        fields = fields_of(body)
        unpinned = statement_of(envelope, fields)
        entry = decode_own(unpinned)
        entries = before.extended(unpinned, entry)
        pages = pages_after(zone, entries, seq, known) if known else whole_pages(zone, entries, seq)
        digests = {path: sha256_hex(content) for path, content in {**derived, **pages}.items()}
        before_pins, envelope = envelope, replace(envelope, files={**envelope.files, **digests})
        data = pinned(unpinned, before_pins, envelope) or statement_of(envelope, fields)
        signatures = {path: self.author.own.sign(content) for path, content in pages.items()}
        signatures[entry_path(zone, seq)] = signature = self.author.own.sign(data)
        files: dict[str, bytes | None] = {**more, **derived, **pages, entry_path(zone, seq): data}
        files |= {f"{path}.sig": content for path, content in signatures.items()}
        line = subject(entries[-1], entries)
        sign = self._sign_commit if self.sign_commits else None
        commit = self.store.append(parent, files, line, envelope.principal, envelope.time, sign)
        for problem in self.store.mirror(commit):
            self.warn(problem)
        return _Written(data, replace(entry, envelope=envelope, sha256=sha256_hex(data)), signature, commit, pages)

    def _sign_commit(self, payload: bytes) -> bytes:
        return self.author.own.signer.sign(payload, GIT_NAMESPACE)
