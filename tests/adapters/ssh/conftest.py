"""Real keys, made by the real ssh-keygen."""

import functools
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
def two_keys(make_key: KeyMaker) -> Callable[..., tuple[Path, Path]]:
    """`two_keys(type, bits="")`: two keys of a type, made once; not to be changed. RSA keys take seconds to make."""

    @functools.cache
    def two(kind: str, bits: str = "") -> tuple[Path, Path]:
        return make_key(kind, bits=bits), make_key(kind, bits=bits)

    return two


@pytest.fixture(scope="session")
def ed25519_key(make_key: KeyMaker) -> Path:
    return make_key()
