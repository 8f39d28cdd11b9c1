"""Writing files: whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hyops_gitops.core.errors import OutsideFailure


def replace_file(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write beside and rename, keeping the mode of a file that exists; a private one only its owner can read.

    Raises:
        OutsideFailure: code `cannot-write`.
    """
    try:
        mode = 0o600 if private else path.stat().st_mode & 0o777 if path.exists() else 0o644
        descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(beside).chmod(mode)
            Path(beside).replace(path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutsideFailure(f"cannot write {path}: {error.strerror}", code="cannot-write") from None


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that is there for a moment.

    Raises:
        OutsideFailure: code `cannot-write`: no room, or no right, to put files down.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="hyops-") as scratch:
            yield Path(scratch)
    except OSError as error:
        raise OutsideFailure(
            f"cannot write temporary files: {error.strerror}", code="cannot-write", hint="TMPDIR names another folder"
        ) from None


def at_home(path: Path) -> Path:
    """The path with its `~` filled in; as it is, which leads nowhere, where there is no such user."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path
