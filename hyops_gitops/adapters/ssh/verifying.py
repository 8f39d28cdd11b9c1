"""Checks SSH signatures: ed25519 in this process (0.2 ms), every other key type through ssh-keygen (10 ms).

Meets the port `Verifier`. Both ways require the canonical form of `sshsig` first, and the key that the signature
carries to be the expected one; then neither looks at any list of signers.
"""

from hyops_gitops.adapters.files.files import scratch_folder
from hyops_gitops.adapters.ssh.ssh_keygen import run_ssh_keygen
from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.signatures.sshsig import SshSignature, parse_signature, signed_data, split_string

_ED25519 = b"ssh-ed25519"


class SshVerifier:
    """Stateless."""

    def verify(self, message: bytes, signature: bytes, key: str, namespace: str) -> bool:
        """Whether `signature` is a canonical SSH signature by `key` over `message` in `namespace`.

        Raises:
            OutsideFailure: code `no-ssh-keygen`: the key is not ed25519 and there is no ssh-keygen.
        """
        try:
            parsed = parse_signature(signature)
            if parsed.key != key or parsed.namespace != namespace:
                return False
        except InvalidData:
            return False
        if key.startswith(_ED25519.decode() + " "):
            return _verify_ed25519(parsed, message)
        return _verify_with_ssh_keygen(message, signature, namespace)


def _verify_ed25519(signature: SshSignature, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - 60 ms that only verification should cost
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - as above

    try:
        public = _only_string_after(_ED25519, signature.public_key)
        made = _only_string_after(_ED25519, signature.signature)
        Ed25519PublicKey.from_public_bytes(public).verify(made, signed_data(signature, message))
    except (ValueError, InvalidSignature):
        return False
    return True


def _only_string_after(kind: bytes, blob: bytes) -> bytes:
    """The one string that follows the type in a key or signature blob (RFC 8709 sections 4 and 6)."""
    found, rest = split_string(blob)
    value, rest = split_string(rest)
    if found != kind or rest:
        raise ValueError("not an ed25519 blob")
    return value


def _verify_with_ssh_keygen(message: bytes, signature: bytes, namespace: str) -> bool:
    with scratch_folder() as folder:
        file = folder / "message.sig"
        file.write_bytes(signature)
        # Only the signature itself is asked about; its key was compared before, so no list of signers is needed.
        check = run_ssh_keygen("-Y", "check-novalidate", "-n", namespace, "-s", str(file), stdin=message)
    return check.returncode == 0
