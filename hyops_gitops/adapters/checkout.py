"""Whether a folder is a clone, and its files either way.

Apart from what an unpacked folder is asked for: the hook imports this at each commit.
"""

import re
from pathlib import Path

from hyops_gitops.adapters.files import WorkTree
from hyops_gitops.adapters.git.work_tree import GitWorkTree
from hyops_gitops.core.tree import SourceTree

ARCHIVE_MARK = ".git_archival.txt"
_NODE = re.compile(r"^node: *([0-9a-f]{40}(?:[0-9a-f]{24})?)$", re.MULTILINE)
_LONGEST_MARK = 4096  # octets


def is_unpacked(root: Path) -> bool:
    """Whether this folder is to be read without git."""
    if (root / ".git").exists():
        return False
    from hyops_gitops.recover.bundle import INFO  # noqa: PLC0415 - a clone has none

    if (root / INFO).is_file() or archived_commit(root) is not None:
        return True
    return not any((parent / ".git").exists() for parent in root.parents)


def work_tree(root: Path) -> SourceTree:
    """A repository's files as git would commit them, or as they are."""
    return WorkTree(root) if is_unpacked(root) else GitWorkTree(root)


def archived_commit(root: Path) -> str | None:
    """The commit written into an archive, None where there is none."""
    try:
        with (root / ARCHIVE_MARK).open("rb") as file:
            text = file.read(_LONGEST_MARK).decode("ascii", "replace")
    except OSError:
        return None
    match = _NODE.search(text)
    return match[1] if match else None
