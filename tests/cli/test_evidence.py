"""`evidence init` and `evidence verify` as commands."""

import json
from pathlib import Path

import pytest

from tests.support.clone import run
from tests.support.world import World


@pytest.fixture
def bare(tmp_path: Path) -> World:
    """A world whose log is not started."""
    return World.make(tmp_path, "off.internal", init=False)


def test_init_pushes_genesis_and_pins_it(bare: World) -> None:
    ran = bare.cli("evidence", "init", "--format", "json")
    started = ran.document()
    assert (ran.exit, started["format"]) == (0, "hyops-evidence-init/1")
    assert bare.types() == ["genesis"]
    assert f'"{started["genesis"]}"' in bare.read(bare.authority_path)
    assert bare.git("status", "--porcelain") == f"M {bare.authority_path}".rjust(len(bare.authority_path) + 3)


def test_init_twice(bare: World) -> None:
    bare.cli("evidence", "init")
    bare.commit("Pin")
    ran = bare.cli("evidence", "init", "--format", "json")
    assert (ran.exit, ran.document()["code"]) == (3, "evidence-exists")
    assert bare.types() == ["genesis"]


def test_init_asks_the_remote_itself(bare: World) -> None:
    bare.cli("evidence", "init")
    head = bare.evidence_head()
    bare.git("checkout", "-q", "--", bare.authority_path)
    for reference in ("refs/heads/evidence", "refs/remotes/origin/evidence"):
        bare.git("update-ref", "-d", reference)
    ran = bare.cli("evidence", "init", "--format", "json")
    assert (ran.exit, ran.document()["code"]) == (3, "evidence-exists")
    assert bare.evidence_head() == head


def test_init_needs_a_key(bare: World) -> None:
    ran = bare.cli("evidence", "init", "--format", "json", HYOPS_SIGNING_KEY_FILE="")
    assert (ran.exit, ran.document()["code"]) == (3, "signing-key")


def test_init_needs_the_remote(bare: World) -> None:
    bare.git("remote", "remove", "origin")
    ran = bare.cli("evidence", "init", "--format", "json")
    assert (ran.exit, ran.document()["code"]) == (4, "remote-unreachable")


@pytest.mark.parametrize(
    "section",
    [
        "# before\nevidence: {branch: evidence, remote: origin}  # beside\n# after\n",
        "# before\nevidence:  # beside\n  branch: evidence  # the branch\n  remote: origin\n# after\n",
        "# before\nevidence:\n  # why here\n  remote: origin\n\n# after\n",
    ],
    ids=["flow", "block", "block with blank lines"],
)
def test_init_keeps_every_other_line_of_the_authority_file(bare: World, section: str) -> None:
    text = bare.read(bare.authority_path)
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith("evidence")]
    bare.write(bare.authority_path, "".join(lines) + section)
    bare.commit("Comments")
    genesis = bare.cli("evidence", "init", "--format", "json").document()["genesis"]
    written = bare.read(bare.authority_path)
    removed = written.replace(f', genesis: "{genesis}"', "").replace(f'  genesis: "{genesis}"\n', "")
    assert removed == "".join(lines) + section
    assert bare.cli("validate").exit == 0


def test_verify_a_log_that_is_whole(offline: World) -> None:
    ran = offline.cli("evidence", "verify", "--format", "json")
    reading = ran.document()
    assert (ran.exit, reading["format"], reading["ok"], reading["entries"]) == (0, "hyops-evidence-verify/1", True, 1)


def flipped(data: bytes, at: int) -> bytes:
    """One bit of one octet, so that text stays text."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize(
    "path", ["log/off.internal/0000/000001.json", "log/off.internal/0000/000001.json.sig", "README.md"]
)
def test_verify_sees_one_flipped_bit(offline: World, path: str) -> None:
    offline.rewrite_evidence({path: flipped(offline.evidence(path), 60)})
    offline.git("fetch", "-q", "origin", "evidence:refs/remotes/origin/evidence")
    ran = offline.cli("evidence", "verify", "--format", "json")
    assert (ran.exit, ran.document()["ok"]) == (1, False)
    assert path in json.dumps(ran.document()["problems"])


def test_verify_sees_a_file_that_does_not_belong(offline: World) -> None:
    offline.rewrite_evidence({".github/workflows/evil.yaml": b"on: push\n"})
    offline.git("fetch", "-q", "origin", "evidence:refs/remotes/origin/evidence")
    assert offline.cli("evidence", "verify").exit == 1


def test_verify_sees_another_log_under_the_pinned_name(offline: World, tmp_path: Path) -> None:
    other = World.make(tmp_path / "other", "off.internal")
    line = f"other@tests {other.public_key}\n"
    offline.write("authority/allowed_signers", offline.read("authority/allowed_signers") + line)
    other.git("fetch", "-q", "origin", "evidence")
    offline.git("fetch", "-q", str(other.remote), "+evidence:refs/remotes/origin/evidence")
    offline.git("update-ref", "refs/heads/evidence", "refs/remotes/origin/evidence")
    ran = offline.cli("evidence", "verify")
    assert ran.exit == 1


def test_verify_without_a_branch(offline: World) -> None:
    for reference in ("refs/heads/evidence", "refs/remotes/origin/evidence"):
        offline.git("update-ref", "-d", reference)
    ran = offline.cli("evidence", "verify", "--format", "json")
    assert (ran.exit, ran.document()["code"]) == (3, "evidence-missing")


def test_verify_uses_no_network(offline: World) -> None:
    run("rm", "-rf", str(offline.remote))
    assert offline.cli("evidence", "verify").exit == 0


def test_a_log_without_a_remote(tmp_path: Path) -> None:
    world = World.make(tmp_path, "off.internal", local=True)
    assert world.types() == ["genesis"]
    assert world.cli("evidence", "verify").exit == 0
