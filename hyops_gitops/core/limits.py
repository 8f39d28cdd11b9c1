"""The part of a policy that guards read, and the stricter of two."""

from dataclasses import dataclass
from typing import Literal

from hyops_gitops.core.authority import Policy

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
        )

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
        )
