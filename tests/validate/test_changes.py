"""`validate --changed-since` on a branch: what counts as its change, and what may not be changed together."""

from pathlib import Path

import pytest

from tests.world import World

AUTHORITY = "authority/off.internal.yaml"
SIGNERS = "authority/allowed_signers"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A started log, and a branch that left main."""
    made = World.make(tmp_path, "off.internal", local=True)
    made.git("switch", "-q", "-c", "topic")
    return made


def rules(world: World) -> list[str]:
    ran = world.cli("validate", "--format", "json", "--changed-since", "main")
    findings = ran.document()["findings"]
    assert isinstance(findings, list)
    assert ran.exit == (1 if findings else 0)
    return [f"{one['rule']} {one['path']}" for one in findings]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"http://127.0.0.1:1"', '"http://127.0.0.1:2"'),
        ('"POWERDNS_API_KEY"', '"HYOPS_OTHER_KEY"'),
        ('"max": 3600', '"max": 7200'),
        ('"branch": "evidence"', '"branch": "log"'),
        ("", ""),
    ],
    ids=["api_url", "api_key_env", "policy", "evidence", "a remark"],
)
def test_an_authority_file_changed_together_with_a_contract(world: World, old: str, new: str) -> None:
    text = world.read(AUTHORITY)
    world.write(AUTHORITY, text.replace(old, new) if old else f"{text}# a remark\n")
    world.contract("first", "10.0.0.2")
    world.commit()

    assert rules(world) == [f"mixed-change {AUTHORITY}"]


def test_signers_changed_together_with_a_contract(world: World) -> None:
    world.write(SIGNERS, f"{world.read(SIGNERS)}# another key\n")
    world.contract("first", "10.0.0.2")
    world.commit()

    assert rules(world) == [f"mixed-change {SIGNERS}"]


def test_each_alone(world: World) -> None:
    world.contract("first", "10.0.0.2")
    world.commit()
    contract_alone = rules(world)
    world.git("reset", "-q", "--hard", "main")
    world.edit_authority('"max": 3600', '"max": 7200')
    world.commit()

    assert (contract_alone, rules(world)) == ([], [])


def test_everything_at_once_before_the_log_is_started(tmp_path: Path) -> None:
    world = World.make(tmp_path, "off.internal", local=True, init=False)
    world.git("switch", "-q", "-c", "topic")
    world.edit_authority('"max": 3600', '"max": 7200')
    world.contract("first", "10.0.0.2")
    world.commit()

    assert rules(world) == []


def test_what_main_did_since_is_no_change_of_the_branch(world: World) -> None:
    world.contract("first", "10.0.0.2")
    world.commit()
    world.git("switch", "-q", "main")
    world.edit_authority('"max": 3600', '"max": 7200')
    world.contract("second", "8.8.8.8")
    world.commit()
    world.git("switch", "-q", "topic")

    assert rules(world) == []


def test_a_merge_of_both_counts_what_the_branch_brings(world: World) -> None:
    world.contract("first", "10.0.0.2")
    world.commit()
    world.git("switch", "-q", "main")
    world.edit_authority('"max": 3600', '"max": 7200')
    world.commit()
    world.git("switch", "-q", "--detach", "main")
    world.git("merge", "-q", "--no-edit", "topic")

    assert rules(world) == []
