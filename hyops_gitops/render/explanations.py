"""Rules and guards as text and JSON."""

from collections.abc import Iterable

from hyops_gitops.core.guards import Guard, override_line
from hyops_gitops.core.rules.rule import Rule


def rule_text(rule: Rule) -> str:
    """Everything about one rule."""
    return (
        f"{rule.id} ({rule.severity.value})\n\n"
        f"  {rule.what}\n\n"
        f"  why:      {rule.why}\n"
        f"  fix:      {rule.fix}\n"
        f"  example:  {rule.example}\n"
    )


def guard_text(guard: Guard) -> str:
    """Everything about one guard."""
    name = "NAME" if guard.per_name else None
    lift = f"lifted by {override_line(guard.name, name)}" if guard.overridable else "has no override"
    return f"{guard.name} (guard)\n\n  {guard.about}\n\n  {lift}\n"


def catalogue_text(rules: Iterable[Rule], guards: Iterable[Guard]) -> str:
    """One line for each rule, then for each guard."""
    rule_lines = [f"  {rule.id:<28}{rule.what}" for rule in rules]
    guard_lines = [f"  {guard.name:<28}{guard.about}" for guard in guards]
    return "\n".join(["Rules of validate:", *rule_lines, "", "Guards of apply:", *guard_lines, ""])


def rule_json(rule: Rule) -> dict[str, object]:
    """One rule."""
    return {
        "id": rule.id,
        "severity": rule.severity.value,
        "what": rule.what,
        "why": rule.why,
        "fix": rule.fix,
        "example": rule.example,
    }


def guard_json(guard: Guard) -> dict[str, object]:
    """One guard."""
    return {"name": guard.name, "about": guard.about, "overridable": guard.overridable, "per_name": guard.per_name}


def explanations_json(rules: Iterable[Rule], guards: Iterable[Guard]) -> dict[str, object]:
    """The `hyops-explain/1` document."""
    return {
        "format": "hyops-explain/1",
        "rules": [rule_json(rule) for rule in rules],
        "guards": [guard_json(guard) for guard in guards],
    }
