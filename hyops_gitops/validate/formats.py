"""Findings and rules for machines: GitHub annotations, SARIF, JSON.

Names and messages come from untrusted files. A GitHub command is one line, its parameters end at a colon or comma: all
of these are escaped as the runner unescapes them, so that no text can end its annotation or begin another command.
"""

import textwrap
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from hyops_gitops.core.fields import Json
from hyops_gitops.core.findings import Finding, Rule, capped, printable
from hyops_gitops.core.guards import Guard, override_line


def findings_annotations(findings: Iterable[Finding], prefix: str = "") -> str:
    """One `::error` or `::warning` line for each finding.

    The message repeats place and rule: a job's log shows nothing else of it, and an annotation only the first ten a
    step.

    Args:
        findings: What to annotate.
        prefix: From the top of the checkout to the directory that the findings' paths are relative to, ended by "/".
    """
    shown, omitted = capped(findings)
    return "".join(_annotation(finding, prefix) for finding in shown) + (f"::notice::{omitted}\n" if omitted else "")


def _annotation(finding: Finding, prefix: str) -> str:
    path = prefix + printable(finding.path)
    place = {"file": path, "line": str(finding.line), "col": str(finding.column), "title": finding.rule}
    parameters = ",".join(f"{name}={_parameter(value)}" for name, value in place.items())
    text = f"{path}:{finding.line}:{finding.column}: {finding.rule}: {printable(finding.message)}"
    if finding.hint:
        text += f"\nhint: {printable(finding.hint)}"
    return f"::{finding.severity.value} {parameters}::{_data(text)}\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _parameter(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_TOP = "%SRCROOT%"  # what viewers take for the top of the checkout


def findings_sarif(findings: Sequence[Finding], rules: Iterable[Rule], version: str, prefix: str = "") -> Json:
    """A SARIF log of these findings.

    Args:
        findings: The results.
        rules: Every rule there is: what a finding is about is found by its index.
        version: This program's.
        prefix: From the top of the checkout to the directory that the findings' paths are relative to, ended by "/".
    """
    known = tuple(rules)
    index = {rule.id: position for position, rule in enumerate(known)}
    shown, omitted = capped(findings)
    driver = {
        "name": "hyops-gitops",
        "version": version,
        "rules": [_rule(rule) for rule in known],
    }
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": [_result(finding, index[finding.rule], prefix) for finding in shown],
                **({"properties": {"omitted": omitted}} if omitted else {}),
            }
        ],
    }


def _rule(rule: Rule) -> Json:
    broken_by = "Example of what breaks the rule"
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.what},
        "fullDescription": {"text": f"{rule.what} {rule.why}"},
        "help": {
            "text": f"{rule.why}\n\nFix: {rule.fix}\n\n{broken_by}: {rule.example}",
            "markdown": f"{rule.why}\n\n**Fix**: {rule.fix}\n\n{broken_by}:\n\n    {rule.example}\n",
        },
        "defaultConfiguration": {"level": rule.severity.value},
    }


def _result(finding: Finding, rule_index: int, prefix: str) -> Json:
    text = printable(finding.message) + (f"; hint: {printable(finding.hint)}" if finding.hint else "")
    return {
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": finding.severity.value,
        "message": {"text": _without_links(text)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(prefix + printable(finding.path)), "uriBaseId": _TOP},
                    "region": {"startLine": finding.line, "startColumn": finding.column},
                }
            }
        ],
    }


def _without_links(text: str) -> str:
    """Escape `[text](place)`, which SARIF takes for a link."""
    return text.replace("](", r"\](")


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
    """All rules and guards with one line each."""
    rule_lines = (_wrapped(f"  {rule.id:<28}", rule.what) for rule in rules)
    guard_lines = (_wrapped(f"  {guard.name:<28}", guard.about) for guard in guards)
    return f"Rules of validate and scan:\n{''.join(rule_lines)}\nGuards of apply:\n{''.join(guard_lines)}"


def _wrapped(label: str, text: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=label, subsequent_indent=" " * len(label)) + "\n"


def rule_json(rule: Rule) -> dict[str, object]:
    return {
        "id": rule.id,
        "severity": rule.severity.value,
        "what": rule.what,
        "why": rule.why,
        "fix": rule.fix,
        "example": rule.example,
    }


def guard_json(guard: Guard) -> dict[str, object]:
    return {"name": guard.name, "about": guard.about, "overridable": guard.overridable, "per_name": guard.per_name}


def explanations_json(rules: Iterable[Rule], guards: Iterable[Guard]) -> dict[str, object]:
    """The `hyops-explain/1` document."""
    return {
        "format": "hyops-explain/1",
        "rules": [rule_json(rule) for rule in rules],
        "guards": [guard_json(guard) for guard in guards],
    }
