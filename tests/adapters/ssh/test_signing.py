"""The signer, with keys in every state an operator can leave them in."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hyops_gitops.adapters.ssh.signing import SshKeygenSigner, SshVerifier, signer_from_environment
from hyops_gitops.core.errors import OutsideFailure, Refused

NS = "hyops-gitops"


def public(key: Path) -> str:
    return " ".join(key.with_suffix(".pub").read_text().split()[:2])


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a running ssh-agent without keys."""
    socket = tmp_path / "agent"
    started = subprocess.run(["ssh-agent", "-s", "-a", socket], capture_output=True, check=True, text=True)
    pid = int(started.stdout.split("SSH_AGENT_PID=")[1].split(";")[0])
    yield {**os.environ, "SSH_AUTH_SOCK": str(socket)}
    os.kill(pid, signal.SIGTERM)


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_signs_with_a_private_key_file(kind: str, two_keys: Callable[..., tuple[Path, Path]]) -> None:
    path, _ = two_keys(kind)
    signer = SshKeygenSigner(path)
    assert signer.public_key() == public(path)
    assert SshVerifier().verify(b"hello", signer.sign(b"hello", NS), signer.public_key(), NS)


def test_does_not_trust_the_public_key_beside_a_private_one(make_key: Callable[..., Path]) -> None:
    path, other = make_key(), make_key()
    expected = public(path)
    path.with_suffix(".pub").write_text(other.with_suffix(".pub").read_text())
    assert SshKeygenSigner(path).public_key() == expected


def test_signs_with_a_key_that_only_the_agent_holds(make_key: Callable[..., Path], agent: dict[str, str]) -> None:
    path = make_key()
    subprocess.run(["ssh-add", "-q", path], env=agent, check=True)
    path.unlink()
    signer = SshKeygenSigner(path.with_suffix(".pub"), agent)
    assert SshVerifier().verify(b"hello", signer.sign(b"hello", NS), signer.public_key(), NS)


def test_refuses_a_key_that_the_agent_does_not_hold(make_key: Callable[..., Path], agent: dict[str, str]) -> None:
    path = make_key()
    path.unlink()
    with pytest.raises(Refused, match="could not sign") as caught:
        SshKeygenSigner(path.with_suffix(".pub"), agent).sign(b"hello", NS)
    assert "ssh-add -L" in caught.value.hint


def locked(make_key: Callable[..., Path], _folder: Path) -> Path:
    return make_key(passphrase="secret words")


def missing(_make_key: Callable[..., Path], folder: Path) -> Path:
    return folder / "none"


def loose(make_key: Callable[..., Path], _folder: Path) -> Path:
    path = make_key()
    path.chmod(0o644)
    return path


def directory(_make_key: Callable[..., Path], folder: Path) -> Path:
    return folder


def no_key(_make_key: Callable[..., Path], folder: Path) -> Path:
    path = folder / "text"
    path.write_text("TOP SECRET but no key\n")
    path.chmod(0o600)
    return path


def no_public_key(_make_key: Callable[..., Path], folder: Path) -> Path:
    path = folder / "text.pub"
    path.write_text("TOP SECRET but no key\n")
    return path


def public_key_without_its_suffix(make_key: Callable[..., Path], folder: Path) -> Path:
    path = folder / "public"
    path.write_text(make_key().with_suffix(".pub").read_text())
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (locked, "locked with a passphrase"),
        (missing, "no such file"),
        (loose, "others may read it"),
        (directory, "it is a directory"),
        (no_key, "not a private key"),
        (no_public_key, "not a public key"),
        (public_key_without_its_suffix, "it is a public key"),
    ],
)
def test_refuses_with_a_reason_and_a_remedy(
    make: Callable[[Callable[..., Path], Path], Path],
    reason: str,
    make_key: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CI", raising=False)  # where a key's mode is passed over (ADR 38)
    signer = SshKeygenSigner(make(make_key, tmp_path))
    with pytest.raises(Refused, match=reason) as caught:
        signer.sign(b"hello", NS)
    assert caught.value.guard == "signing-key"
    assert caught.value.hint
    assert "SECRET" not in caught.value.message + caught.value.hint


def test_the_environment_names_the_key(ed25519_key: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "HYOPS_SIGNING_KEY_FILE": str(ed25519_key)}
    assert signer_from_environment(environ).public_key() == public(ed25519_key)


def test_a_key_at_the_home_of_nobody_is_not_there() -> None:
    with pytest.raises(Refused, match="there is no such file"):
        signer_from_environment({"HYOPS_SIGNING_KEY_FILE": "~nosuchuser/key"}).public_key()


def test_without_a_key_the_refusal_says_how_to_make_one() -> None:
    with pytest.raises(Refused, match="HYOPS_SIGNING_KEY_FILE is not set") as caught:
        signer_from_environment({})
    assert "ssh-keygen -t ed25519" in caught.value.hint
    assert "authority/allowed_signers" in caught.value.hint


def test_without_ssh_keygen(ed25519_key: Path, tmp_path: Path) -> None:
    with pytest.raises(OutsideFailure) as caught:
        SshKeygenSigner(ed25519_key, {"PATH": str(tmp_path)}).sign(b"hello", NS)
    assert caught.value.code == "no-ssh-keygen"


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_only_an_ed25519_key_in_a_file_signs_here(kind: str, two_keys: Callable[..., tuple[Path, Path]]) -> None:
    path, _ = two_keys(kind)
    made = SshKeygenSigner(path)._signed_here(b"hello" * 1000, NS)
    command = ["ssh-keygen", "-Y", "sign", "-n", NS, "-f", str(path)]
    written = subprocess.run(command, input=b"hello" * 1000, capture_output=True, check=True).stdout

    assert made == (written if kind == "ed25519" else None)
