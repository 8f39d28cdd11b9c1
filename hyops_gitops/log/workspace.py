"""The workspace: a command's view of repository and zones.

Invariants, which every command relies on:

- Lazy. Nothing is opened, read, fetched or asked before it is needed, and only as far as it is needed.
- Once. A revision is resolved once, its tree validated once, its log in this clone verified once. What was read stays
  as it was; what others may have written since is asked of a zone's `store`, which keeps nothing.
- Zones. A revision holds zones by name. `of_zone` is the workspace of one of several: its trees, history and caches are
  that zone's, so that a command on one zone need not know of others. `zone()` without a name is the only one, and an
  error where there are several.
- Short. What was found valid by the same rules when it was applied last is not read again (`ManagedZone.validated`);
  where anything speaks against that, everything is.
- Reading alone. The workspace writes nothing by itself; what it opens for writing is called a writer, a restorer, a
  signer or a refresher.
- Pure. What touches the outside is abstract in `core.outside`; `cli` opens it with adapters, tests replace parts.
"""

import copy
from collections.abc import Mapping
from functools import cached_property
from typing import Self, cast

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.errors import InvalidData, UsageError
from hyops_gitops.core.events import OnEvent, Step, Warned
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.findings import FindingsError
from hyops_gitops.core.outside import Outside
from hyops_gitops.core.ports import EvidenceSnapshot, EvidenceStore, Signer
from hyops_gitops.core.text import first_few
from hyops_gitops.core.tree import Contents, SourceTree
from hyops_gitops.core.zone_tree import ZoneHistory, zone_tree
from hyops_gitops.log.branch import SIGNERS_PATH, Signers, read_evidence, read_signers, recorded_branch, require_log
from hyops_gitops.log.entries import Intent, Unchanged
from hyops_gitops.log.log import Log
from hyops_gitops.log.parts import ContractsRef
from hyops_gitops.log.trust import MAIN_NAMESPACE
from hyops_gitops.log.verify import Reading
from hyops_gitops.log.writer import Author, EntryWriter, SigningKey
from hyops_gitops.validate.concerned import Scope
from hyops_gitops.validate.validation import Validation, validate_tree


class Workspace(Outside):
    """Everything that a command may ask for; see the invariants above."""

    def __init__(self, on_event: OnEvent, authority_override: SourceFile | None) -> None:
        self.on_event = on_event
        self.authority_override = authority_override  # stands in for the authority file of its zone
        self.full = False  # whether to read everything whatever is known
        self.zone_name: str | None = None  # the zone that it is restricted to
        self._revisions: dict[str, Revision] = {}
        self._of_zones: dict[str, Workspace] = {}

    def replaced(self, **parts: object) -> Self:
        """The same workspace with other parts, by name, and nothing read yet."""
        if unknown := parts.keys() - set(dir(self)):
            raise AttributeError(f"a workspace has no {', '.join(sorted(unknown))}")
        other = copy.copy(self)
        vars(other).update({"_revisions": {}, "_of_zones": {}, **parts})
        return other

    def of_zone(self, zone: str) -> Self:
        """The same workspace for one zone of several."""
        if zone not in self._of_zones:
            history, work_tree = ZoneHistory(self.history, zone), zone_tree(self.work_tree, zone)
            own = self.replaced(history=history, work_tree=work_tree, mark=self.mark_of(zone), zone_name=zone)
            self._of_zones[zone] = own
        return cast(Self, self._of_zones[zone])

    def at(self, revision: str = "HEAD") -> "Revision":
        """A commit.

        Raises:
            UsageError: there is no such commit.
        """
        if revision not in self._revisions:
            commit = self.history.resolve(revision)
            found = self._revisions.get(commit) or Revision(self, self.history.tree(commit), commit)
            self._revisions |= {revision: found, commit: found}
        return self._revisions[revision]

    def here(self) -> "Revision":
        """The work tree as it lies here, committed or not."""
        return self._revisions.setdefault("", Revision(self, self.work_tree))


class Revision:
    """Contracts and authority of a commit or tree."""

    def __init__(
        self, workspace: Workspace, tree: SourceTree, commit: str | None = None, validation: Validation | None = None
    ) -> None:
        self.workspace = workspace
        self.tree = tree
        self._commit = commit
        self._validation = validation
        self._contents = Contents(tree)

    @cached_property
    def commit(self) -> str:
        """The commit, or the one that a tree starts from."""
        return self._commit or self.workspace.history.resolve("HEAD")

    @cached_property
    def validation(self) -> Validation:
        """That of everything."""
        return self._validation or self.validate(None)

    def validate(self, scope: Scope | None) -> Validation:
        """The tree validated, or a part of it."""
        outside = self.workspace
        return validate_tree(
            self._contents, outside.read, outside.check, authority_override=outside.authority_override, scope=scope
        )

    @cached_property
    def _without_contracts(self) -> Validation:
        """What there is beside the contracts, of which none is read."""
        if self._validation or self.workspace.full:
            return self.validation
        return self.validate(Scope(frozenset(), self.tree, frozenset()))

    @property
    def files(self) -> Contents:
        """The contents of its files."""
        return self._without_contracts.files

    @cached_property
    def signers(self) -> Signers:
        return read_signers(self.files)

    @cached_property
    def zones(self) -> Mapping[str, "ManagedZone"]:
        """The zones whose authority file is valid, by name."""
        if self.workspace.zone_name is None and len(self.files.layout.authorities) > 1:
            parts = [self.of_zone(name) for name in self.tree.division.zones]
            return {name: zone for part in parts for name, zone in part.zones.items()}
        authority = self._without_contracts.authority
        return {authority.zone: ManagedZone(self, authority)} if authority is not None else {}

    def every_zone(self) -> tuple["ManagedZone", ...]:
        """All zones.

        Raises:
            FindingsError: an authority file is not valid.
        """
        if self.tree.division.several and self.workspace.zone_name is None:
            return tuple(self.of_zone(name).zone() for name in self.tree.division.zones)
        return (self.zone(),)

    def of_zone(self, name: str) -> "Revision":
        """One zone's part of it."""
        workspace = self.workspace.of_zone(name)
        if self._commit is None:
            return Revision(workspace, zone_tree(self.tree, name))
        return workspace.at(self._commit)

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
            asked = "this repository has several zones" if name is None else f"there is no zone {name}"
            hint = f"give one of them: --zone {' | '.join(sorted(self.zones))}"
            raise UsageError(asked, code="unknown-zone", hint=hint)
        return found[0]


class ManagedZone:
    """One zone of a revision: its authority file, and its log."""

    def __init__(self, revision: Revision, authority: Authority) -> None:
        self.revision = revision
        self.workspace = revision.workspace
        self.authority = authority
        self._logs: dict[tuple[bool, bool], Log] = {}
        self._validated: dict[int, Validation] = {}  # by the entry that recorded what was applied last

    def validated(self, log: Log | None) -> Validation:
        """The contracts, validated; what a log knows is not read.

        It knows what was valid, by the same rules and under the same authority file, when it was applied last, and did
        not change since.
        """
        recorded = log.recorded if log is not None and log.segment is None and not self.workspace.full else None
        if log is None or recorded is None or log.ledger.recorded is None:
            return self.revision.validation
        if log.ledger.recorded not in self._validated:
            found = self._doubt(recorded, log) or self._validated_since(recorded.contracts, log)
            if isinstance(found, str):
                self.workspace.on_event(Step(f"reading every contract: {found}"))
                found = self.revision.validation
            self._validated[log.ledger.recorded] = found
        return self._validated[log.ledger.recorded]

    def _doubt(self, recorded: Intent | Unchanged, log: Log) -> str | None:
        """A reason not to build on what was recorded last, if any."""
        outside, ledger, rules = self.workspace, log.ledger, recorded.contracts.rules
        moved_back = isinstance(recorded, Intent) and (recorded.rollback_of or recorded.restore or recorded.repair)
        later = (*ledger.reconciles, *ledger.gaps, *ledger.doubtful)
        own = self.revision.files.get(self.authority.path)  # None: a file outside
        checks = (
            (outside.authority_override or recorded.authority.outside_commit, "an authority file stands outside"),
            (rules is None, "not all were valid when they were applied last"),
            (rules != outside.rules, "they were found valid by another version"),
            (own is None or recorded.authority.sha256 != sha256_hex(own), "the authority file changed"),
            (moved_back, "records were brought back"),
            (any(seq >= (ledger.recorded or 0) for seq in later), "the log names changes by others"),
        )
        return next((why for wrong, why in checks if wrong), None)

    def _validated_since(self, recorded: ContractsRef, log: Log) -> Validation | str:
        """What changed, validated; or why that is not enough."""
        try:
            base = self.workspace.history.tree(recorded.commit)
        except (UsageError, InvalidData):
            return f"commit {recorded.commit[:12]}, which was applied last, is not in this clone"
        changed = self.revision.tree.changed(base) - {SIGNERS_PATH}
        if any(not path.startswith("endpoints/") for path in changed):
            return "more than contracts changed"
        held = {entry.contract for name in log.state.held() for entry in log.state.entries.at(name).values()}
        # Whether another zone still has the name that a contract points at, no change of this zone shows.
        pointing = log.state.pointing_into(self.revision.tree.other_zones)
        found = self.revision.validate(Scope(changed | held | pointing, base, changed, is_sound=True))
        asked = {(contract.path, rrset.name) for contract in found.looked_at for rrset in contract.rrsets()}
        # What a held contract has and no longer asks for, another may ask for that did not change since.
        kept = {(path, entry.rrset.name) for path in held for entry in log.state.of_contract(path)}
        given_up = sorted({name for _, name in kept - asked})
        return f"a held contract no longer asks for {first_few(given_up)}" if given_up else found

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

    def author(self, own: SigningKey) -> Author:
        """Who writes entries in this run, with this key."""
        process = self.workspace.process
        return Author(own, self.signers.sha256, self.workspace.clock, process.tool, process.run)

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
        """The log of the remote, trusting the writer; never kept.

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
