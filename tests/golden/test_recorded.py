"""A log that an earlier program wrote against a real server: every version verifies, audits and continues it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hyops_gitops.adapters.powerdns.http import PowerDnsHttp
from hyops_gitops.lab.model import Lab
from hyops_gitops.lab.zones import create_zone
from tests.support.clone import GIT_CONFIG, run
from tests.support.repository import ROOT
from tests.support.world import World

RECORDED = Path(__file__).parent / "recorded"
VERSIONS = sorted(path.name for path in RECORDED.iterdir())
ZONE = "recorded.internal"
RELEASED = "d4dc3a7"  # the commit since which the log's format is frozen
each_version = pytest.mark.parametrize("version", VERSIONS)


def clone(version: str, directory: Path, lab: Lab | None = None) -> World:
    """A clone of the repository that a version left, used by its applier; on a lab's servers where there is one."""
    remote, root, key = directory / "remote.git", directory / "clone", directory / "key"
    run("git", "init", "-q", "--bare", "-b", "main", remote)
    run("git", "-C", remote, "fetch", "-q", RECORDED / version / "recorded.bundle", "main:main", "evidence:evidence")
    run("git", "clone", "-q", remote, root)
    shutil.copyfile(RECORDED / version / "key", key)
    key.chmod(0o600)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") and name != "CI"}
    environ |= {**GIT_CONFIG, "HYOPS_SIGNING_KEY_FILE": str(key)}
    if lab is not None:
        environ |= {"POWERDNS_API_KEY": lab.api_key, "HYOPS_PRIMARY_URL": lab.primary.api_url}
        environ["HYOPS_SECONDARY_URLS"] = ",".join(server.api_url for server in lab.secondaries)
    world = World(root, ZONE, environ, lab, remote, key)
    world.git("config", "user.name", "Tester")
    world.git("config", "user.email", "tester@example.invalid")
    return world


def released(directory: Path) -> dict[str, str]:
    """The environment in which `python -m hyops_gitops` is the released program."""
    have = subprocess.run(["git", "-C", ROOT, "cat-file", "-e", f"{RELEASED}^{{commit}}"], check=False)
    if have.returncode != 0 and "CI" not in os.environ:
        pytest.skip(f"this clone does not hold commit {RELEASED}: git fetch --unshallow")
    archive = run("git", "-C", ROOT, "archive", RELEASED, "hyops_gitops", "schemas")
    directory.mkdir()
    subprocess.run(["tar", "-x", "-C", directory], input=archive, check=True)
    return {"PYTHONPATH": str(directory), "PYTHONSAFEPATH": "1"}


def delete_zone(lab: Lab) -> None:
    """Take the zone from every server, for the next version's."""
    for server in lab.servers:
        http = PowerDnsHttp(server.api_url, lab.api_key, None, 10.0)
        assert http.exchange("DELETE", f"/api/v1/servers/localhost/zones/{ZONE}.", {}).status == 204


@each_version
def test_a_recorded_log_verifies(version: str, tmp_path: Path) -> None:
    ran = clone(version, tmp_path).cli("evidence", "verify")
    assert ran.exit == 0, ran.err
    assert "entries of recorded.internal verify" in ran.out


@each_version
def test_a_recorded_log_passes_the_audit(version: str, tmp_path: Path) -> None:
    ran = clone(version, tmp_path).cli("audit", "--offline")
    assert ran.exit == 0, ran.out


@each_version
def test_a_recorded_log_passes_the_audit_with_stock_tools(version: str, tmp_path: Path) -> None:
    world = clone(version, tmp_path)
    signers = world.root / "authority/allowed_signers"
    ran = subprocess.run(
        ["bash", ROOT / "script/audit.sh", world.root, signers], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout.splitlines()[-1]) == (0, "OK"), ran.stdout


@each_version
def test_a_recorded_log_is_continued(
    version: str, small_lab: Lab, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    world = clone(version, tmp_path, small_lab)
    create_zone(small_lab, ZONE)
    authority = tmp_path / "authority.yaml"
    elsewhere = world.authority_text()
    genesis = next(line for line in world.read(world.authority_path).splitlines() if line.startswith("evidence:"))
    kept = [line for line in elsewhere.splitlines() if not line.startswith("evidence:")]
    authority.write_text("\n".join([*kept, genesis, ""]))
    request.addfinalizer(lambda: delete_zone(small_lab))
    brought_back = world.cli("restore", "--yes", "--authority", authority)
    assert brought_back.exit == 0, brought_back.err
    world.contract("first", "10.0.0.99")
    world.commit("Move first")
    moved = world.cli("apply", "--authority", authority)
    assert moved.exit == 0, moved.err
    assert world.at("first")["A"][1] == ("10.0.0.99",)
    verified = world.cli("evidence", "verify")
    assert verified.exit == 0, verified.err


@each_version
def test_the_released_program_verifies_what_a_version_wrote(version: str, tmp_path: Path) -> None:
    world = clone(version, tmp_path)
    environ = {**world.environ, **released(tmp_path / "released")}
    ran = subprocess.run(
        [sys.executable, "-m", "hyops_gitops", "evidence", "verify"],
        cwd=world.root,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
