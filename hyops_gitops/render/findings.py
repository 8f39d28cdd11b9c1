"""Findings as text and as `hyops-validate/1`. Nothing a file holds can move the cursor or forge a line."""

from collections.abc import Iterable, Sequence

from hyops_gitops.core.findings import Finding, Severity

_BOLD, _RED, _YELLOW, _DIM, _RESET = "\x1b[1m", "\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"


def findings_text(findings: Iterable[Finding], *, colour: bool = False) -> str:
    """`path:line:col: rule-id: message` and a `hint:` line for each finding, each line ended by LF."""
    return "".join(_finding_text(one, colour) for one in findings)


def findings_json(findings: Sequence[Finding], checked: int) -> dict[str, object]:
    """The `hyops-validate/1` document."""
    shown = [{key: _encodable(value) for key, value in one.to_json().items()} for one in findings]
    return {"format": "hyops-validate/1", "checked": checked, "findings": shown}


def summary(findings: Sequence[Finding], checked: int) -> str:
    """One line: `12 contracts checked, 3 errors, 1 warning`."""
    errors = sum(one.severity is Severity.ERROR for one in findings)
    counts = [_count(errors, "error"), _count(len(findings) - errors, "warning")]
    return f"{_count(checked, 'contract')} checked, {', '.join(counts)}"


def printable(text: str) -> str:
    r"""The text on one line: what is not printable is written as \xNN or \uNNNN."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _finding_text(one: Finding, colour: bool) -> str:
    place = f"{printable(one.path)}:{one.line}:{one.column}:"
    rule, message = one.rule, printable(one.message)
    if one.severity is Severity.WARNING:
        message += " (warning)"
    if colour:
        place = f"{_BOLD}{place}{_RESET}"
        rule = f"{_RED if one.severity is Severity.ERROR else _YELLOW}{rule}{_RESET}"
    lines = [f"{place} {rule}: {message}"]
    if one.hint:
        hint = f"  hint: {printable(one.hint)}"
        lines.append(f"{_DIM}{hint}{_RESET}" if colour else hint)
    return "".join(f"{line}\n" for line in lines)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def _encodable(value: object) -> object:
    return value.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(value, str) else value


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
