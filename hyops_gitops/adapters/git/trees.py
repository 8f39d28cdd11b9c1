"""Trees of commits.

Reads only, without filters or line-ending conversion; scratch objects go to a folder of their own.
"""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

from hyops_gitops.adapters.files import scratch_folder
from hyops_gitops.adapters.git.manifest import ManifestCache
from hyops_gitops.adapters.git.objects import read_short_blobs
from hyops_gitops.adapters.git.process import Git
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.layout import MAX_FILE_BYTES, ROOTS
from hyops_gitops.core.tree import HIDING, SourceTree

SYMLINK = "120000"
SUBMODULE = "160000"
ORDINARY = "100644"

_FULL_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")  # SHA-1 or SHA-256
_MANY = 50  # paths that are looked up faster in a dictionary
_SPECIAL = re.compile(rb"[\\.\[()*+?{|^$]")  # of extended regular expressions


class Leaf(NamedTuple):
    """What a tree or the index has at a path."""

    mode: str
    object_id: str

    @property
    def readable_id(self) -> str:
        """The id of an ordinary file, "" of a link or submodule."""
        return "" if self.mode in _UNREADABLE else self.object_id


@dataclass(frozen=True)
class CommitTree(SourceTree):
    """The files under `endpoints/` and `authority/` of one commit."""

    git: Git
    commit: str  # or the id of a tree
    manifests: ManifestCache | None = None  # None: the manifest is made of every file

    def files(self) -> list[SourceFile]:
        """Every file, sorted; links, submodules and large files unread."""
        return list(read_leaves(self.git, self._leaves).values())

    def entries(self) -> Mapping[str, str]:
        """The ids of the contents, by path; "" for links and submodules."""
        return {path: leaf.readable_id for path, leaf in self._leaves.items()}

    def read(self, paths: Collection[str]) -> Mapping[str, SourceFile]:
        """These files, without missing ones."""
        found = ((path, self._leaf(path, len(paths))) for path in paths)
        return read_leaves(self.git, {path: leaf for path, leaf in found if leaf is not None})

    def changed(self, other: SourceTree) -> frozenset[str]:
        """The paths whose file is not the same in both."""
        if not isinstance(other, CommitTree):
            return other.changed(self)
        if (known := self.known_changes.get(other.commit, other.known_changes.get(self.commit))) is not None:
            return known
        git = self.git if self.git.added else other.git  # objects of a scratch folder are seen from there alone
        if other.git.added not in ({}, git.added) or git.root != self.git.root:
            return super().changed(other)
        raw = git.output(
            "diff-tree",
            "-r",
            "-z",
            "--raw",
            "--no-abbrev",
            "--no-renames",
            "--relative",
            "--ignore-submodules=none",
            self.commit,
            other.commit,
            "--",
            *ROOTS,
        )
        return self.known_changes.setdefault(other.commit, frozenset(_differing(raw)))

    def manifest_sha256(self) -> str:
        """The digest of the tree's manifest."""
        if self.manifests is None:
            return super().manifest_sha256()
        return self.manifests.sha256(
            self.commit, lambda commit: self if commit == self.commit else replace(self, commit=commit)
        )

    def mentioning(self, texts: Collection[str]) -> frozenset[str]:
        """Files that hold one of these texts, or may hide one."""
        return frozenset(grep(self.git, texts, self.commit))

    @cached_property
    def known_changes(self) -> dict[str, frozenset[str]]:
        """The answers of `changed`, by the other commit: neither changes."""
        return {}

    @cached_property
    def _listing(self) -> bytes:
        return self.git.output("ls-tree", "-r", "-z", self.commit, "--", *ROOTS)

    @cached_property
    def _leaves(self) -> dict[str, Leaf]:
        """Every leaf by path, sorted."""
        leaves: dict[str, Leaf] = {}
        for record in self._listing.split(b"\0")[:-1]:
            head, _, path = record.partition(b"\t")
            mode, _, object_id = head.decode().split(" ")
            leaves[shown(path)] = Leaf(mode, object_id)
        return dict(sorted(leaves.items()))

    def _leaf(self, path: str, of_many: int) -> Leaf | None:
        if of_many > _MANY or "\\" in path or "_leaves" in vars(self):
            return self._leaves.get(path)
        end = b"\t%b\0" % path.encode("utf-8", "surrogateescape")
        at = -1
        while (at := self._listing.find(end, at + 1)) >= 0:
            head = self._listing[self._listing.rfind(b"\0", 0, at) + 1 : at]
            if b"\t" not in head:  # else the end of a longer name
                mode, _, object_id = head.decode().split(" ")
                return Leaf(mode, object_id)
        return None


@dataclass(frozen=True, slots=True)
class ReadTree(SourceTree):
    """Files that were read already."""

    sources: tuple[SourceFile, ...]

    def files(self) -> tuple[SourceFile, ...]:
        """Every file, sorted by path."""
        return self.sources


def is_full_id(text: str) -> bool:
    """Whether this is a full object id, of either object format."""
    return _FULL_ID.fullmatch(text) is not None


def shown(path: bytes) -> str:
    """A path of Git's as messages show it."""
    return path.decode("utf-8", "backslashreplace")


def read_leaves(git: Git, leaves: Mapping[str, Leaf]) -> dict[str, SourceFile]:
    """The files at these paths; links, submodules and large files unread."""
    wanted = (leaf.object_id for leaf in leaves.values() if leaf.readable_id)
    contents = read_short_blobs(git, wanted, MAX_FILE_BYTES)
    files: dict[str, SourceFile] = {}
    for path, leaf in leaves.items():
        content = contents[leaf.object_id] if leaf.readable_id else None
        files[path] = SourceFile(path, content, None if content is not None else _UNREADABLE.get(leaf.mode, _TOO_LARGE))
    return files


def list_index(git: Git, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The blobs of the index below the watched folders, by path."""
    output = git.output("ls-files", "-z", "-s", "--", *ROOTS, env=env)
    records = (record.partition(b"\t") for record in output.split(b"\0")[:-1])
    return {shown(path): head.split()[1].decode() for head, _, path in records}


def grep(git: Git, texts: Collection[str], *where: str) -> Iterator[str]:
    """Watched files that hold one of these texts, or may hide one.

    The texts reach git on standard input, as one expression: as fast for a thousand as for one.

    Args:
        git: In the folder that the files are seen from.
        texts: One line each.
        where: A full id, or `--cached` for the index.
    """
    literals = sorted({*(text.encode("utf-8", "surrogateescape") for text in texts), *HIDING})
    if any(b"\n" in literal or b"\0" in literal for literal in literals):
        raise ValueError("a text to look for is one line")
    pattern = b"|".join(_SPECIAL.sub(rb"\\\g<0>", literal) for literal in literals)
    options = ("-l", "-z", "-E", "-i", "--text", "--no-color", "--no-recurse-submodules", "-f", "-")
    found = git.attempt("-c", "grep.fullName=false", "grep", *options, *where, "--", *ROOTS, stdin=pattern)
    if found.status not in (0, 1):
        raise git.failure("grep", found)
    prefix = b"" if where == ("--cached",) else where[0].encode() + b":"
    return (shown(path.removeprefix(prefix)) for path in found.stdout.split(b"\0")[:-1])


@contextmanager
def scratch_objects(git: Git) -> Iterator[Git]:
    """Git in the same repository, whose new objects are gone afterwards."""
    with scratch_folder() as folder:
        objects = os.fsdecode(git.output("rev-parse", "--git-path", "objects")).rstrip("\n")
        (folder / "objects").mkdir()
        places = {
            "GIT_OBJECT_DIRECTORY": str(folder / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(git.root / objects),
        }
        yield replace(git, added=places)


_UNREADABLE = {SYMLINK: "is a symbolic link", SUBMODULE: "is a submodule"}
_TOO_LARGE = f"is larger than {MAX_FILE_BYTES // 1024} KiB"


def _differing(raw: bytes) -> Iterator[str]:
    """The paths of a raw diff; permissions do not count."""
    tokens = iter(raw.split(b"\0")[:-1])
    for head, path in zip(tokens, tokens, strict=True):
        before, after, id_before, id_after, _ = head.lstrip(b":").split(b" ")
        if id_before != id_after or before[:2] != after[:2]:
            yield shown(path)
