"""The readable tree of contracts and authority files."""

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.layout import Division, Layout, lay_out
from hyops_gitops.core.path_list import PathList

# What lets a name stand in a file otherwise than byte by byte: an escape of YAML (`\x70`, `\` at the end of a line),
# and KELVIN SIGN, the one character beyond ASCII that is an ASCII letter in lower case. Anchors, aliases, tags and
# merge keys hide nothing: their text stands in the file, and the reader refuses them.
HIDING = (b"\\", "\u212a".encode())


class SourceTree(ABC):
    """The work tree, a commit, or files in memory.

    Every answer follows from `files`; a tree that knows it otherwise does not read contents for it. What was read once
    may be remembered.
    """

    @property
    def folder(self) -> str | None:
        """The folder of the zone in `endpoints/`, ended by "/", or "".

        None: not known to be of one zone.
        """
        return None

    @property
    def other_zones(self) -> tuple[str, ...]:
        """The zones of the repository beside that of this tree."""
        return ()

    def is_elsewhere(self, text: str) -> bool:  # noqa: ARG002 - for the tree of one zone
        """Whether a file of another zone may hold this text."""
        return False

    @property
    def whole(self) -> "SourceTree":
        """The tree with every zone."""
        return self

    @abstractmethod
    def files(self) -> Sequence[SourceFile]:
        """Every file under `endpoints/` and `authority/`, sorted by path."""

    def paths(self) -> Collection[str]:
        """The path of every file, sorted."""
        return tuple(file.path for file in self.files())

    def below(self, folder: str) -> list[str]:
        """The paths below a folder, sorted."""
        listed = self.paths()
        if isinstance(listed, PathList):
            return listed.below(folder)
        return [path for path in listed if path.startswith(f"{folder}/")]

    def entries(self) -> Mapping[str, str]:
        """The ids of the contents, by path.

        Sorted; "" for what is not a readable file. Ids are those of Git. Between trees compare by `changed`: a
        repository may have ids of another kind.
        """
        return {file.path: "" if file.content is None else blob_id(file.content) for file in self.files()}

    def read(self, paths: Collection[str]) -> Mapping[str, SourceFile]:
        """These files, without missing ones."""
        wanted = set(paths)
        return {file.path: file for file in self.files() if file.path in wanted}

    def changed(self, other: "SourceTree") -> frozenset[str]:
        """The paths whose file is not the same in both.

        A file that cannot be read counts as changed, unless ids show that it is the same.
        """
        return differing({file.path: file for file in self.files()}, {file.path: file for file in other.files()})

    def is_at(self, commit: str) -> bool:  # noqa: ARG002 - for those that know
        """Whether it surely is what a commit has; False: unknown."""
        return False

    def manifest_sha256(self) -> str:
        """The digest of the tree's manifest."""
        return manifest_sha256(contents_of(self.files()))

    def manifest_of_zone(self, zone: str, part: "SourceTree") -> str:  # noqa: ARG002 - for those that remember
        """The digest of the manifest of a zone's part of this tree."""
        return manifest_sha256(contents_of(part.files()))

    @cached_property
    def division(self) -> Division:
        """The zones of the tree, and whose each path is."""
        return Division.of(self.below)

    def mentioning(self, texts: Collection[str]) -> frozenset[str]:
        """The readable files that hold one of these texts.

        Letters count in either case. Files that may hold one in a way that no search for bytes finds are among them.
        """
        found = mentions(texts)
        return frozenset(file.path for file in self.files() if file.content is not None and found.search(file.content))

    @cached_property
    def known_mentions(self) -> dict[frozenset[str], frozenset[str]]:
        """The answers of `mentioning` that several zones ask for."""
        return {}


class Contents(Mapping[str, bytes]):
    """The contents of readable files by path, read when asked for."""

    def __init__(self, tree: SourceTree, files: Iterable[SourceFile] | None = None) -> None:
        """Of a tree; with all its files, where they were read."""
        self.tree = tree
        self._known = {source.path: source for source in files or ()}
        self._is_whole = files is not None

    @cached_property
    def paths(self) -> Collection[str]:
        """Of every file, readable or not, sorted."""
        return tuple(self._known) if self._is_whole else self.tree.paths()

    @cached_property
    def layout(self) -> Layout:
        """What its paths are."""
        return lay_out(self.paths, self.tree.folder)

    def sources(self, paths: Collection[str]) -> Mapping[str, SourceFile]:
        """These files, without missing ones."""
        if unread := () if self._is_whole else [path for path in paths if path not in self._known]:
            self._known |= self.tree.read(unread)
        return {path: self._known[path] for path in paths if path in self._known}

    def __getitem__(self, path: str) -> bytes:
        """The content of one file."""
        source = self.sources([path]).get(path)
        if source is None or source.content is None:
            raise KeyError(path)
        return source.content

    def __iter__(self) -> Iterator[str]:
        """The paths of readable files, sorted."""
        return (path for path, source in self.sources(self.paths).items() if source.content is not None)

    def __len__(self) -> int:
        """The number of readable files."""
        return sum(1 for _ in self)


def contents_of(files: Iterable[SourceFile]) -> dict[str, bytes]:
    """The readable files by path."""
    return {file.path: file.content for file in files if file.content is not None}


def manifest_sha256(files: Mapping[str, bytes]) -> str:
    """The digest of a manifest."""
    return sha256_hex(manifest_of(files))


def manifest_of(files: Mapping[str, bytes]) -> bytes:
    """What sha256sum prints of these files, by path."""
    return b"".join(manifest_line(path, content) for path, content in sorted(files.items()))


def manifest_line(path: str, content: bytes) -> bytes:
    """One file's line of a manifest."""
    return f"{sha256_hex(content)}  {path}\n".encode()


def mentions(texts: Collection[str]) -> re.Pattern[bytes]:
    """A search for these texts, and for what may hide one."""
    literals = sorted({*(text.encode("utf-8", "surrogateescape") for text in texts), *HIDING})
    return re.compile(b"|".join(map(re.escape, literals)), re.IGNORECASE)


def differing(these: Mapping[str, SourceFile], those: Mapping[str, SourceFile]) -> frozenset[str]:
    """The paths whose files are not known to be the same."""
    return frozenset(
        path
        for path in these.keys() | those.keys()
        if (this := these.get(path)) is None or this.content is None or this != those.get(path)
    )


def blob_id(content: bytes, digits: int = 40) -> str:
    """Git's id of this content.

    It has 40 digits (SHA-1) or 64 (SHA-256).
    """
    header = b"blob %d\0" % len(content)
    if digits == 64:  # noqa: PLR2004 - the length of a SHA-256 in hexadecimal
        return hashlib.sha256(header + content).hexdigest()
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()
