"""docs/scan.md: its command prints what the page shows, and its files are read without a finding."""

import json
import re
import shutil
from pathlib import Path

import pytest

from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.cli.main import execute
from hyops_gitops.scan.search import SCAN_RULES, read_ignores
from tests.support.clone import run
from tests.support.repository import ROOT, code_blocks, first_cells, text

PAGE = text("docs/scan.md")


def test_the_command_prints_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "tests/cases/base", tmp_path / "dns")
    git = ("git", "-C", tmp_path / "dns", "-c", "user.name=Test", "-c", "user.email=test@example.invalid")
    run(*git, "init", "-q")
    run(*git, "add", "-A")
    run(*git, "commit", "-q", "-m", "Begin")
    values = tmp_path / "app/deploy/values.yaml"
    values.parent.mkdir(parents=True)
    values.write_text("env:\n  db_host: 10.12.0.31\n")
    monkeypatch.chdir(tmp_path / "app")
    (block,) = code_blocks(PAGE, "console")
    command, *printed = block.splitlines()

    code = execute(command.removeprefix("$ hyops-gitops ").split())
    shown = capsys.readouterr()

    assert (code, (shown.out + shown.err).splitlines()) == (1, printed)


def test_the_example_of_an_ignore_file_has_no_bad_line() -> None:
    (block,) = code_blocks(PAGE, "text")
    ignores, problems = read_ignores(block.encode(), "page")

    assert problems == ()
    assert all(map(ignores.covers, ("a/vendor/b", "deploy/seed.yaml", "x.pcap.txt", "docs/a/history.md")))


def test_the_hook_and_the_rules_of_the_page_exist() -> None:
    (block,) = code_blocks(PAGE, "yaml")
    hooks = set(re.findall(r"^- id: (\S+)$", text(".pre-commit-hooks.yaml"), re.MULTILINE))
    document, _ = read_document("page", block.encode())
    assert document is not None
    named = set(re.findall(r'"id": "([^"]+)"', json.dumps(document.data)))

    assert named
    assert named <= hooks
    rules = re.findall(r"`([a-z-]+)`", " ".join(row[0] for row in first_cells(PAGE, "rule")))
    assert rules == [rule.id for rule in SCAN_RULES]
