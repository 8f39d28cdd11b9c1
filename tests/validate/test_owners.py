"""Patterns and the block in a CODEOWNERS file."""

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hyops_gitops.core.errors import InvalidData
from hyops_gitops.validate.owners import BEGIN, END, ForgeName, OwnersFile, contract_pattern
from tests.support.clone import GIT_CONFIG

ODD = [
    "endpoints/prod/web.yaml",
    "dns zone/endpoints/prod/a.yaml",
    "d[0]/a.yaml",
    "s*r/a?.yaml",
    "b\\s/a.yaml",
    "c#d.yaml",
]
LINES = ("/endpoints/prod/web.yaml @acme/web",)


def written(content: bytes | None, lines: tuple[str, ...] = LINES, forge: ForgeName = "github") -> bytes:
    return OwnersFile.read("CODEOWNERS", content).with_lines(forge, lines).content


def shadowed(below: str, forge: ForgeName = "github") -> list[int]:
    file = OwnersFile.read("CODEOWNERS", written(b"* @acme/all\n") + below.encode())
    return [each.line for each in file.shadowing(forge, ["endpoints/prod/web.yaml"])]


@pytest.mark.parametrize("path", ODD)
def test_a_pattern_of_gitignores_kind_matches_its_path_alone(path: str, tmp_path: Path) -> None:
    pattern = contract_pattern("github", path)
    subprocess.run(["git", "init", "-q", tmp_path], check=True, env=GIT_CONFIG)
    (tmp_path / ".git/info/exclude").write_text(f"{pattern}\n")
    asked = "".join(f"{one}\0" for one in [*ODD, f"x/{path}", path.replace("[0]", "0"), path.replace("*", "xx")])
    done = subprocess.run(
        ["git", "check-ignore", "--stdin", "-z"], cwd=tmp_path, input=asked.encode(), capture_output=True, check=False
    )

    assert done.stdout.decode().rstrip("\0").split("\0") == [path] * done.stdout.count(b"\0")
    assert not re.search(r"(?<!\\) ", pattern)


def _tokens_of_gitea(line: str) -> list[str]:
    """As Gitea cuts a line: a backslash keeps the next character, a bare # ends it."""
    found = re.match(r"(?:[^\\# ]|\\.)*", line)
    assert found is not None
    return [re.sub(r"\\(.)", r"\1", found[0]), *line[found.end() :].split()]


@pytest.mark.parametrize("path", ODD)
def test_a_pattern_of_gitea_is_a_regular_expression_for_the_path(path: str) -> None:
    rule, owner = _tokens_of_gitea(f"{contract_pattern('gitea', path)} @acme/web")

    assert (re.fullmatch(rule, path) is not None, owner) == (True, "@acme/web")
    assert [other for other in [*ODD, path.replace(".", "x")] if re.fullmatch(rule, other)] == [path]


def test_a_hash_is_escaped_where_the_forge_has_an_escape_for_it() -> None:
    assert [contract_pattern(forge, "c#d.yaml") for forge in ("github", "gitlab", "gitea")] == [
        "/c#d.yaml",
        "/c\\#d.yaml",
        "c\\#d\\\\.yaml",
    ]


@pytest.mark.parametrize("path", ["a\nb.yaml", "a\tb.yaml", "!a.yaml"])
def test_a_path_that_no_pattern_can_have_is_refused(path: str) -> None:
    with pytest.raises(InvalidData, match="cannot write"):
        contract_pattern("gitea", path)


@example(b"\r")
@given(st.binary(max_size=80).filter(lambda text: BEGIN.encode() not in text and END.encode() not in text))
def test_what_stands_around_the_block_stays_byte_for_byte(before: bytes) -> None:
    once = written(before)
    twice = written(once + b"/docs/ @acme/docs", ())

    assert once.startswith(before)
    assert written(once) == once
    assert twice.startswith(before)
    assert twice.endswith(b"/docs/ @acme/docs")
    assert LINES[0].encode() not in twice


def test_a_block_is_written_where_it_stands_and_with_the_ends_of_the_files_lines() -> None:
    file = f"* @acme/all\r\n{BEGIN}\r\nold\r\n{END}\r\n/docs/ @acme/docs\r\n".encode()

    lines = written(file).decode().split("\r\n")

    assert [line[: len(BEGIN)] for line in lines] == [
        "* @acme/all",
        BEGIN,
        LINES[0][: len(BEGIN)],
        END,
        "/docs/ @acme/docs",
        "",
    ]


def test_without_a_line_no_block_is_begun() -> None:
    assert written(b"* @acme/all", ()) == b"* @acme/all"


def test_in_a_file_of_gitlab_with_sections_the_block_is_a_section() -> None:
    with_sections = written(b"^[Optional]\n* @acme/all\n", forge="gitlab").decode()

    assert "[Endpoint owners]\n/endpoints" in with_sections
    assert "[Endpoint owners]" not in written(b"* @acme/all\n", forge="gitlab").decode()


@pytest.mark.parametrize(
    "content",
    [f"{BEGIN}\n", f"{END}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{END}\n{BEGIN}\n{END}\n", f"{BEGIN}\n{BEGIN}\n{END}\n"],
)
def test_marks_that_are_not_one_pair_are_refused(content: str) -> None:
    with pytest.raises(InvalidData, match="expected one pair of lines"):
        OwnersFile.read("CODEOWNERS", content.encode())


@pytest.mark.parametrize(
    ("below", "counts"),
    [
        ("* @acme/all\n", True),
        ("/endpoints/ @acme/all\n", True),
        ("*.yaml @acme/all\n", True),
        ("prod/ @acme/all\n", True),
        ("/end* @acme/all\n", True),
        ("# * @acme/all\n", False),
        ("\n", False),
        ("/authority/ @acme/all\n", False),
        ("/.pre-commit-config.yaml @acme/all\n", False),
        ("docs/ @acme/all\n", False),
        ("authority/prod/ @acme/all\n", False),
    ],
)
def test_a_line_below_the_block_that_may_match_a_contract_is_found(below: str, counts: bool) -> None:
    assert shadowed(below) == ([6] if counts else [])


def test_nothing_is_shadowed_on_gitea_or_in_another_section() -> None:
    assert shadowed(".* @acme/all\n", "gitea") == []
    assert shadowed("[Other]\n* @acme/all\n", "gitlab") == []
