"""The steps of release.yml as a runner executes them: a real bundle, signed by a key that can sign nothing else."""

import json
import re
from pathlib import Path

import pytest

from hyops_gitops import __version__
from tests.support.bundles import unpack
from tests.support.clone import run
from tests.support.world import World
from tests.workflows.reading import PATH, Runner


@pytest.fixture
def tagged(tmp_path: Path) -> World:
    """A repository whose applier may write the log, and whose release key may sign bundles."""
    world = World.make(tmp_path / "w", "release.internal", init=False)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", tmp_path / "release")
    public = " ".join((tmp_path / "release.pub").read_text().split()[:2])
    lines = f'applier@tests namespaces="hyops-gitops" {world.public_key}\n'
    lines += f'release@tests namespaces="hyops-gitops-bundle" {public}\n'
    world.write("authority/allowed_signers", lines)
    world.commit("Signers")
    world.start_log()
    return world


def test_a_tag_becomes_a_release_with_its_bundle(tagged: World, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    run("git", "clone", "-q", tagged.remote or "", workspace / "contracts")
    given = {
        "secrets.HYOPS_BUNDLE_KEY": (tmp_path / "release").read_text(),
        "github.ref_name": "v1",
        "matrix.python": "3",
    }
    environ = {"GITHUB_SHA": tagged.git("rev-parse", "HEAD"), "HOME": str(tmp_path)}
    made = Runner(workspace, tmp_path / "temp", given, environ).run("release", "bundle")
    assert made.failed is None, made.said
    tool = workspace / "tool" / "script" / "supply"
    tool.parent.mkdir(parents=True)
    tool.write_text('#!/bin/sh\n[ "$1" = sbom ] && "${2%/*}/hyops-gitops" --version >"$3"\n')
    tool.chmod(0o755)
    listed = Runner(workspace, tmp_path / "temp1", given, environ).run("release", "inventory")
    assert listed.failed is None, listed.said
    (workspace / "bundles").mkdir()
    file = workspace / "bundle-v1-python3.tar.gz"
    folder = unpack(file.read_bytes(), tmp_path / "unpacked")
    inventory = workspace / "bundle-v1-python3.cdx.json"
    for name in (file, inventory):
        name.rename(workspace / "bundles" / name.name)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "gh").write_text('#!/bin/sh\nprintf "%s\\n" "$@" >"$GH_STATE"\n')
    (programs / "gh").chmod(0o755)
    environ = {"PATH": f"{programs}:{PATH}", "GH_STATE": str(tmp_path / "calls")}
    where = {"github.token": "t", "github.repository": "acme/dns", "github.ref_name": "v1"}
    published = Runner(workspace, tmp_path / "temp2", where, environ).run("release", "publish")

    assert published.failed is None, published.said
    assert "signed by release@tests" in made.summary
    assert f"version {__version__}" in (workspace / "bundles" / inventory.name).read_text()
    assert json.loads((folder / "bundle.json").read_text())["commit"] == tagged.git("rev-parse", "HEAD")
    assert (tmp_path / "calls").read_text().split()[:4] == ["release", "create", "v1", "--verify-tag"]
    sums = (workspace / "SHA256SUMS").read_text()
    assert re.search(r"sha256:([0-9a-f]{64})", made.summary)[1] in sums  # type: ignore[index]
    assert inventory.name in sums
