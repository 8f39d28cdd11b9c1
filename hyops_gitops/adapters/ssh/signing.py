"""Signs evidence with `ssh-keygen -Y sign`, so that the private key stays with OpenSSH or its agent.

Meets the port `Signer`. Never prompts: an applier has nobody to ask.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from hyops_gitops.adapters.files.files import at_home
from hyops_gitops.adapters.ssh.ssh_keygen import run_ssh_keygen
from hyops_gitops.core.errors import InvalidData, Refused
from hyops_gitops.core.signatures.signers import parse_allowed_signers
from hyops_gitops.core.signatures.sshsig import parse_signature

KEY_VARIABLE = "HYOPS_SIGNING_KEY_FILE"
_MAKE_A_KEY = (
    f"make a key with `ssh-keygen -t ed25519 -f KEYFILE -N ''`, set {KEY_VARIABLE}=KEYFILE, and add "
    "`PRINCIPAL` and the first two words of KEYFILE.pub as a line to authority/allowed_signers"
)
_PUBLIC_KEY_LIMIT = 64 * 1024  # octets


class SshKeygenSigner:
    """One signing key: a private key file, or a `.pub` file whose private half the agent holds.

    Args:
        path: The key file.
        environ: Where `PATH` and `SSH_AUTH_SOCK` come from.
    """

    def __init__(self, path: Path, environ: Mapping[str, str] = os.environ) -> None:
        self._path = path
        self._environ = environ
        self._key: str | None = None

    def public_key(self) -> str:
        """`<type> <base64>`, as in allowed_signers, without comment.

        Derived from the private key where that is given: a `.pub` file beside it may be another key's.

        Raises:
            Refused: guard `signing-key`: no key, unreadable, or locked.
            OutsideFailure: code `no-ssh-keygen`.
        """
        if self._key is None:
            self._key = self._read_public_file() if self._path.suffix == ".pub" else self._derive_public_key()
        return self._key

    def sign(self, message: bytes, namespace: str) -> bytes:
        """The armoured SSH signature, exactly as `ssh-keygen -Y sign` writes it.

        Raises:
            Refused: guard `signing-key`.
            OutsideFailure: code `no-ssh-keygen`.
        """
        key = self.public_key()
        made = run_ssh_keygen(
            "-Y", "sign", "-n", namespace, "-f", os.fspath(self._path), stdin=message, environ=self._environ
        )
        if made.returncode != 0:
            raise self._refused(
                "ssh-keygen could not sign with it",
                "is the agent running, and does `ssh-add -L` list this key?" if self._path.suffix == ".pub" else "",
            )
        try:
            signature = parse_signature(made.stdout)
        except InvalidData as error:
            raise self._refused(f"ssh-keygen wrote something unexpected: {error.message}", "") from None
        if (signature.key, signature.namespace) != (key, namespace):
            raise self._refused("ssh-keygen signed with another key", "is the .pub file beside it the right one?")
        return made.stdout

    def _derive_public_key(self) -> str:
        self._check_file()
        # The empty passphrase fits an unlocked key, and lets a locked one fail instead of asking.
        derived = run_ssh_keygen("-y", "-P", "", "-f", os.fspath(self._path), environ=self._environ)
        words = derived.stdout.decode("utf-8", "replace").split()
        if derived.returncode == 0 and len(words) > 1:
            return f"{words[0]} {words[1]}"
        complaint = derived.stderr.decode("utf-8", "replace")
        if "UNPROTECTED" in complaint:
            raise self._refused("others may read it", f"chmod 600 {self._path}")
        if "incorrect passphrase" in complaint:
            raise self._refused(
                "it is locked with a passphrase, and nobody is here to give it",
                f"load it with `ssh-add` and point {KEY_VARIABLE} at its .pub file",
            )
        raise self._refused("it is not a private key", "a public key's file name ends in .pub; " + _MAKE_A_KEY)

    def _read_public_file(self) -> str:
        self._check_file()
        with self._path.open("rb") as file:
            words = file.read(_PUBLIC_KEY_LIMIT).split()
        # Read by the same rules as a line of allowed_signers, under a principal that does not matter.
        lines, findings = parse_allowed_signers(b" ".join([b"key", *words[:2]]) + b"\n", self._path.name)
        if findings or len(lines) != 1:
            raise self._refused("it is not a public key", _MAKE_A_KEY)
        return lines[0].key

    def _check_file(self) -> None:
        try:
            if self._path.is_dir():
                raise self._refused("it is a directory", f"point {KEY_VARIABLE} at the key file")
            if not self._path.is_file():
                raise self._refused("there is no such file", _MAKE_A_KEY)
            with self._path.open("rb"):
                pass
        except OSError as error:
            raise self._refused(f"it cannot be read: {error.strerror}", "check its owner and mode") from None

    def _refused(self, reason: str, hint: str) -> Refused:
        return Refused(f"the signing key {str(self._path)!r} cannot be used: {reason}", guard="signing-key", hint=hint)


def signer_from_environment(environ: Mapping[str, str]) -> SshKeygenSigner:
    """The signer that `HYOPS_SIGNING_KEY_FILE` names.

    Raises:
        Refused: guard `signing-key`: the variable is not set.
    """
    path = environ.get(KEY_VARIABLE, "")
    if not path:
        raise Refused(
            f"no signing key: {KEY_VARIABLE} is not set; evidence must be signed", guard="signing-key", hint=_MAKE_A_KEY
        )
    return SshKeygenSigner(at_home(Path(path)), environ)
