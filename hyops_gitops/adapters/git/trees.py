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
from hyops_gitops.adapters.git.partial import fetch_missing
from hyops_gitops.adapters.git.process import Git
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.layout import MAX_FILE_BYTES, ROOTS
from hyops_gitops.core.path_list import PathList, shown
from hyops_gitops.core.tree import HIDING, SourceTree
from hyops_gitops.core.zone_tree import zone_tree

SYMLINK = "120000"
SUBMODULE = "160000"
ORDINARY = "100644"

_FULL_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")  # SHA-1 or SHA-256
_MANY = 200  # paths for which all are listed
_ALWAYS = "authority"  # listed with any
_BELOW_ROOTS = tuple(f"{root}/" for root in ROOTS)
_SPECIAL = re.compile(rb"[\\.\[()*+?{|^$]")  # of extended regular expressions


class Leaf(NamedTuple):
    """What a tree or the index has at a path."""

    mode: str
    object_id: str

    @classmethod
    def of(cls, head: str) -> "Leaf":
        """By the head of its record in a listing."""
        mode, _, object_id = head.split(" ")
        return cls(mode, object_id)

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
        return list(self._files)

    @cached_property
    def _files(self) -> tuple[SourceFile, ...]:
        return tuple(read_leaves(self.git, self._leaves()).values())

    def paths(self) -> PathList:
        """The path of every file, sorted."""
        return self._listed

    def below(self, folder: str) -> list[str]:
        """The paths below a folder, sorted."""
        return self._parts(()).below(folder) if folder == _ALWAYS else self._listed.below(folder)

    def entries(self) -> Mapping[str, str]:
        """The ids of the contents, by path; "" for links and submodules."""
        return {path: leaf.readable_id for path, leaf in self._leaves().items()}

    def read(self, paths: Collection[str]) -> Mapping[str, SourceFile]:
        """These files, without missing ones."""
        listed = self._parts(paths)
        heads = {path: head for path in paths if (head := listed.head(path)) is not None}
        return read_leaves(self.git, {path: Leaf.of(head) for path, head in heads.items()})

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
        return self.manifests.sha256(self.commit, self._at)

    def manifest_of_zone(self, zone: str, part: SourceTree) -> str:
        """The digest of the manifest of a zone's part of this tree."""
        if self.manifests is None:
            return super().manifest_of_zone(zone, part)
        return self.manifests.of_zone(zone).sha256(
            self.commit, lambda commit: part if commit == self.commit else zone_tree(self._at(commit), zone)
        )

    def _at(self, commit: str) -> "CommitTree":
        """The tree of another commit, once for all zones."""
        return self if commit == self.commit else self._others.setdefault(commit, replace(self, commit=commit))

    @cached_property
    def _others(self) -> dict[str, "CommitTree"]:
        return {}

    def mentioning(self, texts: Collection[str]) -> frozenset[str]:
        """Files that hold one of these texts, or may hide one."""
        if self.git.promisor:
            fetch_missing(self.git, {leaf.readable_id for leaf in self._leaves().values()} - {""})
        return frozenset(grep(self.git, texts, self.commit))

    @cached_property
    def known_changes(self) -> dict[str, frozenset[str]]:
        """The answers of `changed`, by the other commit: neither changes."""
        return {}

    @cached_property
    def _listed(self) -> PathList:
        return self._list(ROOTS)

    def _list(self, paths: Collection[str]) -> PathList:
        return PathList(self.git.output("ls-tree", "-r", "-z", self.commit, "--", *paths))

    def _leaves(self) -> dict[str, Leaf]:
        """Every leaf by path, sorted."""
        return {path: Leaf.of(head) for path, head in self._listed.records()}

    def _parts(self, paths: Collection[str]) -> PathList:
        """A listing with these paths, perhaps without others."""
        is_odd = any("\\" in path or not path.startswith(_BELOW_ROOTS) for path in paths)
        if "_listed" in vars(self) or len(paths) > _MANY or is_odd:
            return self._listed
        asked = frozenset(path for path in paths if not path.startswith(f"{_ALWAYS}/"))
        for known, listed in self._few.items():
            if asked <= known:
                return listed
        self._few[asked] = self._list([_ALWAYS, *sorted(asked)])
        return self._few[asked]

    @cached_property
    def _few(self) -> dict[frozenset[str], PathList]:
        """Listings of a few paths, by these."""
        return {}


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
