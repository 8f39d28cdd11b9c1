"""Limits that stop nothing, and the guards that a plan names."""

from hyops_gitops.core.guards import overridable_guards
from hyops_gitops.plan.limits import Limits
from hyops_gitops.plan.plan import Plan

LOOSE = Limits(1000, 1000, 100, 1000, "warn", frozenset(overridable_guards()))


def guards(made: Plan) -> list[str]:
    return [refusal.guard for refusal in made.refusals]
