"""The workspace: a repository, its zones and what surrounds them, as one command sees them.

Invariants, which every command relies on:

- Lazy. Nothing is opened, read, fetched or asked before it is needed, and only as far as it is needed.
- Once. A revision is resolved once, its tree validated once, its log in this clone verified once. What was read stays
  as it was; what others may have written since is asked of a zone's `store`, which keeps nothing.
- Zones. A revision holds zones by name; nothing outside this module counts them. `zone()` without a name is the only
  one, and an error where there are several.
- Reading alone. The workspace writes nothing by itself; what it opens for writing is called a writer, a restorer, a
  signer or a refresher.
- Pure. The members that touch the outside are abstract: `cli` opens them with adapters, tests replace single ones.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

from hyops_gitops.core.authority import Authority, EvidenceSettings, Secondary
from hyops_gitops.core.document import DocumentReader, SchemaChecker
from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.events import OnEvent, Warned
from hyops_gitops.core.exchange import ServerInfo, SourceFile
from hyops_gitops.core.findings import FindingsError
from hyops_gitops.core.network import DnsClient, Refresher, ScratchZone, ZoneReader, ZoneTransfers
from hyops_gitops.core.ports import (
    Clock,
    EvidenceSnapshot,
    EvidenceStore,
    History,
    RemoteAccess,
    Signer,
    SourceTree,
    VerifiedMark,
    Verifier,
)
from hyops_gitops.log.branch import Signers, read_evidence, read_signers, recorded_branch, require_log
from hyops_gitops.log.log import Log
from hyops_gitops.log.trust import MAIN_NAMESPACE
from hyops_gitops.log.verify import Reading
from hyops_gitops.log.writer import EntryWriter
from hyops_gitops.validate.validation import Validation, validate_tree


@dataclass(frozen=True, slots=True)
class Process:
    """This run of the program, as entries name it."""

    tool: str = "hyops-gitops"
    run: Mapping[str, str] = field(default_factory=dict)  # the CI job
    boot_id: str | None = None  # of this machine since it started, and of its process namespace
    pid: int = 0


class Workspace(ABC):
    """Everything that a command may ask for; see the invariants above."""

    read: DocumentReader
    check: SchemaChecker
    clock: Clock
    verifier: Verifier

    def __init__(self, on_event: OnEvent, authority_override: SourceFile | None) -> None:
        self.on_event = on_event
        self.authority_override = authority_override  # stands in for the authority file of its zone
        self._revisions: dict[str, Revision] = {}

    def replaced(self, **parts: object) -> Self:
        """The same workspace with other parts, by name, and nothing read yet."""
        if unknown := parts.keys() - set(dir(self)):
            raise AttributeError(f"a workspace has no {', '.join(sorted(unknown))}")
        other = copy.copy(self)
        vars(other).update({"_revisions": {}, **parts})
        return other

    # --- the repository

    @property
    @abstractmethod
    def history(self) -> History: ...

    @property
    @abstractmethod
    def work_tree(self) -> SourceTree: ...

    def at(self, revision: str = "HEAD") -> "Revision":
        """A commit.

        Raises:
            UsageError: there is no such commit.
        """
        if revision not in self._revisions:
            commit = self.history.resolve(revision)
            found = self._revisions.get(commit) or Revision(self, commit, self.history.tree(commit))
            self._revisions |= {revision: found, commit: found}
        return self._revisions[revision]

    def here(self) -> "Revision":
        """The work tree as it lies here, committed or not; its `commit` is empty."""
        return self._revisions.setdefault("", Revision(self, "", self.work_tree))

    # --- this process

    @property
    @abstractmethod
    def process(self) -> Process: ...

    @abstractmethod
    def open_signer(self) -> Signer: ...

    @abstractmethod
    def new_id(self) -> str:
        """32 hex digits, never the same again."""

    @abstractmethod
    def program_version(self, name: str) -> str:
        """What a program that this one runs says of itself; `python` is the interpreter."""

    # --- the log

    @abstractmethod
    def open_remote(self, settings: EvidenceSettings) -> RemoteAccess: ...

    @abstractmethod
    def open_store(self, settings: EvidenceSettings) -> EvidenceStore: ...

    @property
    @abstractmethod
    def mark(self) -> VerifiedMark | None:
        """How far the log of this clone was verified; None where nothing remembers it."""

    @abstractmethod
    def segments(self) -> tuple[str, ...]:
        """The ids of the break-glass segments in this folder."""

    # --- servers

    @abstractmethod
    def open_reader(self, authority: Authority) -> ZoneReader:
        """The primary, to read."""

    @abstractmethod
    def reader_with_key(self, authority: Authority) -> ZoneReader | None:
        """The primary, to read; None where there is no key."""

    @abstractmethod
    def open_secondary(self, authority: Authority, secondary: Secondary) -> ZoneReader | None:
        """A secondary, to read; None where it has no API, or no key is bound to its URL."""

    @abstractmethod
    def open_refresher(self, authority: Authority, secondary: Secondary) -> Refresher | None:
        """What brings a secondary up to date; None where it has no API, or its key is not here."""

    @abstractmethod
    def open_scratch(self, authority: Authority) -> ScratchZone:
        """A zone of a random name on the primary; nothing is made yet."""

    @abstractmethod
    def server_info(self, authority: Authority) -> ServerInfo: ...

    @abstractmethod
    def zone_keys(self, authority: Authority) -> tuple[bool, ...] | None:
        """For each DNSSEC key whether it signs and is published; None where that is not shown."""

    @property
    @abstractmethod
    def transfers(self) -> ZoneTransfers: ...

    @property
    @abstractmethod
    def dns(self) -> DnsClient: ...


class Revision:
    """Contracts and authority of one commit, of the work tree, or of what a merge would give."""

    def __init__(self, workspace: Workspace, commit: str, tree: SourceTree) -> None:
        self.workspace = workspace
        self.commit = commit  # the commit itself, or the one that the tree starts from
        self.tree = tree

    @cached_property
    def validation(self) -> Validation:
        outside = self.workspace
        return validate_tree(self.tree, outside.read, outside.check, authority_override=outside.authority_override)

    @cached_property
    def signers(self) -> Signers:
        return read_signers(self.validation.files)

    @cached_property
    def zones(self) -> Mapping[str, "ManagedZone"]:
        """The zones whose authority file is valid, by name."""
        authority = self.validation.authority
        return {authority.zone: ManagedZone(self, authority)} if authority is not None else {}

    def zone(self, name: str | None = None) -> "ManagedZone":
        """One zone; the only one, where no name is given.

        Raises:
            FindingsError: no authority file is valid.
            UsageError: code `unknown-zone`: there is no such zone, or there are several.
        """
        if not self.zones:
            raise FindingsError(self.validation.findings)
        found = [zone for each, zone in self.zones.items() if name in (None, each)]
        if len(found) != 1:
            asked = "which zone?" if name is None else f"there is no zone {name}"
            raise UsageError(asked, code="unknown-zone", hint=f"one of: {', '.join(sorted(self.zones))}")
        return found[0]


class ManagedZone:
    """One zone of a revision: its authority file, and its log."""

    def __init__(self, revision: Revision, authority: Authority) -> None:
        self.revision = revision
        self.workspace = revision.workspace
        self.authority = authority
        self._logs: dict[tuple[bool, bool], Log] = {}

    @cached_property
    def store(self) -> EvidenceStore:
        return self.workspace.open_store(self.authority.evidence)

    @property
    def commit(self) -> str:
        return self.revision.commit

    @property
    def signers(self) -> Signers:
        return self.revision.signers

    @property
    def is_started(self) -> bool:
        """Whether the authority file pins a log."""
        return self.authority.evidence.genesis is not None

    def log(self, *, tolerate_doubt: bool = False, in_full: bool = False) -> Log:
        """The log that is in this clone, verified.

        Args:
            tolerate_doubt: Take one with entries in doubt as well.
            in_full: Check every signature again.

        Raises:
            Refused: `evidence-missing`, `evidence-invalid`.
        """
        way = (tolerate_doubt, in_full)
        if way not in self._logs:
            snapshot = self.store.recorded() if self.is_started else None
            self._logs[way] = self.verified(snapshot, tolerate_doubt=tolerate_doubt, in_full=in_full)
        return self._logs[way]

    def log_if_started(self) -> Log | None:
        """The log that is in this clone; None before it was started.

        Raises:
            Refused: started, but not in this clone, or it does not verify.
        """
        return self.log() if self.is_started else None

    def verified(
        self,
        snapshot: EvidenceSnapshot | None,
        *,
        known: bool = False,
        tolerate_doubt: bool = False,
        in_full: bool = False,
    ) -> Log:
        """The log in a snapshot, as `require_log` verifies it."""
        return require_log(
            snapshot,
            self.authority,
            self.signers,
            self.workspace.verifier,
            tolerate_doubt=tolerate_doubt,
            known=known,
            mark=None if tolerate_doubt or in_full else self.workspace.mark,
        )

    def recorded(self) -> EvidenceSnapshot:
        """The branch in this clone, verified or not.

        Raises:
            Refused: guard `evidence-missing`: there is no branch, or nothing pins its genesis; `evidence-diverged`.
        """
        return recorded_branch(self.store, self.authority)[0]

    def reading(self, snapshot: EvidenceSnapshot) -> Reading:
        """Everything that verification finds in a snapshot.

        Raises:
            InvalidData: code `evidence-invalid`: the branch holds anything but ordinary files.
        """
        return read_evidence(snapshot, self.authority, self.signers, self.workspace.verifier)

    def entry_writer(self, signer: Signer | None = None, namespace: str = MAIN_NAMESPACE) -> EntryWriter:
        """A writer whose key is listed, and known to sign.

        Raises:
            Refused: guard `signing-key`.
        """
        outside = self.workspace
        return EntryWriter.prepare(
            self.store,
            signer or outside.open_signer(),
            self.signers,
            outside.clock,
            outside.process.tool,
            outside.process.run,
            namespace=namespace,
            warn=lambda text: outside.on_event(Warned(text)),
        )

    def newest(self, writer: EntryWriter, *, tolerate_doubt: bool = False, in_full: bool = False) -> Log:
        """The log as the remote has it now, which counts the writer's key. Asked anew each time.

        Raises:
            Refused: `signing-key`, `evidence-missing`, `evidence-invalid`, `evidence-diverged`.
            OutsideFailure: the remote cannot be reached.
        """
        snapshot, unasked = self.store.fetch_beside_mirrors()
        for problem in unasked:
            self.workspace.on_event(Warned(problem))
        known = snapshot is None and self.store.recorded() is not None
        log = self.verified(snapshot, known=known, tolerate_doubt=tolerate_doubt, in_full=in_full)
        writer.require_trust(log)
        return log
