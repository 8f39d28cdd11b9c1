"""Reconcile: bring a segment into log and contracts.

The segment is copied unchanged, verified by today's signers, and pinned by one entry. Names that it left apart from
their contracts are held until their contracts change; reconcile prepares that pull request.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated

from hyops_gitops.apply.apply import retry_on_race
from hyops_gitops.apply.look import check_clock, check_header
from hyops_gitops.apply.opening import ApplyBase, ApplyRequest, BranchRecorder, open_log
from hyops_gitops.apply.record import head_of, recorded_overrides
from hyops_gitops.apply.recover import free_reserved_numbers, settle_open_intent
from hyops_gitops.core.codec import JsonReport
from hyops_gitops.core.contract import Contract, Target
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.declaration import Declaration
from hyops_gitops.core.errors import HyopsError, InvalidData, Refused
from hyops_gitops.core.events import Step, Warned
from hyops_gitops.core.fields import At, Part, Split
from hyops_gitops.core.guards import Override, override_line
from hyops_gitops.core.network import ZoneWriter
from hyops_gitops.core.text import first_few, masked
from hyops_gitops.log.admin_entries import ImportedSegment, Reconcile
from hyops_gitops.log.chain import Problem
from hyops_gitops.log.envelope import EntryRef
from hyops_gitops.log.log import Log
from hyops_gitops.log.reconciling import PendingReview, pending_reviews, reconciliation
from hyops_gitops.log.segment import segment_path
from hyops_gitops.log.trust import BREAKGLASS_NAMESPACE
from hyops_gitops.log.verify_segment import (
    TRUST_GUARD,
    Segment,
    check_base,
    check_new,
    check_whole,
    read_segment,
    segment_files,
)
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.move.moves import CommitText, Move, MoveResult, move_of
from hyops_gitops.move.write_moves import CommitOptions, edit_moves, write_or_commit
from hyops_gitops.plan.limits import Limits
from hyops_gitops.plan.plan import Change, moved, names_moved
from hyops_gitops.recover.open_segment import read_anchor
from hyops_gitops.recover.restore import ask_secondaries
from hyops_gitops.recover.segment_log import check_end

_REVIEW_DUE = Split((Part("review_due", str | None, lambda pending: pending and pending.message),))


@dataclass(frozen=True, slots=True)
class ReconcileResult(JsonReport):
    """The reconciled segment, its holds, its review, its commit."""

    FORMAT = "hyops-reconcile/1"
    segment: str
    operators: tuple[str, ...]
    seq: int  # the entry that brought it in
    head: EntryRef  # of the log now
    written: bool  # whether this run brought it in
    holds: Annotated[tuple[str, ...], At("held")]
    changes: tuple[Change, ...]
    reviewed_by: str | None
    pending: Annotated[PendingReview | None, _REVIEW_DUE]
    commit: Annotated[MoveResult | None, At("moving")]


def matching_moves(changes: Sequence[Change], contracts: Iterable[Contract]) -> tuple[Move, ...]:
    """The moves of contracts unchanged since before these changes.

    A contract that asks for something else was changed meanwhile, and stays.
    """
    found = []
    for contract in contracts:
        now, before = _ends(contract, changes)
        if now is not None and before is not None and contract.target.values == before.values != now.values:
            found.append(move_of(contract, now))
    return tuple(found)


def _ends(contract: Contract, changes: Sequence[Change]) -> tuple[Target | None, Target | None]:
    """The targets of a contract's name after and before these changes."""
    own = [change for change in moved(changes).values() if change.name == str(contract.name)]
    after = [change.after for change in own if change.after is not None]
    before = [change.before for change in own if change.before is not None]
    return (
        contract.target_shown_by(after) if after else None,
        contract.target_shown_by(before) if before else None,
    )


_SHOWN = 3


@dataclass(frozen=True, slots=True)
class ReconcileRequest:
    """Arguments of reconcile."""

    segment: str  # its id
    files: Mapping[str, bytes] | None  # of its folder; None: the log has it already
    apply: ApplyRequest
    options: CommitOptions
    reviewed: str | None = None  # the statement of a reviewer, who signs the entry
    revert: bool = False  # revert the segment's moves instead of matching the contracts to them


def reconcile(request: ReconcileRequest, workspace: Workspace) -> ReconcileResult:
    """Bring a segment in, or continue; record a review.

    Raises:
        FindingsError: the authority is invalid.
        Refused: `segment`, `segment-trust`, `segment-review`, and the guards of an apply before it reads the zone.
        InvalidData: nothing to do.
        OutsideFailure: the remote or the API cannot be reached.
    """
    return retry_on_race(lambda: _attempt(request, workspace), workspace)


def _attempt(request: ReconcileRequest, workspace: Workspace) -> ReconcileResult:
    opened = open_log(request.apply, workspace)
    primary = workspace.open_restorer(opened.authority)  # which may have lost the zone
    header = primary.header() if primary.exists() else None
    if header is not None:
        check_header(header, opened.authority, workspace.clock.now())
    server_time = header.server_time if header else None
    check_clock(workspace.clock.now(), opened.log.head.envelope.time, server_time)
    found = None if header is None else read_anchor(primary, opened.authority.zone)
    opened = settle_open_intent(opened, primary, request.apply, workspace)
    segment, known = _segment(request, opened, workspace)
    _check_reviewer(request, opened, segment)
    log, written = opened.log, known is None
    if known is None:
        if header is not None:
            found = read_anchor(primary, segment.zone)  # an intent was settled meanwhile, or landed
        served = partial(ask_secondaries, opened.authority, workspace.dns)
        if (lost := check_end(segment, opened.log, found, served)) is not None:
            workspace.on_event(Warned(lost))
        log = _bring_in(request, opened, segment, workspace)
    elif request.reviewed is not None:
        log = _review(request, opened, segment)
    elif not request.options.commits:
        raise InvalidData(
            f"segment {segment.ref.id} is in the log already, by entry {known}",
            code="nothing-to-reconcile",
            hint="add --reviewed TEXT to record a review, or --commit, --push or --pr for its pull request",
        )
    if header is not None:
        _free_markers(primary, log, workspace)
    return _result(request, opened.with_log(log), segment, written, workspace)


# --- judging


def _segment(request: ReconcileRequest, opened: ApplyBase, workspace: Workspace) -> tuple[Segment, int | None]:
    """The verified segment, and its entry if already in the log."""
    log, policy = opened.log, opened.authority.policy
    lifted = Limits.of(policy).lifted(TRUST_GUARD, None, request.apply.overrides)
    files = request.files if request.files is not None else _recorded_files(request.segment, opened)
    workspace.on_event(Step(f"verifying segment {request.segment} by today's signers"))
    reading = read_segment(
        log.zone,
        request.segment,
        files,
        signers=opened.signers.lines,
        check_signature=workspace.verifier.verify,
        why_not=lambda principal, key: None if lifted else log.trust.why_not(principal, key, BREAKGLASS_NAMESPACE),
    )
    if reading.segment is None or reading.problems:
        raise _refused(reading.problems)
    segment = reading.segment
    known_problems = list(check_new(segment, log))
    if [problem.code for problem in known_problems] == ["reconciled"]:
        return segment, _import_of(log, segment)[0]
    problems = [
        *known_problems,
        *check_base(segment, log.entries, log.ledger),
        *check_whole(segment, witness_required=policy.breakglass.witness == "required"),
    ]
    if problems:
        raise _refused(problems)
    return segment, None


def _branch(opened: ApplyBase) -> BranchRecorder:
    """The recorder of the log's branch, as `open_log` opens it."""
    if not isinstance(opened.writer, BranchRecorder):
        raise TypeError("not the log's branch")
    return opened.writer


def _import_of(log: Log, segment: Segment) -> tuple[int, ImportedSegment]:
    """The entry that imported a segment: number and summary."""
    return next(
        (entry.seq, body.imported)
        for entry, body in log.reconciles
        if body.segment == segment.ref.id and body.imported is not None
    )


def _recorded_files(segment: str, opened: ApplyBase) -> Mapping[str, bytes]:
    files = segment_files(_branch(opened).files(), segment)
    if not files:
        raise InvalidData(
            f"the log has no segment {segment}",
            code="no-segment",
            hint="give the folder where it was written: hyops-gitops reconcile FOLDER/segments/ID",
        )
    return files


def _refused(problems: Sequence[Problem]) -> Refused:
    """The refusal by guard `segment`, or `segment-trust` for keys alone."""
    shown = first_few([f"{problem.where}: {problem.code}: {problem.message}" for problem in problems], _SHOWN, "; ")
    message = f"cannot bring the segment into the log: {shown}"
    if problems and all(problem.code == "trust" for problem in problems):
        hint = f"investigate what the key's owner did; if this is right: {override_line(TRUST_GUARD)}"
        return Refused(message, guard=TRUST_GUARD, hint=hint)
    if any(problem.code == "base" for problem in problems):
        return Refused(
            message, guard="segment", hint="bring the log's entries back first: hyops-gitops evidence import"
        )
    return Refused(message, guard="segment", hint="use the folder as it was written; no override lifts this guard")


def _check_reviewer(request: ReconcileRequest, opened: ApplyBase, segment: Segment) -> None:
    reviewer = _branch(opened).writer.principal
    if request.reviewed is not None and reviewer in {*segment.operators, *segment.witnesses.values()}:
        raise Refused(
            f"{reviewer} cannot review segment {segment.ref.id}: operators and witnesses may not",
            guard="segment-review",
            hint="let another person with a trusted key run it with --reviewed",
        )


# --- writing


def _bring_in(request: ReconcileRequest, opened: ApplyBase, segment: Segment, workspace: Workspace) -> Log:
    log, files = opened.log, request.files or {}
    lifted = [override for override in request.apply.overrides if override.guard == TRUST_GUARD]
    taken = reconciliation(
        segment,
        log,
        opened.commit,
        contracts=opened.validation.contracts,
        review=_branch(opened).writer.principal if request.reviewed is not None else "",
        reason=masked(request.reviewed) if request.reviewed is not None else "",
        overrides=recorded_overrides(lifted),
    )
    if taken.drift is not None:
        workspace.on_event(Warned("the zone differed from the log before the segment; recorded as drift"))
        log = opened.writer.append(log, taken.drift, taken.found, log.state)
    copied = {segment_path(segment.ref.id, name): content for name, content in files.items()}
    log = _branch(opened).writer.append(log, taken.entry, taken.observed, taken.state, copied)
    workspace.on_event(Step(f"segment {segment.ref.id} is in the log, by entry {log.head.seq}"))
    return log


def _review(request: ReconcileRequest, opened: ApplyBase, segment: Segment) -> Log:
    log = opened.log
    body = Reconcile(
        segment.ref.id,
        len(segment.entries),
        segment.head.sha256,
        _branch(opened).writer.principal,
        reason=masked(request.reviewed or ""),
    )
    return opened.writer.append(log, body, log.observed, log.state)


def _free_markers(primary: ZoneWriter, log: Log, workspace: Workspace) -> None:
    """Free the segment's markers, or leave them to the next apply."""
    try:
        free_reserved_numbers(primary, log)
    except HyopsError as error:
        workspace.on_event(Warned(f"cannot free the markers of the segment, the next apply will: {error.message}"))


# --- the pull request


def _result(
    request: ReconcileRequest, opened: ApplyBase, segment: Segment, written: bool, workspace: Workspace
) -> ReconcileResult:
    log = opened.log
    seq, imported = _import_of(log, segment)
    review_h = opened.authority.policy.breakglass.review_h
    waiting = (pending for pending in pending_reviews(log, review_h) if pending.segment == segment.ref.id)
    reviews = [reconcile.review for _, reconcile in log.reconciles if reconcile.segment == segment.ref.id]
    return ReconcileResult(
        segment.ref.id,
        segment.operators,
        seq,
        head_of(log),
        written,
        tuple(hold.name for hold in imported.holds),
        segment.changes(),
        next((review for review in reviews if review), None),
        next(waiting, None),
        _prepare(request, opened, segment, workspace) if request.options.commits else None,
    )


def _prepare(request: ReconcileRequest, opened: ApplyBase, segment: Segment, workspace: Workspace) -> MoveResult | None:
    """The commit that makes the contracts match the segment, or reverts it."""
    names = names_moved(segment.changes())
    if not names:
        return None
    moves = matching_moves(segment.changes(), opened.validation.contracts)
    reference = f"segments/{segment.ref.id}, by {', '.join(segment.operators)}"
    declared = Declaration(reason=f"break-glass segment {segment.ref.id}", reference=reference)
    options = replace(request.options, declared=declared)
    words = ("reconcile", segment.ref.id)
    if request.revert:
        reason = f"taken back after break-glass segment {segment.ref.id}"
        options = replace(options, overrides=tuple(Override("held", name, reason, "trailer") for name in names))
        text = CommitText(f"Revert break-glass segment {segment.ref.id}", "\n".join(names))
        return write_or_commit(MoveResult("reconcile", ()), (), text, words, options, workspace, empty=True)
    text = CommitText(f"Match contracts to break-glass segment {segment.ref.id}", "\n".join(names))
    changes = edit_moves(moves, opened.validation, workspace)
    return write_or_commit(MoveResult("reconcile", moves), changes, text, words, options, workspace)
