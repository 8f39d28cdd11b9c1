"""Steps 1 and 2: commit, validation, signing key, verified log."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from hyops_gitops.apply.propose import LastRecordedTree, commits_after, read_past
from hyops_gitops.core.authority import Authority
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.declaration import read_trailers
from hyops_gitops.core.errors import Refused, UsageError
from hyops_gitops.core.events import Step, Warned
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.findings import FindingsError, has_errors
from hyops_gitops.core.guards import Override, find_override, override_line
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.people import Approval, MergedCommit, Person
from hyops_gitops.core.text import first_few, masked
from hyops_gitops.core.tree import Contents
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.branch import SIGNERS_PATH, Signers
from hyops_gitops.log.entries import AuthorityChange, Body
from hyops_gitops.log.log import Log
from hyops_gitops.log.parts import AuthorityRef, ContractsRef
from hyops_gitops.log.workspace import ManagedZone, Workspace
from hyops_gitops.log.writer import EntryWriter
from hyops_gitops.validate.validation import Validation, signers_since


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """One call of apply."""

    revision: str  # what to apply
    work_tree_matters: bool  # whether uncommitted contracts refuse: no commit was named
    overrides: tuple[Override, ...] = ()
    wait: bool = True  # for another writer's open intent
    recover: int | None = None  # the open intent whose writer the operator knows to be gone
    sites_lost: tuple[str, ...] = ()  # whose servers cannot answer
    watch: bool = True  # after a cutover, resolvers and other servers that the policy does not require
    full: bool = False  # whether to read everything, whatever the log and the serial say


class Recorder(Protocol):
    """Reads and writes one record of entries."""

    def append(self, log: Log, body: Body, observed: Zone, state: ManagedSet) -> Log:
        """Write the next entry; the log with it.

        Raises:
            Refused: guard `race` when the record is no longer where `log` was read; `signing-key`.
            OutsideFailure: it cannot be written.
        """

    def head(self) -> str | None:
        """The commit of the record now; None when it is gone.

        Raises:
            OutsideFailure: it cannot be reached.
        """

    def newest(self) -> Log:
        """The record as it is now, verified.

        Raises:
            Refused: `evidence-missing`, `evidence-invalid`, `evidence-diverged`.
            OutsideFailure: it cannot be reached.
        """


@dataclass(frozen=True, slots=True)
class BranchRecorder:
    """The signed log on its branch."""

    writer: EntryWriter
    zone: ManagedZone

    def append(self, log: Log, body: Body, observed: Zone, state: ManagedSet) -> Log:
        """Sign and push the next entry."""
        return self.writer.append(log, body, observed, state)

    def head(self) -> str | None:
        """The branch's commit on the remote."""
        snapshot = self.zone.store.fetch()
        return None if snapshot is None else snapshot.commit

    def newest(self) -> Log:
        """The branch as the remote has it now."""
        return self.zone.verified(self.zone.store.fetch())

    def files(self) -> Mapping[str, bytes]:
        """Every file of the branch."""
        snapshot = self.zone.store.fetch()
        return {} if snapshot is None else snapshot.read(snapshot.paths())


@dataclass(frozen=True, slots=True)
class ApplyBase:
    """The base of an apply: a commit's contracts, and a log."""

    commit: str
    validation: Validation
    authority: Authority
    signers: Signers
    writer: Recorder
    log: Log
    contracts: ContractsRef
    authority_ref: AuthorityRef
    validate: Callable[[Log], Validation]  # the same contracts, given another log

    @classmethod
    def of(cls, zone: ManagedZone, writer: Recorder, log: Log) -> "ApplyBase":
        validation, override = zone.validated(log), zone.workspace.authority_override
        outside = override.content if override is not None else None
        rules = None if has_errors(validation.findings) else zone.workspace.rules
        return cls(
            commit=zone.commit,
            validation=validation,
            authority=zone.authority,
            signers=zone.signers,
            writer=writer,
            log=log,
            contracts=ContractsRef(zone.commit, zone.revision.tree.manifest_sha256(), rules),
            authority_ref=AuthorityRef(
                sha256_hex(validation.files[zone.authority.path] if outside is None else outside),
                outside_commit=outside is not None,
            ),
            validate=zone.validated,
        )

    def with_log(self, log: Log) -> "ApplyBase":
        """The same, with the log gone on."""
        same = self.validation.about is None or log.ledger.recorded == self.log.ledger.recorded
        return replace(self, log=log, validation=self.validation if same else self.validate(log))


def open_log(request: ApplyRequest, workspace: Workspace) -> ApplyBase:
    """Everything that has to hold before anything can be recorded. Writes nothing.

    Raises:
        FindingsError: the authority is invalid.
        Refused: `dirty`, `shallow`, `signing-key`, `evidence-missing`, `evidence-invalid`, `evidence-diverged`.
        OutsideFailure: the remote cannot be reached.
    """
    workspace.require_clone()
    history = workspace.history
    if request.work_tree_matters and (dirty := history.dirty_paths()):
        hint = "commit or remove them, or name what to apply: --commit HEAD"
        raise Refused(f"not committed: {first_few(dirty)}", guard="dirty", hint=hint)
    if history.is_shallow():
        raise Refused(
            "this clone's history is cut off, so what was applied before is not known",
            guard="shallow",
            hint="git fetch --unshallow (in CI: fetch-depth: 0)",
        )
    revision = workspace.at(request.revision)
    workspace.on_event(Step(f"validating the contracts of {revision.commit[:12]}"))
    zone = revision.zone()
    writer = zone.entry_writer()
    workspace.on_event(Step(f"reading the signed log (branch {zone.authority.evidence.branch})"))
    return ApplyBase.of(zone, BranchRecorder(writer, zone), zone.newest(writer))


def commits_since(opened: ApplyBase, workspace: Workspace) -> tuple[CommitInfo, ...]:
    """The first-parent commits to carry out, since the newest recorded or genesis."""
    return commits_after(opened.log, opened.commit, workspace.history)


def read_recorded(opened: ApplyBase, workspace: Workspace) -> LastRecordedTree | None:
    """The tree recorded last; None before the first apply.

    Raises:
        Refused: guard `history`: this clone does not have that commit; another applier's clone was newer.
    """
    recorded = opened.log.recorded_commit
    if recorded is None:
        return None
    try:
        tree = workspace.history.tree(recorded)
    except UsageError:
        raise Refused(
            f"commit {recorded[:12]}, which was applied last, is not in this clone",
            guard="history",
            hint="`git fetch`, then apply the newest commit of the branch",
        ) from None
    return read_past(tree, opened.validation, workspace.read, workspace.check)


def check_history(
    opened: ApplyBase, past: LastRecordedTree | None, request: ApplyRequest, workspace: Workspace
) -> None:
    """Check that the commit descends from the one recorded last.

    Raises:
        Refused: guard `history`.
    """
    recorded = opened.log.recorded_commit
    if recorded is None or workspace.history.is_ancestor(recorded, opened.commit):
        return
    allowed = past is not None and past.limits is not None and "history" in past.limits.overridable
    if not allowed or find_override(request.overrides, "history") is None:
        raise Refused(
            f"commit {opened.commit[:12]} does not descend from {recorded[:12]}, which was applied last",
            guard="history",
            hint=f"apply the newest commit of the branch; if this is right: {override_line('history')}",
        )
    workspace.on_event(Warned(f"applying {opened.commit[:12]}, which does not descend from {recorded[:12]}"))


def check_signers(opened: ApplyBase, past: LastRecordedTree | None, workspace: Workspace) -> None:
    """Check that the signers only grew since the commit recorded last.

    Raises:
        FindingsError: rule `signers-append-only`.
    """
    base = opened.log.recorded_commit or opened.log.genesis.commit
    if past is not None:
        before = past.files.get(SIGNERS_PATH, b"")
    elif workspace.history.is_ancestor(base, opened.commit):
        before = Contents(workspace.history.tree(base)).get(SIGNERS_PATH, b"")
    else:
        return
    if findings := signers_since(before, opened.validation.files.get(SIGNERS_PATH, b""), base[:12]):
        raise FindingsError(findings)


def authority_change(opened: ApplyBase, past: LastRecordedTree | None) -> AuthorityChange | None:
    """The changes under authority/ since the commit recorded last."""
    if past is None:
        return None
    before, after = _authority_files(past.files), _authority_files(opened.validation.files)
    return AuthorityChange(opened.commit, before, after) if before != after else None


def merged_commit(commit: CommitInfo) -> MergedCommit:
    """A commit in the form of the log, by itself alone.

    The author of what a merge brings in asked for it; its merger is named apart.
    """
    return MergedCommit(
        commit.id,
        masked(commit.subject),
        Person(masked(commit.merged_author or commit.author)),
        commit.time,
        tuple(Approval(Person(masked(name))) for name in commit.approved_by),
        head=commit.merged_head,
        merged_by=Person(masked(commit.committer)) if commit.merged_head else None,
        declared=read_trailers(commit.trailers).declaration.masked(),
    )


def _authority_files(files: Contents) -> tuple[tuple[str, str], ...]:
    paths = files.tree.below("authority")
    return tuple((path, sha256_hex(files[path])) for path in paths if path in files)
