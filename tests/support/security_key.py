"""Security keys in software: what a FIDO2 token signs for OpenSSH, without a token (OpenSSH's PROTOCOL.u2f)."""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Literal

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hyops_gitops.core.sshsig import SshSignature, armour, key_text, parse_signature, signed_data

Kind = Literal["sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"]
KINDS: tuple[Kind, ...] = ("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com")
_APPLICATION = b"ssh:"
_TOUCHED = b"\1"
_COUNTER_OCTETS = 4


@dataclass
class SoftwareToken:
    """One token with one key. Meets the port `Signer`."""

    kind: Kind
    counter: int = 7
    _ed25519: ed25519.Ed25519PrivateKey = field(default_factory=ed25519.Ed25519PrivateKey.generate)
    _ecdsa: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def public_key(self) -> str:
        return key_text(self._public())

    def sign(self, message: bytes, namespace: str) -> bytes:
        self.counter += 1
        counter = self.counter.to_bytes(_COUNTER_OCTETS, "big")
        unsigned = SshSignature(self._public(), namespace, "sha512", b"")
        asked = _sha256(_APPLICATION) + _TOUCHED + counter + _sha256(signed_data(unsigned, message))
        made = self._ed25519.sign(asked) if self.kind == KINDS[0] else self._ecdsa_signature(asked)
        return armour(replace(unsigned, signature=_string(self.kind.encode()) + _string(made) + _TOUCHED + counter))

    def _public(self) -> bytes:
        if self.kind == KINDS[0]:
            point = self._ed25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
            return _string(self.kind.encode()) + _string(point) + _string(_APPLICATION)
        point = self._ecdsa.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return _string(self.kind.encode()) + _string(b"nistp256") + _string(point) + _string(_APPLICATION)

    def _ecdsa_signature(self, data: bytes) -> bytes:
        numbers = decode_dss_signature(self._ecdsa.sign(data, ec.ECDSA(hashes.SHA256())))
        return b"".join(_string(number.to_bytes(number.bit_length() // 8 + 1, "big")) for number in numbers)


def with_counter(signature: bytes, counter: int) -> bytes:
    """A token's signature that claims another counter."""
    parsed = parse_signature(signature)
    changed = parsed.signature[:-_COUNTER_OCTETS] + counter.to_bytes(_COUNTER_OCTETS, "big")
    return armour(replace(parsed, signature=changed))


def untouched(signature: bytes) -> bytes:
    """A token's signature that claims that nobody touched it."""
    parsed = parse_signature(signature)
    flags = -_COUNTER_OCTETS - 1
    return armour(replace(parsed, signature=parsed.signature[:flags] + b"\0" + parsed.signature[-_COUNTER_OCTETS:]))


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data
