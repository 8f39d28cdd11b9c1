"""Plain English in the product: the rules of docs/architecture.md that a program can check."""

import ast
import functools
import re
import shutil
import subprocess
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "hyops_gitops"
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_WORDS = 12
SCRIPT = PACKAGE.parent / "script" / "language"
VERBATIM = "# verbatim: "  # on the line of a text that is not ours to change: it is in the log, or a name of others
# Single words are the script's; these may stand on two lines.
PHRASES = re.compile(
    r"\bwhat (?:came|comes|became|becomes) of\b|'s word of\b|\bgo(?:es|ing)? on\b|\bwent on\b"
    r"|(?<!there )\bis no (?!longer\b|later\b|more\b)",
    re.IGNORECASE,
)
# A rule of the script, and a line that breaks it.
WRONG = {
    "1": "class Sorted:",
    "2": '    """The outcome of a command, in more words than the first line of a docstring has."""',
    "3": "told = 1",
    "3, in pages": "Ask somebody.",
    "4": """raise Refused("could not read the zone", guard=GUARD)""",
    "5": """hint="the zone has a lock",""",
    "6": "# 99. What a decision is not called",
    "8": '    """The outcome of one command."""',
    "no variable": "names = [one.name for one in found]",
}


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
            yield node.body[0].lineno, text


def words_written(path: Path) -> Iterator[tuple[int, str]]:
    """Every string that is ours to change, docstrings among them, and every comment."""
    source = path.read_text(encoding="utf-8")
    verbatim = {number for number, line in enumerate(source.splitlines(), 1) if VERBATIM in line}
    for node in ast.walk(tree_of(path)):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and verbatim.isdisjoint(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        ):
            yield node.lineno, node.value
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


def shown(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def test_grep_finds_nothing() -> None:
    done = subprocess.run([SCRIPT], capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


@pytest.mark.parametrize("rule", WRONG)
def test_grep_finds_what_breaks_a_rule(rule: str, tmp_path: Path) -> None:
    for folder in ("script", "hyops_gitops", "docs/adr", "docs/runbooks"):
        (tmp_path / folder).mkdir(parents=True)
    script = Path(shutil.copy(SCRIPT, tmp_path / "script"))
    for page in ("README.md", "CONTRIBUTING.md", "docs/architecture.md"):
        shutil.copy(PACKAGE.parent / page, tmp_path / page)
    (tmp_path / "docs/adr/0098-a.md").write_text("# 98. Take a decision\n")
    where = {"6": "docs/adr/0099-what.md", "3, in pages": "docs/runbooks/who.md"}.get(rule, "hyops_gitops/module.py")
    assert subprocess.run([script], check=False).returncode == 0
    (tmp_path / where).write_text(WRONG[rule] + "\n")

    done = subprocess.run([script], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert (done.stdout.startswith(rule), len(done.stdout.splitlines())) == (True, 2)
    assert WRONG[rule] in done.stdout


def test_no_phrase_of_a_private_language() -> None:
    wrong = [
        f"{shown(path)}:{line}: {match[0]!r} in {' '.join(text.split())[:90]!r}"
        for path in MODULES
        for line, text in words_written(path)
        if (match := PHRASES.search(" ".join(text.split())))
    ]

    assert wrong == []


def test_docstrings_begin_with_a_short_line() -> None:
    wrong = [
        f"{shown(path)}:{line}: {first}"
        for path in MODULES
        for line, text in docstrings(tree_of(path))
        if len((first := text.splitlines()[0]).split()) > MAX_WORDS
    ]

    assert wrong == []


def test_no_variable_is_called_one() -> None:
    wrong = [
        f"{shown(path)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == "one")
        or (isinstance(node, ast.arg) and node.arg == "one")
    ]

    assert wrong == []


def test_every_class_has_a_name_of_its_own() -> None:
    names = Counter(
        node.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )

    assert [name for name, count in names.items() if count > 1] == []


def test_every_module_has_a_name_of_its_own() -> None:
    """Commands apart, which have the names of their commands, and the `text` of each subject (ADR 52)."""
    names = Counter(
        path.stem
        for path in PACKAGE.rglob("*.py")
        if path.stem not in ("__init__", "text") and path.parent != PACKAGE / "cli"
    )

    assert [name for name, count in names.items() if count > 1] == []
