"""Plain English in the product: the rules of docs/architecture.md that a program can check."""

import ast
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from hyops_gitops.log.pages import README_TEXT

PACKAGE = Path(__file__).parent.parent / "hyops_gitops"
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_WORDS = 12
FORBIDDEN = re.compile(
    r"\b(?:some|any|no)body\b|\bwhoever\b|\bwhat (?:came|comes|became|becomes) of\b|\b(?:un)?told\b|\bsaid\b|\banew\b"
    r"|\bmend(?:s|ed|ing)?\b|'s word of\b|\bgo(?:es|ing)? on\b|\bwent on\b"
    r"|(?<!there )\bis no (?!longer\b|later\b|more\b)",
    re.IGNORECASE,
)
# Texts in the log, which stay as they were first written, and names of others.
FROZEN = frozenset(
    {
        "nobody",
        "nobody approved it",
        "mended",
        "somebody",
        "changed by somebody else since the plan: ",
        "the log went on without this intent",
        README_TEXT,
    }
)


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
            yield node.body[0].lineno, text


def words_written(path: Path) -> Iterator[tuple[int, str]]:
    """Every string, docstrings among them, and every comment."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


def shown(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def test_no_word_of_a_private_language() -> None:
    wrong = [
        f"{shown(path)}:{line}: {match[0]!r} in {' '.join(text.split())[:90]!r}"
        for path in MODULES
        for line, text in words_written(path)
        if text not in FROZEN and (match := FORBIDDEN.search(" ".join(text.split())))
    ]

    assert wrong == []


def test_docstrings_begin_with_a_short_line() -> None:
    wrong = [
        f"{shown(path)}:{line}: {first}"
        for path in MODULES
        for line, text in docstrings(ast.parse(path.read_text(encoding="utf-8")))
        if len((first := text.splitlines()[0]).split()) > MAX_WORDS
    ]

    assert wrong == []


def test_no_variable_is_called_one() -> None:
    wrong = [
        f"{shown(path)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == "one")
        or (isinstance(node, ast.arg) and node.arg == "one")
    ]

    assert wrong == []


def test_every_class_has_a_name_of_its_own() -> None:
    names = Counter(
        node.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
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
