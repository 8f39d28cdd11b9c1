"""Paths as they are given on the command line, seen from the repository."""

import os
from collections.abc import Iterable
from pathlib import Path

from hyops_gitops.adapters.bundle.unpacked_mark import is_unpacked
from hyops_gitops.adapters.files.worktree import WorkTree
from hyops_gitops.adapters.git.worktree import GitWorkTree
from hyops_gitops.cli.output import note
from hyops_gitops.core.rules.tree import ROOTS
from hyops_gitops.render.findings import printable
from hyops_gitops.usecases.ports import SourceTree


def work_tree(root: Path) -> SourceTree:
    """The files of a repository as git would commit them, or as they are where there is no clone."""
    return WorkTree(root) if is_unpacked(root) else GitWorkTree(root)


def inside(root: Path, paths: Iterable[Path]) -> set[str]:
    """The paths relative to the repository; those we have nothing to say about are noted and left out."""
    sources: list[str] | None = None  # read when a folder is named: the hook names files
    known: set[str] = set()
    for path in paths:
        absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow a link that is itself meant
        absolute = absolute.parent.resolve() / absolute.name
        relative = absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else ""
        whole = root.is_relative_to(absolute)
        if not whole and relative.split("/")[0] not in ROOTS:
            note(f"{printable(str(path))} is not under endpoints/ or authority/, ignored")
            continue
        known |= set() if whole else {relative}
        if whole or (absolute.is_dir() and not absolute.is_symlink()):
            sources = [source.path for source in work_tree(root).files()] if sources is None else sources
            known.update(source for source in sources if whole or source.startswith(f"{relative}/"))
    return known
