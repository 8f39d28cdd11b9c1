"""The programs of this machine."""

import platform
import shutil
import subprocess
import sys

from hyops_gitops import __version__
from hyops_gitops.core.errors import OutsideFailure

_SUPPORTED = ((3, 11), (3, 14))  # first and last
_TELLS_ITS_VERSION = {"git": ("git", "--version"), "ssh-keygen": ("ssh", "-V")}
_PACKAGES = {"git": "git", "ssh-keygen": "openssh-client"}


def python_version() -> str:
    """This Python and this program.

    Raises:
        OutsideFailure: code `python`: it is none that this program was tried with.
    """
    running = sys.version_info[:2]
    seen = f"Python {platform.python_version()}, hyops-gitops {__version__}"
    if not _SUPPORTED[0] <= running <= _SUPPORTED[1]:
        raise OutsideFailure(seen, code="python", hint="use Python 3.11 to 3.14")
    return seen


def program_version(name: str) -> str:
    """A program's version, in its own words.

    Raises:
        OutsideFailure: code `no-program`.
    """
    if shutil.which(name) is None:
        raise OutsideFailure(f"{name} is not installed", code="no-program", hint=f"install {_PACKAGES[name]}")
    done = subprocess.run(_TELLS_ITS_VERSION[name], capture_output=True, check=False, stdin=subprocess.DEVNULL)
    return (done.stdout or done.stderr).decode("utf-8", "replace").strip().partition("\n")[0]
