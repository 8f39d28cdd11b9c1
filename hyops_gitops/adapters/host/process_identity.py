"""Telling this boot of this machine from every other, and whether a process of it is gone. Linux; elsewhere unknown."""

import os
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")


def boot_identity() -> str | None:
    """The boot, and the process namespace within it: a process id of another container means nothing here."""
    try:
        return f"{_BOOT_ID.read_text().strip()} {_NAMESPACE.readlink()}"
    except OSError:
        return None


def process_is_gone(pid: int) -> bool:
    """Whether there is no such process, or nothing but its exit status."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] == "Z"
