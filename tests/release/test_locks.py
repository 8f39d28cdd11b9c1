"""The lock files hold what pyproject.toml asks for, by hash, and no place to get it from."""

import re
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.repository import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUN, GROUPS = PROJECT["project"]["dependencies"], PROJECT["dependency-groups"]
ASKED = {
    "requirements.txt": [*RUN, *GROUPS["build"]],
    "requirements-dev.txt": [*RUN, *GROUPS["build"], *PROJECT["project"]["optional-dependencies"]["dev"]],
    "requirements-supply.txt": GROUPS["supply"],
}
each = pytest.mark.parametrize("name", ASKED)
LOCKED = re.compile(
    r"([a-z0-9-]+)(?:\[[a-z,]+\])?==(\S+)(?: ; [^\\\n]+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)"
)


def lock(name: str) -> str:
    return (ROOT / ".github" / name).read_text(encoding="utf-8")


def test_no_other_lock_is_there() -> None:
    assert {path.name for path in (ROOT / ".github").glob("requirements*")} == set(ASKED)


@each
def test_a_lock_is_nothing_but_versions_and_their_hashes(name: str) -> None:
    first, second, rest = lock(name).split("\n", 2)

    assert first.endswith(", by hash. script/supply lock [--upgrade] writes this file.")
    assert second == "--only-binary :all:"
    assert LOCKED.sub("", rest) == ""


@each
def test_locked_versions_are_among_those_that_are_asked_for(name: str) -> None:
    locked = {package: version for package, version, _ in LOCKED.findall(lock(name))}
    asked = [Requirement(text) for text in ASKED[name]]
    wrong = [
        str(wanted)
        for wanted in asked
        if not wanted.specifier.contains(locked.get(canonicalize_name(wanted.name), "0"))
    ]

    assert wrong == []


def test_what_runs_is_what_is_tested() -> None:
    tested = {(package, version) for package, version, _ in LOCKED.findall(lock("requirements-dev.txt"))}

    assert {(package, version) for package, version, _ in LOCKED.findall(lock("requirements.txt"))} - tested == set()


def test_the_build_group_is_what_the_build_asks_for() -> None:
    assert set(PROJECT["build-system"]["requires"]) - set(GROUPS["build"]) == set()


def test_each_dependency_has_a_lowest_version() -> None:
    asked = [text for texts in ASKED.values() for text in texts if not text.startswith("types-")]

    assert [text for text in asked if ">=" not in text] == []
