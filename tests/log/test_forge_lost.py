"""The forge comes back from a back-up, and no clone has more (docs/runbooks has the other story); and no forge."""

import json
import shutil
from pathlib import Path

import pytest

from hyops_gitops.lab.model import Lab
from hyops_gitops.lab.zones import create_zone
from tests.support.clone import run
from tests.support.keys import ok, verifies
from tests.support.world import World


@pytest.fixture
def yesterday(served: World) -> World:
    """Applied, backed up, applied again; then the back-up took the forge's place. `served` is an engineer's clone."""
    assert served.remote is not None
    served.apply()
    backup = served.remote.parent / "backup.git"
    shutil.copytree(served.remote, backup)
    served.contract("second", "10.0.0.2")
    served.commit("Second")
    assert served.apply().outcome == "applied"
    shutil.rmtree(served.remote)
    backup.rename(served.remote)
    return served


def fail_over(clone: World) -> None:
    clone.contract("first", "10.0.0.9")
    clone.commit("First moves: its site is gone")


def test_without_any_clone_an_override_lets_a_failover_through_and_the_audit_says_so(yesterday: World) -> None:
    ci = yesterday.clone(yesterday.root.parent / "ci")
    shutil.rmtree(yesterday.root)
    fail_over(ci)
    line = str(ci.cli("apply", "--format", "json").document()["hint"]).partition("gone for good: ")[2]
    option, _, value = line.replace("'REASON'", "the forge lost a day, INC-7").partition(" ")
    applied = ok(ci.cli("apply", option, value, "--format", "json"))
    failed = ci.cli("audit", "--format", "json")
    gap = next(entry.seq for entry in ci.entries() if entry.type == "gap")
    ok(ci.cli("evidence", "acknowledge", str(gap), "--reason", "asked everybody; nobody has a clone"))
    passed = ok(ci.cli("audit", "--format", "json"))

    assert applied.document()["outcome"] == "applied"
    assert ci.at("first")["A"][1] == ("10.0.0.9",)
    assert failed.exit == 1
    assert '"code": "gap"' in json.dumps(failed.document()["problems"])
    assert passed.document()["problems"] == []
    assert "the forge lost a day, INC-7" in json.dumps(passed.document()["exceptions"])
    assert ci.at("second")["A"][1] == ("10.0.0.2",)  # of which no contract tells any more
    verifies(ci)


# --- without a forge


@pytest.fixture
def alone(small_lab: Lab, tmp_path: Path) -> World:
    """A clone in local mode, its zone served."""
    zone = f"{tmp_path.name.replace('_', '-')[-40:]}.internal"
    create_zone(small_lab, zone)
    return World.make(tmp_path / "w", zone, small_lab, local=True)


def test_local_mode_is_an_ordinary_mode_and_its_log_is_pushed_later(alone: World, tmp_path: Path) -> None:
    first = ok(alone.cli("apply", "--format", "json")).document()
    alone.contract("second", "10.0.0.2")
    alone.commit("Second")
    planned = ok(alone.cli("plan", "--format", "json")).document()
    ok(alone.cli("apply"))
    status = ok(alone.cli("status", "--format", "json")).document()
    ok(alone.cli("audit"))
    # The forge is there at last: its name goes into the authority file, the log follows.
    forge = tmp_path / "forge.git"
    run("git", "init", "-q", "--bare", "-b", "main", forge)
    alone.git("remote", "add", "origin", str(forge))
    alone.edit_authority('"branch": "evidence"', '"branch": "evidence", "remote": "origin"')
    alone.commit("The log lives on origin")
    alone.git("push", "-q", "origin", "main")
    pushed = ok(alone.cli("evidence", "import", ".", "--format", "json")).document()
    run("git", "clone", "-q", forge, tmp_path / "ci")
    ci = World(tmp_path / "ci", alone.zone, alone.environ, alone.lab, forge, alone.key, alone.policy)
    ci.git("config", "user.name", "CI")
    ci.git("config", "user.email", "ci@example.invalid")
    ci.contract("third", "10.0.0.3")
    ci.commit("Third")

    assert (first["outcome"], status["agrees"]) == ("applied", True)
    assert f"second.prod.{alone.zone}" in str(planned["changes"])
    assert (pushed["brought"], pushed["entries_before"]) == (5, 0)
    assert ok(ci.cli("apply", "--format", "json")).document()["outcome"] == "applied"
    assert ok(ci.cli("audit", "--format", "json")).document()["problems"] == []


def test_a_clone_of_a_clone_in_local_mode_takes_the_log_over(alone: World, tmp_path: Path) -> None:
    ok(alone.cli("apply"))
    run("git", "clone", "-q", alone.root, tmp_path / "next")
    following = World(tmp_path / "next", alone.zone, alone.environ, alone.lab, None, alone.key, alone.policy)
    missing = following.cli("apply", "--format", "json")
    ok(following.cli("evidence", "import", alone.root))

    assert (missing.exit, missing.document()["code"]) == (3, "evidence-missing")
    assert "hyops-gitops evidence import CLONE" in str(missing.document()["hint"])
    assert ok(following.cli("apply", "--format", "json")).document()["outcome"] == "nothing"
