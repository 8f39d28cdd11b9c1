"""Contracts that are read line by line, against the reader that takes care."""

import re
from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest

from hyops_gitops.adapters.yaml import usual
from hyops_gitops.adapters.yaml.careful import read_with_care
from hyops_gitops.adapters.yaml.usual import usual_data
from tests.adapters.yaml.test_reader import CURIOUS
from tests.support.repository import ROOT
from tests.support.site import LONG

FILES = 60_000 if LONG else 6_000
KEYS = ("a", "b", "endpoint_port", "c-d", "E")
ODD_KEYS = ("no", "y", "<<", "a.b", '"k"', "1", "k" * 1100)
SCALARS = (
    *(
        "10.12.0.31",
        "pg.prod.x",
        "a, b's (c)",
        "platform/netbox#netbox",
        "fd00::1",
        "http://x/y",
        "/api/",
        "a b",
        "a#b",
    ),
    *(
        "5432",
        "true",
        "null",
        '"a: b # c"',
        '""',
        "'it'",
        "''",
        "'\"'",
        "1" * 18,
        "{a: b, c: 1}",
        "{a: 'b, c', d: /x/}",
    ),
    *(
        '{"a": 1, "b": "x"}',
        "[1, true, null]",
        '[{"type": "none", "reason": "x, y"}]',
        "[]",
        "{}",
        '{"a": {"b": ["c"]}}',
    ),
)
ODD_SCALARS = (
    *CURIOUS,
    *("a  b", " a", "a ", "a #b", "a#", "-", "-a", "a:", "a: b", "a:b", "fd00::", "007", "-0", "1" * 19, "a" * 1100),
    *("%a", "@a", "`a", '"', '"a"b', '"a" ', "'it''s'", '"é"', "~", "a\tb", "a\rb", "a, ", "a,b", "a -b", "a - b"),
    *('{"a":1}', '{"a": 1, "a": 2}', '{"a": 1.0}', '{"a": 1e3}', '{"a": -0}', "[ 1]", '{"": 1}', "{a: b, a: c}"),
    *("{a: b  c}", "{a: b -c}", "{a: no}", "{a: b: c}", "{a: b #c}", "{a: [b}", "{a: b }"),
    *("{no: 1}", "{a: b:c}", "{a: NaN}", "[NaN]", '["a" ]', "[[[[1]]]]", "{a: b}c", '{"a": "b"', "[a]", "[a b]"),
)
ODD_LINES = ("", "# x", " # x", "---", "...", "%YAML 1.2", "  ", "  # x", "- a", "? a", ": a")


def files(random: Random) -> Iterator[str]:
    """Files in the forms that are read line by line, and near them."""

    def some(usual: tuple[str, ...], odd: tuple[str, ...]) -> str:
        return random.choice(odd if random.random() < rate else usual)

    while True:
        rate = random.choice((0.0, 0.05, 0.2))
        lines = []
        for key in random.sample(KEYS, random.randint(1, 4)):
            if random.random() < 0.6:
                lines.append(f"{some((key,), ODD_KEYS)}: {some(SCALARS, ODD_SCALARS)}")
            else:
                lines.append(f"{some((key,), ODD_KEYS)}:")
                indents = random.choice((("  ", "  "), ("  - ", "  - "), ("  - ", "    ")))
                for number in range(random.randint(1, 3)):
                    indent = some((indents[min(number, 1)],), ("  ", "  - ", "    ", "   ", "- ", "      ", "  -  "))
                    with_key = random.random() < (0.1 if indents[1] == "  - " else 0.9)
                    named = f"{some((KEYS[number],), (*ODD_KEYS, 'a'))}: " if with_key else ""
                    lines.append(f"{indent}{named}{some(SCALARS, ODD_SCALARS)}")
            if random.random() < rate:
                lines.append(random.choice(ODD_LINES))
        yield "\n".join(lines) + some(("\n",), ("", "\n\n", "\r\n"))


def compare(number: int, seen: Counter[str]) -> None:
    """Read so many files both ways; what is read line by line has to be the same."""
    made = files(Random(11))  # noqa: S311 - not for secrets
    for _, text in zip(range(number), made, strict=False):
        data = usual_data(text)
        seen["files"] += 1
        if data is not None:
            document, findings = read_with_care("a.yaml", text)
            assert (findings, document is not None and document.data) == ((), data), text
            assert repr(document and document.data) == repr(data)  # 1 is not true
            seen["read"] += 1
            seen["nested"] += any(isinstance(value, dict | list) for value in data.values())


def test_what_is_read_line_by_line_is_what_is_read_with_care() -> None:
    seen: Counter[str] = Counter()
    compare(FILES, seen)
    assert seen["read"] * 3 > seen["files"] > seen["read"] * 1.2
    assert seen["nested"] * 3 > seen["read"]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("_QUOTED", r""""[ !#-~]*"|'[ -~]*'"""),
        ("_PLAIN", r"[A-Za-z0-9/][ -~]*"),
        ("_IN_FLOW", r"[A-Za-z0-9/][^,}]*"),
    ],
)
def test_a_form_that_is_too_wide_is_found_out(monkeypatch: pytest.MonkeyPatch, name: str, wrong: str) -> None:
    for pattern in ("_PAIR", "_TOP", "_BELOW", "_MAPPING"):
        widened = getattr(usual, pattern).pattern.replace(getattr(usual, name), wrong)
        monkeypatch.setattr(usual, pattern, re.compile(widened))
    with pytest.raises(AssertionError):
        compare(20_000, Counter())


def test_most_contracts_are_read_line_by_line() -> None:
    contracts = sorted((ROOT / "endpoints").glob("*/*.yaml"))
    read = [(usual_data(path.read_text()), path) for path in contracts]
    for data, path in read:
        document, _ = read_with_care("a.yaml", path.read_text())
        assert document is not None
        assert data in (None, document.data)
    assert sum(data is not None for data, _ in read) * 10 > len(read) * 8
