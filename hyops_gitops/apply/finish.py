"""Step 10's consequence: move back services that surely do not answer.

Never on silence, never after a site was declared lost, never where the readiness was overridden of the new target,
and only to an old target that is ready. Anchor, claim and evidence are those of any other change.
"""

from collections.abc import Sequence
from dataclasses import replace

from hyops_gitops.apply.carry_out import IntentOutcome, Stopwatch, carry_out
from hyops_gitops.apply.late_proof import LateProof
from hyops_gitops.apply.opening import ApplyRequest
from hyops_gitops.apply.prepare import (
    Preparation,
    look,
    probe_targets,
    record_circumstances,
)
from hyops_gitops.apply.probe import answering_badly
from hyops_gitops.apply.prove import behind
from hyops_gitops.apply.receipt import Outcome, Receipt, RollBack
from hyops_gitops.apply.record import head_of, record_refusal, recorded_refusal
from hyops_gitops.core.contract import Contract
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import OutsideFailure, Refused
from hyops_gitops.core.events import Step, Warned
from hyops_gitops.core.readiness import Candidate
from hyops_gitops.core.server_report import ServerReport
from hyops_gitops.log.holds import hold_of
from hyops_gitops.log.log import Log
from hyops_gitops.log.retirement import last_change
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.plan.limits import Limits, guarded
from hyops_gitops.plan.plan import Change, Held, Plan
from hyops_gitops.plan.state import changed_meanwhile, taken_back, with_companions


@dataclass(frozen=True, slots=True)
class RollBackOutcome:
    """The outcome of moving names back."""

    names: tuple[str, ...]
    log: Log
    carried: IntentOutcome | None = None  # None: it was not done
    reason: str = ""  # why not


def due(prepared: Preparation, carried: IntentOutcome, request: ApplyRequest) -> tuple[str, ...]:
    """The names that have to be moved back."""
    policy = prepared.opened.authority.policy
    if policy.rollback == "off" or prepared.sites_lost or prepared.rollback_of is not None:
        return ()
    insisted = {override.name for override in request.overrides if override.guard == "readiness"}
    bad = set(answering_badly(carried.result.services)) - insisted
    moved = {change.name for change in prepared.plan.changes if change.cutover}
    return with_companions(bad, moved, policy.assertions.move_together) if bad else ()


def roll_back(
    names: Sequence[str],
    forward: Preparation,
    carried: IntentOutcome,
    request: ApplyRequest,
    workspace: Workspace,
    watch: Stopwatch,
) -> RollBackOutcome:
    """Move these names back by an intent of its own.

    Raises:
        Unconfirmed: it was sent, and its outcome or its record is missing.
    """
    workspace.on_event(Warned(f"not reachable by name: {', '.join(names)}; moving back"))
    try:
        prepared = _prepare(names, forward, carried, request, workspace)
        if isinstance(prepared, RollBackOutcome):
            return prepared
        quick = replace(request, watch=False, overrides=())
        back = carry_out(prepared, record_circumstances(prepared), quick, workspace, watch)
    except (Refused, OutsideFailure) as error:
        return RollBackOutcome(tuple(names), carried.log, reason=error.message)
    return RollBackOutcome(tuple(names), back.log, back, back.reason)


def _prepare(
    names: Sequence[str], forward: Preparation, carried: IntentOutcome, request: ApplyRequest, workspace: Workspace
) -> Preparation | RollBackOutcome:
    opened = forward.opened.with_log(carried.log)
    seen = look(opened, request, workspace).at(carried.log, names)
    zone = seen.observation.zone
    done = [change for change in forward.plan.changes if change.name in names]
    found = filter(None, (opened.validation.contract(change.contract) for change in done))
    contracts = {str(contract.name): contract for contract in found}
    if edited := changed_meanwhile(zone, done):
        return RollBackOutcome(
            tuple(names), carried.log, reason=f"changed by another writer since: {', '.join(edited)}"
        )
    changes = taken_back(done, names)
    seq = carried.intended.head.seq
    plan = Plan(
        zone=opened.authority.zone,
        observed=zone,
        recorded=carried.log.state,
        changes=changes,
        held=tuple(_held(contracts[name], seq) for name in names),
    )
    limits = Limits.of(opened.authority.policy)
    wanted = [_old_target(contracts[name], done) for name in names]
    workspace.on_event(Step("probing the old targets"))
    readiness = probe_targets(wanted, opened.authority, limits, plan.expected_zone(), workspace)
    plan = guarded(plan, readiness, limits, ())
    if plan.refusals:
        refused = tuple(map(recorded_refusal, plan.refusals))
        log = record_refusal(opened, (), refused, changes, ())
        return RollBackOutcome(tuple(names), log, reason=plan.refusals[0].message)
    return Preparation(
        opened=opened,
        primary=seen.primary,
        observation=seen.observation,
        plan=replace(plan, notes=()),
        targets=tuple(wanted),
        readiness=readiness,
        merged=(),
        gap=None,
        authority_change=None,
        drift=seen.observation.drift(carried.log, opened.commit),
        rollback_of=seq,
        holds=tuple(hold_of(contracts[name]) for name in names),
    )


def _old_target(contract: Contract, done: Sequence[Change]) -> Candidate:
    """The target before the move; its publisher attested another one."""
    own = (change for change in done if change.name == str(contract.name))
    target = contract.target_shown_by(change.before for change in own if change.before)
    return replace(Candidate.of(contract, target), attested=None)


def _held(contract: Contract, seq: int) -> Held:
    return Held(str(contract.name), contract.path, f"moved back: the service did not answer after intent {seq}")


def receipt_of(
    prepared: Preparation, outcome: Outcome, log: Log, watch: Stopwatch, intended: Log | None = None
) -> Receipt:
    """The receipt of any outcome."""
    return Receipt(
        outcome=outcome,
        commit=prepared.opened.commit,
        plan=prepared.plan,
        readiness=prepared.readiness,
        serial_before=prepared.serial,
        serial_after=prepared.serial,
        intent=head_of(intended) if intended else None,
        result=head_of(log) if intended else None,
        head=head_of(log),
        damage=prepared.observation.damage,
        timings_ms=watch.timings_ms,
    )


def carry_out_and_prove(
    prepared: Preparation, log: Log, request: ApplyRequest, workspace: Workspace, watch: Stopwatch
) -> Receipt:
    """Steps 7 to 11; moves back services that surely do not answer.

    Raises:
        Refused, OutsideFailure, Unconfirmed: as `carry_out`.
    """
    carried = carry_out(prepared, log, request, workspace, watch)
    outcome, reason = outcome_of(carried)
    receipt = replace(
        receipt_of(prepared, outcome, carried.log, watch, carried.intended),
        reason=reason,
        serial_after=carried.serial,
        servers=carried.result.servers,
        services=carried.result.services,
        retire=carried.result.retire,
        timeline=carried.result.timeline,
        damage=carried.back.damage,
        caught_up=_who_caught_up(prepared, carried),
    )
    if names := due(prepared, carried, request):
        return _rolled_back(receipt, roll_back(names, prepared, carried, request, workspace, watch))
    for name in answering_badly(carried.result.services):
        workspace.on_event(Warned(f"{name} is not reachable by name; it is left where it is"))
    return receipt


def with_late_proof(receipt: Receipt, late: LateProof) -> Receipt:
    """The receipt of a run that changed nothing, with late proof."""
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


def _who_caught_up(prepared: Preparation, carried: IntentOutcome) -> tuple[ServerReport, ...]:
    """Servers that the apply before left behind, and that serve this one."""
    last = last_change(prepared.opened.log)
    late = {server.key for server in last.behind if server.role != "resolver"} if last else set()
    return tuple(server for server in carried.result.servers if server.verdict == "converged" and server.key in late)


def _rolled_back(receipt: Receipt, back: RollBackOutcome) -> Receipt:
    carried, what = back.carried, ", ".join(back.names)
    if carried is None or carried.result.outcome != "applied":
        outcome: Outcome = "unconfirmed"
        reason = f"{what}: not reachable by name, and not moved back: {back.reason}"
    else:
        outcome = "rolled-back"
        reason = f"{what}: not reachable by name after the move; moved back, and held until the contract changes"
    own = RollBack(
        back.names,
        carried.result.outcome if carried else "refused",
        back.reason,
        head_of(carried.intended) if carried else None,
        head_of(carried.log) if carried else None,
        carried.result.servers if carried else (),
        carried.result.services if carried else (),
    )
    serial = carried.serial if carried else receipt.serial_after
    return replace(receipt, outcome=outcome, reason=reason, rollback=own, head=head_of(back.log), serial_after=serial)


def outcome_of(carried: IntentOutcome) -> tuple[Outcome, str]:
    """The outcome of an intent for a receipt, and why not more."""
    if carried.result.outcome != "applied":
        return carried.result.outcome, carried.reason
    doubts = [] if carried.result.converged else [behind(carried.result.servers)]
    if problem := carried.back.problem:
        doubts.append(problem)
    if doubts:
        return "unconfirmed", f"the update was accepted, but {'; '.join(doubts)}"
    return "applied", ""
