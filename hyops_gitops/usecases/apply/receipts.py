"""From what became of an intent to a receipt; and, where a moved service does not answer, its roll-back."""

from collections.abc import Mapping
from dataclasses import replace

from hyops_gitops.core.apply.events import Warned
from hyops_gitops.core.apply.receipt import EntryRef, Outcome, Receipt, RollBack
from hyops_gitops.core.evidence.entry_parts import ServerReport
from hyops_gitops.core.evidence.log import Log
from hyops_gitops.core.history.late_proof import last_change
from hyops_gitops.usecases.apply.carrying_out import Carried, Timed
from hyops_gitops.usecases.apply.catching_up import LateProof
from hyops_gitops.usecases.apply.ports import ApplyPorts, ApplyRequest
from hyops_gitops.usecases.apply.preparation import Prepared
from hyops_gitops.usecases.apply.proof import behind
from hyops_gitops.usecases.apply.rolling_back import RolledBack, due, roll_back
from hyops_gitops.usecases.apply.service_proof import answering_badly


def receipt_of(
    prepared: Prepared, outcome: Outcome, log: Log, timings: Mapping[str, int], intended: Log | None = None
) -> Receipt:
    """What is known of every outcome."""
    return Receipt(
        outcome=outcome,
        commit=prepared.opened.commit,
        plan=prepared.plan,
        readiness=prepared.readiness,
        serial_before=prepared.serial,
        serial_after=prepared.serial,
        intent=ref_of(intended) if intended else None,
        result=ref_of(log) if intended else None,
        head=ref_of(log),
        damage=prepared.observation.damage,
        timings_ms=timings,
    )


def finished(
    prepared: Prepared,
    carried: Carried,
    request: ApplyRequest,
    ports: ApplyPorts,
    timed: Timed,
    timings: Mapping[str, int],
) -> Receipt:
    """The receipt of an intent that was carried out; moved services that surely do not answer are moved back."""
    outcome, reason = outcome_of(carried)
    receipt = replace(
        receipt_of(prepared, outcome, carried.log, timings, carried.intended),
        reason=reason,
        serial_after=carried.serial,
        servers=carried.servers,
        services=carried.services,
        retire=carried.retire,
        timeline=carried.timeline,
        damage=carried.back.damage,
        caught_up=_who_caught_up(prepared, carried),
    )
    if names := due(prepared, carried, request):
        return _rolled_back(receipt, roll_back(names, prepared, carried, request, ports, timed))
    for name in answering_badly(carried.services):
        ports.on_event(Warned(f"{name} is not reachable by name; it is left where it is"))
    return receipt


def with_late_proof(receipt: Receipt, late: LateProof) -> Receipt:
    """The receipt of a run that had nothing to change, and what it has seen of the change before."""
    outcome: Outcome = "unconfirmed" if late.unproved else receipt.outcome
    reason = f"there is nothing to change, but {late.reason}" if late.unproved else receipt.reason
    return replace(
        receipt,
        outcome=outcome,
        reason=reason,
        caught_up=late.caught_up,
        retire=late.retire,
        unproved=late.unproved,
    )


def _who_caught_up(prepared: Prepared, carried: Carried) -> tuple[ServerReport, ...]:
    """Servers that the apply before had to leave behind, and that serve this one."""
    last = last_change(prepared.opened.log)
    late = {one.key for one in last.behind if one.role != "resolver"} if last else set()
    return tuple(one for one in carried.servers if one.verdict == "converged" and one.key in late)


def _rolled_back(receipt: Receipt, back: RolledBack) -> Receipt:
    carried, what = back.carried, ", ".join(back.names)
    if carried is None or carried.outcome != "applied":
        outcome: Outcome = "unconfirmed"
        reason = f"{what}: not reachable by name, and not moved back: {back.reason}"
    else:
        outcome = "rolled-back"
        reason = f"{what}: not reachable by name after the move; moved back, and held until the contract changes"
    own = RollBack(
        back.names,
        carried.outcome if carried else "refused",
        back.reason,
        ref_of(carried.intended) if carried else None,
        ref_of(carried.log) if carried else None,
        carried.servers if carried else (),
        carried.services if carried else (),
    )
    serial = carried.serial if carried else receipt.serial_after
    return replace(receipt, outcome=outcome, reason=reason, rollback=own, head=ref_of(back.log), serial_after=serial)


def outcome_of(carried: Carried) -> tuple[Outcome, str]:
    """What an intent came to, and why not more."""
    if carried.outcome != "applied":
        return carried.outcome, carried.reason
    doubts = [] if carried.converged else [behind(carried.servers)]
    if problem := carried.back.problem:
        doubts.append(problem)
    if doubts:
        return "unconfirmed", f"the update was accepted, but {'; '.join(doubts)}"
    return "applied", ""


def ref_of(log: Log) -> EntryRef:
    """The log's newest entry."""
    return EntryRef(log.head.seq, log.head.sha256)
