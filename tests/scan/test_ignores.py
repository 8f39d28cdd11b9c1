"""What a line of `.hyops-scan-ignore` leaves out, and which lines are none."""

import pytest

from hyops_gitops.scan.search import read_ignores


def covers(pattern: str, path: str) -> bool:
    ignores, problems = read_ignores(f"{pattern}  # why\n".encode(), "file")
    assert problems == ()
    return ignores.covers(path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("vendor/", "vendor/a/b.py"),
        ("vendor/", "lib/vendor/a.py"),
        ("vendor/", "vendor/"),
        ("/vendor/", "vendor/a.py"),
        ("*.lock", "a/b/poetry.lock"),
        ("docs", "docs/a.md"),
        ("docs/*.md", "docs/a.md"),
        ("docs/**/x.md", "docs/x.md"),
        ("docs/**/x.md", "docs/a/b/x.md"),
        ("docs/**", "docs/a/b"),
        ("**/gen/*.go", "a/gen/b.go"),
        ("a?c", "abc"),
        ("a*b*c", "a-b-b-c"),
        ("a b.txt", "a b.txt"),
        ("a+(b).txt", "a+(b).txt"),
    ],
)
def test_a_pattern_covers(pattern: str, path: str) -> None:
    assert covers(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("vendor/", "vendor"),
        ("/vendor/", "lib/vendor/a.py"),
        ("*.lock", "a.lock.txt"),
        ("docs/*.md", "docs/a/b.md"),
        ("docs/*.md", "x/docs/a.md"),
        ("a?c", "a/c"),
        ("a.c", "abc"),
        ("doc", "docs"),
    ],
)
def test_a_pattern_does_not_cover(pattern: str, path: str) -> None:
    assert not covers(pattern, path)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"vendor/", "expected a reason after ` # `, got none"),
        (b"vendor/ # --", "expected a reason after ` # `, got none"),
        (b"vendor/# why", "expected a reason after ` # `, got none"),
        (b"!vendor/ # why", "expected only *, ** and ? to be special, got one of [ ] \\ !"),
        (b"[a]b # why", "expected only *, ** and ? to be special, got one of [ ] \\ !"),
        (b"a**b # why", "expected ** between slashes, got it inside of a name"),
        (b"a/**/b/**/c/**/d # why", "expected ** at most 2 times"),
        (b"a//b # why", "expected a path without empty parts, . and .."),
        (b"../a # why", "expected a path without empty parts, . and .."),
        (b"** # why", "the pattern leaves out every file"),
        (b"* # why", "the pattern leaves out every file"),
        (b"caf\xe9 # why", "the line is not UTF-8"),
        (b"a\x1b[2J # why", "the line holds a character that is not printable"),
    ],
)
def test_a_bad_line_is_a_finding_and_the_others_count(line: bytes, problem: str) -> None:
    ignores, (hit,) = read_ignores(b"# comment\n\n" + line + b"\r\ngood/ # why\n", ".hyops-scan-ignore")

    assert (hit.path, hit.line, hit.rule, hit.message) == (".hyops-scan-ignore", 3, "ignore-line", problem)
    assert (ignores.covers("good/a"), ignores.covers("other/a")) == (True, False)


def test_an_empty_file_leaves_out_nothing() -> None:
    ignores, problems = read_ignores(b"", "file")

    assert (ignores.covers("a"), problems) == (False, ())
