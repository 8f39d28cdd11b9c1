"""Objects of a repository, read through one long-lived `git cat-file --batch`.

A process of git costs as much as reading a thousand objects, and an apply looks up dozens. References are looked up
when they are asked for, never remembered; so are objects that were written since.
"""

import atexit
import contextlib
import fcntl
import os
import select
import signal
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import IO

from hyops_gitops.adapters.git.partial import fetch_missing
from hyops_gitops.adapters.git.process import LOCAL_TIMEOUT_S, Git, GitResult, printable
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import HyopsError, OutsideFailure

_AT_ONCE = 64  # questions under way: their lines fit into a pipe
_MOST = 4  # processes kept; a command needs one, and another for objects in a scratch folder
_PIECE = 1 << 20
_NEAR = 8  # first parents to look at before git is asked
_NO = (b" missing", b" ambiguous", b" submodule")


@dataclass(frozen=True, slots=True)
class GitObject:
    id: str
    kind: str  # blob, tree, commit, tag
    content: bytes | None  # None: longer than asked for


def look_up(git: Git, name: str) -> GitObject | None:
    """The object that a revision names; None: there is none, or several.

    Raises:
        UsageError: code `no-repository`.
        OutsideFailure: codes `no-git`, `git-timeout`, `git-failed`, `foreign-owner`.
    """
    return _ask(git, [name])[0] if "\n" not in name else None  # a line is a question


def resolve(git: Git, revision: str) -> str | None:
    """The full id of the commit that a revision names."""
    found = look_up(git, f"{revision}^{{commit}}")
    return found.id if found else None


def descends(git: Git, commit: str, ancestor: str) -> bool:
    """Whether a full id equals or descends from another, if known."""
    at: str | None = commit
    for _ in range(_NEAR):
        found = look_up(git, at) if at else None
        if found is None or found.kind != "commit":
            break
        if at == ancestor:
            return True
        at = _first_parent(found)
    return git.ask("merge-base", "--is-ancestor", ancestor, commit).ok


def _first_parent(commit: GitObject) -> str | None:
    headers = (commit.content or b"").split(b"\n\n", 1)[0].decode("utf-8", "replace")
    return next((line.partition(" ")[2] for line in headers.split("\n") if line.startswith("parent ")), None)


def read_blobs(git: Git, object_ids: Iterable[str], most: int | None = None) -> Mapping[str, bytes]:
    """The contents of these blobs, by id.

    Raises:
        OutsideFailure: code `git-failed`: an object is missing, as in a damaged clone; `too-large`: together they have
            more octets than `most`; as `fetch_missing` does.
    """
    contents = read_short_blobs(git, object_ids, None, most)
    return {object_id: content for object_id, content in contents.items() if content is not None}


def read_short_blobs(
    git: Git, object_ids: Iterable[str], limit: int | None, most: int | None = None
) -> Mapping[str, bytes | None]:
    """As `read_blobs`, with None for blobs of more octets than the limit."""
    wanted = frozenset(object_ids)
    fetch_missing(git, wanted)
    return read_objects(git, wanted, "blob", limit, most)


def read_objects(
    git: Git, object_ids: Iterable[str], kind: str, limit: int | None = None, most: int | None = None
) -> Mapping[str, bytes | None]:
    """The contents of objects by id; None: longer than the limit."""
    wanted = sorted(set(object_ids))
    contents: dict[str, bytes | None] = {}
    left = most
    for start in range(0, len(wanted), _AT_ONCE):
        asked = wanted[start : start + _AT_ONCE]
        for object_id, found in zip(asked, _ask(git, asked, limit, left), strict=True):
            if found is None or found.kind != kind:
                raise unreadable(object_id)
            contents[object_id] = found.content
            if left is not None:
                left -= len(found.content or b"")
                if found.content is None:
                    raise OutsideFailure(f"these files have more than {most} octets together", code="too-large")
    return contents


def unreadable(object_id: str) -> OutsideFailure:
    """The failure for an object that is not there."""
    return OutsideFailure(
        f"object {object_id} cannot be read: the clone is damaged or partial",
        code="git-failed",
        hint="run `git fsck`, or clone again",
    )


class _Reader:
    """One process and its pipes."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._process = git.start("cat-file", "--batch")
        self._read = b""
        self._words = b""  # on standard error, which has to be read or git would wait
        os.set_blocking(_descriptor(self._process.stderr), False)
        with contextlib.suppress(AttributeError, OSError):  # not on every system, and not for every user
            fcntl.fcntl(_descriptor(self._process.stdout), fcntl.F_SETPIPE_SZ, _PIECE)

    def ask(self, names: Sequence[str], limit: int | None, most: int | None) -> list[GitObject | None]:
        """The objects by these names, in their order."""
        lines = b"".join(name.encode("utf-8", "surrogateescape") + b"\n" for name in names)
        try:
            os.write(_descriptor(self._process.stdin), lines)
        except OSError:
            raise self._ended() from None
        deadline = time.monotonic() + LOCAL_TIMEOUT_S
        self._listen()
        answers: list[GitObject | None] = []
        for _ in names:
            left = [octets for octets in (limit, most) if octets is not None]
            answers.append(answer := self._answer(min(left, default=None), deadline))
            if most is not None and answer is not None:
                most -= len(answer.content or b"")
        return answers

    def end(self) -> None:
        """End the process, and wait for it."""
        with self._process:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)

    def _answer(self, limit: int | None, deadline: float) -> GitObject | None:
        while b"\n" not in self._read:
            self._read += self._more(deadline)
        header, _, self._read = self._read.partition(b"\n")
        if header.endswith(_NO):
            return None
        object_id, kind, octets = header.decode("ascii", "replace").split(" ")
        size = int(octets)
        is_kept = limit is None or size <= limit
        pieces, have = [self._read], len(self._read)
        while have <= size:  # the content, and a line end
            if not is_kept:
                pieces.clear()
            pieces.append(self._more(deadline))
            have += len(pieces[-1])
        last = pieces.pop()
        end = len(last) - (have - size)  # of the content
        self._read = last[end + 1 :]
        return GitObject(object_id, kind, b"".join((*pieces, last[:end])) if is_kept else None)

    def _more(self, deadline: float) -> bytes:
        output = _descriptor(self._process.stdout)
        if not select.select([output], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise OutsideFailure(
                f"git cat-file took longer than {LOCAL_TIMEOUT_S:.0f} s and was ended", code="git-timeout"
            )
        piece = os.read(output, _PIECE)
        if not piece:
            raise self._ended()
        return piece

    def _listen(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while words := os.read(_descriptor(self._process.stderr), _PIECE):
                self._words = (self._words + words)[-_PIECE:]

    def _ended(self) -> HyopsError:
        status = self._process.wait()
        self._listen()
        return self._git.failure("cat-file", GitResult(status, b"", printable(self._words)))


_readers: dict[tuple[object, ...], _Reader] = {}  # the least recently used first
_lock = threading.Lock()


def _ask(git: Git, names: Sequence[str], limit: int | None = None, most: int | None = None) -> list[GitObject | None]:
    with _lock:
        key = _key(git)
        reader = _readers.pop(key, None) or _Reader(git)
        try:
            answers = reader.ask(names, limit, most)
        except BaseException:
            reader.end()  # in the middle of an answer, it is of no more use
            raise
        _readers[key] = reader
        while len(_readers) > _MOST:
            _readers.pop(next(iter(_readers))).end()
        return answers


def _key(git: Git) -> tuple[object, ...]:
    """What tells processes apart: the folder and the environment."""
    try:
        place = git.root.stat()
    except OSError:
        return (str(git.root), git.surroundings)
    return (str(git.root), place.st_dev, place.st_ino, git.surroundings)


def _descriptor(pipe: IO[bytes] | None) -> int:
    if pipe is None:
        raise AssertionError("started with pipes")
    return pipe.fileno()


def _end_all() -> None:
    while _readers:
        _readers.popitem()[1].end()


atexit.register(_end_all)
os.register_at_fork(after_in_child=_readers.clear)  # the processes answer the parent alone
