"""Whether a folder is to be read without git, and which commit the files of a `git archive` say they are."""

import re
from pathlib import Path

from hyops_gitops.core.handover.bundle import INFO

ARCHIVE_MARK = ".git_archival.txt"
_NODE = re.compile(r"^node: *([0-9a-f]{40}(?:[0-9a-f]{24})?)$", re.MULTILINE)
_LONGEST_MARK = 4096  # octets


def is_unpacked(root: Path) -> bool:
    """Whether this folder is to be read without git."""
    if (root / ".git").exists():
        return False
    if (root / INFO).is_file() or archived_commit(root) is not None:
        return True
    return not any((parent / ".git").exists() for parent in root.parents)


def archived_commit(root: Path) -> str | None:
    """The commit that git wrote into an archive, or somebody did; None where nobody said."""
    try:
        with (root / ARCHIVE_MARK).open("rb") as file:
            text = file.read(_LONGEST_MARK).decode("ascii", "replace")
    except OSError:
        return None
    match = _NODE.search(text)
    return match[1] if match else None
