"""Trees of commits, of the index and of the work tree.

Reads only, without filters or line-ending conversion; scratch objects go to a folder of their own. Of the work tree:

- What git ignores is not there.
- Files that a sparse checkout leaves out are there, as the index has them.
- Line ends are those that git stores: with `core.autocrlf` a file on disk has others.

Outside a clone, and where git cannot be asked, files are what is on disk.
"""

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from hyops_gitops.adapters.files import WorkTree, scratch_folder
from hyops_gitops.adapters.git.process import Git
from hyops_gitops.core.errors import OutsideFailure, UsageError
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.layout import MAX_FILE_BYTES, ROOTS

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
        """Every file, sorted; links, submodules and large files unread."""
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
    """Every leaf of a commit's tree, in git's order."""
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


_SKIPPED, _UNTRACKED = "S", "?"
_CONVERTED = (b"\r\n", b"\0")  # what git may store otherwise: line ends, and text that is not UTF-8
INDEX = "GIT_INDEX_FILE"


@dataclass(frozen=True, slots=True)
class GitWorkTree:
    """The work tree as git would commit it. Meets `SourceTree`."""

    root: Path

    def files(self) -> list[SourceFile]:
        """Every file below `endpoints/` and `authority/`, sorted by path."""
        found = {source.path: source for source in WorkTree(self.root).files()}
        if not in_clone(self.root):
            return list(found.values())
        git = Git(self.root)
        try:
            tags = _tags(git)
            if not tags:  # an unpacked archive in a folder that the clone around it ignores
                return list(found.values())
            skipped = {path for path, tag in tags.items() if tag == _SKIPPED and path not in found}
            nested = tuple(path for path in tags if path.endswith("/"))
            files = {
                path: source
                for path, source in found.items()
                if path in tags or not _may_be_ignored(source) or path.startswith(nested)
            }
            files |= _from_index(git, skipped)
            files |= _as_stored(git, [file for file in files.values() if _may_be_converted(file)])
        except (UsageError, OutsideFailure) as error:
            if error.code not in ("no-repository", "foreign-owner", "no-git"):
                raise
            return list(found.values())
        return sorted(files.values(), key=lambda source: source.path)


@dataclass(frozen=True, slots=True)
class StagedTree:
    """The tree of the next commit. Meets `SourceTree`."""

    root: Path
    environ: Mapping[str, str]  # `git commit FILE` gives its hooks an index of their own

    def files(self) -> list[SourceFile]:
        """Every file below `endpoints/` and `authority/`, sorted by path.

        Raises:
            UsageError: codes `no-repository`, `unmerged`.
        """
        index = self.environ.get(INDEX)
        named = {INDEX: os.path.abspath(index)} if index else {}  # noqa: PTH100 - a link is meant itself
        with scratch_objects(Git(self.root)) as git:
            written = git.attempt("write-tree", env=named)
            if not written.ok:
                raise UsageError(
                    "the index cannot be committed: a merge is not finished",
                    code="unmerged",
                    hint="git status names what is in conflict",
                )
            return list(CommitTree(git, written.stdout.decode().strip()).files())


def in_clone(root: Path) -> bool:
    """Whether a folder lies in what looks like a clone."""
    return any((parent / ".git").exists() for parent in (root, *root.parents))


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


def _tags(git: Git) -> dict[str, str]:
    """Every file that git would look at, with its tag; one process.

    A nested clone is a path that ends in "/".
    """
    output = git.output("ls-files", "-z", "-t", "--cached", "--others", "--exclude-standard", "--", *ROOTS)
    return {token[2:].decode("utf-8", "backslashreplace"): chr(token[0]) for token in output.split(b"\0")[:-1]}


def _may_be_ignored(source: SourceFile) -> bool:
    """Whether git can ignore it: it sees ordinary files and links alone."""
    problem = source.problem or ""
    return not problem or problem == "is a symbolic link" or problem.startswith("is larger")


def _may_be_converted(source: SourceFile) -> bool:
    return source.content is not None and any(word in source.content for word in _CONVERTED)


def _from_index(git: Git, paths: set[str]) -> dict[str, SourceFile]:
    if not paths:
        return {}
    entries = {path: blob for path, blob in list_index(git).items() if path in paths}
    contents = read_blobs(git, entries.values())
    return {path: SourceFile(path, contents[blob]) for path, blob in entries.items()}


def _as_stored(git: Git, sources: Iterable[SourceFile]) -> dict[str, SourceFile]:
    """These files as `git add` would store them, by a copied index."""
    paths = [source.path for source in sources if os.path.lexists(git.root / source.path)]
    if not paths:
        return {}
    with scratch_objects(git) as scratch:
        folder = Path(scratch.added["GIT_OBJECT_DIRECTORY"]).parent
        index = git.root / os.fsdecode(git.output("rev-parse", "--git-path", "index")).rstrip("\n")
        env = {INDEX: str(folder / "index")}
        if index.exists():
            shutil.copyfile(index, folder / "index")
        listed = b"".join(path.encode() + b"\0" for path in paths)
        scratch.output("-c", "core.safecrlf=false", "update-index", "-z", "--add", "--stdin", stdin=listed, env=env)
        stored = list_index(scratch, env)
        contents = read_blobs(scratch, [stored[path] for path in paths if path in stored])
        return {path: SourceFile(path, contents[stored[path]]) for path in paths if path in stored}
