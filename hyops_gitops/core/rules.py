"""Every validation rule by id, and the one way to make a finding of a rule."""

from hyops_gitops.core.about_authority import AUTHORITY_RULES
from hyops_gitops.core.about_contracts import CONTRACT_RULES
from hyops_gitops.core.about_files import FILE_RULES
from hyops_gitops.core.document import Document, Mark
from hyops_gitops.core.findings import Finding
from hyops_gitops.core.rule import Rule

RULES: dict[str, Rule] = {rule.id: rule for rule in (*FILE_RULES, *CONTRACT_RULES, *AUTHORITY_RULES)}


def finding(rule: str, path: str, mark: Mark, message: str, hint: str = "") -> Finding:
    """A finding with the severity of its rule, and the rule's own remedy where there is no nearer one."""
    known = RULES[rule]
    return Finding(path, mark.line, mark.column, rule, message, hint or known.remedy, known.severity)


def finding_at(rule: str, document: Document, at: tuple[str | int, ...], message: str, hint: str = "") -> Finding:
    """A finding about the value at this path of a document."""
    return finding(rule, document.path, document.value_mark(*at), message, hint)
