"""Findings: defects of files as data, collected and sorted."""

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum

from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.text import counted


class Severity(StrEnum):
    """Only errors make a command answer no."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file, counted from 1; columns in code points."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One validation rule; scripts may depend on its id."""

    id: str
    what: str  # what is checked, one sentence
    why: str
    fix: str
    example: str  # something that breaks the rule
    severity: Severity = Severity.ERROR

    @property
    def remedy(self) -> str:
        """`fix` in the form of a hint, the default of its findings."""
        return self.fix[0].lower() + self.fix[1:].removesuffix(".")


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One defect at one place. Field order is sort order."""

    path: str  # relative to the repository, with "/"
    line: int  # from 1
    column: int  # from 1, in code points
    rule: str  # its id, a key of validate.rules.RULES
    message: str  # lower case, no final period, got and expected
    hint: str = ""
    severity: Severity = Severity.ERROR

    def to_json(self) -> dict[str, object]:
        """The shape used in `hyops-validate/1`."""
        return {
            "rule": self.rule,
            "severity": self.severity.value,
            "path": self.path,
            "line": self.line,
            "column": self.column,
            "message": self.message,
            "hint": self.hint,
        }


def finding(rule: Rule, path: str, mark: Mark, message: str, hint: str = "") -> Finding:
    """A finding with its rule's severity, and by default its remedy."""
    return Finding(path, mark.line, mark.column, rule.id, message, hint or rule.remedy, rule.severity)


def has_errors(findings: tuple[Finding, ...]) -> bool:
    """Whether any finding is an error rather than a warning."""
    return any(finding.severity is Severity.ERROR for finding in findings)


class FindingsError(InvalidData):
    """Files that had to be valid are not.

    Args:
        findings: What is wrong with them.
        unwritten: They are about what a command was going to write, and did not.
    """

    def __init__(self, findings: tuple[Finding, ...], *, unwritten: bool = False) -> None:
        where = "nothing was written" if unwritten else "`hyops-gitops validate` shows them too"
        super().__init__(
            f"fix {counted(len(findings), 'finding')} first",
            code="findings",
            hint=f"{where}; `hyops-gitops explain RULE` explains one",
        )
        self.findings = findings

    def to_json(self) -> dict[str, object]:
        """The `hyops-error/1` document, with the findings."""
        return {**super().to_json(), **_shown_json(self.findings)}


MOST_IN_A_FILE, MOST = 100, 1000  # findings to show


def capped(findings: Iterable[Finding]) -> tuple[tuple[Finding, ...], str]:
    """The findings to show, errors before warnings, and how many are not."""
    everything = tuple(findings)
    if len(everything) <= MOST_IN_A_FILE:
        return everything, ""
    in_file: Counter[str] = Counter()
    shown: list[int] = []
    for place in sorted(range(len(everything)), key=lambda place: everything[place].severity is not Severity.ERROR):
        path = everything[place].path
        if len(shown) < MOST and in_file[path] < MOST_IN_A_FILE:
            in_file[path] += 1
            shown.append(place)
    omitted = len(everything) - len(shown)
    limits = f"the first {MOST_IN_A_FILE} of a file and {MOST} of a run are"
    return (
        tuple(everything[place] for place in sorted(shown)),
        f"{counted(omitted, 'more finding')} not shown: {limits}" if omitted else "",
    )


_BOLD, _RED, _YELLOW, _DIM, _RESET = "\x1b[1m", "\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"


def findings_text(findings: Iterable[Finding], *, colour: bool = False) -> str:
    """`path:line:col: rule-id: message`, then a `hint:` line, per finding."""
    shown, omitted = capped(findings)
    return "".join(_finding_text(finding, colour) for finding in shown) + (f"{omitted}\n" if omitted else "")


def findings_json(findings: Sequence[Finding], checked: int, form: str = "hyops-validate/1") -> dict[str, object]:
    """The document of a command's findings."""
    return {"format": form, "checked": checked, **_shown_json(findings)}


def _shown_json(findings: Iterable[Finding]) -> dict[str, object]:
    """The member `findings`, and `omitted` where there are too many."""
    shown, omitted = capped(findings)
    listed = [{key: _encodable(value) for key, value in finding.to_json().items()} for finding in shown]
    return {"findings": listed, **({"omitted": omitted} if omitted else {})}


def summary(findings: Sequence[Finding], checked: int) -> str:
    """One line: `12 contracts checked, 3 errors, 1 warning`."""
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    counts = [counted(errors, "error"), counted(len(findings) - errors, "warning")]
    return f"{counted(checked, 'contract')} checked, {', '.join(counts)}"


def printable(text: str) -> str:
    r"""The text on one line, other characters as \xNN or \uNNNN."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _finding_text(finding: Finding, colour: bool) -> str:
    place = f"{printable(finding.path)}:{finding.line}:{finding.column}:"
    rule, message = finding.rule, printable(finding.message)
    if finding.severity is Severity.WARNING:
        message += " (warning)"
    if colour:
        place = f"{_BOLD}{place}{_RESET}"
        rule = f"{_RED if finding.severity is Severity.ERROR else _YELLOW}{rule}{_RESET}"
    lines = [f"{place} {rule}: {message}"]
    if finding.hint:
        hint = f"  hint: {printable(finding.hint)}"
        lines.append(f"{_DIM}{hint}{_RESET}" if colour else hint)
    return "".join(f"{line}\n" for line in lines)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def _encodable(value: object) -> object:
    return value.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(value, str) else value
