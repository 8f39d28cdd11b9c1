"""`init --add-zone`: what it adds to a repository, and that the zones that are there stay as they are."""

from pathlib import Path

import pytest

from hyops_gitops.adapters.files import WorkTree
from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.adapters.yaml.schema import check_document
from hyops_gitops.cli.main import execute
from hyops_gitops.core.errors import Exit
from hyops_gitops.core.zone_tree import zone_tree
from hyops_gitops.validate.validation import Validation, validate_tree
from tests.init.conftest import ZONE, Began, Init
from tests.init.test_init import everything
from tests.support.clone import run

CHILD = f"eu.{ZONE}"
FILES = {f"authority/{CHILD}.yaml", f"endpoints/{CHILD}/README.md"}
PRIMARY = ("--primary-url", "https://other.begin.internal:8443", "--primary-site", "hetzner")
CONTRACT = """\
endpoint_dns_name: pg.{env}.begin.internal
endpoint_target: 10.0.0.1
endpoint_target_type: host
endpoint_port: 5432
endpoint_cutover_required: true
"""


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The applier's."""
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key")
    return tmp_path / "key"


def add(init: Init, *options: str | Path, zone: str = CHILD) -> Began:
    return init("--add-zone", zone, *PRIMARY, *options, bare=True)


def validated(directory: Path, zone: str) -> Validation:
    return validate_tree(zone_tree(WorkTree(directory), zone), read_document, check_document)


def git(directory: Path, *arguments: str) -> str:
    return run("git", "-C", directory, *arguments).decode().strip()


def test_a_further_zone_has_an_authority_file_and_a_folder(init: Init, directory: Path) -> None:
    init("--remote-url", "https://git.example.net/dns.git")
    before = everything(directory)
    added = add(init, "--environment", "prod")
    after = everything(directory)

    assert (added.exit, added.document["zone"], set(added.document["written"])) == (0, CHILD, FILES)  # type: ignore[call-overload]
    assert {path: after[path] for path in before} == before
    assert after.keys() - before.keys() == FILES
    assert WorkTree(directory).division.folders == {CHILD}
    for zone in (ZONE, CHILD):
        found = validated(directory, zone)
        assert (found.findings, found.authority is not None) == ((), True)
    authority = validated(directory, CHILD).authority
    assert authority is not None
    assert (authority.evidence.branch, authority.evidence.remote) == (f"evidence-{CHILD}", "origin")
    assert "$schema=../../../schemas/" in after[f"endpoints/{CHILD}/README.md"].decode()
    assert "$schema=../../schemas/" in after["endpoints/README.md"].decode()


def test_the_next_steps_name_the_zone(init: Init) -> None:
    init("--remote-url", "https://git.example.net/dns.git")
    steps = add(init).document["next"]

    assert isinstance(steps, list)
    assert [step for step in steps if f"evidence init --zone {CHILD}" in step]
    assert [step for step in steps if f"`{CHILD}=https://other.begin.internal:8443` in HYOPS_PRIMARY_URL" in step]


def test_the_rulesets_of_its_branch_are_printed_and_that_of_main_is_not(init: Init) -> None:
    init()
    rulesets = add(init, "--github", "print").document["rulesets"]

    assert isinstance(rulesets, list)
    assert {str(ruleset["conditions"]["ref_name"]["include"]) for ruleset in rulesets} == {
        f"['refs/heads/evidence-{CHILD}']"
    }


def test_a_repository_with_several_zones_is_completed(init: Init, directory: Path) -> None:
    init()
    add(init)
    (directory / f"endpoints/{CHILD}/prod").mkdir()
    owned = CONTRACT.format(env="prod.eu") + "endpoint_owner: '@acme/eu'\n"
    (directory / f"endpoints/{CHILD}/prod/pg.yaml").write_text(owned)
    (directory / ".github/CODEOWNERS").unlink()
    completed = init("--github", "print", bare=True)

    assert (completed.exit, completed.document["written"]) == (0, [".github/CODEOWNERS"])
    assert f"/endpoints/{CHILD}/prod/pg.yaml @acme/eu" in (directory / ".github/CODEOWNERS").read_text()
    names = [ruleset["name"] for ruleset in completed.document["rulesets"]]  # type: ignore[attr-defined]
    assert len(names) == 5
    assert len(set(names)) == 5


@pytest.mark.parametrize(
    ("zone", "options", "code"),
    [
        (ZONE, [], "zone-exists"),
        ("prod", [], "bad-zone"),
        ("Bad_Zone.internal", [], "bad-zone"),
        ("../up.internal", [], "bad-zone"),
        (CHILD, ["--evidence"], "key-missing"),
        (CHILD, ["--zone", CHILD], "usage"),
        (CHILD, ["--generate-key", "../key"], "usage"),
    ],
)
def test_what_cannot_be_added_changes_nothing(
    init: Init, directory: Path, zone: str, options: list[str], code: str
) -> None:
    init()
    before = everything(directory)

    assert add(init, *options, zone=zone).document["code"] == code
    assert everything(directory) == before


def test_a_zone_is_added_to_a_repository_alone(init: Init, directory: Path) -> None:
    assert add(init).document["code"] == "no-repository"
    assert not directory.exists()


@pytest.mark.parametrize("branch", ["evidence", "evidence/eu"])
def test_a_branch_of_another_zone_is_refused(init: Init, directory: Path, tmp_path: Path, branch: str) -> None:
    init()
    text = (directory / f"authority/{ZONE}.yaml").read_text()
    given = text.replace(f"zone: {ZONE}", f"zone: {CHILD}").replace("{branch: evidence}", f"{{branch: {branch}}}")
    (tmp_path / "child.yaml").write_text(given)
    refused = add(init, "--authority", tmp_path / "child.yaml")

    assert (refused.exit, refused.document["code"]) == (Exit.USAGE, "branch-taken")
    assert f"evidence-{CHILD}" in str(refused.document["hint"])
    (tmp_path / "child.yaml").write_text(given.replace(f"branch: {branch}", "branch: log-of-eu"))
    assert add(init, "--authority", tmp_path / "child.yaml").exit == 0
    assert (directory / f"authority/{CHILD}.yaml").read_text() == (tmp_path / "child.yaml").read_text()


def test_a_zone_that_would_take_a_name_of_another_is_refused(init: Init, directory: Path) -> None:
    init("--environment", "eu", "--environment", "prod")
    (directory / "endpoints/eu").mkdir()
    (directory / "endpoints/eu/pg.yaml").write_text(CONTRACT.format(env="eu"))
    refused = add(init)

    assert (refused.exit, refused.document["code"]) == (Exit.NO, "findings")
    assert not (directory / f"authority/{CHILD}.yaml").exists()


def test_contracts_of_its_records_lie_in_its_folder(init: Init, directory: Path, tmp_path: Path) -> None:
    init()
    (tmp_path / "zone").write_text(f"$ORIGIN {CHILD}.\n$TTL 60\n@ SOA a. b. 1 2 3 4 5\npg.prod A 10.0.0.1\n")
    added = add(init, "--from-zone", tmp_path / "zone", "--default-port", "5432")
    contract = f"endpoints/{CHILD}/prod/pg.yaml"

    assert added.document["taken_over"] == [contract]
    assert [str(each.name) for each in validated(directory, CHILD).contracts] == [f"pg.prod.{CHILD}"]
    schema = (directory / contract).read_text().splitlines()[0].partition("=")[2]
    assert ((directory / contract).parent / schema).resolve() == directory / "schemas/endpoint.schema.json"


def test_its_log_is_its_own(init: Init, directory: Path, key: Path) -> None:
    init("--signing-key", key, "--evidence")
    first = git(directory, "rev-parse", "evidence")
    added = add(init, "--signing-key", key, "--evidence")

    assert (added.exit, git(directory, "rev-parse", "evidence")) == (0, first)
    assert str(added.document["genesis"]) in (directory / f"authority/{CHILD}.yaml").read_text()
    assert git(directory, "rev-list", "--count", f"evidence-{CHILD}") == "1"
    assert git(directory, "log", "--format=%s", "-2") == f"Pin the evidence log\nAdd the zone {CHILD}"
    assert git(directory, "status", "--porcelain") == ""
    for zone in (ZONE, CHILD):
        assert execute(["evidence", "verify", "--repo", str(directory), "--zone", zone]) == Exit.OK


def test_its_log_can_be_started_later(
    init: Init, directory: Path, key: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    init("--signing-key", key, "--evidence")
    first = git(directory, "rev-parse", "evidence")
    assert add(init, "--commit").exit == 0
    monkeypatch.setenv("HYOPS_SIGNING_KEY_FILE", str(key))

    assert execute(["evidence", "init", "--repo", str(directory)]) == Exit.USAGE
    assert "this repository has several zones" in capsys.readouterr().err
    assert execute(["evidence", "init", "--repo", str(directory), "--zone", CHILD]) == Exit.OK
    assert git(directory, "rev-parse", "evidence") == first
    assert 'genesis: "sha256:' in (directory / f"authority/{CHILD}.yaml").read_text()


def test_a_key_that_is_not_listed_starts_no_log(init: Init, directory: Path, key: Path) -> None:
    init("--commit")
    before = everything(directory)

    assert add(init, "--signing-key", key, "--evidence").document["code"] == "signing-key"
    assert everything(directory) == before
