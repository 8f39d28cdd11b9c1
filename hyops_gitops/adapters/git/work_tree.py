"""The work tree and the index as git would commit them.

Reads only; scratch objects go to a folder of their own. Of the work tree:

- What git ignores is not there.
- Files that a sparse checkout leaves out are there, as the index has them.
- Line ends are those that git stores: with `core.autocrlf` a file on disk has others.

Outside a clone, and where git cannot be asked, files are what is on disk.
"""

import os
import re
import shutil
import stat
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from hyops_gitops.adapters.files import WorkTree, printable_name, walk
from hyops_gitops.adapters.git.objects import read_blobs
from hyops_gitops.adapters.git.process import Git
from hyops_gitops.adapters.git.trees import CommitTree, Leaf, grep, list_index, read_leaves, scratch_objects
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import OutsideFailure, UsageError
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.layout import ROOTS
from hyops_gitops.core.path_list import PathList, shown
from hyops_gitops.core.tree import SourceTree, blob_id, differing, mentions

_SKIPPED, _UNTRACKED = "S", "?"
_AS_INDEXED = re.compile(rb"(?:H [^\t\0]*+\t[^\0]*+\0)*+")
_MANY = 1000  # paths for which a set of all is made
_LINK = "is a symbolic link"
_CONVERTED = (b"\r\n", b"\0")  # what git may store otherwise: line ends, and text that is not UTF-8
INDEX = "GIT_INDEX_FILE"


@dataclass(frozen=True)
class GitWorkTree(SourceTree):
    """The work tree as git would commit it."""

    root: Path

    def files(self) -> list[SourceFile]:
        """Every file below `endpoints/` and `authority/`, sorted by path."""
        if (listing := self._listing) is None:
            return self._on_disk.files()
        return sorted(self.read(listing.paths).values(), key=lambda source: source.path)

    def paths(self) -> Collection[str]:
        """The path of every file, sorted."""
        if (listing := self._listing) is None:
            return self._on_disk.paths()
        if not listing.doubtful:
            return listing.indexed
        there = self.read([path for path in listing.doubtful if listing.has(path)]).keys()
        return tuple(sorted({*there, *(path for path in listing.indexed if path not in listing.doubtful)}))

    def entries(self) -> Mapping[str, str]:
        """The ids of the contents, by path."""
        listing = self._listing
        if listing is None:
            return self._on_disk.entries()
        ids = {path: leaf.readable_id for path, leaf in listing.leaves() if path not in listing.doubtful}
        digits = len(next((leaf.object_id for _, leaf in listing.leaves()), "0" * 40))
        for path, source in self.read([path for path in listing.doubtful if listing.has(path)]).items():
            ids[path] = "" if source.content is None else blob_id(source.content, digits)
        return dict(sorted(ids.items()))

    def read(self, paths: Collection[str]) -> Mapping[str, SourceFile]:
        """These files, without missing ones."""
        listing = self._listing
        if listing is None:
            return self._on_disk.read(paths)
        wanted = listing.paths.intersection(paths) if len(paths) > _MANY else {*filter(listing.has, paths)}
        files = {path: listing.odd[path] for path in wanted & listing.odd.keys()}
        files |= self._on_disk.read(wanted - files.keys())
        left_out = [path for path in wanted - files.keys() if listing.tags.get(path, "").upper() == _SKIPPED]
        files |= read_leaves(listing.git, {path: listing.others[path] for path in left_out})
        return files | _as_stored(listing.git, [file for file in files.values() if _may_be_converted(file)])

    def changed(self, other: SourceTree) -> frozenset[str]:
        """The paths whose file is not the same in both."""
        listing = self._listing
        if listing is None or not isinstance(other, CommitTree) or other.git.root != self.root:
            return super().changed(other)
        asked = listing.doubtful | {*listing.indexed_otherwise(other.commit)}
        return differing(self.read(asked), other.read(asked))

    def is_at(self, commit: str) -> bool:
        """Whether it surely is what a commit has; False: unknown."""
        listing = self._listing
        return listing is not None and not listing.doubtful and not any(listing.indexed_otherwise(commit))

    def mentioning(self, texts: Collection[str]) -> frozenset[str]:
        """Files that hold one of these texts, or may hide one."""
        listing = self._listing
        if listing is None:
            return self._on_disk.mentioning(texts)
        found = mentions(texts)
        doubtful = self.read([path for path in listing.doubtful if listing.has(path)]).items()
        these = {path for path, source in doubtful if source.content is not None and found.search(source.content)}
        hits = (path for path in grep(listing.git, texts, "--cached") if path not in listing.doubtful)
        return frozenset({*these, *filter(listing.has, hits)})

    @property
    def _on_disk(self) -> WorkTree:
        return WorkTree(self.root)

    @cached_property
    def _listing(self) -> "_Listing | None":
        """Git's view of the work tree; None where unknown."""
        if not in_clone(self.root):
            return None
        try:
            listing = _Listing.of(Git(self.root))
        except (UsageError, OutsideFailure) as error:
            if error.code not in ("no-repository", "foreign-owner", "no-git"):
                raise
            return None
        is_empty = not (listing.indexed.listing or listing.tags)
        return None if is_empty else listing  # an archive unpacked in a folder that the clone ignores


@dataclass(frozen=True)  # without slots: it keeps the set of all paths
class _Listing:
    """The paths that git looks at, and those that it does not."""

    git: Git
    indexed: PathList  # what is as the index has it, as far as git knows
    tags: Mapping[str, str]  # of all else, as `git ls-files -t -v` has them
    others: Mapping[str, Leaf]  # what the index has of those
    doubtful: frozenset[str]  # what may not be as the index has it
    nested: frozenset[str]  # other clones; their paths end in "/"
    odd: Mapping[str, SourceFile]  # devices, folders that cannot be read, and what is in other clones

    @classmethod
    def of(cls, git: Git) -> "_Listing":
        """The work tree as it is now, by one process."""
        options = ("-z", "-v", "-s", "--cached", "--modified", "--deleted", "--others", "--exclude-standard")
        output = git.output("ls-files", *options, "--", *ROOTS)
        tags: dict[str, str] = {}
        leaves: dict[str, Leaf] = {}
        doubtful: set[str] = set()
        runs, at = [], 0
        while at < len(output):
            if (run := _AS_INDEXED.match(output, at)) is not None and run[0]:
                runs.append(run[0])
                at = run.end()
                continue
            end = output.index(b"\0", at)
            tag, _, rest = shown(output[at:end]).partition(" ")
            if tag == _UNTRACKED:
                path = rest
            else:
                head, _, path = rest.partition("\t")
                leaves[path] = Leaf(*head.split(" ")[:2])
            doubtful.add(path)
            tags.setdefault(path, tag)
            at = end + 1
        indexed = PathList(b"".join(runs))
        nested = frozenset(path for path in doubtful if path.endswith("/"))
        found = {source.path: source for source in _odd(git.root, nested)}
        links = tuple(f"{path}/" for path, source in found.items() if source.problem == _LINK)
        if links:  # git looks through them
            doubtful.update(path for path in (*indexed, *tags) if path.startswith(links))
        odd = {path: source for path, source in found.items() if source.problem != _LINK}
        return cls(git, indexed, tags, leaves, frozenset({*doubtful, *odd} - nested), nested, odd)

    def indexed_otherwise(self, commit: str) -> tuple[str, ...]:
        """The paths that the index has otherwise than a commit."""
        if commit not in self._otherwise:
            options = ("--cached", "--name-only", "-z", "--no-renames", "--relative", "--ignore-submodules=none")
            output = self.git.output("diff-index", *options, commit, "--", *ROOTS)
            self._otherwise[commit] = tuple(shown(path) for path in output.split(b"\0")[:-1])
        return self._otherwise[commit]

    @cached_property
    def _otherwise(self) -> dict[str, tuple[str, ...]]:
        """The answers, by commit: the listing stays as it was made."""
        return {}

    def has(self, path: str) -> bool:
        """Whether there is such a path."""
        return path not in self.nested and (path in self.odd or path in self.tags or path in self.indexed)

    @cached_property
    def paths(self) -> frozenset[str]:
        """All of them."""
        return frozenset({*self.indexed, *self.tags, *self.odd} - self.nested)

    def leaves(self) -> Iterator[tuple[str, Leaf]]:
        """What the index has."""
        yield from ((path, Leaf(*head.removeprefix("H ").split(" ")[:2])) for path, head in self.indexed.records())
        yield from self.others.items()


def _odd(root: Path, nested: Collection[str]) -> Iterator[SourceFile]:
    """What git looks through or not at.

    Links, devices, folders that cannot be read, and other clones.
    """
    for path in nested:
        yield from walk(root / path, path.rstrip("/"))
    pending = [(os.fspath(root / name), name) for name in ROOTS]
    while pending:
        folder, prefix = pending.pop()
        try:
            mode = os.lstat(folder).st_mode
            if not stat.S_ISDIR(mode):
                if not stat.S_ISREG(mode):
                    yield from walk(Path(folder), prefix)
                continue
            entries = [entry for entry in os.scandir(folder) if not entry.is_file(follow_symlinks=False)]
        except FileNotFoundError:
            continue
        except OSError as error:
            yield SourceFile(prefix, None, f"cannot be read: {error.strerror or error}")
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                pending.append((entry.path, f"{prefix}/{printable_name(entry.name)}"))
            else:
                yield from walk(Path(entry.path), f"{prefix}/{printable_name(entry.name)}")


@dataclass(frozen=True)
class StagedTree(SourceTree):
    """The tree of the next commit."""

    root: Path
    environ: Mapping[str, str]  # `git commit FILE` gives its hooks an index of their own

    def files(self) -> list[SourceFile]:
        """Every file below `endpoints/` and `authority/`, sorted by path.

        Raises:
            UsageError: codes `no-repository`, `unmerged`.
        """
        return self._written.files()

    def paths(self) -> Collection[str]:
        """The path of every file, sorted."""
        return self._written.paths()

    def below(self, folder: str) -> list[str]:
        """The paths below a folder, sorted."""
        return self._written.below(folder)

    def entries(self) -> Mapping[str, str]:
        """The ids of the contents, by path."""
        return self._written.entries()

    def read(self, paths: Collection[str]) -> Mapping[str, SourceFile]:
        """These files, without missing ones."""
        return self._written.read(paths)

    def changed(self, other: SourceTree) -> frozenset[str]:
        """The paths whose file is not the same in both."""
        return self._written.changed(other)

    def mentioning(self, texts: Collection[str]) -> frozenset[str]:
        """Files that hold one of these texts, or may hide one."""
        return self._written.mentioning(texts)

    @cached_property
    def _written(self) -> CommitTree:
        """The index as a tree, whose objects this keeps."""
        index = self.environ.get(INDEX)
        named = {INDEX: os.path.abspath(index)} if index else {}  # noqa: PTH100 - a link is meant itself
        stack = ExitStack()
        weakref.finalize(self, stack.close)
        git = stack.enter_context(scratch_objects(Git(self.root)))
        written = git.attempt("write-tree", env=named)
        if not written.ok:
            raise UsageError(
                "the index cannot be committed: a merge is not finished",
                code="unmerged",
                hint="git status names what is in conflict",
            )
        return CommitTree(git, written.stdout.decode().strip())


def in_clone(root: Path) -> bool:
    """Whether a folder lies in what looks like a clone."""
    return any((parent / ".git").exists() for parent in (root, *root.parents))


def _may_be_converted(source: SourceFile) -> bool:
    return source.content is not None and any(word in source.content for word in _CONVERTED)


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
            shutil.copy2(index, folder / "index")  # with its time, by which git knows which files to read again
        listed = b"".join(path.encode() + b"\0" for path in paths)
        scratch.output("-c", "core.safecrlf=false", "update-index", "-z", "--add", "--stdin", stdin=listed, env=env)
        stored = list_index(scratch, env)
        contents = read_blobs(scratch, [stored[path] for path in paths if path in stored])
        return {path: SourceFile(path, contents[stored[path]]) for path in paths if path in stored}
