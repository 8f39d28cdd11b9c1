"""Logs on paper: what the branch would hold, in memory, with signatures that only say who signed what."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.guards import Override
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.signers import SignerLine, SignerSet
from hyops_gitops.core.zone import RRset, Zone
from hyops_gitops.log.admin_entries import Genesis, ImportedSegment, Reconcile
from hyops_gitops.log.chain import SignatureCheck
from hyops_gitops.log.entries import Body, Intent, Result
from hyops_gitops.log.envelope import NO_HASH, Entry, EntryList, Envelope, Subject, decode, entry_path
from hyops_gitops.log.ledger import Ledger
from hyops_gitops.log.log import README, applied_intents, placed, state_path, zone_path
from hyops_gitops.log.pages import FORM
from hyops_gitops.log.parts import AuthorityRef, ContractsRef, Hold, Lease, TrustedKey, ZoneDigests
from hyops_gitops.log.segment import START_ZONE, Base, SegmentRef, entry_file, segment_path
from hyops_gitops.log.verify import Checkpoint, Reading, read_log
from hyops_gitops.log.writer import Author, EntryWriter, SigningKey
from hyops_gitops.plan.plan import Action, Change
from hyops_gitops.plan.state import after_changes

ZONE = "paper.internal"
COMMIT = "c" * 40
HASH = "d" * 64
START = datetime(2026, 3, 1, 8, tzinfo=UTC)
ADA, BOB, EVE, LOCK, OPS = (f"ssh-ed25519 {name}" for name in ("QWRh", "Qm9i", "RXZl", "TG9j", "T3Bz"))
MAIN, RECOVERY, BREAKGLASS = "hyops-gitops", "hyops-gitops-trust", "hyops-gitops-breakglass"
CONTRACTS, AUTHORITY = ContractsRef(COMMIT, HASH), AuthorityRef(HASH, False)


def line(number: int, principal: str, key: str, *namespaces: str) -> SignerLine:
    return SignerLine(number, principal, key, namespaces, None, None, "")


SIGNERS = SignerSet(
    (line(1, "ada", ADA, MAIN), line(2, "bob", BOB, MAIN), line(3, "eve", EVE, "observer"),
     line(4, "lock", LOCK, RECOVERY), line(5, "ops", OPS, BREAKGLASS))
)  # fmt: skip
TRUSTED = (TrustedKey("ada", ADA, (MAIN,)), TrustedKey("lock", LOCK, (RECOVERY,)))
Edit = Callable[[Envelope], Envelope]


def sign(message: bytes, key: str, namespace: str) -> bytes:
    return f"{namespace} {key} {sha256_hex(message)}".encode()


def check(message: bytes, signature: bytes, key: str, namespace: str) -> bool:
    return signature == sign(message, key, namespace)


@dataclass(frozen=True)
class PaperSigner:
    key: str

    def public_key(self) -> str:
        return self.key

    def sign(self, message: bytes, namespace: str) -> bytes:
        return sign(message, self.key, namespace)


@dataclass
class Paper:
    """A log being written by whoever, whether or not it is true."""

    files: dict[str, bytes] = field(default_factory=dict)
    entries: EntryList = field(default_factory=EntryList)
    sig: str = NO_HASH
    zone: Zone = field(default_factory=lambda: Zone.of(ZONE, ()))
    state: ManagedSet = field(default_factory=lambda: ManagedSet.of(ZONE, ()))
    trees: list[tuple[dict[str, bytes], ManagedSet]] = field(default_factory=list)  # after each entry
    segment: SegmentRef | None = None  # of break-glass, which `ops` writes

    @classmethod
    def started(cls) -> "Paper":
        return cls().add(Genesis(COMMIT, TRUSTED))

    def append(self, _parent: object, files: Mapping[str, bytes], *_: object) -> str:
        self.files.update(files)
        return COMMIT

    def mirror(self, _commit: str) -> tuple[str, ...]:
        return ()

    def add(
        self,
        body: Body,
        *,
        by: str | None = None,
        key: str | None = None,
        namespace: str | None = None,
        zone: Zone | None = None,
        state: ManagedSet | None = None,
        edit: Edit = lambda envelope: envelope,
        more: Mapping[str, bytes] | None = None,
    ) -> "Paper":
        """One entry more; `edit` changes its envelope, `more` the files beside it, before they are pinned."""
        self.zone, self.state = zone or self.zone, state or self.state
        own = ("ops", OPS, BREAKGLASS) if self.segment else ("ada", ADA, MAIN)
        by, key, namespace = by or own[0], key or own[1], namespace or own[2]
        seq = len(self.entries) + 1
        envelope = Envelope(
            Subject(ZONE, self.zone.digest()),
            log="1" * 32,
            seq=seq,
            prev_entry=self.entries[-1].sha256 if seq > 1 else NO_HASH,
            prev_sig=self.sig,
            time=START + timedelta(minutes=seq),
            principal=by,
            key=key,
            signers_sha256=HASH,
            tool="paper",
            run={},
            files={},
            form=FORM,
            segment=self.segment,
        )
        derived = {
            README: b"read me\n",
            zone_path(ZONE): self.zone.data,
            state_path(ZONE): self.state.data,
            **(more or {}),
        }
        author = Author(SigningKey(PaperSigner(key), key, by, namespace), HASH, None, "paper", {})  # type: ignore[arg-type]
        writer = EntryWriter(self, author)  # type: ignore[arg-type]
        written = writer._write(COMMIT, self.entries, edit(envelope), body, derived, {})
        data, signature = written.data, written.signature
        self.entries = self.entries.extended(data, decode(data))
        self.sig = sha256_hex(signature)
        self.trees.append((dict(self.files), self.state))
        return self

    # --- bodies

    @property
    def head(self) -> Entry:
        return self.entries[-1]

    def digests(self, zone: Zone | None = None) -> ZoneDigests:
        return ZoneDigests(self.state.digest(), (zone or self.zone).digest(), 1)

    def after(self, *changes: Change) -> Zone:
        written = [one for one in changes if one.writes]
        return self.zone.without(one.key for one in written).with_rrsets(one.after for one in written if one.after)

    def intend(self, *changes: Change, holds: tuple[Hold, ...] = (), before: Zone | None = None) -> "Paper":
        expected = self.digests(self.after(*changes))
        start = self.digests(before)
        return self.add(
            Intent(CONTRACTS, AUTHORITY, (), start, expected, HASH, changes, (), (), (), Lease(60, "b", 1), holds=holds)
        )

    def finish(self, *, outcome: str = "applied", zone: Zone | None = None, **other: object) -> "Paper":
        """The result of the newest intent, as it should be but for what is given."""
        intended = next(one for one in reversed(self.entries) if isinstance(one.body, Intent))
        intent = intended.body
        assert isinstance(intent, Intent)
        applied = outcome == "applied"
        left = zone or (self.after(*intent.changes) if applied else self.zone)
        held = {hold.name: intended.seq for hold in intent.holds}
        state = after_changes(self.state, intent.changes, held) if applied else self.state
        body = Result(
            intended.seq, intended.sha256, outcome, True, 1, self.digests(left), "computed", START, (), ()  # type: ignore[arg-type]
        )  # fmt: skip
        return self.add(replace(body, **other), zone=left, state=state)  # type: ignore[arg-type]

    # --- break-glass

    def breakglass(self, segment: str = "0123456789ab", start: Zone | None = None) -> "Paper":
        """The beginning of a segment on this log, from its zone or another."""
        base = Base((self.head.seq, self.head.sha256), Ledger().after(self.entries).anchor)
        return Paper(zone=start or self.zone, state=self.state, segment=SegmentRef(segment, base))

    def reconcile(
        self,
        own: "Paper",
        start: Zone | None = None,
        holds: tuple[Hold, ...] = (),
        overrides: tuple[Override, ...] = (),
    ) -> "Paper":
        """The entry that brings a segment in, with its files."""
        assert own.segment is not None
        found, before = start or self.zone, self.state
        files = {segment_path(own.segment.id, START_ZONE): found.data}
        for seq in range(1, len(own.entries) + 1):
            for end in ("", ".sig"):
                name = f"{entry_file(seq)}{end}"
                files[segment_path(own.segment.id, name)] = own.files[f"{entry_path(ZONE, seq)}{end}"]
        changes = tuple(one for _, intent in applied_intents(own.entries) for one in intent.changes)
        state = after_changes(before, changes, placed(holds, len(self.entries) + 1))
        imported = ImportedSegment(
            base=own.segment.base,
            before=self.digests(found),
            after=ZoneDigests.of(own.zone, state, 1),
            changes=changes,
            anchor=Ledger().after(own.entries).anchor,
            operators=("ops",),
            witnesses=(),
            ended=own.head.envelope.time,
            holds=holds,
            overrides=overrides,
            commit=COMMIT,
        )
        body = Reconcile(own.segment.id, len(own.entries), own.head.sha256, "", imported)
        self.files |= files
        return self.add(body, zone=own.zone, state=state)

    # --- verdicts

    def checkpoint(self, known: int, state: ManagedSet | None = None) -> Checkpoint:
        """What was verified of the first entries, as it is stored."""
        ledger = Ledger().after(EntryList(self.entries.blobs(known)))
        stored = Ledger.from_json(json.loads(json.dumps(ledger.to_json()))) if known else ledger
        return Checkpoint(stored, state or self.state)

    def read(
        self,
        *,
        checkpoint: Checkpoint | None = None,
        signers: SignerSet = SIGNERS,
        genesis: str | None = None,
        check_signature: SignatureCheck = check,
        same_pages: frozenset[str] = frozenset(),
        files: Mapping[str, bytes] | None = None,
    ) -> Reading:
        return read_log(
            ZONE,
            COMMIT,
            self.files if files is None else files,
            signers=signers,
            genesis=genesis,
            check_signature=check_signature,
            checkpoint=checkpoint,
            same_pages=same_pages,
        )

    def problems(self) -> list[tuple[str, str]]:
        return [(one.code, one.where) for one in self.read().problems]


def a(name: str, address: str) -> RRset:
    return RRset.of(f"{name}.{ZONE}", "A", 60, [address])


def change(name: str, before: str | None, after: str | None) -> Change:
    old, new = a(name, before) if before else None, a(name, after) if after else None
    action = Action.CREATE if old is None else Action.DELETE if new is None else Action.REPLACE
    contract = f"endpoints/prod/{name}.yaml"
    return Change(action, f"{name}.{ZONE}", "A", old, new, contract, cutover=bool(old and new))
