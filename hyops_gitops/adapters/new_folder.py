"""Writing a folder: whole or not at all."""

import errno
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from hyops_gitops.core.errors import OutsideFailure, UsageError

Replaceable = Callable[[Path], bool]  # whether a folder that is there may go


def write_folder(
    directory: Path,
    files: Iterable[tuple[str, bytes]],
    executable: frozenset[str] = frozenset(),
    may_replace: Replaceable = lambda _: False,
) -> None:
    """Write these files beside the place, then rename the folder into it.

    Args:
        directory: The place.
        files: Names and contents, each written before the next one is made.
        executable: Which of them are programs.
        may_replace: Whether what is at that place, and not empty, may be replaced.

    Raises:
        UsageError: code `not-empty`: there is something at that place.
        OutsideFailure: code `cannot-write`.
    """
    try:
        _require_room(directory, may_replace)
        directory.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}."))
        try:
            for name, content in files:
                (beside / name).write_bytes(content)
                (beside / name).chmod(0o755 if name in executable else 0o644)
            beside.chmod(0o755)
            _require_room(directory, may_replace)  # what came there meanwhile stays
            _put_in_place(beside, directory)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
    except OSError as error:
        raise OutsideFailure(f"cannot write {directory}: {error.strerror}", code="cannot-write") from None


def _require_room(directory: Path, may_replace: Replaceable) -> None:
    plain = directory.is_dir() and not directory.is_symlink()
    if (directory.is_symlink() or directory.exists()) and not (
        plain and (not any(directory.iterdir()) or may_replace(directory))
    ):
        hint = "name a directory that is not there yet"
        raise UsageError(f"{directory} exists and is not an empty directory", code="not-empty", hint=hint)


def _put_in_place(beside: Path, directory: Path) -> None:
    """Rename a finished folder into its place; the one before goes last."""
    try:
        beside.replace(directory)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        old = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}.old."))
        directory.replace(old)
        try:
            beside.replace(directory)
        except BaseException:
            old.replace(directory)
            raise
        shutil.rmtree(old, ignore_errors=True)
