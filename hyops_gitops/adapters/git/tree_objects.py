"""Trees of a repository, read as objects by the running git."""

import re
from collections.abc import Iterator, Mapping, Sequence

from hyops_gitops.adapters.git.objects import read_objects
from hyops_gitops.adapters.git.process import Git
from hyops_gitops.adapters.git.trees import ORDINARY, SUBMODULE, SYMLINK, Leaf
from hyops_gitops.core.errors import OutsideFailure

MAX_ENTRIES = 5_000_000
_FOLDER, _EXECUTABLE = "40000", 0o100
_ENTRIES = {octets: re.compile(rb"([0-7]+) ([^\0]+)\0(.{%d})" % octets, re.DOTALL) for octets in (20, 32)}


def read_trees(git: Git, ids: Sequence[str]) -> list[dict[bytes, Leaf]]:
    """What these trees hold, by name.

    Raises:
        OutsideFailure: code `git-failed`: one is missing or malformed.
    """
    found = read_objects(git, ids, "tree")
    return [_parsed(object_id, found[object_id] or b"") for object_id in ids]


def leaves_below(git: Git, entries: Mapping[bytes, Leaf]) -> Iterator[tuple[bytes, Leaf]]:
    """Every leaf of a tree with these entries, by its path.

    Raises:
        OutsideFailure: codes `git-failed`; `too-large`: a few trees that hold one another may stand for any number.
    """
    level, seen = [(b"", entries)], 0
    while level:
        folders: list[tuple[bytes, str]] = []
        for prefix, held in level:
            seen += len(held)
            if seen > MAX_ENTRIES:
                raise OutsideFailure(f"it has more than {MAX_ENTRIES} files and folders", code="too-large")
            for name, leaf in held.items():
                if leaf.mode == _FOLDER:
                    folders.append((b"%b%b/" % (prefix, name), leaf.object_id))
                else:
                    yield prefix + name, leaf
        trees = read_trees(git, [object_id for _, object_id in folders])
        level = [(prefix, tree) for (prefix, _), tree in zip(folders, trees, strict=True)]


def changed_leaves(git: Git, before: str, after: str) -> Iterator[tuple[bytes, Leaf | None, Leaf | None]]:
    """Every leaf that differs between two trees, as it was and is.

    Folders that are the same in both are not read.

    Raises:
        OutsideFailure: as `leaves_below` does.
    """
    level: list[tuple[bytes, str | None, str | None]] = [(b"", before, after)]
    seen = 0
    while level:
        ids = list({object_id: None for _, *sides in level for object_id in sides if object_id})
        trees = dict(zip(ids, read_trees(git, ids), strict=True))
        folders: list[tuple[bytes, str | None, str | None]] = []
        for prefix, *sides in level:
            then, now = (trees[side] if side else {} for side in sides)
            seen += len(then) + len(now)
            if seen > MAX_ENTRIES:
                raise OutsideFailure(f"they have more than {MAX_ENTRIES} files and folders", code="too-large")
            for name in then.keys() | now.keys():
                pair = then.get(name), now.get(name)
                if pair[0] == pair[1]:
                    continue
                was, became = (leaf if leaf and leaf.mode == _FOLDER else None for leaf in pair)
                if was or became:
                    path = b"%b%b/" % (prefix, name)
                    folders.append((path, was.object_id if was else None, became.object_id if became else None))
                if pair != (was, became):
                    yield prefix + name, None if was else pair[0], None if became else pair[1]
        level = folders


def _parsed(object_id: str, tree: bytes) -> dict[bytes, Leaf]:
    octets = len(object_id) // 2
    found = _ENTRIES[octets].findall(tree)
    if sum(len(mode) + len(name) + octets + 2 for mode, name, _ in found) != len(tree):
        raise OutsideFailure(f"tree {object_id} cannot be read: the clone is damaged", code="git-failed")
    return {name: Leaf(_MODES.get(mode) or _canonical(mode), content.hex()) for mode, name, content in found}


_MODES = {mode.encode(): mode for mode in (ORDINARY, "100755", SYMLINK, SUBMODULE, _FOLDER)}


def _canonical(mode: bytes) -> str:
    """A mode as git shows it, whatever wrote the tree."""
    bits = int(mode, 8)
    if bits >> 12 != 0o10:  # noqa: PLR2004 - an ordinary file
        return _MODES.get(b"%o" % (bits & 0o170000), SUBMODULE)
    return "100755" if bits & _EXECUTABLE else ORDINARY
