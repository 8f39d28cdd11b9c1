"""Break-glass: a change made, proved and recorded while the log cannot be reached.

The procedure is that of an apply, from the look at the zone to the result. What differs is where the entries come from
and go to (breakglass_opening, segment_log), and that a command moves only what it names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from hyops_gitops.core.apply.receipt import Receipt
from hyops_gitops.core.breakglass.adopting import adopting_moves
from hyops_gitops.core.evidence.log import Log
from hyops_gitops.core.findings import Severity
from hyops_gitops.core.moves.moves import Move, Skipped
from hyops_gitops.core.plan.plan import Change
from hyops_gitops.usecases.apply.carrying_out import carry_out
from hyops_gitops.usecases.apply.catching_up import look_for_late_proof
from hyops_gitops.usecases.apply.opening import Opened
from hyops_gitops.usecases.apply.preparation import Checked, Prepared, check_sites, look, prepare
from hyops_gitops.usecases.apply.racing import starting_again
from hyops_gitops.usecases.apply.receipts import finished, receipt_of, with_late_proof
from hyops_gitops.usecases.apply.recording import record_circumstances
from hyops_gitops.usecases.apply.recovery import without_open_intent
from hyops_gitops.usecases.breakglass.moves import Chosen, Wanted, choose, edited
from hyops_gitops.usecases.breakglass.opening import BreakglassPorts, BreakglassRequest, open_segment
from hyops_gitops.usecases.findings_error import FindingsError
from hyops_gitops.usecases.planning.proposal import Sorted, read_past

_NOT_PART = "not part of this command"


@dataclass(frozen=True, slots=True)
class Broken:
    """What a break-glass command came to."""

    receipt: Receipt
    segment: str
    entries: int  # that the segment holds now
    moves: tuple[Move, ...]
    skipped: tuple[Skipped, ...]

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


Confirm = Callable[[Prepared, Chosen], None]  # raises what ends the command


def breakglass(wanted: Wanted, request: BreakglassRequest, ports: BreakglassPorts, confirm: Confirm) -> Broken:
    """Carry out one break-glass command.

    Raises:
        FindingsError: the authority, or a contract that would move, is invalid.
        UsageError: a name, site or target that there is not.
        Refused: a guard said no; nothing was changed, and nothing but settled intents was recorded.
        OutsideFailure: the API failed before the intent, or the folder cannot be written; nothing was changed.
        Unconfirmed: the update was sent and its outcome, or the record of it, is missing.
    """
    return starting_again(lambda: _Breakglass(wanted, request, ports, confirm).run(), ports.apply)


class _Breakglass:
    """One attempt."""

    def __init__(self, wanted: Wanted, request: BreakglassRequest, ports: BreakglassPorts, confirm: Confirm) -> None:
        self.wanted = wanted
        self.request = request
        self.ports = ports
        self.confirm = confirm
        self.timings: dict[str, int] = {}
        self._mark = ports.apply.clock.monotonic()

    def run(self) -> Broken:
        """From the folder to the result."""
        opened = open_segment(self.request, self.ports)
        apply_request, apply_ports = self.request.at(opened.commit), self.ports.apply
        check_sites(opened, apply_request)
        seen = look(opened, apply_request, apply_ports)
        if opened.log.open_intent is not None:
            opened = without_open_intent(opened, seen.primary, apply_request, apply_ports)
            seen = look(opened, apply_request, apply_ports)
        chosen = self._choose(opened)
        now = replace(opened, validation=chosen.validation)
        past = read_past(opened.validation.files, chosen.validation, apply_ports.read, apply_ports.check)
        held = self._held(opened, chosen)
        prepared = prepare(now, Checked(past, Sorted((), held), ()), seen, apply_request, apply_ports)
        told = tuple(one for one in prepared.plan.held if one.reason != _NOT_PART)
        prepared = replace(
            prepared,
            opened=opened,
            plan=replace(prepared.plan, held=told),
            sites_lost=self.request.apply.sites_lost,
            declared=self.request.declared.masked(),
        )
        self._timed("prepare")
        return self._go_on(prepared, chosen)

    def _go_on(self, prepared: Prepared, chosen: Chosen) -> Broken:
        plan, log = prepared.plan, prepared.opened.log
        if plan.refusals:
            refused = receipt_of(prepared, "refused", log, self.timings)
            return self._broken(replace(refused, reason=plan.refusals[0].message), log, chosen)
        if not plan.changes:
            lost = prepared.sites_lost
            late = look_for_late_proof(log, prepared.opened.authority, lost, self.ports.apply, retire=False)
            nothing = receipt_of(prepared, "nothing", log, self.timings)
            return self._broken(with_late_proof(nothing, late), log, chosen)
        self.confirm(prepared, chosen)
        log = record_circumstances(prepared)
        request = self.request.at(prepared.opened.commit)
        carried = carry_out(prepared, log, request, self.ports.apply, self._timed)
        receipt = finished(prepared, carried, request, self.ports.apply, self._timed, self.timings)
        return self._broken(receipt, prepared.opened.writer.newest(), chosen)

    def _choose(self, opened: Opened) -> Chosen:
        """What moves, seen from where the segment has moved things already."""
        validation, moves = opened.validation, adopting_moves(_done(opened.log), opened.validation.contracts)
        if moves:
            validation = edited(moves, validation, self.request, self.ports)
        return choose(self.wanted, validation, opened.log, self.request, self.ports)

    def _held(self, opened: Opened, chosen: Chosen) -> Mapping[str, str]:
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

    def _broken(self, receipt: Receipt, log: Log, chosen: Chosen) -> Broken:
        segment = log.segment.id if log.segment else ""
        return Broken(receipt, segment, len(log.entries), chosen.moves, chosen.skipped)

    def _timed(self, step: str) -> None:
        now = self.ports.apply.clock.monotonic()
        self.timings[step] = round((now - self._mark) * 1000)
        self._mark = now


def _done(log: Log) -> tuple[Change, ...]:
    """What a segment has changed so far, in its order."""
    own = [one for one in log.applied() if one.intent_entry.envelope.segment is not None]
    return tuple(change for one in reversed(own) for change in one.intent.changes)
