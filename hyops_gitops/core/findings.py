"""Findings: what is wrong in the files, as data. They are collected and sorted; only exceptions stop a run."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Only errors make a command answer no."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One defect at one place. Field order is sort order."""

    path: str  # relative to the repository, with "/"
    line: int  # from 1
    column: int  # from 1, in code points
    rule: str  # a key of core.rules.catalog.RULES
    message: str  # lower case, no final period, got and expected
    hint: str = ""
    severity: Severity = Severity.ERROR

    def to_json(self) -> dict[str, object]:
        """The shape used in `hyops-validate/1`."""
        return {
            "rule": self.rule,
            "severity": self.severity.value,
            "path": self.path,
            "line": self.line,
            "column": self.column,
            "message": self.message,
            "hint": self.hint,
        }


def has_errors(findings: tuple[Finding, ...]) -> bool:
    """Whether any finding is an error rather than a warning."""
    return any(finding.severity is Severity.ERROR for finding in findings)
