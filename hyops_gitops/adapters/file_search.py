"""Search files without following a link, in several processes.

Nothing outside of the given paths is read. Every folder and file is opened by its own name from the folder that holds
it, and a link that takes its place meanwhile is not followed. What git ignores is asked of git, in a folder outside of
every repository too; what `.hyops-scan-ignore` at the top of the repository names is left out. A file is read up to the
size that it had when it was opened, and is binary as git sees it: with a NUL among its first 8,000 octets. One that
begins with the mark of UTF-16 is text.
"""

import codecs
import errno
import multiprocessing
import os
import signal
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import field
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from hyops_gitops.adapters.files import read_source, scratch_folder
from hyops_gitops.adapters.git.process import Git
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import OutsideFailure, UsageError
from hyops_gitops.core.layout import ROOTS
from hyops_gitops.scan.search import IGNORE_FILE, FileSearch, Hit, Ignores, Search, read_ignores

_PIECE = 1024 * 1024  # octets that are read at once
_LOOKED_AT = 8000  # octets in which a NUL makes a file binary
_UTF_16, _UTF_32 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE), codecs.BOM_UTF32_LE
_BATCH, _FEW = 256, 8  # files that are searched at once; batches that are not worth a process
_MOST_PROCESSES, _AHEAD = 16, 4  # batches that wait for each process
_MOST_HITS = 10_000  # kept in memory; ten times what is shown
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(slots=True)
class SearchResult:
    """What was found, and what was not read and why."""

    hits: list[Hit] = field(default_factory=list)  # the first, in their order
    files: int = 0
    count: int = 0  # of all hits
    allowed: int = 0  # by a mark in their line
    skipped: Counter[str] = field(default_factory=Counter)  # files by the reason
    unread: list[str] = field(default_factory=list)  # a path and what went wrong

    def add(self, other: "SearchResult") -> None:
        """Count in another part of the same search."""
        self.hits += other.hits
        self.files += other.files
        self.count += other.count
        self.allowed += other.allowed
        self.skipped += other.skipped
        self.unread += other.unread
        if len(self.hits) > 2 * _MOST_HITS:
            self.hits = sorted(self.hits)[:_MOST_HITS]


class Files(NamedTuple):
    """Some files of one folder."""

    top: str  # from which no link is followed
    folder: str  # below it, or ""
    shown: str  # how messages name the folder; ends in "/", or is ""
    names: tuple[str, ...]


def search_files(paths: Sequence[Path], search: Search, contracts: Path) -> SearchResult:
    """Search files, and everything below folders.

    Raises:
        UsageError: code `no-such-file`.
        OutsideFailure: git, or a process of the search, failed.
    """
    found = SearchResult()
    batches = _batches(_Walk(found, contracts).files(paths))
    first = list(islice(batches, _FEW))
    processes = min(_processors(), _MOST_PROCESSES) if len(first) == _FEW else 1
    if processes == 1:
        for batch in chain(first, batches):
            found.add(_search_batch(search, batch))
    else:
        _in_processes(processes, chain(first, batches), search, found.add)
    found.hits.sort()
    found.unread.sort()
    return found


def _batches(files: Iterable[Files]) -> Iterator[list[Files]]:
    batch: list[Files] = []
    count = 0
    for some in files:
        for start in range(0, len(some.names), _BATCH):
            batch.append(some._replace(names=some.names[start : start + _BATCH]))
            count += len(batch[-1].names)
            if count >= _BATCH:
                yield batch
                batch, count = [], 0
    if batch:
        yield batch


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_inherited: list[Search] = []  # of a process of the search


def _begin(search: Search) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process ends the others
    _inherited.append(search)


def _search_inherited(batch: list[Files]) -> SearchResult:
    return _search_batch(_inherited[0], batch)


def _in_processes(
    processes: int, batches: Iterator[list[Files]], search: Search, add: Callable[[SearchResult], None]
) -> None:
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("fork"), _begin, (search,))
    waiting: set[Future[SearchResult]] = set()
    try:
        for batch in batches:
            waiting.add(pool.submit(_search_inherited, batch))
            if len(waiting) >= processes * _AHEAD:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    add(future.result())
        for future in waiting:
            add(future.result())
    except BrokenProcessPool:
        raise OutsideFailure("cannot search: a process of it was ended", code="search-ended") from None
    finally:
        pool.shutdown(cancel_futures=True)


class _Walk:
    """The way through the given paths."""

    def __init__(self, found: SearchResult, contracts: Path) -> None:
        self._found = found
        self._here = os.getcwd()  # noqa: PTH109 - a text, as all paths here
        self._contracts = {f"{contracts}/{name}" for name in ROOTS}
        self._ignores: dict[str, Ignores] = {}

    def files(self, paths: Sequence[Path]) -> Iterator[Files]:
        """The files to search, folder by folder."""
        seen: set[str] = set()
        for path in sorted({_absolute(path) for path in paths}):
            above = {path, *map(str, Path(path).parents)}
            if above & seen:
                continue
            seen.add(path)
            folder, _, name = path.rpartition("/")
            try:
                mode = os.lstat(path).st_mode
            except OSError as error:
                hint = "name files and folders that exist"
                raise UsageError(f"cannot read {path}: {error.strerror}", code="no-such-file", hint=hint) from None
            if above & self._contracts:
                self._found.skipped["contracts"] += 1
            elif stat.S_ISDIR(mode):
                yield from self._below(path.rstrip("/"))
            elif self._is_wanted(mode, path, self._top(folder or "/")):
                yield Files(folder or "/", "", self._shown(folder), (name,))

    def _below(self, start: str) -> Iterator[Files]:
        """The files below a folder."""
        top = self._top(start or "/")
        ignored = _ignored_by_git(start or "/")
        pending = [""]
        while pending:
            folder = pending.pop()
            place = f"{start}/{folder}" if folder else start
            try:
                with os.scandir(place or "/") as listed:
                    entries = list(listed)
            except OSError as error:
                self._not_read(f"{self._shown(start)}{folder}", error)
                continue
            if folder and any(entry.name == ".git" for entry in entries):
                ignored = ignored | _ignored_by_git(place)
            names: list[str] = []
            for entry in entries:
                path = f"{place}/{entry.name}"
                if entry.name == ".git" or path in ignored:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if not self._is_left_out(f"{path}/", top):
                        pending.append(f"{folder}/{entry.name}" if folder else entry.name)
                elif self._is_wanted(_mode(entry), path, top):
                    names.append(entry.name)
            if names:
                yield Files(start or "/", folder, self._shown(place), tuple(names))

    def _is_wanted(self, mode: int, path: str, top: str) -> bool:
        """Whether to search this file; counts it if not."""
        if stat.S_ISLNK(mode) or not stat.S_ISREG(mode):
            self._found.skipped["link" if stat.S_ISLNK(mode) else "special"] += 1
            return False
        return not self._is_left_out(path, top)

    def _is_left_out(self, path: str, top: str) -> bool:
        if path[-1] == "/" and path[:-1] in self._contracts:
            self._found.skipped["contracts"] += 1
            return True
        covered = self._ignores[top].covers(path[len(top) :].removeprefix("/"))
        self._found.skipped["ignored"] += covered
        return covered

    def _top(self, folder: str) -> str:
        """The top of a folder's repository, or the folder; reads its `.hyops-scan-ignore`."""
        top = _repository(folder) or folder
        if top not in self._ignores:
            file = f"{top}/{IGNORE_FILE}".replace("//", "/")
            content = b""
            if os.path.lexists(file):
                source = read_source(Path(file), file)
                if source.content is None:
                    raise OutsideFailure(f"cannot read {file}: it {source.problem}", code="cannot-read")
                content = source.content
            self._ignores[top], hits = read_ignores(content, f"{self._shown(top)}{IGNORE_FILE}")
            self._found.add(SearchResult(hits=list(hits), count=len(hits)))
        return top

    def _shown(self, folder: str) -> str:
        """How messages name a folder: from here, where it is below."""
        if folder == self._here:
            return ""
        return f"{folder.removeprefix(f'{self._here}/')}/".replace("//", "/")

    def _not_read(self, shown: str, error: OSError) -> None:
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            self._found.skipped["vanished"] += 1
        else:
            self._found.unread.append(f"{shown}: {error.strerror}")


def _absolute(path: Path) -> str:
    """The path, with only its parents resolved."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - as above
    return str(absolute.parent.resolve() / absolute.name) if absolute.name else str(absolute)


def _mode(entry: os.DirEntry[str]) -> int:
    if entry.is_file(follow_symlinks=False):
        return stat.S_IFREG
    return stat.S_IFLNK if entry.is_symlink() else stat.S_IFIFO


@cache
def _repository(folder: str) -> str | None:
    """The top of the git work tree around a folder, if any."""
    return next((str(place) for place in (Path(folder), *Path(folder).parents) if (place / ".git").exists()), None)


def _ignored_by_git(folder: str) -> frozenset[str]:
    """The files and folders below one that its `.gitignore` files leave out."""
    asked = ("ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory")
    try:
        listed = Git(Path(folder)).output(*asked)
    except UsageError:  # in no repository, or one that is none
        with scratch_folder() as scratch:
            Git(scratch).output("init", "-q", "--bare", "--template=", ".")
            places = {"GIT_DIR": str(scratch), "GIT_WORK_TREE": folder}
            listed = Git(Path(folder), added=places).output("-c", "core.bare=false", *asked)
    names = (os.fsdecode(name).removesuffix("/") for name in listed.split(b"\0") if name not in (b"", b"./"))
    return frozenset(f"{folder}/{name}" for name in names)


# --- reading


def _search_batch(search: Search, batch: Iterable[Files]) -> SearchResult:
    found = SearchResult()
    for files in batch:
        try:
            folder = _open_folder(files.top, files.folder)
        except OSError as error:
            _count_unread(found, files.shown, error, len(files.names))
            continue
        try:
            for name in files.names:
                _search_file(search, folder, name, files.shown + name, found)
        finally:
            os.close(folder)
    return found


def _open_folder(top: str, folder: str) -> int:
    """Open a folder, step by step from the top."""
    opened = os.open(top, _FOLDER)
    for part in folder.split("/") if folder else ():
        above = opened
        try:
            opened = os.open(part, _FOLDER, dir_fd=above)
        finally:
            os.close(above)
    return opened


def _search_file(search: Search, folder: int, name: str, shown: str, found: SearchResult) -> None:
    try:
        descriptor = os.open(name, _FILE, dir_fd=folder)
    except OSError as error:
        _count_unread(found, shown, error)
        return
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            found.skipped["special"] += 1
        else:
            _search_content(search, descriptor, status.st_size, shown, found)
    except OSError as error:
        _count_unread(found, shown, error)
    finally:
        os.close(descriptor)


def _search_content(search: Search, descriptor: int, left: int, shown: str, found: SearchResult) -> None:
    piece = os.read(descriptor, min(left, _PIECE)) if left else b""
    decoder = None
    if piece[:2] in _UTF_16 and piece[:4] != _UTF_32:
        decoder = codecs.getincrementaldecoder("utf-16")("replace")
    elif b"\0" in piece[:_LOOKED_AT]:
        found.skipped["binary"] += 1
        return
    found.files += 1
    file = FileSearch(search, shown)
    while True:
        left -= len(piece)
        last = left <= 0 or not piece
        file.feed(decoder.decode(piece, last).encode() if decoder else piece, last=last)
        if last:
            break
        piece = os.read(descriptor, min(left, _PIECE))
    found.hits += file.hits
    found.count += file.count
    found.allowed += file.allowed


def _count_unread(found: SearchResult, shown: str, error: OSError, files: int = 1) -> None:
    reasons = {errno.ENOENT: "vanished", errno.ENOTDIR: "vanished", errno.ELOOP: "link", errno.ENXIO: "special"}
    if error.errno in reasons:
        found.skipped[reasons[error.errno]] += files
    else:
        found.unread.append(f"{shown}: {error.strerror}")
