"""What is no ed25519 signature, however near to one it comes; keys and signatures made here, byte by byte."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hyops_gitops.adapters.ssh.signing import SshVerifier
from hyops_gitops.core.sshsig import SshSignature, armour, signed_data

MESSAGE, NAMESPACE = b"what was signed\n", "hyops-gitops"
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


def string(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def signed(key_blob: bytes, *, kind: bytes = b"ssh-ed25519", more: bytes = b"", hashed: str = "sha512") -> SshSignature:
    """A signature that is right for this key's blob, and what follows it in its own."""
    unsigned = SshSignature(key_blob, NAMESPACE, hashed, b"")
    return replace(unsigned, signature=string(kind, PRIVATE.sign(signed_data(unsigned, MESSAGE))) + more)


KEY = string(b"ssh-ed25519", PRIVATE.public_key().public_bytes_raw())


def verified(signature: SshSignature, *, message: bytes = MESSAGE, key: str = "", namespace: str = NAMESPACE) -> bool:
    found = SshVerifier().verify(message, armour(signature), key or signature.key, namespace)
    assert found in (True, False)
    return found


@pytest.mark.parametrize("hashed", ["sha256", "sha512"])
def test_a_right_signature_is_one(hashed: str) -> None:
    assert verified(signed(KEY, hashed=hashed)) is True


@pytest.mark.parametrize(
    "wrong",
    [
        signed(KEY, more=b"x"),
        signed(KEY, more=string(b"")),
        signed(KEY, kind=b"ssh-ed25518"),
        signed(KEY + b"x"),
        signed(KEY + string(b"more")),
        signed(string(b"ssh-ed25519", b"k" * 31)),
        signed(string(b"ssh-ed25519")),
        signed(string(b"ssh-ed25519", b"k" * 32)),
        replace(signed(KEY), signature=b""),
        replace(signed(KEY), signature=string(b"ssh-ed25519", b"s" * 64)),
        replace(signed(KEY), signature=string(b"ssh-ed25519", b"s" * 63)),
    ],
)
def test_bytes_that_are_too_many_too_few_or_wrong_are_none(wrong: SshSignature) -> None:
    assert verified(wrong) is False


def test_it_is_one_of_this_message_by_this_key_in_this_namespace() -> None:
    right = signed(KEY)
    assert verified(right, message=MESSAGE + b"\n") is False
    assert verified(right, namespace="hyops-gitops-trust") is False
    assert verified(right, key=f"{right.key}A") is False
    assert verified(right, key="ssh-rsa AAAA") is False
    assert SshVerifier().verify(MESSAGE, armour(right) + b"\n", right.key, NAMESPACE) is False
