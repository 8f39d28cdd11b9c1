"""Every case below tests/cases, and that each rule has one."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyops_gitops.cli.main import execute
from hyops_gitops.validate.rules import RULES
from tests.support.repository import ROOT

CASES = ROOT / "tests" / "cases"
INVALID = sorted(path for path in (CASES / "invalid").glob("*/*") if path.is_dir())
NOT_PART_OF_THE_TREE = ("expected.txt", "deleted.txt", "arguments.txt")
BUILT_IN_TESTS = {  # these need a Git history
    "target-deleted",  # test_validate_command.py
    "commit-trailer",  # test_changes.py
    "mixed-change",  # test_changes.py
    "signers-append-only",  # tests/log/test_signers_append_only.py
    "breakglass-review",  # tests/recover/breakglass/test_review.py
    "breakglass-overdue",  # the same
    "owner-unknown",  # tests/cli/test_owners.py: of `owners`, not of `validate`
    "owner-form",  # the same
    "owner-unused",  # the same
    "owners-size",  # the same
    "owners-shadowed",  # tests/validate/test_owners.py
}


@pytest.mark.parametrize("case", INVALID, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_case_prints_what_is_expected(case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _lay_out(case, tmp_path)
    arguments = [line.replace("{case}", str(tmp_path)) for line in _lines(case / "arguments.txt")]

    exit_code = execute(["validate", "--repo", str(tmp_path), *arguments])

    printed = capsys.readouterr().out.replace(str(tmp_path), "{case}")
    if "HYOPS_ACCEPT" in os.environ:
        (case / "expected.txt").write_text(printed, encoding="utf-8")
    assert printed == (case / "expected.txt").read_text(encoding="utf-8")
    assert f": {case.parent.name}: " in printed
    assert all(told.count("\n  hint: ") == 1 for told in re.split(r"\n(?!  hint: )", printed.strip())), "a remedy each"
    assert exit_code == (0 if RULES[case.parent.name].severity == "warning" else 1)


def test_base_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    exit_code = execute(["validate", "--repo", str(CASES / "base")])

    assert (capsys.readouterr().out, exit_code) == ("", 0)


def test_every_rule_has_a_case() -> None:
    assert {case.parent.name for case in INVALID} | BUILT_IN_TESTS == set(RULES)


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_every_rule_is_explained(rule: object, capsys: pytest.CaptureFixture[str]) -> None:
    rule_id = str(getattr(rule, "id", ""))

    exit_code = execute(["explain", rule_id])

    printed = capsys.readouterr().out
    assert exit_code == 0
    assert printed.startswith(f"{rule_id} (")
    assert all(part in printed for part in ("why:", "fix:", "example:"))


def _lay_out(case: Path, target: Path) -> None:
    shutil.copytree(CASES / "base", target, dirs_exist_ok=True)
    for path in _lines(case / "deleted.txt"):
        (target / path).unlink()
    for file in _tree_files(case):
        destination = target / file.relative_to(case)
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, destination)


def _tree_files(case: Path) -> Iterator[Path]:
    return (path for path in case.rglob("*") if path.is_file() and path.name not in NOT_PART_OF_THE_TREE)


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []
