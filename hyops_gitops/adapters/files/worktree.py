"""The work tree as a `SourceTree`: what is on disk below `endpoints/` and `authority/`, links not followed."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.rules.tree import MAX_FILE_BYTES, ROOTS

_KINDS = {
    stat.S_IFLNK: "is a symbolic link",
    stat.S_IFIFO: "is a FIFO",
    stat.S_IFSOCK: "is a socket",
    stat.S_IFCHR: "is a device",
    stat.S_IFBLK: "is a device",
}


class WorkTree:
    """The files of a directory as they are now, committed or not."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def files(self) -> list[SourceFile]:
        """Every file below `endpoints/` and `authority/`, sorted by path."""
        found = (source for name in ROOTS for source in _walk(self._root / name, name))
        return sorted(found, key=lambda source: source.path)


def read_source(file: Path, shown: str) -> SourceFile:
    """One file under the path it is to be shown by; only an ordinary file is ever opened."""
    try:
        mode = file.lstat().st_mode
        if not stat.S_ISREG(mode):
            return SourceFile(shown, None, _KINDS.get(stat.S_IFMT(mode), "is not an ordinary file"))
        with file.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        return SourceFile(shown, None, f"cannot be read: {error.strerror or error}")
    if len(content) > MAX_FILE_BYTES:
        return SourceFile(shown, None, f"is larger than {MAX_FILE_BYTES // 1024} KiB")
    return SourceFile(shown, content)


def _walk(top: Path, shown: str) -> Iterator[SourceFile]:
    pending = [(top, shown)]
    while pending:
        directory, prefix = pending.pop()
        try:
            if not stat.S_ISDIR(directory.lstat().st_mode):
                yield read_source(directory, prefix)
                continue
            names = os.listdir(directory)  # noqa: PTH208 - bare names, which Path.iterdir would only wrap
        except FileNotFoundError:
            continue
        except OSError as error:
            yield SourceFile(prefix, None, f"cannot be read: {error.strerror or error}")
            continue
        pending += [(directory / name, f"{prefix}/{_printable(name)}") for name in names]


def _printable(name: str) -> str:
    r"""The name with bytes that are not UTF-8 written as \xNN, so that it can leave the process."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
