"""Paths as they are given on the command line, seen from the repository."""

import os
from collections.abc import Iterable
from pathlib import Path

from hyops_gitops.adapters.files.worktree import WorkTree
from hyops_gitops.cli.output import note
from hyops_gitops.core.rules.tree import ROOTS
from hyops_gitops.render.findings import printable


def inside(root: Path, paths: Iterable[Path]) -> set[str]:
    """The paths relative to the repository; those we have nothing to say about are noted and left out."""
    sources = [source.path for source in WorkTree(root).files()]
    known: set[str] = set()
    for path in paths:
        absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow a link that is itself meant
        absolute = absolute.parent.resolve() / absolute.name
        relative = absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else ""
        if root.is_relative_to(absolute):
            known.update(sources)
        elif relative.split("/")[0] in ROOTS:
            known.add(relative)
            known.update(source for source in sources if source.startswith(f"{relative}/"))
        else:
            note(f"{printable(str(path))} is not under endpoints/ or authority/, ignored")
    return known
