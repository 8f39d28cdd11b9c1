"""Findings as GitHub workflow commands: an annotation at the line of a pull request that each one is about.

Names and messages come from files that anybody may have written. A command is one line, its parameters end at a colon
or comma: all of these are escaped as the runner unescapes them, so that no text can end its annotation or begin another
command.
"""

from collections.abc import Iterable

from hyops_gitops.core.findings import Finding
from hyops_gitops.render.findings import printable


def findings_annotations(findings: Iterable[Finding], prefix: str = "") -> str:
    """One `::error` or `::warning` line for each finding.

    The message repeats place and rule: a job's log shows nothing else of it, and an annotation only the first ten a
    step.

    Args:
        findings: What to annotate.
        prefix: From the top of the checkout to the directory that the findings' paths are relative to, ended by "/".
    """
    return "".join(_annotation(one, prefix) for one in findings)


def _annotation(one: Finding, prefix: str) -> str:
    path = prefix + printable(one.path)
    place = {"file": path, "line": str(one.line), "col": str(one.column), "title": one.rule}
    parameters = ",".join(f"{name}={_parameter(value)}" for name, value in place.items())
    text = f"{path}:{one.line}:{one.column}: {one.rule}: {printable(one.message)}"
    if one.hint:
        text += f"\nhint: {printable(one.hint)}"
    return f"::{one.severity.value} {parameters}::{_data(text)}\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _parameter(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
