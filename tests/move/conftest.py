"""A repository with endpoints at two sites, in Git, nothing applied yet."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from hyops_gitops.cli.main import execute
from tests.support.authority import AUTHORITY

CONTRACTS = {
    "endpoints/prod/pg.yaml": """\
# the database
endpoint_dns_name: pg.prod.x.internal
endpoint_target: 10.0.0.1  # leader
endpoint_target_type: host
endpoint_port: 5432
endpoint_cutover_required: true
endpoint_ttl: 30
endpoint_sites: {onprem: 10.0.0.1, gcp: 10.1.0.1}
endpoint_home: onprem
""",
    "endpoints/prod/web.yaml": """\
endpoint_dns_name: web.prod.x.internal
endpoint_target: [10.0.0.2, "fd00::2"]
endpoint_target_type: vip
endpoint_port: 443
endpoint_cutover_required: true
endpoint_sites:
  onprem: [10.0.0.2, "fd00::2"]
  gcp: {target: lb.example.com, type: dns, port: 8443}  # their load balancer
""",
    "endpoints/dev/pg.yaml": """\
endpoint_dns_name: pg.dev.x.internal
endpoint_target: 10.0.0.3
endpoint_target_type: host
endpoint_port: 5432
endpoint_cutover_required: true
endpoint_sites: {onprem: 10.0.0.3, gcp: 10.1.0.3}
""",
    "endpoints/prod/stable.yaml": """\
endpoint_dns_name: stable.prod.x.internal
endpoint_target: 10.0.0.4
endpoint_target_type: vip
endpoint_port: 1
endpoint_cutover_required: false
endpoint_source: platform/thing
endpoint_sites: {onprem: 10.0.0.4, gcp: 10.1.0.4}
""",
    "endpoints/prod/away.yaml": """\
endpoint_dns_name: away.prod.x.internal
endpoint_target: 10.1.0.5
endpoint_target_type: host
endpoint_port: 1
endpoint_cutover_required: true
endpoint_sites: {onprem: 10.0.0.5, gcp: 10.1.0.5}
""",
    "endpoints/prod/alone.yaml": """\
endpoint_dns_name: alone.prod.x.internal
endpoint_target: 10.0.0.6
endpoint_target_type: host
endpoint_port: 1
endpoint_cutover_required: true
""",
    "endpoints/shared/edge.yaml": """\
endpoint_dns_name: edge.shared.x.internal
endpoint_target: 10.0.0.7
endpoint_target_type: host
endpoint_port: 1
endpoint_cutover_required: true
endpoint_sites: {onprem: 10.0.0.7, edge: 10.2.0.7}
""",
}


CHILD, OTHER = "eu.x.internal", "y.example"
OF_FURTHER_ZONES = {
    f"endpoints/{CHILD}/prod/pg.yaml": """\
endpoint_dns_name: pg.prod.eu.x.internal
endpoint_target: 10.0.1.1
endpoint_target_type: host
endpoint_port: 5432
endpoint_cutover_required: true
endpoint_sites: {onprem: 10.0.1.1, gcp: 10.1.1.1}
endpoint_home: onprem
""",
    f"endpoints/{OTHER}/live/mail.yaml": """\
endpoint_dns_name: mail.live.y.example
endpoint_target: 10.0.2.1
endpoint_target_type: host
endpoint_port: 25
endpoint_cutover_required: true
endpoint_sites: {onprem: 10.0.2.1, gcp: 10.1.2.1, attic: 10.3.2.1}
endpoint_readiness: [{type: none, reason: nothing listens in a test}]
""",
    f"endpoints/{OTHER}/live/still.yaml": """\
endpoint_dns_name: still.live.y.example
endpoint_target: 10.0.2.2
endpoint_target_type: host
endpoint_port: 25
endpoint_cutover_required: true
""",
}


@dataclass(frozen=True)
class Ran:
    exit: int
    document: dict[str, object]
    err: str


@dataclass(frozen=True)
class Clone:
    """The repository and the commands in it."""

    root: Path
    remote: Path
    capsys: pytest.CaptureFixture[str]

    def run(self, *arguments: str) -> Ran:
        """One command line; its JSON document."""
        self.capsys.readouterr()
        code = execute([*arguments, "--repo", str(self.root), "--format", "json"])
        captured = self.capsys.readouterr()
        return Ran(code, json.loads(captured.out), captured.err)

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", "-C", self.root, *arguments], capture_output=True, check=True, text=True)
        return done.stdout.strip()

    def shell(self, command: str) -> None:
        """One of the printed commands, as somebody pastes it."""
        subprocess.run(["bash", "-c", command], cwd=self.root, check=True, capture_output=True)

    def read(self, path: str) -> str:
        return (self.root / path).read_text()

    def write(self, path: str, old: str, new: str) -> None:
        text = self.read(path)
        assert old in text
        (self.root / path).write_text(text.replace(old, new))


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Clone:
    """Committed and pushed."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    config = tmp_path / "gitconfig"
    config.write_text("[user]\n\tname = Ann Engineer\n\temail = ann@example.invalid\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    root, remote = tmp_path / "clone", tmp_path / "remote.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", remote], check=True)
    subprocess.run(["git", "init", "-q", "-b", "main", root], check=True)
    one = Clone(root, remote, capsys)
    (root / "authority").mkdir()
    authority = AUTHORITY.replace("[10.0.0.0/8]", '[10.0.0.0/8, "fd00::/8"]')
    (root / "authority/x.internal.yaml").write_text(
        authority.replace("branch: evidence", "branch: evidence, remote: origin")
    )
    (root / "authority/allowed_signers").write_text("")
    for path, text in CONTRACTS.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    one.git("remote", "add", "origin", str(remote))
    one.git("add", ".")
    one.git("commit", "-q", "-m", "Begin")
    one.git("push", "-q", "origin", "main")
    return one


@pytest.fixture
def several(clone: Clone) -> Clone:
    """With two further zones, of which one is a child of the first."""
    files = dict(OF_FURTHER_ZONES)
    for zone, environments in ((CHILD, "[prod]"), (OTHER, "[live]")):
        authority = AUTHORITY.replace("x.internal", zone).replace("[dev, prod]", environments)
        branch = f"branch: evidence-{zone}, remote: origin"
        files[f"authority/{zone}.yaml"] = authority.replace("branch: evidence", branch)
    for path, text in files.items():
        (clone.root / path).parent.mkdir(parents=True, exist_ok=True)
        (clone.root / path).write_text(text)
    clone.git("add", ".")
    clone.git("commit", "-q", "-m", "Further zones")
    return clone
