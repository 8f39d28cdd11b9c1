"""Writing files: whole or not at all."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from hyops_gitops.core.errors import OutsideFailure


def replace_file(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write beside and rename, keeping the mode of a file that exists; a private one only its owner can read.

    Raises:
        OutsideFailure: code `cannot-write`.
    """
    replace_files({path: content}, private=private)


def replace_files(files: Mapping[Path, bytes], *, private: bool = False) -> None:
    """As `replace_file`, each: the first is renamed when the last is on disk, so that a full disk changes none.

    Raises:
        OutsideFailure: code `cannot-write`.
    """
    made: dict[Path, Path] = {}
    path = Path()
    try:
        for path, content in files.items():
            made[path] = _written_beside(path, content, private=private)
        for path, beside in made.items():
            beside.replace(path)
    except OSError as error:
        raise OutsideFailure(f"cannot write {path}: {error.strerror}", code="cannot-write") from None
    finally:
        for beside in made.values():
            _remove(beside)


def _written_beside(path: Path, content: bytes, *, private: bool) -> Path:
    mode = 0o600 if private else path.stat().st_mode & 0o777 if path.exists() else 0o644
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
    except BaseException:
        _remove(Path(name))
        raise
    return Path(name)


def _remove(file: Path) -> None:
    with suppress(OSError):
        file.unlink()


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
