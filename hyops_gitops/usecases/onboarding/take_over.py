"""Contracts for an existing zone, such that the first apply adopts its records and changes none of them.

The validator and the planner judge: a candidate that either of them minds is listed with what they said.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hyops_gitops.core.contracts.authority import Authority
from hyops_gitops.core.findings import Finding, Severity
from hyops_gitops.core.onboarding.zone_contracts import Mapped, Style, Unmapped, contract_text, map_zone
from hyops_gitops.core.plan.limits import Limits
from hyops_gitops.core.plan.plan import Plan
from hyops_gitops.core.plan.planning import Inputs, make_plan
from hyops_gitops.core.plan.state import ManagedSet
from hyops_gitops.core.zone import RRset, Zone
from hyops_gitops.usecases.validation.validate import Validation

_Reasons = Mapping[str, tuple[str, str]]  # path -> reason, hint
Judge = Callable[[Mapping[str, bytes]], Validation]  # validates the repository with these files added


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What became of a zone's records."""

    contracts: Mapping[str, bytes]
    unmapped: tuple[Unmapped, ...]


def take_over(authority: Authority, rrsets: tuple[RRset, ...], style: Style, judge: Judge) -> TakenOver:
    """Make the contracts; those in the repository already stay what they are."""
    zone = Zone.of(authority.zone, rrsets)
    own = {path for path in judge({}).files if path.startswith("endpoints/")}
    mapped = map_zone(zone)
    mapped = Mapped({path: some for path, some in mapped.contracts.items() if path not in own}, mapped.unmapped)
    while True:
        texts = {path: contract_text(some, style).encode() for path, some in mapped.contracts.items()}
        validation = judge(texts)
        reasons = _invalid(validation.findings, mapped) or _not_adopted(authority, validation, zone, mapped)
        if not reasons:  # to leave one out can take another one's target away, so look again until nothing is left out
            return TakenOver(texts, mapped.unmapped)
        mapped = mapped.without(reasons)


def _invalid(findings: tuple[Finding, ...], mapped: Mapped) -> _Reasons:
    reasons: dict[str, tuple[str, str]] = {}
    for one in findings:
        if one.severity is Severity.ERROR and one.path in mapped.contracts:
            reasons.setdefault(one.path, (f"{one.rule}: {one.message}", one.hint))
    return reasons


def _not_adopted(authority: Authority, validation: Validation, zone: Zone, mapped: Mapped) -> _Reasons:
    """The contracts whose records a first apply would not simply adopt."""
    if not mapped.contracts:
        return {}
    nothing = ManagedSet.of(authority.zone, ())
    plan = make_plan(Inputs(nothing, validation.contracts, {}, zone, Limits.of(authority.policy)))
    paths = {str(contract.name): contract.path for contract in validation.contracts}
    return {path: why for name, why in _complaints(plan) if (path := paths[name]) in mapped.contracts}


def _complaints(plan: Plan) -> list[tuple[str, tuple[str, str]]]:
    refused = [(one.name, (one.message, "")) for one in plan.refusals if one.name is not None]
    written = [(one.name, ("an apply would write it", "")) for one in plan.changes if one.writes]
    return [*written, *refused]  # the later one's reason stays
