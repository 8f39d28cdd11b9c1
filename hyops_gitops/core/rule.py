"""What is known about one validation rule."""

from dataclasses import dataclass

from hyops_gitops.core.findings import Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, as `explain` shows it. The id is stable: people write it into scripts."""

    id: str
    what: str  # what is checked, one sentence
    why: str
    fix: str
    example: str  # something that breaks the rule
    severity: Severity = Severity.ERROR

    @property
    def remedy(self) -> str:
        """`fix` in the form of a hint, for a finding that has no nearer one."""
        return self.fix[0].lower() + self.fix[1:].removesuffix(".")
