"""Break-glass: change, prove and record while the log cannot be reached.

The procedure is that of an apply, from reading the zone to the result. Two things differ: entries come from and go to
a segment (opening, segment_log), and a command moves only the names that it is given.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from hyops_gitops.apply.apply import retry_on_race
from hyops_gitops.apply.carry_out import Stopwatch
from hyops_gitops.apply.finish import carry_out_and_prove, receipt_of, with_late_proof
from hyops_gitops.apply.late_proof import look_for_late_proof
from hyops_gitops.apply.opening import ApplyBase
from hyops_gitops.apply.prepare import ChosenCommits, Preparation, check_sites, prepare, record_circumstances
from hyops_gitops.apply.propose import FindingsByEffect, read_past
from hyops_gitops.apply.receipt import Receipt
from hyops_gitops.apply.recover import without_open_intent
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.findings import FindingsError, Severity
from hyops_gitops.log.log import Log, applied_intents
from hyops_gitops.log.workspace import Revision, Workspace
from hyops_gitops.move.contract_files import Overlay, check_changes, edit_file
from hyops_gitops.move.cutover import cutover_move, failback_move
from hyops_gitops.move.failover import FailoverRequest, choose_moves
from hyops_gitops.move.moves import Move, SkippedEndpoint
from hyops_gitops.move.write_moves import named_contract
from hyops_gitops.plan.plan import Change
from hyops_gitops.recover.open_segment import BreakglassRequest, open_segment
from hyops_gitops.recover.reconcile import matching_moves
from hyops_gitops.validate.validation import Validation


@dataclass(frozen=True, slots=True)
class Cutover:
    """One endpoint to a site, or to a target."""

    name: str
    site: str | None
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failback:
    """One endpoint to its home, or else to its recorded previous target."""

    name: str


BreakGlassCommand = Cutover | Failback | FailoverRequest | None  # None: the contracts as they lie here


@dataclass(frozen=True, slots=True)
class ChosenMoves:
    """The moves, and the tree after them."""

    validation: Validation
    moves: tuple[Move, ...]
    skipped: tuple[SkippedEndpoint, ...] = ()

    @property
    def paths(self) -> frozenset[str]:
        """Paths of the contracts that move."""
        return frozenset(move.path for move in self.moves)


def select_moves(wanted: BreakGlassCommand, validation: Validation, log: Log, workspace: Workspace) -> ChosenMoves:
    """The moves of one command.

    Raises:
        UsageError: no such name, site or target.
        FindingsError: a contract is, or would be, invalid.
    """
    moves: Sequence[Move] = ()
    skipped: Sequence[SkippedEndpoint] = ()
    match wanted:
        case None:
            return ChosenMoves(validation, ())
        case Cutover(name, site, targets):
            moves = [cutover_move(named_contract(validation, name), site, targets)]
        case Failback(name):
            moves = [failback_move(named_contract(validation, name), log.applied_to, "breakglass cutover")]
        case FailoverRequest():
            moves, skipped = choose_moves(wanted, validation)
    return ChosenMoves(edited_tree(moves, validation, workspace), tuple(moves), tuple(skipped))


def edited_tree(moves: Sequence[Move], validation: Validation, workspace: Workspace) -> Validation:
    """The tree after these moves; the log counts moves without edits."""
    changes = [edit_file(move.path, validation.files[move.path], move.edits, workspace) for move in moves if move.edits]
    if not changes:
        return validation
    check_changes(changes, workspace)
    made = {change.path: change.after for change in changes}
    return Revision(workspace, Overlay(workspace.work_tree, made)).validation


_NOT_PART = "not part of this command"


@dataclass(frozen=True, slots=True)
class BreakGlassResult:
    """Receipt, segment and moves of one command."""

    receipt: Receipt
    segment: str
    entries: int  # of the segment now
    moves: tuple[Move, ...]
    skipped: tuple[SkippedEndpoint, ...]

    def to_json(self) -> dict[str, object]:
        """`hyops-breakglass/1`: an apply's receipt, and the segment."""
        return {
            **self.receipt.to_json(),
            "format": "hyops-breakglass/1",
            "segment": self.segment,
            "entries": self.entries,
            "moves": [move.to_json() for move in self.moves],
            "skipped": [endpoint.to_json() for endpoint in self.skipped],
        }


Confirm = Callable[[Preparation, ChosenMoves], None]  # raises what ends the command


def breakglass(
    wanted: BreakGlassCommand, request: BreakglassRequest, workspace: Workspace, confirm: Confirm
) -> BreakGlassResult:
    """Carry out one break-glass command.

    Raises:
        FindingsError: the authority, or a contract that would move, is invalid.
        UsageError: no such name, site or target.
        Refused: a guard refuses; nothing was changed, and nothing but settled intents was recorded.
        OutsideFailure: the API failed before the intent, or the folder cannot be written; nothing was changed.
        Unconfirmed: the update was sent and its outcome, or the record of it, is missing.
    """
    return retry_on_race(lambda: _Breakglass(wanted, request, workspace, confirm).run(), workspace)


class _Breakglass:
    def __init__(
        self, wanted: BreakGlassCommand, request: BreakglassRequest, workspace: Workspace, confirm: Confirm
    ) -> None:
        self.wanted = wanted
        self.request = request
        self.workspace = workspace
        self.confirm = confirm
        self.watch = Stopwatch(workspace.clock)

    def run(self) -> BreakGlassResult:
        """Open the segment, plan, confirm, carry out."""
        opened = open_segment(self.request, self.workspace)
        apply_request = self.request.at(opened.commit)
        check_sites(opened, apply_request, self.workspace)
        opened, seen = without_open_intent(opened, apply_request, self.workspace)
        chosen = self._choose(opened)
        now = replace(opened, validation=chosen.validation)
        past = read_past(opened.validation.files.tree, chosen.validation, self.workspace.read, self.workspace.check)
        held = self._held(opened, chosen)
        declared = self.request.declared
        chosen_commits = ChosenCommits(past, FindingsByEffect((), held), (), lambda _: declared.kind)
        prepared = prepare(now, chosen_commits, seen, apply_request, self.workspace)
        listed = tuple(held for held in prepared.plan.held if held.reason != _NOT_PART)
        prepared = replace(
            prepared,
            opened=opened,
            plan=replace(prepared.plan, held=listed),
            sites_lost=self.request.apply.sites_lost,
            declared=declared.masked(),
        )
        self.watch.lap("prepare")
        return self._carry_out(prepared, chosen)

    def _carry_out(self, prepared: Preparation, chosen: ChosenMoves) -> BreakGlassResult:
        plan, log = prepared.plan, prepared.opened.log
        if plan.refusals:
            refused = receipt_of(prepared, "refused", log, self.watch)
            return self._result(replace(refused, reason=plan.refusals[0].message), log, chosen)
        if not plan.changes:
            lost = prepared.sites_lost
            authority, primary = prepared.opened.authority, prepared.primary
            late = look_for_late_proof(log, authority, primary, lost, self.workspace, retire=False)
            nothing = receipt_of(prepared, "nothing", log, self.watch)
            return self._result(with_late_proof(nothing, late), log, chosen)
        self.confirm(prepared, chosen)
        log = record_circumstances(prepared)
        request = self.request.at(prepared.opened.commit)
        receipt = carry_out_and_prove(prepared, log, request, self.workspace, self.watch)
        return self._result(receipt, prepared.opened.writer.newest(), chosen)

    def _choose(self, opened: ApplyBase) -> ChosenMoves:
        """Choose the moves, from the tree after the segment's earlier changes."""
        validation, moves = opened.validation, matching_moves(_done(opened.log), opened.validation.contracts)
        if moves:
            validation = edited_tree(moves, validation, self.workspace)
        return select_moves(self.wanted, validation, opened.log, self.workspace)

    def _held(self, opened: ApplyBase, chosen: ChosenMoves) -> Mapping[str, str]:
        """The contracts that this command leaves alone, and the reason.

        Raises:
            FindingsError: a contract that it would change is invalid.
        """
        errors = [finding for finding in chosen.validation.findings if finding.severity is Severity.ERROR]
        every = self.wanted is None
        blocking = [
            finding
            for finding in errors
            if every or not finding.path.startswith("endpoints/") or finding.path in chosen.paths
        ]
        if blocking:
            raise FindingsError(tuple(blocking))
        others = {managed.contract for managed in opened.log.state.entries.values()}
        others |= {contract.path for contract in chosen.validation.contracts}
        others |= {finding.path for finding in errors}
        return {} if every else dict.fromkeys(others - chosen.paths, _NOT_PART)

    def _result(self, receipt: Receipt, log: Log, chosen: ChosenMoves) -> BreakGlassResult:
        segment = log.segment.id if log.segment else ""
        return BreakGlassResult(receipt, segment, len(log.entries), chosen.moves, chosen.skipped)


def _done(log: Log) -> tuple[Change, ...]:
    """The changes of a segment so far, in their order."""
    return tuple(change for _, intent in applied_intents(log.entries) for change in intent.changes)
