"""Plans, receipts and verification as text."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from hyops_gitops.apply.receipt import Departure, Outcome, Receipt
from hyops_gitops.core.errors import Exit, HyopsError
from hyops_gitops.core.fields import time_text
from hyops_gitops.core.findings import Finding, findings_text, printable
from hyops_gitops.core.server_report import ServerReport, server_label
from hyops_gitops.core.table import Block, Cell, Tone, table
from hyops_gitops.core.text import counted
from hyops_gitops.log.parts import Retirement
from hyops_gitops.log.text import problem_lines
from hyops_gitops.log.timeline import Moment
from hyops_gitops.log.verify import Reading
from hyops_gitops.plan.limits import Proposal
from hyops_gitops.plan.plan import Action
from hyops_gitops.plan.text import counts, plan_blocks, plan_lines, readiness_line


def proposal_text(proposal: Proposal) -> str:
    """The changes of a plan, and what it is based on."""
    return "\n".join([_basis(proposal), *plan_lines(proposal.plan), *(line.text for line in _summary(proposal))])


def proposal_blocks(proposal: Proposal) -> Iterator[Block]:
    """What `proposal_text` says, with the changes as a table."""
    yield Cell(_basis(proposal), "heading")
    yield from plan_blocks(proposal.plan)
    yield from _summary(proposal)


def _basis(proposal: Proposal) -> str:
    bases = {
        "live": "the zone as the primary has it now",
        "evidence": f"the signed log, entry {proposal.seq}",
        "empty": "an empty zone: the log is not initialised",
    }
    what = f"work tree on {proposal.commit[:12]} (uncommitted changes)" if proposal.dirty else proposal.commit[:12]
    what += f", merged into {proposal.merged_into[:12]}," if proposal.merged_into else ""
    return f"plan for {proposal.plan.zone}: {what} against {bases[proposal.source]}"


def _summary(proposal: Proposal) -> Iterator[Cell]:
    plan = proposal.plan
    yield from (Cell(f"warning: {printable(warning)}", "doubtful") for warning in proposal.warnings)
    unmanaged = counted(plan.unmanaged, "unmanaged RRset stays", "unmanaged RRsets stay")
    yield Cell(f"{counts(plan.changes)}; {unmanaged} as {'it is' if plan.unmanaged == 1 else 'they are'}")
    yield Cell(f"digest {plan.digest()}", "faint")


def receipt_text(receipt: Receipt) -> str:
    """The receipt of an apply: changes, servers, services, outcome, head."""
    lines = [*plan_lines(receipt.plan), *map(readiness_line, receipt.readiness)]
    lines += map(moment_line, receipt.timeline) if receipt.timeline else map(server_line, receipt.servers)
    lines += [line.text for line in _ending(receipt)]
    return "\n".join(lines)


def receipt_blocks(receipt: Receipt) -> Iterator[Block]:
    """What `receipt_text` says, with changes and timeline as tables."""
    yield from plan_blocks(receipt.plan)
    for report in receipt.readiness:
        yield Cell(readiness_line(report), "good" if report.verdict == "ready" else "doubtful")
    if receipt.timeline:
        yield from table(("after", "what", "how"), map(_moment_row, receipt.timeline))
    else:
        yield from table(("server", "address", "verdict", "after"), map(_server_row, receipt.servers))
    yield from _ending(receipt)


def _moment_row(moment: Moment) -> tuple[str | Cell, ...]:
    when = "" if moment.after_ms is None else f"{moment.after_ms:5} ms"
    who = "update" if moment.stage == "accepted" else server_label(moment.stage, moment.name)
    seen = moment.said.removeprefix("update ")  # verbatim: a field of the log
    return when, who, Cell(seen, "bad" if moment.after_ms is None else "good")


def _server_row(server: ServerReport) -> tuple[str | Cell, ...]:
    verdict = Cell(server.verdict_text, _tone(server))
    return server_label(server.role, server.name), server.address, verdict, _ms(server.after_ms)


def _tone(server: ServerReport) -> Tone:
    return "good" if server.verdict == "converged" else "bad"


def _ending(receipt: Receipt) -> Iterator[Cell]:
    """What follows from the change, its outcome, the log's head."""
    yield from map(Cell, map(_retirement_line, receipt.retire))
    yield from map(Cell, map(_departure_line, receipt.departures))
    for caught_up in receipt.caught_up:
        yield Cell(f"{caught_up.called} has caught up with what it missed", "good")
    yield from (Cell(server_line(server), _tone(server)) for server in receipt.unproved)
    if receipt.rollback is not None:
        if receipt.rollback.outcome == "applied":
            yield from (Cell(f"rolled back: {name}", "bad") for name in receipt.rollback.names)
        yield from (Cell(server_line(server), _tone(server)) for server in receipt.rollback.servers)
    yield Cell(_outcome_line(receipt), "good" if receipt.outcome in ("applied", "nothing") else "bad")
    if receipt.head:
        yield Cell(f"log head {receipt.head}", "faint")


def _retirement_line(retirement: Retirement) -> str:
    if retirement.after:
        return f"{retirement.name}: the old target may be retired after {time_text(retirement.after)}"
    why = f": {retirement.why}" if retirement.why else ""
    not_before = f"; not before {time_text(retirement.not_before)}" if retirement.not_before else ""
    return f"{retirement.name}: the retirement time of the old target is unknown{why}{not_before}"


def _departure_line(departure: Departure) -> str:
    """`old.prod.z: gone from primary, secondary onprem; a wildcard answers 10.9.9.9 instead`."""
    where = {
        gone: ", ".join(server_label(server.role, server.name) for server in departure.servers if server.gone is gone)
        for gone in (True, False, None)
    }
    parts = [
        f"{what} {where[gone]}"
        for gone, what in ((True, "gone from"), (False, "still answered by"), (None, "not seen on"))
        if where[gone]
    ]
    wild = sorted({value for server in departure.servers if server.gone for value in server.instead})
    parts += [f"a wildcard answers {' '.join(map(printable, wild))} instead"] if wild else []
    return f"{departure.name}: {'; '.join(parts)}"


def _outcome_line(receipt: Receipt) -> str:
    commit = receipt.commit[:12]
    match receipt.outcome:
        case "applied":
            serials = f"serial {receipt.serial_before} -> {receipt.serial_after}"
            changed = counted(len(receipt.plan.changes), "RRset")
            asked = any(change.writes or change.action is Action.ADOPT for change in receipt.plan.changes)
            shown = "serves it" if asked else "shows its anchor"
            return f"applied {commit}: {changed}, {serials}, every required server {shown}"
        case "nothing":
            return f"nothing to do: {receipt.plan.zone} is as {commit} asks"
        case "refused":
            return f"refused, nothing was changed: {printable(receipt.reason)}"
        case "failed":
            return f"failed, nothing was changed: {printable(receipt.reason)}"
        case "unconfirmed":
            return f"not confirmed: {printable(receipt.reason)}"
        case "rolled-back":
            return f"ROLLED BACK: {printable(receipt.reason)}"


def moment_line(moment: Moment) -> str:
    """`   34 ms  secondary onprem answers with the change`."""
    when = "       -" if moment.after_ms is None else f"{moment.after_ms:5} ms"
    who = "" if moment.stage == "accepted" else f"{server_label(moment.stage, moment.name)} "
    return f"{when}  {printable(who + moment.said)}"  # verbatim: a field of the log


def server_line(server: ServerReport) -> str:
    """`secondary onprem (127.0.0.2:5301): converged after 34 ms`."""
    when = "" if server.after_ms is None else f" after {server.after_ms} ms"
    return f"{server_label(server.role, server.name)} ({server.address}): {server.verdict_text}{when}"


def reading_text(reading: Reading) -> str:
    """Whether a log verifies, or its problems."""
    if reading.ok and reading.log is not None:
        head = reading.log.head
        open_intent = reading.log.open_intent
        number, verb = counted(reading.entries, "entry", "entries"), "verifies" if reading.entries == 1 else "verify"
        lines = [f"ok: {number} of {reading.log.zone} {verb}; head {head.seq}:{head.sha256}"]
        if open_intent is not None:
            lines.append(f"open: intent {open_intent.seq} has no result yet")
        return "\n".join(lines)
    failed = counted(len(reading.problems), "problem")
    return "\n".join([*problem_lines(reading.problems), f"does not verify: {failed}"])


def reading_json(reading: Reading) -> dict[str, object]:
    """`hyops-evidence-verify/1`."""
    log = reading.log
    return {
        "format": "hyops-evidence-verify/1",
        "ok": reading.ok,
        "entries": reading.entries,
        "head": {"seq": log.head.seq, "sha256": log.head.sha256} if log else None,
        "open_intent": log.open_intent.seq if log and log.open_intent else None,
        "problems": [problem.to_json() for problem in reading.problems],
    }


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
    Exit.NO: "Check failed",
    Exit.USAGE: "Wrong usage",
    Exit.REFUSED: "Refused: nothing was changed",
    Exit.OUTSIDE: "External failure: nothing was changed",
    Exit.UNCONFIRMED: "Not confirmed",
}


def proposal_markdown(proposal: Proposal) -> str:
    """A plan for a comment on a pull request."""
    plan = proposal.plan
    refused = f", {len(plan.refusals)} refused" if plan.refusals else ""
    heading = f"### Plan for `{plan.zone}`: {counts(plan.changes)}{refused}"
    return f"{heading}\n\n{_fenced(proposal_text(proposal).splitlines(), 'hyops-gitops plan')}"


def receipt_markdown(receipt: Receipt) -> str:
    """The receipt of an apply, with tables of servers and steps."""
    parts = [
        f"### {_HEADINGS[receipt.outcome]}: `{receipt.commit[:12]}`, {counts(receipt.plan.changes)}",
        _fenced(receipt_text(receipt).splitlines(), "hyops-gitops apply").rstrip("\n"),
    ]
    if receipt.servers:
        rows = ((server.role, server.name, server.verdict_text, _ms(server.after_ms)) for server in receipt.servers)
        parts.append(_table(("server", "name", "verdict", "after"), rows))
    if receipt.timings_ms:
        parts.append(_table(("step", "took"), ((step, _ms(ms)) for step, ms in receipt.timings_ms.items())))
    if receipt.head is not None:
        parts.append(f"Log head `{receipt.head}`")
    return "\n\n".join(parts) + "\n"


def error_markdown(error: HyopsError, findings: Sequence[Finding] = ()) -> str:
    """The error of a command."""
    lines = [*findings_text(findings).splitlines(), f"error: {printable(error.message)}"]
    lines += [f"hint: {printable(error.hint)}"] if error.hint else []
    return f"### {_ERRORS.get(error.exit_code, 'Failed')}\n\n{_fenced(lines, 'the log of the job')}"


def _fenced(lines: Iterable[str], whole: str) -> str:
    """A fenced block of lines; those that do not fit are counted."""
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
    """A cell without characters that Markdown could read."""
    return re.sub(r"[^A-Za-z0-9 .,_-]", "", text)


def _ms(milliseconds: int | None) -> str:
    return "" if milliseconds is None else f"{milliseconds} ms"
