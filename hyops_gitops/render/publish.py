"""What `publish` did, as text."""

import json

from hyops_gitops.core.contracts.publish import Published
from hyops_gitops.render.findings import printable


def published_text(done: Published) -> str:
    """The contract, each key that changes, and what is worth knowing."""
    lines = [f"{'' if done.written else 'would be '}{done.outcome}: {done.path}"] if done.edits else []
    lines += [f"  {'.'.join(edit.at)}: {_shown(edit.value)}" for edit in done.edits]
    if done.outcome == "unchanged":
        lines.append(f"unchanged: {done.path} is as published")
    return "\n".join([*lines, *(f"note: {printable(note)}" for note in done.notes)])


def _shown(value: object) -> str:
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
