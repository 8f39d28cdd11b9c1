"""A repository to publish into."""

from pathlib import Path

import pytest

AUTHORITY = """\
zone: x.internal
environments: [dev, prod]
failure_domain: onprem
secondaries: []
primary: {api_url: "http://127.0.0.1:1", api_key_env: POWERDNS_API_KEY, site: hetzner}
policy: {target_networks: [10.0.0.0/8]}
evidence: {branch: evidence}
"""
OUTPUTS = Path(__file__).parent / "outputs"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An authority file, and no contract."""
    (tmp_path / "authority").mkdir()
    (tmp_path / "endpoints").mkdir()
    (tmp_path / "authority/x.internal.yaml").write_text(AUTHORITY)
    (tmp_path / "authority/allowed_signers").write_text("")
    return tmp_path
