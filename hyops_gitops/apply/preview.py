"""Plan what an apply would change, from the log or the primary."""

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
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
from hyops_gitops.core.authority import Authority
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import OutsideFailure, Refused, UsageError
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.findings import FindingsError
from hyops_gitops.core.guards import Override
from hyops_gitops.core.managed import ManagedRRset, ManagedSet
from hyops_gitops.core.network import ZoneReader
from hyops_gitops.core.ports import History
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.holds import held_contracts, moves_of
from hyops_gitops.log.log import Log
from hyops_gitops.log.reconciling import segment_warnings
from hyops_gitops.log.workspace import ManagedZone, Revision, Workspace
from hyops_gitops.plan.freezes import KindOf, coming_freezes, frozen, kinds_of
from hyops_gitops.plan.limits import Limits, Proposal, Source
from hyops_gitops.plan.plan import GuardRefusal, Note
from hyops_gitops.validate.validation import Validation


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """One call of plan."""

    revision: str | None  # None: the work tree
    live: bool
    overrides: tuple[Override, ...] = ()
    into: str | None = None  # the branch that it is to be merged into; None: what was applied last
    kinds: Mapping[str, str | None] = field(default_factory=dict)  # of changes that are not committed, by path


def make_proposal(request: PlanRequest, workspace: Workspace) -> Proposal:
    """Plan the work tree or a commit; without `live`, ask no server.

    Raises:
        FindingsError: contracts that an apply would change, or the authority, are invalid.
        Refused: the log is missing or does not verify; with `live`, what an apply would refuse of the zone.
    """
    planned = workspace.at(request.revision) if request.revision else workspace.here()
    head = planned.commit
    is_clean = request.revision is not None or planned.tree.is_at(head)
    dirty = not is_clean and bool(workspace.history.dirty_paths())
    basis = _basis(request, planned, workspace, dirty=dirty)
    validation, authority, log = basis.validation, basis.authority, basis.log
    past = _past(log, validation, workspace)
    found = sort_findings(validation, past)
    if found.blocking:
        raise FindingsError(found.blocking)
    recorded = log.state if log else ManagedSet.of(authority.zone, ())
    observed = log.observed if log else Zone.of(authority.zone, ())
    serial = log.serial if log else None
    source: Source = "evidence" if log else "empty"
    limits = Limits.of(authority.policy)
    commits, notes = _commits(basis, head, workspace.history)
    overrides = with_trailers(request.overrides, commits)
    refusals: tuple[GuardRefusal, ...] = ()
    went_back = False
    came_back: tuple[ManagedRRset, ...] = ()
    if request.live:
        live = _look(workspace.open_reader(authority), authority, log, workspace.clock.now())
        observed, serial, source = live.zone, live.header.serial, "live"
        refused = anchor_refusal(live, log, limits, overrides) if log else None
        if refused is not None:
            refusals = (_refusal(refused),)
        else:
            went_back, came_back = live.state != "current", live.came_back(log) if log else ()
    held = held_contracts(log, validation.looked_at, limits_since(past, limits), overrides)
    plan = propose(
        validation,
        limits,
        PlanBase(recorded, observed, went_back, came_back),
        held={**held, **found.held},
        past=past,
        overrides=overrides,
        moves=moves_of(log, workspace.clock.now()),
    )
    limits, now = limits_since(past, limits), workspace.clock.now()
    kind_of = _kinds(request, commits, authority)
    notes = (*notes, *coming_freezes(plan, recorded, limits, kind_of, now))
    plan = frozen(plan, recorded, limits, overrides, kind_of, now)
    about_commits = [trailer_refusal(commits, limits, overrides)]
    if past is not None:
        about_commits.append(mixed_refusal(mixed_commits(commits), limits, overrides))
    refusals = (*(_refusal(refusal) for refusal in about_commits if refusal is not None), *refusals)
    notes = (*notes, *(Note(authority.zone, line) for line in quoted_lines(commits)))
    plan = replace(plan, refusals=(*refusals, *plan.refusals), notes=(*notes, *plan.notes))
    warnings = tuple(
        segment_warnings(log, workspace.segment_folder.segments(), authority.policy.breakglass.review_h) if log else ()
    )
    seq = log.head.seq if log else None
    return Proposal(plan, head, dirty, source, serial, seq, limits, overrides, warnings, basis.into)


@dataclass(frozen=True, slots=True)
class _Basis:
    """The tree to plan, and the log that it is planned against."""

    validation: Validation
    authority: Authority
    log: Log | None
    into: str | None  # the commit that it was merged into first
    note: str  # on that merge


def _basis(request: PlanRequest, planned: Revision, workspace: Workspace, *, dirty: bool) -> _Basis:
    """The tree to plan, validated: as it is, or merged into main.

    Main comes first, where it is known: it may have started the log since, or got a key that signs it.
    """
    head, work, history = planned.commit, workspace.work_tree if dirty else None, workspace.history
    zone = planned.zone()
    main = known_main(request.into, zone.authority.evidence.remote, request.overrides, history)
    done = merge(main, head, work, history) if main else Merge()
    if done.tree is not None:
        zone = Revision(workspace, done.tree, head).zone()
    log = _log(zone)
    base, note = missing_commit(done.into or head, request.overrides, log, history)
    if base is not None:
        done = merge(base, head, work, history)
        if done.tree is not None:
            zone = Revision(workspace, done.tree, head).zone()
    return _Basis(zone.validated(log), zone.authority, log, done.into, done.note or note)


def _log(zone: ManagedZone) -> Log | None:
    try:
        return zone.log_if_started()
    except Refused as error:
        if error.guard != "evidence-invalid":
            raise
        hint = f"{error.hint}; a branch that lacks a key of main is planned with --into origin/main"
        raise Refused(error.message, guard=error.guard, hint=hint) from None


def _commits(basis: _Basis, head: str, history: History) -> tuple[tuple[CommitInfo, ...], tuple[Note, ...]]:
    """The commits that an apply would carry out; and notes on them."""
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


def _kinds(request: PlanRequest, commits: Sequence[CommitInfo], authority: Authority) -> KindOf:
    committed = kinds_of(commits, authority.path)
    return lambda path: request.kinds[path] if path in request.kinds else committed(path)


def _refusal(refused: Refused) -> GuardRefusal:
    return GuardRefusal(refused.guard, refused.name, refused.message, refused.hint)


def _past(log: Log | None, validation: Validation, workspace: Workspace) -> LastRecordedTree | None:
    if log is None or log.recorded_commit is None:
        return None
    try:
        tree = workspace.history.tree(workspace.history.resolve(log.recorded_commit))
    except UsageError:
        return None  # a shallow clone: nothing is known of the past, so every finding counts
    return read_past(tree, validation, workspace.read, workspace.check)


def _look(reader: ZoneReader, authority: Authority, log: Log | None, now: datetime) -> Observation:
    header = reader.header()
    check_header(header, authority, now)
    if log is None:
        return Observation(header, None, "current", Zone.of(authority.zone, reader.rrsets()))
    return observe(reader, log, header)
