"""Findings as the reason why a use-case cannot go on."""

from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.findings import Finding


class FindingsError(InvalidData):
    """Files that had to be valid are not.

    Args:
        findings: What is wrong with them.
        unwritten: They are about what a command was going to write, and did not.
    """

    def __init__(self, findings: tuple[Finding, ...], *, unwritten: bool = False) -> None:
        one = len(findings) == 1
        where = "nothing was written" if unwritten else "`hyops-gitops validate` shows them too"
        super().__init__(
            f"{len(findings)} {'finding has' if one else 'findings have'} to be mended first",
            code="findings",
            hint=f"{where}; `hyops-gitops explain RULE` explains one",
        )
        self.findings = findings

    def to_json(self) -> dict[str, object]:
        """The `hyops-error/1` document, with the findings."""
        return {**super().to_json(), "findings": [finding.to_json() for finding in self.findings]}
