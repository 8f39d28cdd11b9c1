"""Runs ssh-keygen so that it can ask nobody anything."""

import os
from collections.abc import Mapping
from pathlib import Path

from hyops_gitops.adapters.host.programs import Done, Program, words
from hyops_gitops.core.errors import OutsideFailure, UsageError

_SSH_KEYGEN = Program(
    "ssh-keygen",
    code="no-ssh-keygen",
    hint="install the package openssh-client",
    slow_hint="is an agent or a hardware key waiting to be touched or unlocked?",
    timeout_s=60,  # long enough to touch a hardware key
)
_KEPT_VARIABLES = ("HOME", "PATH", "SSH_AUTH_SOCK", "SSH_SK_PROVIDER", "SSH_SK_HELPER", "TMPDIR")
# How a user without a passwd entry is given one (nss_wrapper), and a program its libraries.
_KEPT_PREFIXES = ("NSS_WRAPPER_", "LD_")


def run_ssh_keygen(*arguments: str, stdin: bytes = b"", environ: Mapping[str, str] = os.environ) -> Done:
    """One finished call. ssh-keygen ends with 255 both for "no" and for what hinders it: its words tell which.

    Raises:
        OutsideFailure: code `no-ssh-keygen`: it could not run, or took too long.
    """
    kept = {
        name: value for name, value in environ.items() if name in _KEPT_VARIABLES or name.startswith(_KEPT_PREFIXES)
    }
    return _SSH_KEYGEN.run(
        *arguments,
        stdin=stdin,
        env={**kept, "LC_ALL": "C", "TZ": "UTC", "SSH_ASKPASS_REQUIRE": "never"},
        detached=True,  # without a controlling terminal there is nothing to prompt on
    )


def cannot_run(done: Done) -> OutsideFailure:
    """The failure to raise where ssh-keygen ended without one of its verdicts."""
    said = "; ".join(filter(None, (words(done.stdout), words(done.stderr))))
    return _SSH_KEYGEN.no_verdict(said or f"exit status {done.returncode}")


def generate_key(path: Path, comment: str, environ: Mapping[str, str] = os.environ) -> None:
    """Make an ed25519 key without passphrase: the private half at `path`, for its owner alone, the public at `.pub`.

    Raises:
        UsageError: code `key-exists`: one of the two is there.
        OutsideFailure: codes `no-ssh-keygen`, `cannot-write`.
    """
    for existing in (path, path.with_name(f"{path.name}.pub")):
        if os.path.lexists(existing):
            raise UsageError(
                f"{existing} is there already", code="key-exists", hint=f"to use that key: --signing-key {path}"
            )
    made = run_ssh_keygen("-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", os.fspath(path), environ=environ)
    if made.returncode != 0:
        raise OutsideFailure(f"ssh-keygen cannot write {path}: {words(made.stderr)}", code="cannot-write")
    path.chmod(0o600)
