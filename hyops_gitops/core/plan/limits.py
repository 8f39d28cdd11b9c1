"""The part of a policy that guards read, and the stricter of two."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from hyops_gitops.core.contracts.authority import NO_ASSERTIONS, Assertions, Policy
from hyops_gitops.core.guards import GUARDS, Override, find_override
from hyops_gitops.core.plan.plan import Refusal

# From this many managed RRsets on, a share in percent means something; below, the absolute caps protect.
PERCENT_APPLIES_FROM = 10
_STRICTEST: tuple[Literal["enforce", "warn", "off"], ...] = ("enforce", "warn", "off")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one apply may change, and which guards may be overridden."""

    max_replaces: int
    max_deletes: int
    max_change_percent: int
    max_cutovers: int
    cutover_required: Literal["warn", "enforce"]
    overridable: frozenset[str]
    separation_of_duties: Literal["enforce", "warn", "off"] = "warn"
    readiness_unknown: Literal["refuse", "warn"] = "refuse"
    readiness_attested_minutes: int = 0
    assertions: Assertions = NO_ASSERTIONS

    @classmethod
    def of(cls, policy: Policy) -> "Limits":
        """The limits of one policy."""
        return cls(
            policy.max_replaces,
            policy.max_deletes,
            policy.max_change_percent,
            policy.max_cutovers,
            policy.cutover_required,
            policy.overridable,
            policy.separation_of_duties,
            policy.readiness_unknown,
            policy.readiness_attested_minutes,
            policy.assertions,
        )

    def lifted(self, guard: str, name: str | None, overrides: Iterable[Override]) -> bool:
        """Whether one of these overrides lifts a guard, and the policy lets it."""
        return guard in self.overridable and find_override(overrides, guard, name) is not None

    def honest(self, refusal: Refusal) -> Refusal:
        """The refusal without a hint at an override that the policy does not allow."""
        if refusal.guard in self.overridable or not GUARDS[refusal.guard].overridable:
            return refusal
        return replace(refusal, hint=f"policy.overridable does not list {refusal.guard}, so nothing lifts it")

    def stricter(self, other: "Limits") -> "Limits":
        """What both allow: a pull request that loosens a limit does not profit from it in the same apply."""
        return Limits(
            min(self.max_replaces, other.max_replaces),
            min(self.max_deletes, other.max_deletes),
            min(self.max_change_percent, other.max_change_percent),
            min(self.max_cutovers, other.max_cutovers),
            "enforce" if "enforce" in (self.cutover_required, other.cutover_required) else "warn",
            self.overridable & other.overridable,
            _STRICTEST[min(map(_STRICTEST.index, (self.separation_of_duties, other.separation_of_duties)))],
            "refuse" if "refuse" in (self.readiness_unknown, other.readiness_unknown) else "warn",
            min(self.readiness_attested_minutes, other.readiness_attested_minutes),
            _all_of(self.assertions, other.assertions),
        )


def _all_of(one: Assertions, other: Assertions) -> Assertions:
    """What both assert."""
    caps = [*one.environment_cutovers.items(), *other.environment_cutovers.items()]
    return Assertions(
        {name: min(most for named, most in caps if named == name) for name, _ in caps},
        max(one.anti_flap_minutes, other.anti_flap_minutes),
        tuple(sorted({*one.move_together, *other.move_together})),
    )
