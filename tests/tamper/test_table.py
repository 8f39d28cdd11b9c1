"""The table is whole, and what it and the security model name exists."""

import ast
import functools
import re
from collections.abc import Mapping

from tests.support.repository import ROOT
from tests.tamper import test_git, test_tree
from tests.tamper.table import TABLE, Row

TESTS = ROOT / "tests"
PARAMETERS: Mapping[str, Mapping[str, object]] = {
    "test_tree_is_refused_by_both": test_tree.CASES,
    "test_untrue_entry_is_refused": test_git.CASES,
    "test_branch_that_did_not_only_grow_is_refused": test_git.BRANCHES,
}


@functools.cache
def known_tests() -> set[str]:
    """The name of every test function of the suite."""
    return {
        node.name
        for file in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def names_its_test(row: Row) -> bool:
    """Whether the test exists and, where the row names one of its cases, gives the row's reason."""
    name, _, case = row.test.removesuffix("]").partition("[")
    if name not in PARAMETERS or not case:
        return name in known_tests()
    found = PARAMETERS[name].get(case)
    return isinstance(found, tuple) and found[1] == row.reason


def test_each_row_names_a_test_that_exists_and_its_reason() -> None:
    assert [f"{row.ref} {row.what}: {row.test}" for row in TABLE if row.test and not names_its_test(row)] == []


def test_every_threat_has_a_row() -> None:
    refs = {row.ref for row in TABLE}
    assert {f"{number:02d}" for number in range(1, 35)} <= refs
    assert set("ABCDEFGHIJKLMNO") <= refs
    assert {f"R{number}" for number in range(1, 11)} <= refs


def test_what_has_no_test_says_why() -> None:
    assert all(row.reason for row in TABLE if not row.test)


def test_the_security_model_names_tests_that_exist() -> None:
    page = (TESTS.parent / "docs" / "security-model.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(?:[\w/]+\.py::)?(test_[a-z0-9_]+)`", page))
    assert named
    assert named <= known_tests()
    rows = [
        line for line in page.splitlines() if line.startswith("| ") and not line.startswith(("| Attack", "| Actor"))
    ]
    assert all(re.search(r"[`:]test_", row) for row in rows)


def test_each_thing_that_an_actor_cannot_do_names_its_test() -> None:
    page = (TESTS.parent / "docs" / "security-model.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.split("| Actor ")[1].split("\n\n")[0].splitlines()[2:]]
    named = [text for _, _, cannot, seen in rows for text in f"{cannot}; {seen}".split("; ")]
    places = [re.fullmatch(r".+: `([\w/]+\.py)::(test_\w+)`", text) for text in named]

    assert [text for text, place in zip(named, places, strict=True) if place is None] == []
    found = [(TESTS / place[1], place[2]) for place in places if place is not None]
    assert [name for file, name in found if f"def {name}(" not in file.read_text(encoding="utf-8")] == []
    assert len(rows) == len({actor for actor, *_ in rows}) >= 14
