"""A failover's drill as text: readiness by environment, then what stays and what refuses."""

from hyops_gitops.core.errors import Exit
from hyops_gitops.core.moves.rehearsal import Rehearsal
from hyops_gitops.render.changes import counts, plan_lines
from hyops_gitops.render.findings import printable
from hyops_gitops.render.moves import move_line, skipped_lines
from hyops_gitops.render.readiness import readiness_line


def rehearsal_text(found: Rehearsal) -> str:
    """Whether the failover would go through."""
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
