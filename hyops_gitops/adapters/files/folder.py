"""A folder that is there whole, or not at all."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hyops_gitops.core.errors import OutsideFailure, UsageError


def write_folder(directory: Path, files: Mapping[str, bytes], executable: frozenset[str] = frozenset()) -> None:
    """Write these files beside the place, then rename the folder into it.

    Raises:
        UsageError: code `not-empty`: there is something at that place.
        OutsideFailure: code `cannot-write`.
    """
    try:
        if directory.is_symlink() or (directory.exists() and (not directory.is_dir() or any(directory.iterdir()))):
            hint = "name a directory that is not there yet"
            raise UsageError(f"{directory} exists and is not an empty directory", code="not-empty", hint=hint)
        directory.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}."))
        try:
            for name, content in files.items():
                (beside / name).write_bytes(content)
                (beside / name).chmod(0o755 if name in executable else 0o644)
            beside.chmod(0o755)
            beside.replace(directory)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
    except OSError as error:
        raise OutsideFailure(f"cannot write {directory}: {error.strerror}", code="cannot-write") from None
