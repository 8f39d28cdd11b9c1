"""Findings as the reason why a use-case cannot go on."""

from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.findings import Finding


class FindingsError(InvalidData):
    """Files that had to be valid are not."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        number = len(findings)
        super().__init__(
            f"{number} finding{'s' if number != 1 else ''} in what was to be applied",
            code="findings",
            hint="`hyops-gitops validate` shows them too; `hyops-gitops explain RULE` explains one",
        )
        self.findings = findings

    def to_json(self) -> dict[str, object]:
        """The `hyops-error/1` document, with the findings."""
        return {**super().to_json(), "findings": [finding.to_json() for finding in self.findings]}
