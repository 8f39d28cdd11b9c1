"""Reads trees and blobs of a repository as they are stored: no work tree, no filters, no line-ending conversion."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hyops_gitops.adapters.git.process import Git
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.tree import MAX_FILE_BYTES, ROOTS

SYMLINK = "120000"
SUBMODULE = "160000"
ORDINARY = "100644"

_FULL_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")  # SHA-1 or SHA-256


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One leaf of a tree."""

    path: bytes  # relative to the directory git runs in, or to the top for a whole tree
    mode: str  # six octal digits
    object_id: str
    size: int  # octets; 0 for a submodule


@dataclass(frozen=True, slots=True)
class CommitTree:
    """The files under `endpoints/` and `authority/` of one commit. Meets `SourceTree`."""

    git: Git
    commit: str

    def files(self) -> Iterator[SourceFile]:
        """Every file, sorted by path; links, submodules and what is too large come with a problem, unread."""
        entries = list_tree(self.git, self.commit, ROOTS)
        problems = {entry.path: problem for entry in entries if (problem := _problem(entry)) is not None}
        contents = read_blobs(self.git, (entry.object_id for entry in entries if entry.path not in problems))
        files = [
            SourceFile(
                entry.path.decode("utf-8", "backslashreplace"),
                None if entry.path in problems else contents[entry.object_id],
                problems.get(entry.path),
            )
            for entry in entries
        ]
        yield from sorted(files, key=lambda file: file.path)


@dataclass(frozen=True, slots=True)
class ReadTree:
    """Files that were read already. Meets `SourceTree`."""

    sources: tuple[SourceFile, ...]

    def files(self) -> tuple[SourceFile, ...]:
        """Every file, sorted by path."""
        return self.sources


def is_full_id(text: str) -> bool:
    """Whether this is a full object id, of either object format."""
    return _FULL_ID.fullmatch(text) is not None


def list_tree(git: Git, commit: str, paths: Sequence[str] = ()) -> list[TreeEntry]:
    """Every leaf of a commit's tree, in git's order; with paths, those below them, seen from git's directory."""
    scope = ["--", *paths] if paths else ["--full-tree"]
    output = git.output("ls-tree", "-r", "-z", "-l", commit, *scope)
    return [_entry(record) for record in output.split(b"\0")[:-1]]


def list_index(git: Git, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The blobs of the index below the watched folders, by path."""
    output = git.output("ls-files", "-z", "-s", "--", *ROOTS, env=env)
    records = (record.partition(b"\t") for record in output.split(b"\0")[:-1])
    return {path.decode("utf-8", "backslashreplace"): head.split()[1].decode() for head, _, path in records}


def read_blobs(git: Git, object_ids: Iterable[str]) -> Mapping[str, bytes]:
    """The contents of these blobs, by id, in one process.

    Raises:
        OutsideFailure: code `git-failed`: an object is missing, as in a partial or damaged clone.
    """
    wanted = sorted(set(object_ids))
    if not wanted:
        return {}
    output = git.output("cat-file", "--batch", stdin="".join(f"{object_id}\n" for object_id in wanted).encode())
    contents: dict[str, bytes] = {}
    position = 0
    for object_id in wanted:
        end_of_header = output.index(b"\n", position)
        header = output[position:end_of_header].decode().split()
        if len(header) != 3 or header[1] != "blob":  # noqa: PLR2004 - "<id> blob <size>", else "<id> missing"
            raise OutsideFailure(
                f"object {object_id} cannot be read: the clone is damaged or partial",
                code="git-failed",
                hint="run `git fsck`, or clone again",
            )
        start = end_of_header + 1
        position = start + int(header[2]) + 1
        contents[object_id] = output[start : position - 1]
    return contents


def _entry(record: bytes) -> TreeEntry:
    head, _, path = record.partition(b"\t")
    mode, _, object_id, size = head.decode().split()
    return TreeEntry(path, mode, object_id, 0 if size == "-" else int(size))


def _problem(entry: TreeEntry) -> str | None:
    if entry.mode == SYMLINK:
        return "is a symbolic link"
    if entry.mode == SUBMODULE:
        return "is a submodule"
    if entry.size > MAX_FILE_BYTES:
        return f"is larger than {MAX_FILE_BYTES // 1024} KiB"
    return None
