"""Text output of moves and publications."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from hyops_gitops.core.contract import Target
from hyops_gitops.core.errors import Exit
from hyops_gitops.core.fields import time_text
from hyops_gitops.core.findings import printable
from hyops_gitops.core.text import counted
from hyops_gitops.move.moves import Move, MoveResult, Rehearsal, SkippedEndpoint
from hyops_gitops.move.publish import PublishResult
from hyops_gitops.move.readiness_report import EndpointOutlook, OutlookGroup, SiteLossReport, State
from hyops_gitops.plan.text import counts, plan_lines, readiness_line


def move_text(done: MoveResult) -> str:
    """The result of a command that moves endpoints, and the next commands."""
    lines = list(_by_zone(done))
    if not done.moves:
        lines.append("nothing to move")
    lines += [f"edited {printable(path)}" for path in done.written]
    if done.commit is not None:
        pushed = ", pushed" if done.pushed else ""
        lines.append(f"committed {done.commit[:12]} on branch {done.branch}{pushed}")
    if done.pull_request is not None:
        lines.append(f"pull request {printable(done.pull_request)}")
    if done.next:
        lines += ["next:", *(f"  {command}" for command in done.next)]
    return "\n".join(lines)


def _by_zone(done: MoveResult) -> Iterator[str]:
    """What moves and what stays, under its zone of several."""
    zones = {*(move.zone for move in done.moves), *(endpoint.zone for endpoint in done.skipped)}
    for zone in sorted(zones, key=lambda zone: zone or ""):
        if zone is not None:
            yield f"zone {zone}"
        yield from (move_line(move) for move in done.moves if move.zone == zone)
        yield from skipped_lines([endpoint for endpoint in done.skipped if endpoint.zone == zone])


def move_line(move: Move) -> str:
    """`postgres.prod.hyops.internal: onprem 10.12.0.31:5432 -> gcp 10.72.16.24:5432`."""
    if move.before == move.after:
        changes = ", ".join(f"{'.'.join(edit.at)}: {edit.value}" for edit in move.edits)
        return f"{move.name}: {changes}"
    before, after = _place(move.from_site, move.before), _place(move.to_site, move.after)
    return f"{move.name}: {before} -> {after}"


def skipped_lines(skipped: Iterable[SkippedEndpoint]) -> Iterator[str]:
    """The endpoints that stay, grouped by reason."""
    by_reason: dict[str, list[str]] = {}
    for endpoint in skipped:
        reason = endpoint.reason.replace(f" {endpoint.name} ", " NAME ")
        by_reason.setdefault(reason, []).append(endpoint.name)
    for reason, names in sorted(by_reason.items()):
        number = "1 stays: it" if len(names) == 1 else f"{len(names)} stay: each"
        yield f"{number} {printable(reason)}: {', '.join(map(printable, names))}"


def _place(site: str | None, target: Target) -> str:
    where = ", ".join(f"[{value}]" if ":" in value else value for value in target.values)
    return f"{site} {where}:{target.port}" if site else f"{where}:{target.port}"


def published_text(done: PublishResult) -> str:
    """The contract, each changed key, and notes."""
    lines = [f"{'' if done.written else 'would be '}{done.outcome}: {done.path}"] if done.edits else []
    lines += [f"  {'.'.join(edit.at)}: {_shown(edit.value)}" for edit in done.edits]
    if done.outcome == "unchanged":
        lines.append(f"unchanged: {done.path} is as published")
    return "\n".join([*lines, *(f"note: {printable(note)}" for note in done.notes)])


def _shown(value: object) -> str:
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def rehearsal_text(found: Rehearsal) -> str:
    """The answer of a failover that was only checked."""
    lines = [f"failover from {found.origin} to {found.to}, not carried out"]
    for name, pairs in found.environments:
        ready = sum(report.verdict == "ready" for _, report in pairs)
        lines.append(f"{name}: {ready} of {len(pairs)} targets are ready")
        for move, report in pairs:
            lines += [f"  {move_line(move)}", f"    {readiness_line(report)}"]
    lines += skipped_lines(found.skipped)
    lines += [f"warning: {printable(warning)}" for warning in found.warnings]
    lines += plan_lines(found.proposal.plan)
    lines.append(counts(found.proposal.plan.changes))
    verdict = "would go through" if found.exit_code is Exit.OK else "would be refused"
    lines.append(f"the failover {verdict}")
    return "\n".join(lines)


_SECTIONS: Mapping[State, str] = {
    "at-risk": "At risk",
    "cannot-move": "Cannot move",
    "moves": "Move",
    "need-not-move": "Need not move",
    "not-known": "Not known",
}
_MOST_LINES = 200  # of a section


def site_loss_markdown(found: SiteLossReport) -> str:
    """The report of a drill as Markdown; texts from outside are inert."""
    counts = found.counts
    where = found.to or "another site"
    dirty = ", with uncommitted changes" if found.dirty else ""
    verdict = "go through" if found.passes else "be refused"
    summary = (
        f"Of {counted(counts.endpoints, 'endpoint')}, {counts.moves} would move to {where}, {counts.at_risk} stand at "
        f"risk, {counts.cannot_move} cannot move and {counts.need_not_move} need not. A failover now would {verdict}."
    )
    lines = [
        f"# If {found.origin} is lost",
        "",
        f"{code_span(found.zone)} at commit {code_span(found.commit[:12])}{dirty}, {time_text(found.time)}.",
        summary,
        "",
        *_counts_table("environment", found.environments),
        "",
        *_counts_table("owner", found.owners),
    ]
    for state, title in _SECTIONS.items():
        lines += _outlook_section(title, [endpoint for endpoint in found.endpoints if endpoint.state == state])
    if found.refusals:
        lines += ["", "## Refused as a whole", ""]
        lines += [f"- {each.site}, {each.guard}: {code_span(each.message)}" for each in found.refusals]
    if found.warnings:
        lines += ["", "## Warnings", "", *(f"- {code_span(warning)}" for warning in found.warnings)]
    return "\n".join(lines)


def _counts_table(what: str, groups: Iterable[OutlookGroup]) -> Iterator[str]:
    yield f"| {what} | endpoints | move | at risk | cannot move | need not move | not known |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for group in groups:
        numbers = group.counts
        cells = [numbers.endpoints, numbers.moves, numbers.at_risk, numbers.cannot_move, numbers.need_not_move]
        name = "none" if group.name is None else table_cell(group.name)
        yield f"| {name} | {' | '.join(map(str, (*cells, numbers.not_known)))} |"


def _outlook_section(title: str, endpoints: Sequence[EndpointOutlook]) -> Iterator[str]:
    """The endpoints of one state, by environment and owner."""
    if not endpoints:
        return
    yield from ("", f"## {title} ({len(endpoints)})", "")
    shown = sorted(endpoints, key=lambda endpoint: (endpoint.environment, endpoint.owner or "", endpoint.name))
    for endpoint in shown[:_MOST_LINES]:
        owner = f", {code_span(endpoint.owner)}" if endpoint.owner else ""
        yield f"- {code_span(endpoint.name)} ({endpoint.environment}{owner}): {_whereabouts(endpoint)}"
        for standby in endpoint.standbys:
            texts = (*standby.refused, *standby.notes) or (readiness_line(standby.readiness),)
            yield from (f"  - {standby.site}: {code_span(text)}" for text in texts)
    if len(shown) > _MOST_LINES:
        yield f"- {len(shown) - _MOST_LINES} more: `--format json` has all"


def _whereabouts(endpoint: EndpointOutlook) -> str:
    if not endpoint.standbys:
        return code_span(endpoint.why)
    here = f"{endpoint.site} {code_span(' '.join(endpoint.target))}"
    to = next((standby for standby in endpoint.standbys if standby.site == endpoint.to), endpoint.standbys[0])
    there = f"{to.site} {code_span(' '.join(to.readiness.target))}"
    return f"{here} -> {there}, TTL {endpoint.ttl} s"


def code_span(text: str) -> str:
    """A text in Markdown, as a code span that it cannot end."""
    shown = printable(text)
    fence = "`" * (max(map(len, re.findall("`+", shown)), default=0) + 1)
    pad = " " if not shown.strip() or shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def table_cell(text: str) -> str:
    """A code span in a table.

    Backslashes are doubled: one before a bar would let it end the cell.
    """
    return code_span(text).replace("\\", "\\\\").replace("|", "\\|")
