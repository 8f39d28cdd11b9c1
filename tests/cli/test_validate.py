"""`validate` and `explain` as commands: selections, JSON, exit codes, and the shipped repository."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from hyops_gitops.cli.main import execute
from tests.support.repository import ROOT

REPOSITORY = ROOT
BASE = ROOT / "tests" / "cases" / "base"
POSTGRES = "endpoints/prod/postgres.yaml"
DB = "endpoints/prod/db.yaml"
REDIS = "endpoints/dev/redis.yaml"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the base case, committed."""
    shutil.copytree(BASE, tmp_path, dirs_exist_ok=True)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "base")
    return tmp_path


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, env=environment)


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def run(capsys: pytest.CaptureFixture[str], root: Path, *arguments: str) -> tuple[int, list[str], str]:
    """Exit code, the rule-bearing lines of stdout cut to `path rule`, and stderr."""
    exit_code = execute(["validate", "--repo", str(root), *arguments])
    captured = capsys.readouterr()
    lines = [line for line in captured.out.splitlines() if not line.startswith("  hint: ")]
    return exit_code, [f"{line.split(':')[0]} {line.split(': ')[1]}" for line in lines], captured.err


def test_the_shipped_repository_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, REPOSITORY)[:2] == (0, [])


def test_everything_is_checked_without_arguments(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(root / POSTGRES, "5432", "0")
    edit(root / REDIS, "6379", "0")

    exit_code, findings, summary = run(capsys, root)

    assert (exit_code, findings) == (1, [f"{REDIS} schema-range", f"{POSTGRES} schema-range"])
    assert summary == "3 contracts checked, 2 errors, 0 warnings\n"


def test_a_path_limits_what_is_shown(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(root / POSTGRES, "5432", "0")
    edit(root / REDIS, "6379", "0")

    assert run(capsys, root, str(root / REDIS))[1] == [f"{REDIS} schema-range"]


def test_a_folder_stands_for_its_files(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(root / POSTGRES, "5432", "0")
    edit(root / REDIS, "6379", "0")

    assert run(capsys, root, str(root / "endpoints" / "dev"))[1] == [f"{REDIS} schema-range"]


def test_the_repository_itself_stands_for_everything(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(root / REDIS, "6379", "0")

    assert run(capsys, root, str(root))[1] == [f"{REDIS} schema-range"]


def test_a_path_through_a_linked_folder_is_recognised(
    root: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(root / REDIS, "6379", "0")
    link = tmp_path_factory.mktemp("links") / "repository"
    link.symlink_to(root)

    assert run(capsys, root, str(link / REDIS))[1] == [f"{REDIS} schema-range"]


def test_contracts_that_refer_to_a_path_are_shown_too(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(root / DB, "5432", "0")

    assert run(capsys, root, str(root / POSTGRES))[1] == [f"{DB} schema-range"]


def test_a_deleted_path_shows_who_pointed_at_it(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / POSTGRES).unlink()

    assert run(capsys, root, str(root / POSTGRES))[1] == [f"{DB} target-dangling"]


def test_a_path_elsewhere_is_ignored_with_a_note(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exit_code, findings, notes = run(capsys, root, str(root / "README.md"))

    assert (exit_code, findings) == (0, [])
    assert "README.md is not under endpoints/ or authority/, ignored" in notes


def test_changed_since_shows_only_what_changed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(root / REDIS, "6379", "0")
    git(root, "commit", "-q", "-a", "-m", "a mistake of somebody else")
    edit(root / POSTGRES, "5432", "0")

    assert run(capsys, root, "--changed-since", "HEAD")[1] == [f"{POSTGRES} schema-range"]


def test_a_changed_authority_concerns_every_contract(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(root / "authority/hyops.internal.yaml", "[dev, prod]", "[prod]")

    assert run(capsys, root, "--changed-since", "HEAD")[1] == [f"{REDIS} name-environment"]


def test_deleting_a_target_names_the_revision(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / POSTGRES).unlink()

    exit_code = execute(["validate", "--repo", str(root), "--changed-since", "HEAD"])

    assert exit_code == 1
    assert capsys.readouterr().out == (
        f"{DB}:2:18: target-deleted: postgres.prod.hyops.internal is pointed at here, "
        f"but {POSTGRES} was deleted since HEAD\n"
        f"  hint: point {DB} elsewhere first, or keep {POSTGRES}\n"
    )


def test_an_unknown_revision_is_wrong_usage(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["validate", "--repo", str(root), "--changed-since", "nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_json_has_every_field(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(root / REDIS, "6379", "0")

    exit_code = execute(["validate", "--repo", str(root), "--format", "json"])

    assert exit_code == 1
    assert json.loads(capsys.readouterr().out) == {
        "format": "hyops-validate/1",
        "checked": 3,
        "findings": [
            {
                "rule": "schema-range",
                "severity": "error",
                "path": REDIS,
                "line": 4,
                "column": 16,
                "message": "endpoint_port: got the number 0, expected a whole number from 1 to 65535",
                "hint": "endpoint_port: The port that the service listens on",
            }
        ],
    }


def test_an_authority_file_outside_replaces_the_repositorys_own(
    root: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = tmp_path_factory.mktemp("lab") / "authority.yaml"
    shutil.copyfile(root / "authority/hyops.internal.yaml", outside)
    edit(outside, "10.0.0.0/8", "127.0.0.0/8")

    findings = run(capsys, root, "--authority", str(outside))[1]

    assert findings == [f"{REDIS} target-network", *[f"{POSTGRES} target-network"] * 3]


def test_a_thousand_broken_files_show_a_thousand_findings_and_count_all(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (root / REDIS).read_text(encoding="utf-8")
    for number in range(1000):
        broken = text.replace("redis.dev", f"s{number}.dvv").replace("6379", "0").replace("10.16.0.41", "8.8.8.8")
        (root / f"endpoints/dev/s{number}.yaml").write_text(broken + "endpoint_tll: 3\n", encoding="utf-8")

    exit_code, findings, summary = run(capsys, root)

    assert exit_code == 1
    assert len(findings) == 1000 + 1
    assert findings[-1].startswith("3000 more findings not shown")
    assert ", 4000 errors, 0 warnings" in summary


def test_explain_lists_rules_and_guards(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["explain"]) == 0

    printed = capsys.readouterr().out
    assert "  target-self " in printed
    assert "  max-deletes " in printed


def test_explain_a_guard_shows_its_override(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["explain", "drift"]) == 0
    assert "--override drift:NAME='REASON'" in capsys.readouterr().out


def test_explain_an_unknown_name_suggests_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["explain", "target-slef"]) == 2
    assert "did you mean target-self?" in capsys.readouterr().err


def test_explain_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["explain", "target-self", "--format", "json"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert document["format"] == "hyops-explain/1"
    assert [rule["id"] for rule in document["rules"]] == ["target-self"]
    assert document["guards"] == []
