"""Why a log does not verify, as lines for people."""

from collections.abc import Iterable

from hyops_gitops.core.verification.log_problems import Problem
from hyops_gitops.render.findings import printable


def problem_lines(problems: Iterable[Problem]) -> list[str]:
    """`log/z.internal/0000/000002.json: chain: prev.entry is not the SHA-256 of the entry before`, one a problem."""
    return [f"{printable(one.where)}: {one.code}: {printable(one.message)}" for one in problems]
