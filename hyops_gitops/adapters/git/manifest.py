"""The lines of a clone's newest manifest, kept beside its verified mark.

A manifest has a line for every contract, and an apply changes few of them. The file in the git common directory holds
the lines of one commit; those of another follow by what changed between the two. It is on the same footing as the mark:
an apply believes it, `audit` and `evidence verify` do not look at it. docs/adr/0057 says what it can hide.
"""

import contextlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from hyops_gitops.adapters.files import replace_file
from hyops_gitops.adapters.git.process import Git, own_file
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.errors import HyopsError
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.tree import SourceTree, contents_of, manifest_line, manifest_of

_FILE = "manifest"
_FORMAT = b"hyops-manifest/1"
_HEAD = re.compile(rb"%b ([0-9a-f]{40,64}) ([0-9a-f]{64}) (.*)" % re.escape(_FORMAT), re.DOTALL)
_LONGEST = 64 * 1024 * 1024  # octets; 100,000 contracts have a sixth of that
_PATH_AT = 66  # after the SHA-256 and two blanks


class _Kept(NamedTuple):
    """The lines of one commit."""

    commit: str
    sha256: str  # of the lines
    lines: bytes


class ManifestCache:
    """The lines of one commit, or of a zone's part of it."""

    def __init__(self, git: Git, zone: str | None = None) -> None:
        self._git = git
        self._zone = zone  # None: everything

    def of_zone(self, zone: str) -> "ManifestCache":
        """That of a zone's part."""
        return ManifestCache(self._git, zone)

    def sha256(self, commit: str, at: Callable[[str], SourceTree]) -> str:
        """The digest of a commit's manifest; `at` gives the tree of any."""
        kept = self._read()
        if kept is not None and kept.commit == commit:
            return kept.sha256
        tree = at(commit)
        lines = _brought_up(tree, kept, at) if kept is not None else None
        if lines is None:
            files = contents_of(tree.files())
            lines = manifest_of(files)
            if any("\n" in path for path in files):  # its line would look like two
                return sha256_hex(lines)
        made = _Kept(commit, sha256_hex(lines), lines)
        self._write(made)
        return made.sha256

    def _read(self) -> "_Kept | None":
        """What is kept; None where it is missing or damaged."""
        try:
            with self._path.open("rb") as file:
                head, _, lines = file.read(_LONGEST).partition(b"\n")
        except (OSError, HyopsError):
            return None
        found = _HEAD.fullmatch(head)
        if found is None or found[3] != self._prefix or found[2].decode() != sha256_hex(lines):
            return None
        return _Kept(found[1].decode(), found[2].decode(), lines)

    def _write(self, made: "_Kept") -> None:
        """Keep these lines, beside and renamed; where that cannot be done, nothing."""
        with contextlib.suppress(OSError, HyopsError):
            self._path.parent.mkdir(exist_ok=True)
            head = b"%b %b %b %b\n" % (_FORMAT, made.commit.encode(), made.sha256.encode(), self._prefix)
            replace_file(self._path, head + made.lines)

    @property
    def _path(self) -> Path:
        return own_file(self._git, _FILE, self._zone)

    @property
    def _prefix(self) -> bytes:
        """The folder's place in its repository: another has other paths."""
        return self._git.place.prefix


def _brought_up(tree: SourceTree, kept: _Kept, at: Callable[[str], SourceTree]) -> bytes | None:
    """The lines of another commit, by what changed; None: unknown."""
    try:
        changed = tree.changed(at(kept.commit))
        files = tree.read(changed)
    except HyopsError:
        return None
    if any("\n" in path for path in changed):
        return None
    return with_files(kept.lines, {path: files.get(path) for path in changed})


def with_files(lines: bytes, files: Mapping[str, SourceFile | None]) -> bytes:
    """A manifest with these files replaced; None for what is gone."""
    pieces, done = [], 0
    for path, file in sorted(files.items()):
        named = path.encode()
        start = _place(lines, named)
        pieces.append(lines[done:start])
        if file is not None and file.content is not None:
            pieces.append(manifest_line(path, file.content))
        is_there = lines.startswith(named + b"\n", start + _PATH_AT)
        done = lines.index(b"\n", start) + 1 if is_there else start
    return b"".join((*pieces, lines[done:]))


def _place(lines: bytes, path: bytes) -> int:
    """Where the line of a path is, or would be."""
    low, high = 0, len(lines)
    while low < high:
        start = lines.rfind(b"\n", low, (low + high) // 2) + 1 or low
        end = lines.index(b"\n", start)
        low, high = (end + 1, high) if lines[start + _PATH_AT : end] < path else (low, start)
    return low
