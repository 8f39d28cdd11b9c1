"""Rules and guards as text and JSON."""

import textwrap
from collections.abc import Iterable

from hyops_gitops.core.guards import Guard, override_line
from hyops_gitops.core.rules.rule import Rule

_WIDTH = 100  # columns


def rule_text(rule: Rule) -> str:
    """Everything about one rule."""
    fields = (("why:", rule.why), ("fix:", rule.fix), ("example:", rule.example))
    described = "".join(_wrapped(f"  {label:<10}", text) for label, text in fields)
    return f"{rule.id} ({rule.severity.value})\n\n{_wrapped('  ', rule.what)}\n{described}"


def guard_text(guard: Guard) -> str:
    """Everything about one guard."""
    name = "NAME" if guard.per_name else None
    lift = f"lifted by {override_line(guard.name, name)}" if guard.overridable else "has no override"
    return f"{guard.name} (guard)\n\n{_wrapped('  ', guard.about)}\n  {lift}\n"


def catalogue_text(rules: Iterable[Rule], guards: Iterable[Guard]) -> str:
    """What each rule and each guard is about."""
    rule_lines = (_wrapped(f"  {rule.id:<28}", rule.what) for rule in rules)
    guard_lines = (_wrapped(f"  {guard.name:<28}", guard.about) for guard in guards)
    return f"Rules of validate:\n{''.join(rule_lines)}\nGuards of apply:\n{''.join(guard_lines)}"


def _wrapped(label: str, text: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=label, subsequent_indent=" " * len(label)) + "\n"


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
