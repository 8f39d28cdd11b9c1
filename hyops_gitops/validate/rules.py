"""Every rule of validation by id, and the rules about break-glass."""

from hyops_gitops.core import declaration, document, layout, signers
from hyops_gitops.core.findings import Rule, Severity
from hyops_gitops.validate import (
    authority_rules,
    freeze_rules,
    name_rules,
    netbox_policy,
    owners,
    reference_rules,
    target_rules,
    validation,
    zone_rules,
)

BREAKGLASS_REVIEW = Rule(
    "breakglass-review",
    "Each break-glass segment in the log was reviewed by a person who neither wrote nor witnessed it. Read from the "
    "log that this clone has; a clone without it, as in most CI jobs, says nothing.",
    "A change that could not be approved beforehand has to be reviewed afterwards.",
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

_MODULES = (
    layout,
    document,
    declaration,
    validation,
    name_rules,
    target_rules,
    reference_rules,
    authority_rules,
    freeze_rules,
    netbox_policy,
    signers,
    owners,
    zone_rules,
)
RULES: dict[str, Rule] = {
    rule.id: rule
    for rules in (*map(vars, _MODULES), globals())
    for rule in tuple(rules.values())
    if isinstance(rule, Rule)
}
