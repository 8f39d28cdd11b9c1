"""Signs evidence with `ssh-keygen -Y sign`, so that the private key stays with OpenSSH or its agent.

Meets the port `Signer`. Never prompts: an applier has nobody to ask.
"""

import os
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

from hyops_gitops.adapters.files.files import at_home
from hyops_gitops.adapters.host.programs import words
from hyops_gitops.adapters.ssh.key_file import KeyFile
from hyops_gitops.adapters.ssh.ssh_keygen import run_ssh_keygen
from hyops_gitops.core.errors import InvalidData, Refused
from hyops_gitops.core.signatures.private_keys import LIMIT
from hyops_gitops.core.signatures.signers import parse_allowed_signers
from hyops_gitops.core.signatures.sshsig import parse_signature

KEY_VARIABLE = "HYOPS_SIGNING_KEY_FILE"
_MAKE_A_KEY = (
    f"make a key with `ssh-keygen -t ed25519 -f KEYFILE -N ''`, set {KEY_VARIABLE}=KEYFILE, and add "
    "`PRINCIPAL` and the first two words of KEYFILE.pub as a line to authority/allowed_signers"
)


class SshKeygenSigner:
    """One signing key: a private key file, or a `.pub` file whose private half the agent holds.

    Args:
        path: The key file.
        environ: Where `PATH` and `SSH_AUTH_SOCK` come from.
    """

    def __init__(self, path: Path, environ: Mapping[str, str] = os.environ) -> None:
        self._path = path
        self._environ = environ
        self._file = KeyFile(path, KEY_VARIABLE, environ, _refused)
        self._key: str | None = None

    def public_key(self) -> str:
        """`<type> <base64>`, as in allowed_signers, without comment.

        Derived from the private key where that is given: a `.pub` file beside it may be another key's.

        Raises:
            Refused: guard `signing-key`: no key, unreadable, spoiled, or locked.
            OutsideFailure: code `no-ssh-keygen`.
        """
        if self._key is None:
            self._key = self._read_public_file() if self._is_public else self._derive_public_key()
        return self._key

    def sign(self, message: bytes, namespace: str) -> bytes:
        """The armoured SSH signature, exactly as `ssh-keygen -Y sign` writes it.

        Raises:
            Refused: guard `signing-key`.
            OutsideFailure: code `no-ssh-keygen`.
        """
        key = self.public_key()
        with nullcontext(self._path) if self._is_public else self._file.usable() as path:
            made = run_ssh_keygen(
                "-Y", "sign", "-n", namespace, "-f", os.fspath(path), stdin=message, environ=self._environ
            )
        if made.returncode != 0:
            raise self._file.refused(
                f"ssh-keygen could not sign with it: {words(made.stderr)}",
                "is the agent running, and does `ssh-add -L` list this key?" if self._is_public else "",
            )
        try:
            signature = parse_signature(made.stdout)
        except InvalidData as error:
            raise self._file.refused(f"ssh-keygen wrote something unexpected: {error.message}", "") from None
        if (signature.key, signature.namespace) != (key, namespace):
            raise self._file.refused("ssh-keygen signed with another key", "is the .pub file beside it the right one?")
        return made.stdout

    @property
    def _is_public(self) -> bool:
        return self._path.suffix == ".pub"

    def _derive_public_key(self) -> str:
        with self._file.usable() as path:
            # The empty passphrase fits an unlocked key, and lets a locked one fail instead of asking.
            derived = run_ssh_keygen("-y", "-P", "", "-f", os.fspath(path), environ=self._environ)
        found = derived.stdout.decode("utf-8", "replace").split()
        if derived.returncode == 0 and len(found) > 1:
            return f"{found[0]} {found[1]}"
        raise self._file.refused(
            f"ssh-keygen cannot read it: {words(derived.stderr)}",
            "copy it again: it was changed on its way, or is of a form or type that this ssh-keygen does not know",
        )

    def _read_public_file(self) -> str:
        found = self._file.content(LIMIT).split()
        # Read by the same rules as a line of allowed_signers, under a principal that does not matter.
        lines, findings = parse_allowed_signers(b" ".join([b"key", *found[:2]]) + b"\n", self._path.name)
        if findings or len(lines) != 1:
            raise self._file.refused("it is not a public key", _MAKE_A_KEY)
        return lines[0].key


def _refused(path: str, reason: str, hint: str) -> Refused:
    named = f"the signing key {path!r} cannot be used: {reason}" if path else f"no signing key: {reason}"
    return Refused(named, guard="signing-key", hint=hint)


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
