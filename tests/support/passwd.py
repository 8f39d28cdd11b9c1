"""A user without a passwd entry, as `docker run --user 54321` and OpenShift make one: no name, no home."""

import os
from pathlib import Path

UID = 54321
NO_USER = f"No user exists for uid {UID}"


def without_passwd_entry(passwd: Path | None = None) -> tuple[str, ...]:
    """Starts a program as that user, who owns what we own; with another /etc/passwd where one is given."""
    become = ("unshare", f"--map-user={UID}", f"--map-group={UID}", "env", "-u", "HOME", "-u", "USER", "-u", "LOGNAME")
    if passwd is None:
        return become
    mounts = ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "-r", "--mount")
    return (*mounts, "sh", "-c", f'mount --bind {passwd} /etc/passwd && exec "$@"', "sh", *become)
