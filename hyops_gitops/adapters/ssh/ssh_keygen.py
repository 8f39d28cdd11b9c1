"""Runs ssh-keygen so that it can ask nobody anything."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from hyops_gitops.adapters.host.programs import not_run
from hyops_gitops.core.errors import OutsideFailure, UsageError

_TIMEOUT_S = 60.0  # long enough to touch a hardware key
_KEPT_VARIABLES = ("HOME", "PATH", "SSH_AUTH_SOCK", "SSH_SK_PROVIDER", "SSH_SK_HELPER", "TMPDIR")


def run_ssh_keygen(
    *arguments: str, stdin: bytes = b"", environ: Mapping[str, str] = os.environ
) -> subprocess.CompletedProcess[bytes]:
    """One finished call, whatever its exit status.

    Raises:
        OutsideFailure: codes `no-ssh-keygen`, `ssh-keygen-timeout`.
    """
    environment = {name: environ[name] for name in _KEPT_VARIABLES if name in environ}
    environment |= {"LC_ALL": "C", "TZ": "UTC", "SSH_ASKPASS_REQUIRE": "never"}
    try:
        return subprocess.run(
            ["ssh-keygen", *arguments],
            input=stdin,
            capture_output=True,
            env=environment,
            timeout=_TIMEOUT_S,
            check=False,
            start_new_session=True,  # without a controlling terminal there is nothing to prompt on
        )
    except OSError as error:
        raise not_run("ssh-keygen", error, code="no-ssh-keygen", hint="install the package openssh-client") from None
    except subprocess.TimeoutExpired:
        raise OutsideFailure(
            f"ssh-keygen took longer than {_TIMEOUT_S:.0f} s and was ended",
            code="ssh-keygen-timeout",
            hint="is an agent or a hardware key waiting for somebody?",
        ) from None


def generate_key(path: Path, comment: str, environ: Mapping[str, str] = os.environ) -> None:
    """Make an ed25519 key without passphrase: the private half at `path`, for its owner alone, the public at `.pub`.

    Raises:
        UsageError: code `key-exists`: one of the two is there.
        OutsideFailure: codes `no-ssh-keygen`, `ssh-keygen-timeout`, `cannot-write`.
    """
    for existing in (path, path.with_name(f"{path.name}.pub")):
        if os.path.lexists(existing):
            raise UsageError(
                f"{existing} is there already", code="key-exists", hint=f"to use that key: --signing-key {path}"
            )
    made = run_ssh_keygen("-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", os.fspath(path), environ=environ)
    if made.returncode != 0:
        raise OutsideFailure(f"ssh-keygen cannot write {path}", code="cannot-write")
    path.chmod(0o600)
