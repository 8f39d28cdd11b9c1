"""What a corpus runs of its target's parsers, and the inputs that are needed for it."""

import ast
import importlib.util
from collections.abc import Iterable
from pathlib import Path

import coverage

from tests.fuzz.targets import TARGETS, Target

CORPUS = Path(__file__).parent / "corpus"


def missing_lines(name: str) -> tuple[dict[str, list[int]], float]:
    """The lines of a target's parsers that its corpus does not run, by module, and the part that it does."""
    target = TARGETS[name]
    watched = _watched(target)
    watched.start()
    for file in sorted((CORPUS / name).iterdir()):
        target.read(file.read_bytes())
    watched.stop()
    missing: dict[str, list[int]] = {}
    total = 0
    for parser in target.parsers:
        file = _file(parser)
        _, statements, _, not_run, _ = watched.analysis2(str(file))
        lines = _lines(file, parser.partition(":")[2]).intersection(statements)
        total += len(lines)
        missing[parser] = sorted(lines.intersection(not_run))
    return missing, 1 - sum(map(len, missing.values())) / total


def needed(name: str, files: Iterable[Path]) -> list[Path]:
    """Few of these inputs, the shortest first, that run every branch of the parsers that all of them run."""
    target, chosen, known = TARGETS[name], [], 0
    watched = _watched(target)
    for file in sorted(files, key=lambda file: (file.stat().st_size, file.name)):
        watched.start()
        target.read(file.read_bytes())
        watched.stop()
        data = watched.get_data()
        seen = sum(len(data.arcs(measured) or ()) for measured in data.measured_files())
        if seen > known:
            chosen.append(file)
            known = seen
    return chosen


def _watched(target: Target) -> coverage.Coverage:
    files = sorted({str(_file(parser)) for parser in target.parsers})
    return coverage.Coverage(data_file=None, branch=True, include=files, config_file=False)


def _file(parser: str) -> Path:
    """The file of a module's source."""
    found = importlib.util.find_spec(f"hyops_gitops.{parser.partition(':')[0]}")
    return Path(str(found and found.origin))


def _lines(file: Path, place: str) -> set[int]:
    """The lines of functions, all or those of one place; other lines run before a corpus does."""
    tree: ast.AST = ast.parse(file.read_text(encoding="utf-8"))
    for name in filter(None, place.split(".")):
        inside = ast.iter_child_nodes(tree)
        tree = next(node for node in inside if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return {line for node in functions for line in range(node.body[0].lineno, (node.end_lineno or 0) + 1)}
