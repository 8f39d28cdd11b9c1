"""Break-glass segments as folders on disk, each file whole or not there.

Meets `usecases.breakglass.segment_log.SegmentFolder`.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hyops_gitops.adapters.files.files import replace_file
from hyops_gitops.core.errors import OutsideFailure, Refused
from hyops_gitops.core.evidence.segment import SEGMENTS, is_segment_id

_LIMIT = 64 * 1024 * 1024  # octets; a zone of 100,000 records has a tenth of it


class DiskSegments:
    """The segments under one directory's `segments/`."""

    def __init__(self, root: Path) -> None:
        self._folder = root / SEGMENTS.rstrip("/")

    def segments(self) -> list[str]:
        """The name of each segment's folder, sorted."""
        try:
            return sorted(one.name for one in self._folder.iterdir() if is_segment_id(one.name))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise OutsideFailure(f"cannot read {self._folder}: {error.strerror}", code="cannot-read") from None

    def read(self, segment: str) -> Mapping[str, bytes]:
        """Every file of a segment, by name.

        Raises:
            OutsideFailure: code `cannot-read`.
        """
        return read_folder(self._folder / segment)

    def append(self, segment: str, files: Mapping[str, bytes], last: str) -> None:
        """Put these files down, each whole and on disk before the next; `last`, which must be new, after the others.

        Raises:
            Refused: guard `race`: `last` exists.
            OutsideFailure: code `cannot-write`.
        """
        folder = self._folder / segment
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with _alone(self._folder):
                if (folder / last).exists():
                    raise _race(folder / last)
                for name in (*(name for name in files if name != last), last):
                    replace_file(folder / name, files[name])
                for directory in (folder, folder.parent, folder.parent.parent):
                    _to_disk(directory)
        except OSError as error:
            raise OutsideFailure(f"cannot write {folder}: {error.strerror}", code="cannot-write") from None


def read_folder(folder: Path) -> Mapping[str, bytes]:
    """Every ordinary file of a folder, by name; what we write beside before renaming is left out.

    Raises:
        OutsideFailure: code `cannot-read`.
    """
    try:
        files = sorted(one for one in folder.iterdir() if not one.name.startswith("."))
        for one in files:
            if one.is_symlink() or not one.is_file() or one.stat().st_size > _LIMIT:
                raise OutsideFailure(f"{one} is not an ordinary file", code="cannot-read")
        return {one.name: one.read_bytes() for one in files}
    except OSError as error:
        raise OutsideFailure(f"cannot read {folder}: {error.strerror}", code="cannot-read") from None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time: two of them must never mix the files of one number."""
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _to_disk(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _race(path: Path) -> Refused:
    return Refused(
        f"{path.name} exists: another breakglass command is at work in this folder", guard="race", hint="run again"
    )
