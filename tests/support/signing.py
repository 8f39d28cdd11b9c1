"""Signatures by a key in a file, made in this process: the bytes of `ssh-keygen -Y sign`, without starting it."""

import stat
from dataclasses import replace
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

from hyops_gitops.adapters.ssh.signing import SshKeygenSigner
from hyops_gitops.core.ports import Signer
from hyops_gitops.core.sshsig import SshSignature, armour, key_text, signed_data

_TYPE = b"ssh-ed25519"


class QuickSigner:
    """One ed25519 key. Meets the port `Signer`; with deterministic signatures nothing tells it from the real one."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._public = _string(_TYPE) + _string(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def public_key(self) -> str:
        return key_text(self._public)

    def sign(self, message: bytes, namespace: str) -> bytes:
        unsigned = SshSignature(self._public, namespace, "sha512", b"")
        made = self._key.sign(signed_data(unsigned, message))
        return armour(replace(unsigned, signature=_string(_TYPE) + _string(made)))


def quick_signer(path: Path) -> QuickSigner | None:
    """The signer of a file; None where that holds another key, or one that ssh-keygen may refuse."""
    try:
        key = load_ssh_private_key(path.read_bytes(), None)
        private = not stat.S_IMODE(path.stat().st_mode) & 0o077
    except (OSError, TypeError, ValueError, UnsupportedAlgorithm):
        return None
    return QuickSigner(key) if isinstance(key, Ed25519PrivateKey) and private else None


def signer_of(path: Path) -> Signer:
    """The quick one, or ssh-keygen."""
    return quick_signer(path) or SshKeygenSigner(path)


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data
