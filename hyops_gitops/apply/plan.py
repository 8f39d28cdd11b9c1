"""Plan: what an apply would change, from the last signed evidence (no credentials, no network) or from the primary."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from hyops_gitops.apply.look import Observation, anchor_refusal, check_header, observe
from hyops_gitops.apply.propose import (
    LastRecordedTree,
    Merge,
    PlanBase,
    commits_after,
    known_main,
    limits_since,
    merge,
    missing_commit,
    mixed_commits,
    mixed_refusal,
    propose,
    quoted_lines,
    read_past,
    sort_findings,
    trailer_refusal,
    with_trailers,
)
from hyops_gitops.core.authority import Authority, EvidenceSettings
from hyops_gitops.core.document import DocumentReader, SchemaChecker
from hyops_gitops.core.errors import OutsideFailure, Refused, UsageError
from hyops_gitops.core.exchange import CommitInfo, SourceFile
from hyops_gitops.core.findings import FindingsError
from hyops_gitops.core.guards import Override
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.network import ZoneReader
from hyops_gitops.core.ports import Clock, EvidenceStore, History, SourceTree, VerifiedMark, Verifier
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.holds import held_contracts, moves_of
from hyops_gitops.log.log import Log
from hyops_gitops.log.segment_pins import segment_warnings
from hyops_gitops.log.writer import read_signers, require_log
from hyops_gitops.plan.limits import Limits, Proposal, Source
from hyops_gitops.plan.plan import Note, Refusal
from hyops_gitops.validate.validation import Validation, validate_tree


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """One call of plan."""

    revision: str | None  # None: the work tree
    live: bool
    overrides: tuple[Override, ...] = ()
    authority_override: SourceFile | None = None
    into: str | None = None  # the branch that it is to be merged into; None: what was applied last


@dataclass(frozen=True, slots=True)
class PlanPorts:
    """What a plan needs from the outside; nothing of it can write."""

    read: DocumentReader
    check: SchemaChecker
    history: History
    work_tree: SourceTree
    open_store: Callable[[EvidenceSettings], EvidenceStore]
    open_reader: Callable[[Authority], ZoneReader]
    verifier: Verifier
    clock: Clock
    mark: VerifiedMark | None = None
    segments: tuple[str, ...] = ()  # break-glass segments in this folder


def make_proposal(request: PlanRequest, ports: PlanPorts) -> Proposal:
    """Plan the work tree, or one commit. Writes nothing and, without `live`, asks no server.

    Raises:
        FindingsError: contracts that an apply would change, or the authority, are invalid.
        Refused: the log is missing or does not verify; with `live`, what an apply would refuse of the zone.
    """
    head = ports.history.resolve(request.revision or "HEAD")
    dirty = request.revision is None and bool(ports.history.dirty_paths())
    tree = ports.history.tree(head) if request.revision else ports.work_tree
    basis = _basis(request, head, tree, ports, dirty=dirty)
    validation, authority, log = basis.validation, basis.authority, basis.log
    past = _past(log, validation, ports)
    found = sort_findings(validation, past)
    if found.blocking:
        raise FindingsError(found.blocking)
    recorded = log.state if log else ManagedSet.of(authority.zone, ())
    observed = log.observed if log else Zone.of(authority.zone, ())
    serial = log.serial if log else None
    source: Source = "evidence" if log else "empty"
    limits = Limits.of(authority.policy)
    commits, notes = _commits(basis, head, ports.history)
    overrides = with_trailers(request.overrides, commits)
    refusals: tuple[Refusal, ...] = ()
    went_back = False
    if request.live:
        live = _look(ports.open_reader(authority), authority, log, ports.clock.now())
        observed, serial, source = live.zone, live.header.serial, "live"
        refused = anchor_refusal(live, log, limits, overrides) if log else None
        if refused is not None:
            refusals = (_refusal(refused),)
        else:
            went_back = live.state != "current"
    held = held_contracts(log, validation.contracts, limits_since(past, limits), overrides)
    plan = propose(
        validation,
        limits,
        PlanBase(recorded, observed, went_back),
        held={**held, **found.held},
        past=past,
        overrides=overrides,
        moves=moves_of(log, ports.clock.now()),
    )
    limits = limits_since(past, limits)
    about_commits = [trailer_refusal(commits, limits, overrides)]
    if past is not None:
        about_commits.append(mixed_refusal(mixed_commits(commits), limits, overrides))
    refusals = (*(_refusal(refusal) for refusal in about_commits if refusal is not None), *refusals)
    notes = (*notes, *(Note(authority.zone, line) for line in quoted_lines(commits)))
    plan = replace(plan, refusals=(*refusals, *plan.refusals), notes=(*notes, *plan.notes))
    warnings = tuple(segment_warnings(log, ports.segments, authority.policy.breakglass.review_h) if log else ())
    seq = log.head.seq if log else None
    return Proposal(plan, head, dirty, source, serial, seq, limits, overrides, warnings, basis.into)


@dataclass(frozen=True, slots=True)
class _Basis:
    """What is planned, and against which log."""

    validation: Validation
    authority: Authority
    log: Log | None
    into: str | None  # the commit that it was merged into first
    note: str  # on that merge


def _basis(request: PlanRequest, head: str, tree: SourceTree, ports: PlanPorts, *, dirty: bool) -> _Basis:
    """The tree to plan, validated: as it is, or as merging it into what it lacks gives.

    Main comes first, where it is known: it may have started the log since, or got a key that signs it.
    """
    work, history = ports.work_tree if dirty else None, ports.history
    validation, authority = _validated(tree, request, ports)
    main = known_main(request.into, authority.evidence.remote, request.overrides, history)
    done = merge(main, head, work, history) if main else Merge()
    if done.tree is not None:
        validation, authority = _validated(done.tree, request, ports)
    log = _log(validation, authority, ports)
    base, note = missing_commit(done.into or head, request.overrides, log, history)
    if base is not None:
        done = merge(base, head, work, history)
        if done.tree is not None:
            validation, authority = _validated(done.tree, request, ports)
    return _Basis(validation, authority, log, done.into, done.note or note)


def _log(validation: Validation, authority: Authority, ports: PlanPorts) -> Log | None:
    try:
        return recorded_log(validation, authority, ports.open_store, ports.verifier, ports.mark)
    except Refused as error:
        if error.guard != "evidence-invalid":
            raise
        hint = f"{error.hint}; a branch that lacks a key of main is planned with --into origin/main"
        raise Refused(error.message, guard=error.guard, hint=hint) from None


def _validated(tree: SourceTree, request: PlanRequest, ports: PlanPorts) -> tuple[Validation, Authority]:
    validation = validate_tree(tree, ports.read, ports.check, authority_override=request.authority_override)
    if validation.authority is None:
        raise FindingsError(validation.findings)
    return validation, validation.authority


def recorded_log(
    validation: Validation,
    authority: Authority,
    open_store: Callable[[EvidenceSettings], EvidenceStore],
    verifier: Verifier,
    mark: VerifiedMark | None,
) -> Log | None:
    """The log as this clone knows it, None before it is initialised.

    Raises:
        Refused: initialised, but not in this clone, or it does not verify.
    """
    if authority.evidence.genesis is None:
        return None
    snapshot = open_store(authority.evidence).recorded()
    return require_log(snapshot, authority, read_signers(validation.files), verifier, mark=mark)


def _commits(basis: _Basis, head: str, history: History) -> tuple[tuple[CommitInfo, ...], tuple[Note, ...]]:
    """What an apply would carry out; and notes: on the merge, and in their place where only a clone could tell."""
    log, zone = basis.log, basis.authority.zone
    notes = (Note(zone, basis.note),) if basis.note else ()
    try:
        if log is None:
            return (), notes
        if basis.into is None:
            return commits_after(log, head, history), notes
        return (*commits_after(log, basis.into, history), *history.first_parent_commits(basis.into, head)), notes
    except OutsideFailure as failure:
        if failure.code != "no-history":
            raise
        return (), (*notes, Note(zone, f"{failure.message}, so no trailer of theirs lifts a guard in this plan"))


def _refusal(refused: Refused) -> Refusal:
    return Refusal(refused.guard, refused.name, refused.message, refused.hint)


def _past(log: Log | None, validation: Validation, ports: PlanPorts) -> LastRecordedTree | None:
    if log is None or log.recorded_commit is None:
        return None
    try:
        tree = ports.history.tree(ports.history.resolve(log.recorded_commit))
    except UsageError:
        return None  # a shallow clone: nothing is known of the past, so every finding counts
    files = {file.path: file.content for file in tree.files() if file.content is not None}
    return read_past(files, validation, ports.read, ports.check)


def _look(reader: ZoneReader, authority: Authority, log: Log | None, now: datetime) -> Observation:
    header = reader.header()
    check_header(header, authority, now)
    if log is None:
        return Observation(header, None, "current", Zone.of(authority.zone, reader.rrsets()))
    return observe(reader, log, header)
