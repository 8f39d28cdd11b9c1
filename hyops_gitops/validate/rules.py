"""Every rule of validation by its id, and the rules about the log of a clone."""

from hyops_gitops.core import declaration, document, signers, tree
from hyops_gitops.core.findings import Rule, Severity
from hyops_gitops.validate import authority, names, references, targets
from hyops_gitops.validate import tree as validation

BREAKGLASS_REVIEW = Rule(
    "breakglass-review",
    "Each break-glass segment in the log was reviewed by somebody who did not write or witness it. Told from the "
    "log that this clone has; a clone without it, as in most CI jobs, says nothing.",
    "A change that nobody could approve before it was made has to be looked at after.",
    "Read segments/<id>/ on the evidence branch, then run: hyops-gitops reconcile ID --reviewed 'what you saw'.",
    "a failover from a bundle last night",
    Severity.WARNING,
)
BREAKGLASS_OVERDUE = Rule(
    "breakglass-overdue",
    "That review happens within policy.breakglass.review_h hours of the segment's last entry.",
    "A review without an end is one that never happens.",
    "As for breakglass-review; the audit fails until then as well.",
    "a failover from a bundle last week",
)

_MODULES = (document, tree, declaration, validation, names, targets, references, authority, signers)
RULES: dict[str, Rule] = {
    rule.id: rule
    for rules in (*map(vars, _MODULES), globals())
    for rule in tuple(rules.values())
    if isinstance(rule, Rule)
}
