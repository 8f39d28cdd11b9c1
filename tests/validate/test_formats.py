"""Findings as GitHub annotations and as SARIF, and that nothing in a file can write more than its own."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from hyops_gitops.cli.main import execute
from hyops_gitops.core.findings import (
    MOST,
    MOST_IN_A_FILE,
    Finding,
    Severity,
    capped,
    findings_json,
    findings_text,
)
from hyops_gitops.validate.formats import findings_annotations, findings_sarif
from hyops_gitops.validate.rules import RULES
from tests.support.annotations import annotations
from tests.support.repository import ROOT

BASE = ROOT / "tests" / "cases" / "base"
POSTGRES = "endpoints/prod/postgres.yaml"
HOSTILE = Finding(
    "endpoints/prod/a,line=1::error::x%0Ay.yaml",
    3,
    7,
    "name-path",
    "got '\n::add-mask::x\r::set-output name=a::b' and [click](http://evil.example) 100%",
    "write \x1b[31m`x`\n::error::y",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(BASE, tmp_path / "contracts")
    return tmp_path / "contracts"


def rename(root: Path, name: str) -> None:
    file = root / POSTGRES
    file.write_text(file.read_text().replace("postgres.prod.hyops.internal", name), encoding="utf-8")


def validate(capsys: pytest.CaptureFixture[str], root: Path, output_format: str) -> tuple[int, str]:
    exit_code = execute(["validate", "--repo", str(root), "--format", output_format])
    return exit_code, capsys.readouterr().out


def test_a_wrong_environment_is_annotated_at_its_line_with_those_there_are(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rename(root, "Postgres.prd.hyops.internal")

    exit_code, printed = validate(capsys, root, "github")

    environment, syntax = annotations(printed)
    assert exit_code == 1
    assert environment[:2] == ("error", {"file": POSTGRES, "line": "1", "col": "20", "title": "name-environment"})
    assert environment[2].splitlines() == [
        f"{POSTGRES}:1:20: name-environment: postgres.prd.hyops.internal: expected an environment, got 'prd'",
        "hint: did you mean prod? environments: dev, prod, shared",
    ]
    assert syntax[2].endswith("hint: write postgres.prod.hyops.internal")


def test_paths_count_from_the_top_of_the_checkout(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root.parent / ".git").mkdir()
    rename(root, "postgres.prd.hyops.internal")

    ((_, parameters, _),) = annotations(validate(capsys, root, "github")[1])
    (result,) = json.loads(validate(capsys, root, "sarif")[1])["runs"][0]["results"]

    assert parameters["file"] == f"contracts/{POSTGRES}"
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == f"contracts/{POSTGRES}"


def test_a_warning_is_an_annotation_of_that_level() -> None:
    warning = Finding(POSTGRES, 2, 1, "name-path", "m", severity=Severity.WARNING)

    assert annotations(findings_annotations([warning]))[0][0] == "warning"


def test_no_text_of_a_file_ends_its_annotation_or_begins_another_command() -> None:
    ((level, parameters, message),) = annotations(findings_annotations([HOSTILE]))

    assert (level, parameters["line"], parameters["title"]) == ("error", "3", "name-path")
    assert parameters["file"] == HOSTILE.path
    assert r"got '\n::add-mask::x\r::set-output name=a::b'" in message
    assert len(message.splitlines()) == 2
    assert "\x1b" not in message


def test_nothing_found_is_no_annotation(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate(capsys, root, "github") == (0, "")


def test_a_sarif_log_places_each_result_and_explains_every_rule(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rename(root, "Postgres.prod.hyops.internal")

    exit_code, printed = validate(capsys, root, "sarif")

    log = json.loads(printed)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    (result,) = run["results"]
    assert (exit_code, log["version"], run["columnKind"]) == (1, "2.1.0", "unicodeCodePoints")
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == "name-syntax"
    assert result["level"] == "error"
    assert result["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": POSTGRES, "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": 1, "startColumn": 20},
            }
        }
    ]
    assert [rule["id"] for rule in rules] == list(RULES)
    assert all(RULES[rule["id"]].fix in rule["help"]["text"] for rule in rules)
    assert all(RULES[rule["id"]].example in rule["help"]["markdown"] for rule in rules)


def test_a_clean_tree_is_a_sarif_log_without_results(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exit_code, printed = validate(capsys, root, "sarif")

    assert (exit_code, json.loads(printed)["runs"][0]["results"]) == (0, [])


def test_no_text_of_a_file_makes_a_link_in_a_sarif_message() -> None:
    log: Any = findings_sarif([HOSTILE], RULES.values(), "0")

    text = log["runs"][0]["results"][0]["message"]["text"]
    assert r"[click\](http://evil.example)" in text
    assert text.isprintable()


# --- more than is read


def many(path: str, number: int, severity: Severity = Severity.ERROR) -> list[Finding]:
    return [Finding(path, line, 1, "yaml-key", f"defect {line}", severity=severity) for line in range(1, number + 1)]


def test_of_a_file_and_of_a_run_so_many_findings_are_shown() -> None:
    exactly = many("a", MOST_IN_A_FILE)
    assert capped(exactly) == (tuple(exactly), "")

    shown, omitted = capped([*many("a", MOST_IN_A_FILE + 7), *many("b", 3)])
    assert [finding.path for finding in shown] == ["a"] * MOST_IN_A_FILE + ["b"] * 3
    assert omitted == "7 more findings not shown: the first 100 of a file and 1000 of a run are"

    shown, omitted = capped([finding for number in range(20) for finding in many(f"f{number}", 90)])
    assert (len(shown), omitted.partition(":")[0]) == (MOST, "800 more findings not shown")


def test_warnings_do_not_push_an_error_out() -> None:
    shown, _ = capped([*many("a", 2 * MOST_IN_A_FILE, Severity.WARNING), *many("a", 1)])

    assert [finding.severity for finding in shown].count(Severity.ERROR) == 1
    assert shown[-1].severity is Severity.ERROR


def test_every_form_says_how_many_are_left_out() -> None:
    findings = many("a", MOST_IN_A_FILE + 1)
    words = "1 more finding not shown: the first 100 of a file and 1000 of a run are"

    assert findings_text(findings).splitlines()[-1] == words
    assert findings_json(findings, 1)["omitted"] == words
    assert findings_annotations(findings).splitlines()[-1] == f"::notice::{words}"
    log: Any = findings_sarif(findings, RULES.values(), "1")
    (run,) = log["runs"]
    assert (len(run["results"]), run["properties"]) == (MOST_IN_A_FILE, {"omitted": words})


def test_the_exit_code_and_the_summary_count_all(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = "".join(f"key{number}: *a\n" for number in range(1000))
    (root / POSTGRES).write_text(f"a: &a 1\n{lines}")

    exit_code = execute(["validate", "--repo", str(root)])

    out, err = capsys.readouterr()
    assert exit_code == 1
    assert out.count(f"{POSTGRES}:") == MOST_IN_A_FILE
    assert out.splitlines()[-1].startswith("907 more findings not shown")
    assert "1007 errors" in err
