"""Break-glass: a change made, proved and recorded while the log cannot be reached.

The procedure is that of an apply, from the look at the zone to the result. What differs is where the entries come from
and go to (breakglass_opening, segment_log), and that a command moves only what it names.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from hyops_gitops.apply.apply import retry_on_race
from hyops_gitops.apply.carry_out import Stopwatch
from hyops_gitops.apply.finish import carry_out_and_prove, receipt_of, with_late_proof
from hyops_gitops.apply.opening import Opened
from hyops_gitops.apply.prepare import Checked, Prepared, check_sites, prepare, record_circumstances
from hyops_gitops.apply.propose import FindingsByEffect, read_past
from hyops_gitops.apply.prove import look_for_late_proof
from hyops_gitops.apply.receipt import Receipt
from hyops_gitops.apply.recover import without_open_intent
from hyops_gitops.core.authority import EvidenceSettings
from hyops_gitops.core.errors import HyopsError, OutsideFailure
from hyops_gitops.core.findings import Finding, FindingsError, Severity, finding
from hyops_gitops.core.layout import START
from hyops_gitops.core.ports import EvidenceStore, VerifiedMark, Verifier
from hyops_gitops.log.branch import read_signers, require_log
from hyops_gitops.log.log import Log, applied_intents
from hyops_gitops.log.reviews import pending_reviews
from hyops_gitops.log.segment import SEGMENTS
from hyops_gitops.move.contract_files import FilePorts, check_changes, edit_file
from hyops_gitops.move.cutover import cutover_move, failback_move
from hyops_gitops.move.failover import FailoverRequest, choose_moves
from hyops_gitops.move.moves import Move, SkippedEndpoint
from hyops_gitops.move.moving import named_contract
from hyops_gitops.plan.plan import Change
from hyops_gitops.recover.open_segment import BreakglassPorts, BreakglassRequest, open_segment
from hyops_gitops.recover.reconcile import adopting_moves
from hyops_gitops.validate.rules import BREAKGLASS_OVERDUE, BREAKGLASS_REVIEW
from hyops_gitops.validate.validation import Validation


@dataclass(frozen=True, slots=True)
class Cutover:
    """One endpoint to a site, or to a target."""

    name: str
    site: str | None
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failback:
    """One endpoint back to its home, or to where the log says it was."""

    name: str


BreakGlassCommand = Cutover | Failback | FailoverRequest | None  # None: the contracts as they lie here


@dataclass(frozen=True, slots=True)
class ChosenMoves:
    """What moves, and the tree as the moves leave it."""

    validation: Validation
    moves: tuple[Move, ...]
    skipped: tuple[SkippedEndpoint, ...] = ()

    @property
    def paths(self) -> frozenset[str]:
        """The contracts that move."""
        return frozenset(move.path for move in self.moves)


def select_moves(
    wanted: BreakGlassCommand, validation: Validation, log: Log, request: BreakglassRequest, ports: BreakglassPorts
) -> ChosenMoves:
    """The moves of one command.

    Raises:
        UsageError: a name, site or target that there is not.
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
            moves, skipped, _ = choose_moves(wanted, validation)
    return ChosenMoves(edited_tree(moves, validation, request, ports), tuple(moves), tuple(skipped))


def edited_tree(
    moves: Sequence[Move], validation: Validation, request: BreakglassRequest, ports: BreakglassPorts
) -> Validation:
    """The tree with these moves. A move without an edit is one too: the log may know the name elsewhere."""

    def never(files: Mapping[str, bytes]) -> None:
        raise OutsideFailure(f"{', '.join(files)}: nothing is written", code="cannot-write")

    files = FilePorts(
        ports.apply.read, ports.apply.check, ports.work_tree, ports.writer, never, request.apply.authority_override
    )
    changes = [edit_file(move.path, validation.files[move.path], move.edits, files) for move in moves if move.edits]
    return check_changes(changes, files) if changes else validation


_NOT_PART = "not part of this command"


@dataclass(frozen=True, slots=True)
class BreakGlassResult:
    """What a break-glass command came to."""

    receipt: Receipt
    segment: str
    entries: int  # that the segment holds now
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
            "skipped": [one.to_json() for one in self.skipped],
        }


Confirm = Callable[[Prepared, ChosenMoves], None]  # raises what ends the command


def breakglass(
    wanted: BreakGlassCommand, request: BreakglassRequest, ports: BreakglassPorts, confirm: Confirm
) -> BreakGlassResult:
    """Carry out one break-glass command.

    Raises:
        FindingsError: the authority, or a contract that would move, is invalid.
        UsageError: a name, site or target that there is not.
        Refused: a guard said no; nothing was changed, and nothing but settled intents was recorded.
        OutsideFailure: the API failed before the intent, or the folder cannot be written; nothing was changed.
        Unconfirmed: the update was sent and its outcome, or the record of it, is missing.
    """
    return retry_on_race(lambda: _Breakglass(wanted, request, ports, confirm).run(), ports.apply)


class _Breakglass:
    """One attempt."""

    def __init__(
        self, wanted: BreakGlassCommand, request: BreakglassRequest, ports: BreakglassPorts, confirm: Confirm
    ) -> None:
        self.wanted = wanted
        self.request = request
        self.ports = ports
        self.confirm = confirm
        self.watch = Stopwatch(ports.apply.clock)

    def run(self) -> BreakGlassResult:
        """From the folder to the result."""
        opened = open_segment(self.request, self.ports)
        apply_request, apply_ports = self.request.at(opened.commit), self.ports.apply
        check_sites(opened, apply_request)
        opened, seen = without_open_intent(opened, apply_request, apply_ports)
        chosen = self._choose(opened)
        now = replace(opened, validation=chosen.validation)
        past = read_past(opened.validation.files, chosen.validation, apply_ports.read, apply_ports.check)
        held = self._held(opened, chosen)
        prepared = prepare(now, Checked(past, FindingsByEffect((), held), ()), seen, apply_request, apply_ports)
        told = tuple(one for one in prepared.plan.held if one.reason != _NOT_PART)
        prepared = replace(
            prepared,
            opened=opened,
            plan=replace(prepared.plan, held=told),
            sites_lost=self.request.apply.sites_lost,
            declared=self.request.declared.masked(),
        )
        self.watch.lap("prepare")
        return self._go_on(prepared, chosen)

    def _go_on(self, prepared: Prepared, chosen: ChosenMoves) -> BreakGlassResult:
        plan, log = prepared.plan, prepared.opened.log
        if plan.refusals:
            refused = receipt_of(prepared, "refused", log, self.watch)
            return self._broken(replace(refused, reason=plan.refusals[0].message), log, chosen)
        if not plan.changes:
            lost = prepared.sites_lost
            late = look_for_late_proof(log, prepared.opened.authority, lost, self.ports.apply, retire=False)
            nothing = receipt_of(prepared, "nothing", log, self.watch)
            return self._broken(with_late_proof(nothing, late), log, chosen)
        self.confirm(prepared, chosen)
        log = record_circumstances(prepared)
        request = self.request.at(prepared.opened.commit)
        receipt = carry_out_and_prove(prepared, log, request, self.ports.apply, self.watch)
        return self._broken(receipt, prepared.opened.writer.newest(), chosen)

    def _choose(self, opened: Opened) -> ChosenMoves:
        """What moves, seen from where the segment has moved things already."""
        validation, moves = opened.validation, adopting_moves(_done(opened.log), opened.validation.contracts)
        if moves:
            validation = edited_tree(moves, validation, self.request, self.ports)
        return select_moves(self.wanted, validation, opened.log, self.request, self.ports)

    def _held(self, opened: Opened, chosen: ChosenMoves) -> Mapping[str, str]:
        """The contracts that this command leaves alone, and why.

        Raises:
            FindingsError: what it would change has findings.
        """
        errors = [one for one in chosen.validation.findings if one.severity is Severity.ERROR]
        every = self.wanted is None
        blocking = [one for one in errors if every or not one.path.startswith("endpoints/") or one.path in chosen.paths]
        if blocking:
            raise FindingsError(tuple(blocking))
        others = {one.contract for one in opened.log.state.entries.values()}
        others |= {one.path for one in chosen.validation.contracts} | {one.path for one in errors}
        return {} if every else dict.fromkeys(others - chosen.paths, _NOT_PART)

    def _broken(self, receipt: Receipt, log: Log, chosen: ChosenMoves) -> BreakGlassResult:
        segment = log.segment.id if log.segment else ""
        return BreakGlassResult(receipt, segment, len(log.entries), chosen.moves, chosen.skipped)


def _done(log: Log) -> tuple[Change, ...]:
    """What a segment has changed so far, in its order."""
    return tuple(change for _, intent in applied_intents(log.entries) for change in intent.changes)


def segment_findings(
    validation: Validation,
    open_store: Callable[[EvidenceSettings], EvidenceStore],
    verifier: Verifier,
    mark: VerifiedMark | None,
    now: datetime,
) -> tuple[Finding, ...]:
    """A warning for each segment that waits for a review, an error for one that has waited too long.

    Nothing where this clone has no log, or one without segments, or one that does not verify: that is others' to say.
    """
    authority = validation.authority
    if authority is None or authority.evidence.genesis is None:
        return ()
    try:
        snapshot = open_store(authority.evidence).recorded()
        if snapshot is None or not any(path.startswith(SEGMENTS) for path in snapshot.paths()):
            return ()
        log = require_log(snapshot, authority, read_signers(validation.files), verifier, mark=mark)
    except HyopsError:
        return ()
    pending = pending_reviews(log, authority.policy.breakglass.review_h)
    return tuple(
        finding(
            BREAKGLASS_OVERDUE if one.overdue(now) else BREAKGLASS_REVIEW,
            authority.path,
            START,
            one.message,
            one.hint,
        )
        for one in pending
    )
