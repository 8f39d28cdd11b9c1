"""Step 10's consequence: services that surely do not answer after a move are moved back, and held there.

Never on silence, never after a site was declared lost, never where somebody overrode the readiness of the new target,
and only to an old target that is ready. Anchor, claim and evidence are those of any other change.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hyops_gitops.core.apply.events import Step, Warned
from hyops_gitops.core.apply.rollback import changed_meanwhile, taken_back, with_companions
from hyops_gitops.core.contracts.contract import Contract
from hyops_gitops.core.errors import OutsideFailure, Refused
from hyops_gitops.core.evidence.log import Log
from hyops_gitops.core.history.holds import hold_of
from hyops_gitops.core.plan.limits import Limits
from hyops_gitops.core.plan.plan import Change, Held, Plan
from hyops_gitops.core.plan.readiness import Candidate
from hyops_gitops.core.plan.readiness_guard import guarded
from hyops_gitops.usecases.apply.carrying_out import Carried, Timed, carry_out
from hyops_gitops.usecases.apply.ports import ApplyPorts, ApplyRequest
from hyops_gitops.usecases.apply.preparation import Prepared, look, probe_targets, zone_drift
from hyops_gitops.usecases.apply.recording import record_circumstances, record_refusal, recorded_refusal
from hyops_gitops.usecases.apply.service_proof import answering_badly


@dataclass(frozen=True, slots=True)
class RolledBack:
    """What became of moving names back."""

    names: tuple[str, ...]
    log: Log
    carried: Carried | None = None  # None: it was not done
    reason: str = ""  # why not


def due(prepared: Prepared, carried: Carried, request: ApplyRequest) -> tuple[str, ...]:
    """The names that have to be moved back."""
    policy = prepared.opened.authority.policy
    if policy.rollback == "off" or prepared.sites_lost or prepared.rollback_of is not None:
        return ()
    insisted = {one.name for one in request.overrides if one.guard == "readiness"}
    bad = set(answering_badly(carried.services)) - insisted
    moved = {change.name for change in prepared.plan.changes if change.cutover}
    return with_companions(bad, moved, policy.assertions.move_together) if bad else ()


def roll_back(
    names: Sequence[str], forward: Prepared, carried: Carried, request: ApplyRequest, ports: ApplyPorts, timed: Timed
) -> RolledBack:
    """Move these names back to where they were, as an intent and a result of their own.

    Raises:
        Unconfirmed: it was sent, and its outcome or its record is missing.
    """
    ports.on_event(Warned(f"not reachable by name: {', '.join(names)}; moving back"))
    try:
        prepared = _prepare(names, forward, carried, request, ports)
        if isinstance(prepared, RolledBack):
            return prepared
        quick = replace(request, watch=False, overrides=())
        back = carry_out(prepared, record_circumstances(prepared), quick, ports, timed)
    except (Refused, OutsideFailure) as error:
        return RolledBack(tuple(names), carried.log, reason=error.message)
    return RolledBack(tuple(names), back.log, back, back.reason)


def _prepare(
    names: Sequence[str], forward: Prepared, carried: Carried, request: ApplyRequest, ports: ApplyPorts
) -> Prepared | RolledBack:
    opened = forward.opened.with_log(carried.log)
    contracts = {str(one.name): one for one in opened.validation.contracts}
    seen = look(opened, request, ports)
    zone = seen.observation.zone
    done = [change for change in forward.plan.changes if change.name in names]
    if edited := changed_meanwhile(zone, done):
        return RolledBack(tuple(names), carried.log, reason=f"changed by somebody else since: {', '.join(edited)}")
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
    ports.on_event(Step("probing the old targets"))
    readiness = probe_targets(wanted, opened.authority, limits, plan.expected_zone(), ports)
    plan = guarded(plan, readiness, limits, ())
    if plan.refusals:
        refused = tuple(map(recorded_refusal, plan.refusals))
        log = record_refusal(opened, (), refused, changes, ())
        return RolledBack(tuple(names), log, reason=plan.refusals[0].message)
    return Prepared(
        opened=opened,
        primary=seen.primary,
        observation=seen.observation,
        plan=replace(plan, notes=()),
        targets=tuple(wanted),
        readiness=readiness,
        merged=(),
        gap=None,
        authority_change=None,
        drift=zone_drift(opened.commit, carried.log, seen.observation),
        rollback_of=seq,
        holds=tuple(hold_of(contracts[name]) for name in names),
    )


def _old_target(contract: Contract, done: Sequence[Change]) -> Candidate:
    """Where a name pointed before; what its publisher said is about another target."""
    own = (change for change in done if change.name == str(contract.name))
    target = contract.target_shown_by(change.before for change in own if change.before)
    return replace(Candidate.of(contract, target), attested=None)


def _held(contract: Contract, seq: int) -> Held:
    return Held(str(contract.name), contract.path, f"moved back: the service did not answer after intent {seq}")
