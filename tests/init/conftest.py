"""A directory to begin in, and the command line."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hyops_gitops.cli.main import execute

ZONE = "begin.internal"
REQUIRED = ("--zone", ZONE, "--primary-url", "https://dns.begin.internal:8443", "--primary-site", "hetzner")


@dataclass
class Began:
    """One call of init."""

    exit: int
    document: dict[str, object]
    err: str

    def unmapped(self) -> dict[tuple[str, str], str]:
        """Name and type to the reason."""
        listed = self.document["unmapped"]
        assert isinstance(listed, list)
        return {(one["name"], one["type"]): one["reason"] for one in listed}


Init = Callable[..., Began]


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Not there yet; commits have an author, and nobody is there to be asked."""
    config = tmp_path / "gitconfig"
    config.write_text("[user]\n\tname = Tester\n\temail = tester@example.invalid\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.delenv("HYOPS_SIGNING_KEY_FILE", raising=False)
    return tmp_path / "new"


@pytest.fixture
def init(directory: Path, capsys: pytest.CaptureFixture[str]) -> Init:
    """`init(*options)`, with what is required unless `bare`."""

    def call(*options: str | Path, bare: bool = False) -> Began:
        required = () if bare else REQUIRED
        code = execute(["init", str(directory), *required, *map(str, options), "--format", "json"])
        printed = capsys.readouterr()
        return Began(code, json.loads(printed.out), printed.err)

    return call
