"""docs/servers.md lists every program that is started: held against the calls of the code, and against the scripts."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.programs import listed_programs
from tests.support.repository import ROOT

PACKAGE = ROOT / "hyops_gitops"
STARTS = re.compile(
    r"(?:^|\.)(?:Program|subprocess\.\w+|os\.(?:posix_spawn\w*|exec\w+|system|popen|fork)|shutil\.which)$"
)
# Where the program is no constant at the call: all that it can be.
GIVEN = {
    "adapters/forge/forge.py open": {"gh"},
    "adapters/git/process.py start": {"git"},
    "adapters/host/machine.py run": set(),  # of a Program, which is a call of its own
    "adapters/host/machine.py program_version": {"git", "ssh", "ssh-keygen"},
    "adapters/wheels.py _pip": {"python"},
    "lab/containers.py _run": {"docker", "docker-compose"},
    "lab/database.py _run": {"initdb", "mariadb", "mariadb-install-db", "psql", "setpriv", "sh"},
    "lab/database.py database_version": {"mariadbd", "postgres"},
    "lab/processes.py find_executable": {
        *("initdb", "mariadb", "mariadb-install-db", "mariadbd", "pdns_recursor", "pdns_server", "postgres", "psql"),
    },
}


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Each call, with the function that it is in."""

    def visit(node: ast.AST, inside: str) -> Iterator[tuple[str, ast.Call]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call):
                yield inside, child
            yield from visit(child, child.name if isinstance(child, ast.FunctionDef) else inside)

    return visit(ast.parse(path.read_text(encoding="utf-8")), "")


def started() -> Iterator[tuple[str, set[str] | None]]:
    """Each place that starts a program, with what it starts; None where the call does not say."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for inside, call in calls(path):
            if STARTS.search(ast.unparse(call.func)) and call.args:
                first, place = call.args[0], f"{path.relative_to(PACKAGE).as_posix()} {inside}"
                known = isinstance(first, ast.Constant) and isinstance(first.value, str)
                yield place, {first.value.rpartition("/")[2]} if known else GIVEN.get(place)  # type: ignore[attr-defined]


def test_every_started_program_is_listed() -> None:
    places = dict(started())

    assert [place for place, programs in places.items() if programs is None] == []
    assert GIVEN.keys() - places.keys() == set()
    assert {name for programs in places.values() for name in programs or ()} - listed_programs() == set()


def test_no_program_is_listed_that_nothing_starts() -> None:
    scripts = "\n".join((ROOT / "script" / name).read_text() for name in ("bundle-install", *AUDIT))
    started_here = {name for _, programs in started() for name in programs or ()} | set(re.findall(r"[\w-]+", scripts))

    assert listed_programs() - started_here == set()


AUDIT = [path.name for path in (ROOT / "script").glob("audit*.sh")]
