"""The canonical form of signatures, and both ways of verifying them, against ssh-keygen."""

import base64
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hyops_gitops.adapters.ssh.signing import SshKeygenSigner, SshVerifier
from hyops_gitops.core.errors import InvalidData, OutsideFailure
from hyops_gitops.core.sshsig import SshSignature, armour, key_text, parse_signature
from tests.support.signing import quick_signer

NS = "hyops-gitops"
MESSAGE = b'{"hello":"world"}\n'


def sign(key: Path, message: bytes = MESSAGE, namespace: str = NS, hash_algorithm: str = "sha512") -> bytes:
    command = ["ssh-keygen", "-q", "-Y", "sign", "-O", f"hashalg={hash_algorithm}", "-n", namespace, "-f", str(key)]
    return subprocess.run(command, input=message, capture_output=True, check=True).stdout


def public(key: Path) -> str:
    return " ".join(key.with_suffix(".pub").read_text().split()[:2])


def verify(message: bytes, signature: bytes, key: str, namespace: str = NS) -> bool:
    return SshVerifier().verify(message, signature, key, namespace)


def bit_flips(data: bytes) -> list[bytes]:
    return [
        data[:index] + bytes([data[index] ^ (1 << bit)]) + data[index + 1 :]
        for index in range(len(data))
        for bit in range(8)
    ]


def test_our_armour_is_ssh_keygens_at_every_line_length(ed25519_key: Path) -> None:
    signature = sign(ed25519_key)
    for length in range(1, 120):  # passes through a last line of exactly 70 columns
        signature = sign(ed25519_key, namespace="n" * length)
        assert armour(parse_signature(signature)) == signature


def test_reads_the_fields(ed25519_key: Path) -> None:
    parsed = parse_signature(sign(ed25519_key, hash_algorithm="sha256"))
    assert (parsed.key, parsed.namespace, parsed.hash_algorithm) == (public(ed25519_key), NS, "sha256")


def test_no_flipped_bit_of_a_signature_passes(ed25519_key: Path) -> None:
    signature, key = sign(ed25519_key), public(ed25519_key)
    flips = bit_flips(signature)
    assert len(flips) == 2448
    assert [one for one in flips if verify(MESSAGE, one, key)] == []


def test_no_flipped_bit_of_a_message_passes(ed25519_key: Path) -> None:
    signature, key = sign(ed25519_key), public(ed25519_key)
    assert [one for one in bit_flips(MESSAGE) if verify(one, signature, key)] == []


@pytest.mark.parametrize("hash_algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_every_key_type_verifies_and_only_what_it_signed(
    kind: str, hash_algorithm: str, two_keys: Callable[..., tuple[Path, Path]]
) -> None:
    key, other = two_keys(kind)
    signature = sign(key, hash_algorithm=hash_algorithm)
    assert verify(MESSAGE, signature, public(key))
    assert not verify(MESSAGE + b" ", signature, public(key))
    assert not verify(MESSAGE, signature, public(other))
    assert not verify(MESSAGE, signature, public(key), "other")
    assert not verify(MESSAGE, sign(key, namespace="other"), public(key))
    # another namespace claimed for the same signature
    assert not verify(MESSAGE, armour(replace(parse_signature(signature), namespace="other")), public(key), "other")


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_some_flipped_bits_of_other_key_types(kind: str, two_keys: Callable[..., tuple[Path, Path]]) -> None:
    key, _ = two_keys(kind)
    signature = sign(key)
    for flipped in bit_flips(signature)[::97]:
        assert not verify(MESSAGE, flipped, public(key))


@pytest.mark.parametrize(
    "loosen",
    [
        lambda s: s + b"\n",
        lambda s: s + b"text after END\n",
        lambda s: b"text before\n" + s,
        lambda s: s.removesuffix(b"\n"),
        lambda s: s.replace(b"\n", b"\r\n"),
        lambda s: s.replace(b"\n-----END", b"\n\n-----END"),
        lambda s: s[:40] + b"\n" + s[40:],
        lambda s: s[:40] + b" " + s[40:],
        lambda _: b"",
        lambda _: b"-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n",
        lambda _: b"-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n",
    ],
)
def test_any_other_spelling_is_refused(loosen: Callable[[bytes], bytes], ed25519_key: Path) -> None:
    spelled = loosen(sign(ed25519_key))
    with pytest.raises(InvalidData) as caught:
        parse_signature(spelled)
    assert caught.value.code == "bad-signature"
    assert not verify(MESSAGE, spelled, public(ed25519_key))


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda b: b.replace(b"SSHSIG\0\0\0\1", b"SSHSIG\0\0\0\2"), "version is 2"),
        (lambda b: b.replace(b"\0\0\0\0\0\0\0\6sha512", b"\0\0\0\1x\0\0\0\6sha512"), "reserved"),
        (lambda b: b.replace(b"\6sha512", b"\6sha384"), "hash algorithm"),
        (lambda b: b.replace(b"\0\0\0\x0chyops-gitops", b"\0\0\0\0"), "namespace is empty"),
        (lambda b: b + b"x", "follows its last field"),
        (lambda b: b[:-1], "cut short"),
        (lambda b: b[1:], "SSHSIG"),
    ],
)
def test_wrong_fields_are_named(edit: Callable[[bytes], bytes], reason: str, ed25519_key: Path) -> None:
    lines = sign(ed25519_key).splitlines()
    blob = base64.b64encode(edit(base64.b64decode(b"".join(lines[1:-1]))))
    body = [blob[start : start + 70] for start in range(0, len(blob), 70)]
    with pytest.raises(InvalidData, match=reason):
        parse_signature(b"".join(line + b"\n" for line in [lines[0], *body, lines[-1]]))


def test_a_key_of_another_type_needs_ssh_keygen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    blob = b"\0\0\0\7ssh-new\0\0\0\1k"
    signature = armour(SshSignature(blob, NS, "sha512", b"\0\0\0\7ssh-new\0\0\0\1s"))
    key = key_text(blob)
    assert verify(MESSAGE, signature, key) is False  # of the one that is here, which does not know it
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OutsideFailure) as caught:
        verify(MESSAGE, signature, key)
    assert caught.value.code == "no-ssh-keygen"


def test_what_we_sign_is_what_ssh_keygen_signs(ed25519_key: Path) -> None:
    assert SshKeygenSigner(ed25519_key).sign(MESSAGE, NS) == sign(ed25519_key)


def test_what_the_tests_sign_without_it_is_the_same(ed25519_key: Path) -> None:
    quick = quick_signer(ed25519_key)
    assert quick is not None
    assert (quick.sign(MESSAGE, NS), quick.public_key()) == (
        sign(ed25519_key),
        SshKeygenSigner(ed25519_key).public_key(),
    )
