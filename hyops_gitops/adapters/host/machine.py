"""The programs of this machine."""

import platform
import re
import sys

from hyops_gitops import __version__
from hyops_gitops.adapters.host.programs import Program, words
from hyops_gitops.core.errors import OutsideFailure

_SUPPORTED = ((3, 11), (3, 14))  # first and last
# How a program is asked for its version, how it tells, and the oldest that will do. ssh comes with ssh-keygen, which
# prints no version of its own; 8.2 is the first whose ssh-keygen signs and verifies with every type of key.
_ASKED = {
    "git": (("git", "--version"), r"git version ([0-9]+)\.([0-9]+)", (2, 34), "git"),
    "ssh-keygen": (("ssh", "-V"), r"OpenSSH_(?:for_Windows_)?([0-9]+)\.([0-9]+)", (8, 2), "openssh-client"),
}
# The octets 0 to 31 as a public key, and its fingerprint.
_TRIAL_KEY = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"
_TRIAL_FINGERPRINT = b"SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA"


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
        OutsideFailure: code `no-program`: it is not there, cannot run, says something else, or is too old.
    """
    (program, option), pattern, oldest, package = _ASKED[name]
    asked = Program(program, code="no-program", hint=f"install {package}")
    done = asked.run(option)
    said = words(done.stdout or done.stderr)
    found = re.match(pattern, said)
    if done.returncode != 0 or found is None:
        raise OutsideFailure(
            f"cannot run {program}: it does not tell its version: {said or 'no output'}",
            code="no-program",
            hint=f"`{program} {option}` shows what is wrong with it",
        )
    if (int(found[1]), int(found[2])) < oldest:
        wanted = ".".join(map(str, oldest))
        raise OutsideFailure(f"{said} is too old", code="no-program", hint=f"install {package} {wanted} or newer")
    if name == "ssh-keygen":
        _try(Program(name, code="no-program", hint=f"install {package}"))
    return said


def _try(ssh_keygen: Program) -> None:
    """Whether it does what it is needed for, on a key whose fingerprint is known."""
    done = ssh_keygen.run("-l", "-f", "-", stdin=_TRIAL_KEY)
    if done.returncode != 0 or _TRIAL_FINGERPRINT not in done.stdout.split():
        raise ssh_keygen.no_verdict(words(done.stderr or done.stdout) or "it does not know a key's fingerprint")
