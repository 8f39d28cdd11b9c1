"""A repository to publish into."""

from pathlib import Path

import pytest

from tests.support.authority import AUTHORITY

OUTPUTS = Path(__file__).parent / "outputs"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An authority file, and no contract."""
    (tmp_path / "authority").mkdir()
    (tmp_path / "endpoints").mkdir()
    (tmp_path / "authority/x.internal.yaml").write_text(AUTHORITY)
    (tmp_path / "authority/allowed_signers").write_text("")
    return tmp_path
