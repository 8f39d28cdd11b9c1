"""Small file systems of the campaign's own, where this user may mount them; they lie in memory."""

import contextlib
import functools
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_TRIES = 200


@functools.cache
def can_mount() -> bool:
    """Whether this user can: root, but for root of most containers."""
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as folder:
        try:
            with mounted(Path(folder), "64k"):
                return True
        except subprocess.CalledProcessError:
            return False


@contextlib.contextmanager
def mounted(folder: Path, size: str) -> Iterator[None]:
    """One on a folder that is there, while it is used."""
    mount("-t", "tmpfs", "-o", f"size={size}", "hyops-campaign", str(folder))
    try:
        yield
    finally:  # lazily: something of it may still be open
        subprocess.run(["umount", "-l", folder], check=True)


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)


def shrink(folder: Path, free: int) -> None:
    """Leave it so many bytes beside what is written already."""
    for _ in range(_TRIES):
        now = os.statvfs(folder)
        used = (now.f_blocks - now.f_bfree) * now.f_frsize
        with contextlib.suppress(subprocess.CalledProcessError):  # more was written meanwhile
            resize(folder, str(used + free))
            return
        time.sleep(0.005)


def resize(folder: Path, size: str) -> None:
    mount("-o", f"remount,size={size}", str(folder))
