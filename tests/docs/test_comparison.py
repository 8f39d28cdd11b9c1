"""What the comparison says is proved by tests that exist."""

import ast
import functools
import re

import pytest

from tests.support.repository import ROOT, text

PAGE = text("docs/comparison.md")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.endswith("| proof |")]
TESTS = ROOT / "tests"


@functools.cache
def _names(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split(" | ")[0].removeprefix("| "))
def test_a_row_names_tests_and_cases_that_exist(row: str) -> None:
    proofs = re.findall(r"`([^`]+)`", row.removesuffix(" |").rsplit(" | ", 1)[1])
    assert proofs
    for proof in proofs:
        file, _, name = proof.partition("::")
        assert name in _names(file) if name else (TESTS / "cases" / "invalid" / proof / "expected.txt").is_file(), proof
