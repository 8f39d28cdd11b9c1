"""One log a session; every test damages a copy."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.book import Book, build


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Book:
    """Another log of a zone of the same name."""
    return build(tmp_path_factory.mktemp("stranger"))


@pytest.fixture
def signers(book: Book, tmp_path: Path) -> Path:
    """An auditor's own copy of allowed_signers."""
    file = tmp_path / "signers"
    file.write_text(book.world.read("authority/allowed_signers"))
    return file


@pytest.fixture
def clone(book: Book, tmp_path: Path) -> Callable[[], Path]:
    """A copy of the clone, contracts and log, to be damaged."""

    def make() -> Path:
        shutil.copytree(book.world.root, tmp_path / "copy", symlinks=True)
        return tmp_path / "copy"

    return make
