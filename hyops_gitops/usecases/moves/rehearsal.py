"""The drill: a failover with every guard and every probe of its real apply, and nothing written anywhere."""

from collections.abc import Sequence
from dataclasses import replace

from hyops_gitops.core.moves.moves import Move
from hyops_gitops.core.moves.rehearsal import Rehearsal
from hyops_gitops.core.plan.readiness import Candidate, ReadinessReport
from hyops_gitops.core.plan.readiness_guard import attested, guarded
from hyops_gitops.core.zone import Zone
from hyops_gitops.usecases.apply.readiness import ReadinessPorts, check_readiness
from hyops_gitops.usecases.findings_error import FindingsError
from hyops_gitops.usecases.moves.failover import FailoverRequest, select_moves
from hyops_gitops.usecases.moves.moving import MovePorts, Order, cache_warnings
from hyops_gitops.usecases.planning.plan import PlanPorts, PlanRequest, make_proposal
from hyops_gitops.usecases.validation.contract_files import Overlay, check_changes
from hyops_gitops.usecases.validation.validate import Validation


def rehearse(
    request: FailoverRequest,
    order: Order,
    ports: MovePorts,
    planning: PlanPorts,
    probing: ReadinessPorts,
    *,
    live: bool = False,
) -> Rehearsal:
    """Plan a failover and ask its targets whether they are ready.

    Args:
        request: What would fail over.
        order: Its overrides count.
        ports: Contracts, log, clock.
        planning: For the plan; with `live`, its base is the primary.
        probing: Probes and DNS.
        live: Whether to read the primary instead of the signed log.

    Raises:
        UsageError, FindingsError, Refused: as the failover and its plan do.
        OutsideFailure: with `live`, the primary cannot be read.
    """
    found = select_moves(request, replace(order, commit=False, push=False, pull_request=False), ports)
    after = check_changes(found.changes, ports.files)
    made = {one.path: one.after for one in found.changes}
    planned = PlanRequest(None, live, order.overrides, ports.files.authority_override)
    proposal = make_proposal(planned, replace(planning, work_tree=Overlay(planning.work_tree, made)))
    reports = _probed(
        found.moves, after, proposal.plan.expected_zone(), ports, probing, proposal.limits.readiness_attested_minutes
    )
    plan = guarded(proposal.plan, reports, proposal.limits, proposal.overrides)
    warnings = cache_warnings(found.moves, found.validation, ports)
    return Rehearsal(
        request.origin,
        request.to,
        found.moves,
        found.skipped,
        reports,
        replace(proposal, plan=plan),
        warnings,
    )


def _probed(
    moves: Sequence[Move], after: Validation, zone: Zone, ports: MovePorts, probing: ReadinessPorts, minutes: int
) -> tuple[ReadinessReport, ...]:
    """What the targets say, or else their publishers."""
    if after.authority is None:
        raise FindingsError(after.findings)
    contracts = {one.path: one for one in after.contracts}
    wanted = [Candidate.of(contracts[move.path]) for move in moves]
    reports = check_readiness(wanted, after.authority, zone, probing)
    now = ports.clock.now()
    return tuple(attested(report, one.attested, minutes, now) for one, report in zip(wanted, reports, strict=True))
