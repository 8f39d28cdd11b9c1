"""Findings as SARIF 2.1.0 (OASIS), for code scanning and editors: one run, each rule with its help."""

from collections.abc import Iterable, Sequence
from urllib.parse import quote

from hyops_gitops.core.findings import Finding
from hyops_gitops.core.json_fields import Json
from hyops_gitops.core.rules.rule import Rule
from hyops_gitops.render.findings import printable

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
                "results": [_result(one, index[one.rule], prefix) for one in findings],
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


def _result(one: Finding, rule_index: int, prefix: str) -> Json:
    text = printable(one.message) + (f"; hint: {printable(one.hint)}" if one.hint else "")
    return {
        "ruleId": one.rule,
        "ruleIndex": rule_index,
        "level": one.severity.value,
        "message": {"text": _without_links(text)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(prefix + printable(one.path)), "uriBaseId": _TOP},
                    "region": {"startLine": one.line, "startColumn": one.column},
                }
            }
        ],
    }


def _without_links(text: str) -> str:
    """SARIF takes `[text](place)` in a message for a link; nothing from a file may make one."""
    return text.replace("](", r"\](")
