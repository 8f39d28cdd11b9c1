"""`validate --changed-since` on a branch: what counts as its change, and what may not be changed together."""

from pathlib import Path

import pytest

from tests.support.world import World

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


def test_what_the_branch_and_main_did_in_the_same_way_is_no_change(world: World) -> None:
    world.contract("first", "10.0.0.2")
    world.commit()
    world.git("switch", "-q", "main")
    world.edit_authority('"max": 3600', '"max": 7200')
    world.commit("Longer")
    picked = world.git("rev-parse", "HEAD")
    world.contract("second", "10.0.0.9")
    world.commit("On")
    world.git("switch", "-q", "topic")
    world.git("cherry-pick", picked)

    assert rules(world) == []


def test_a_criss_cross_has_several_bases_and_counts_what_the_branch_brings(world: World) -> None:
    world.contract("first", "10.0.0.2")
    before = world.commit()
    world.git("switch", "-q", "main")
    world.edit_authority('"max": 3600', '"max": 7200')
    main = world.commit()
    world.git("merge", "-q", "--no-ff", "-m", "topic into main", before)
    world.git("switch", "-q", "topic")
    world.git("merge", "-q", "--no-ff", "-m", "main into topic", main)
    world.contract("first", "10.0.0.3")
    world.commit()

    assert len(world.git("merge-base", "--all", "main", "topic").split()) == 2
    assert rules(world) == []


SQUASHED = """Move first (#7)

* Move first

Hyops-Site-Lost: onprem
Hyops-Kind: incident

Co-authored-by: Ann <ann@example.invalid>"""


def test_a_trailer_that_a_forge_moved_out_of_the_last_paragraph_is_a_finding_until_it_is_said_again(
    world: World,
) -> None:
    world.contract("first", "10.0.0.2")
    world.commit(SQUASHED)
    squashed = rules(world)
    world.git("commit", "-q", "--allow-empty", "-m", "Again\n\nHyops-Site-Lost: onprem\nHyops-Kind: incident")
    again = rules(world)
    world.git("reset", "-q", "--hard", "HEAD~1")
    world.git("commit", "-q", "--allow-empty", "-m", "Never mind\n\nHyops-Override: trailers=onprem is back")

    assert squashed == [f"commit-trailer {AUTHORITY}"] * 2
    assert (again, rules(world)) == ([], [])


def test_a_trailer_that_is_only_talked_about_is_noted_and_no_finding(world: World) -> None:
    world.contract("first", "10.0.0.2")
    world.commit("Say how\n\n    Hyops-Site-Lost: onprem\n\nis what `failover` writes.")
    ran = world.cli("validate", "--changed-since", "main")

    assert ran.exit == 0
    assert "line 'Hyops-Site-Lost: onprem' is not read as a trailer" in ran.err


def test_the_hook_finds_a_target_that_is_not_part_of_the_commit(world: World) -> None:
    world.contract("db", "second.prod.off.internal")
    world.contract("second", "10.0.0.9")
    world.git("add", "endpoints/prod/db.yaml")
    path = "endpoints/prod/db.yaml"
    untracked = world.cli("validate", "--staged", path)
    world.git("add", "endpoints/prod/second.yaml")

    assert (untracked.exit, f"{path}:2:18: target-dangling: " in untracked.out) == (1, True)
    assert world.cli("validate", path).exit == 0
    assert world.cli("validate", "--staged", path).exit == 0
