"""Real keys, made by the real ssh-keygen."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

KeyMaker = Callable[..., Path]


@pytest.fixture(scope="session")
def make_key(tmp_path_factory: pytest.TempPathFactory) -> KeyMaker:
    """`make_key(type, passphrase="", bits="")`: a new private key file, its .pub beside it."""

    def make(kind: str = "ed25519", passphrase: str = "", bits: str = "") -> Path:
        path = tmp_path_factory.mktemp("key") / "id"
        size = ["-b", bits] if bits else []
        subprocess.run(
            ["ssh-keygen", "-q", "-t", kind, *size, "-N", passphrase, "-C", "test", "-f", str(path)], check=True
        )
        return path

    return make


@pytest.fixture(scope="session")
def ed25519_key(make_key: KeyMaker) -> Path:
    return make_key()
