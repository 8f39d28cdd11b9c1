"""Signatures of every type of key that OpenSSH has: ours and `ssh-keygen -Y verify` say the same of each."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from hyops_gitops.adapters.ssh.signing import SshKeygenSigner, SshVerifier
from hyops_gitops.core.signers import fingerprint, parse_allowed_signers
from tests.support.security_key import KINDS, SoftwareToken, untouched, with_counter

NS = "hyops-gitops"
MESSAGE = b'{"hello":"world"}\n'
FILES = (("ed25519", ""), ("rsa", ""), ("ecdsa", ""), ("ecdsa", "384"), ("ecdsa", "521"))


class Signs(Protocol):
    def public_key(self) -> str: ...
    def sign(self, message: bytes, namespace: str) -> bytes: ...


@dataclass
class Both:
    """Both verifiers, which have to agree."""

    folder: Path

    def say(self, message: bytes, signature: bytes, key: str, namespace: str = NS) -> bool:
        (self.folder / "allowed").write_text(f"me@tests {key}\n")
        (self.folder / "sig").write_bytes(signature)
        command = ["ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", "me@tests", "-n", namespace, "-s", "sig"]
        theirs = subprocess.run(command, input=message, capture_output=True, check=False, cwd=self.folder)
        ours = SshVerifier().verify(message, signature, key, namespace)
        assert ours is (theirs.returncode == 0), theirs.stderr
        return ours


@pytest.fixture
def both(tmp_path: Path) -> Both:
    return Both(tmp_path)


Pair = tuple[Signs, Signs]


@pytest.fixture(params=[*KINDS, *FILES], ids=lambda one: one if isinstance(one, str) else "".join(one))
def pair(request: pytest.FixtureRequest, two_keys: Callable[..., tuple[Path, Path]]) -> Pair:
    """Two keys of one type."""
    if request.param in KINDS:
        return SoftwareToken(request.param), SoftwareToken(request.param)
    one, other = two_keys(*filter(None, request.param))
    return SshKeygenSigner(one), SshKeygenSigner(other)


def test_a_signature_counts_for_its_key_message_and_namespace_alone(pair: Pair, both: Both) -> None:
    signer, other = pair
    signature, key = signer.sign(MESSAGE, NS), signer.public_key()
    assert both.say(MESSAGE, signature, key)
    assert not both.say(MESSAGE + b" ", signature, key)
    assert not both.say(MESSAGE, signature, other.public_key())
    assert not both.say(MESSAGE, signature, key, "hyops-gitops-trust")
    assert not both.say(MESSAGE, signer.sign(MESSAGE, "hyops-gitops-trust"), key)


def test_a_listed_key_of_any_type_is_known_by_its_fingerprint(pair: Pair, both: Both) -> None:
    line = f'me@tests namespaces="{NS}",valid-before="20990101Z" {pair[0].public_key()}\n'
    lines, findings = parse_allowed_signers(line.encode(), "authority/allowed_signers")
    assert findings == ()
    assert lines[0].key == pair[0].public_key()
    (both.folder / "key.pub").write_text(pair[0].public_key() + "\n")
    printed = subprocess.run(
        ["ssh-keygen", "-lf", "key.pub"], capture_output=True, check=True, text=True, cwd=both.folder
    ).stdout
    assert fingerprint(lines[0].key) == printed.split()[1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_vouches_for_its_counter_and_for_the_touch(kind: str, both: Both) -> None:
    token = SoftwareToken(kind)  # type: ignore[arg-type]  # one of KINDS
    signature, key = token.sign(MESSAGE, NS), token.public_key()
    assert both.say(MESSAGE, with_counter(signature, token.counter), key)
    assert not both.say(MESSAGE, with_counter(signature, token.counter + 1), key)
    assert not both.say(MESSAGE, untouched(signature), key)
    assert both.say(MESSAGE, token.sign(MESSAGE, NS), key)  # the next counter
