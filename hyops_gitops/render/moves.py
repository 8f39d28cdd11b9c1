"""Moves of endpoints as text: what moves, what stays, what to do next."""

from collections.abc import Iterable, Iterator

from hyops_gitops.core.contracts.contract import Target
from hyops_gitops.core.moves.moves import Move, Skipped
from hyops_gitops.core.moves.moving import Moving
from hyops_gitops.render.findings import printable


def moving_text(done: Moving) -> str:
    """Everything that a command which moves endpoints did."""
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


def skipped_lines(skipped: Iterable[Skipped]) -> Iterator[str]:
    """Those that stay, by reason, with a count."""
    by_reason: dict[str, list[str]] = {}
    for one in skipped:
        by_reason.setdefault(one.reason.replace(f" {one.name} ", " NAME "), []).append(one.name)
    for reason, names in sorted(by_reason.items()):
        number = "1 stays: it" if len(names) == 1 else f"{len(names)} stay: each"
        yield f"{number} {printable(reason)}: {', '.join(map(printable, names))}"


def _place(site: str | None, target: Target) -> str:
    where = ", ".join(f"[{value}]" if ":" in value else value for value in target.values)
    return f"{site} {where}:{target.port}" if site else f"{where}:{target.port}"
