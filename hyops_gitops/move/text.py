"""Text output of moves and publications."""

import json
from collections.abc import Iterable, Iterator

from hyops_gitops.core.contract import Target
from hyops_gitops.core.errors import Exit
from hyops_gitops.core.findings import printable
from hyops_gitops.move.moves import Move, MoveResult, Rehearsal, SkippedEndpoint
from hyops_gitops.move.publish import PublishResult
from hyops_gitops.plan.text import counts, plan_lines, readiness_line


def move_text(done: MoveResult) -> str:
    """The result of a command that moves endpoints, and the next commands."""
    lines = [move_line(move) for move in done.moves]
    lines += skipped_lines(done.skipped)
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
