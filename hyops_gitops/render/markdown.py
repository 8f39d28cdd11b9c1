"""Plans, receipts and errors as Markdown, for a job's summary and a pull request's comment.

Whatever comes from files, servers or commits stands in a fenced block: there nothing links, mentions anybody or
renders, and no fence in it is as long as the one around it. Outside stand our own words, numbers, ids and valid DNS
names.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from hyops_gitops.core.apply.receipt import Outcome, Receipt
from hyops_gitops.core.errors import Exit, HyopsError
from hyops_gitops.core.findings import Finding
from hyops_gitops.core.plan.proposal import Proposal
from hyops_gitops.render.changes import counts
from hyops_gitops.render.findings import findings_text, printable
from hyops_gitops.render.reports import proposal_text, receipt_text

# A comment holds 65,536 characters, a variable of a process 131,072 bytes.
MAX_BYTES = 60_000
_HEADINGS: Mapping[Outcome, str] = {
    "applied": "Applied",
    "nothing": "Nothing to do",
    "refused": "Refused: nothing was changed",
    "failed": "Failed: nothing was changed",
    "unconfirmed": "Not confirmed",
    "rolled-back": "Rolled back",
}
_ERRORS = {
    Exit.NO: "The answer is no",
    Exit.USAGE: "Wrong usage",
    Exit.REFUSED: "Refused: nothing was changed",
    Exit.OUTSIDE: "The outside failed: nothing was changed",
    Exit.UNCONFIRMED: "Not confirmed",
}


def proposal_markdown(proposal: Proposal) -> str:
    """What a merge would change."""
    plan = proposal.plan
    refused = f", {len(plan.refusals)} refused" if plan.refusals else ""
    heading = f"### Plan for `{plan.zone}`: {counts(plan.changes)}{refused}"
    return f"{heading}\n\n{_fenced(proposal_text(proposal).splitlines(), 'hyops-gitops plan')}"


def receipt_markdown(receipt: Receipt) -> str:
    """What an apply came to, who serves it since when, how long each step took, and the log's head."""
    parts = [
        f"### {_HEADINGS[receipt.outcome]}: `{receipt.commit[:12]}`, {counts(receipt.plan.changes)}",
        _fenced(receipt_text(receipt).splitlines(), "hyops-gitops apply").rstrip("\n"),
    ]
    if receipt.servers:
        rows = ((one.role, one.name, one.said, _ms(one.after_ms)) for one in receipt.servers)
        parts.append(_table(("server", "name", "verdict", "after"), rows))
    if receipt.timings_ms:
        parts.append(_table(("step", "took"), ((step, _ms(ms)) for step, ms in receipt.timings_ms.items())))
    if receipt.head is not None:
        parts.append(f"Log head `{receipt.head}`")
    return "\n\n".join(parts) + "\n"


def error_markdown(error: HyopsError, findings: Sequence[Finding] = ()) -> str:
    """What stopped a command."""
    lines = [*findings_text(findings).splitlines(), f"error: {printable(error.message)}"]
    lines += [f"hint: {printable(error.hint)}"] if error.hint else []
    return f"### {_ERRORS.get(error.exit_code, 'Failed')}\n\n{_fenced(lines, 'the log of the job')}"


def _fenced(lines: Iterable[str], whole: str) -> str:
    """A block that shows lines as they are; what does not fit is left out, and said."""
    shown: list[str] = []
    left, size = 0, 0
    for line in map(printable, lines):
        size += len(line.encode("utf-8", "backslashreplace")) + 1
        if left or size > MAX_BYTES:
            left += 1
        else:
            shown.append(line)
    text = "".join(f"{line}\n" for line in shown)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    cut = f"\n{left} more lines are cut here; `{whole}` shows all of them.\n" if left else ""
    return f"{fence}diff\n{text}{fence}\n{cut}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (header, ["---"] * len(header), *rows)
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    """Names of servers are an authority file's, so letters, digits and hyphens; anything else is taken out."""
    return re.sub(r"[^A-Za-z0-9 .,_-]", "", text)


def _ms(milliseconds: int | None) -> str:
    return "" if milliseconds is None else f"{milliseconds} ms"
