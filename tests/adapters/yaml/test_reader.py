"""The strict YAML reader: what it reads, what it refuses, and that both parsers, and both ways to read, agree."""

import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hyops_gitops.adapters.yaml import reader
from hyops_gitops.adapters.yaml.careful import read_with_care
from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.core.document import Document
from hyops_gitops.core.findings import Finding, Mark

AMBIGUOUS = (
    *(
        [
            "y",
            "Y",
            "yes",
            "Yes",
            "YES",
            "n",
            "N",
            "no",
            "No",
            "NO",
            "on",
            "On",
            "ON",
            "off",
            "Off",
            "OFF",
            "True",
            "TRUE",
            "False",
            "FALSE",
            "~",
            "Null",
            "NULL",
        ]
    ),
    *(
        [
            "010",
            "00",
            "0o17",
            "0x1F",
            "0b1",
            "1_000",
            "+5",
            "12:30",
            "1:2:3:4:5:6:7:8",
            "1.5",
            "1.",
            ".5",
            "1e3",
            "1.5e+3",
            ".inf",
            "-.INF",
            ".nan",
        ]
    ),
    *(["2020-01-01", "2020-1-1", "2020-01-01T00:00:00Z", "="]),
)

both_parsers = pytest.mark.parametrize("pure", [False, True], ids=["c", "pure"])


def read(text: str | bytes, *, pure: bool) -> tuple[Document | None, tuple[Finding, ...]]:
    return read_document("a.yaml", text.encode() if isinstance(text, str) else text, pure=pure)


def rules(text: str | bytes, *, pure: bool) -> list[tuple[str, int, int]]:
    return [(one.rule, one.line, one.column) for one in read(text, pure=pure)[1]]


@both_parsers
@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("a: 1\n", {"a": 1}),
        ("a: -5\nb: 0\n", {"a": -5, "b": 0}),
        ("a: true\nb: false\nc: null\nd:\n", {"a": True, "b": False, "c": None, "d": None}),
        ("a: '1'\nb: \"no\"\nc: 'true'\n", {"a": "1", "b": "no", "c": "true"}),
        ("a: 10.72.16.24\nb: fd00::1\nc: 10.0.0.1:53\n", {"a": "10.72.16.24", "b": "fd00::1", "c": "10.0.0.1:53"}),
        ("a: [10.0.0.1, fd00::1, ::1]\n", {"a": ["10.0.0.1", "fd00::1", "::1"]}),
        ("a: {onprem: 10.0.0.1, gcp: {target: x}}\n", {"a": {"onprem": "10.0.0.1", "gcp": {"target": "x"}}}),
        ("---\na: |\n  one\n  two\n", {"a": "one\ntwo\n"}),
        ("a: platform/postgresql-ha#one\n", {"a": "platform/postgresql-ha#one"}),
        (
            "a: nonsense\nb: yesterday\nc: 1st\nd: 10.0.0\n",
            {"a": "nonsense", "b": "yesterday", "c": "1st", "d": "10.0.0"},
        ),
        ("a: 1\r\nb: two\r\n", {"a": 1, "b": "two"}),
        ("# comment\n\na: Grüße 𝄞\n", {"a": "Grüße 𝄞"}),
    ],
)
def test_plain_data_is_read(text: str, data: object, pure: bool) -> None:
    document, findings = read(text, pure=pure)

    assert findings == ()
    assert document is not None
    assert document.data == data


@both_parsers
@pytest.mark.parametrize(
    "text",
    AMBIGUOUS,
)
def test_ambiguous_plain_scalar_is_a_finding_until_it_is_quoted(text: str, pure: bool) -> None:
    assert rules(f"a: {text}\n", pure=pure) == [("yaml-ambiguous", 1, 4)]
    assert rules(f'a: "{text}"\n', pure=pure) == []


@both_parsers
@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"", [("yaml-empty", 1, 1)]),
        (b"# only\n", [("yaml-empty", 1, 1)]),
        (b"a: 1\nb: \xff\n", [("yaml-encoding", 2, 4)]),
        (b"\xef\xbb\xbfa: 1\n", [("yaml-encoding", 1, 1)]),
        (b"a: \xc3\xa4\x07\n", [("yaml-characters", 1, 5)]),
        ("a: 1\r\nb: \u202e\n", [("yaml-characters", 2, 4)]),
        ("a: x\u2028b: y\n", [("yaml-characters", 1, 5)]),
        ("a: x\x85b: y\n", [("yaml-characters", 1, 5)]),
        ('a: "\\u200f"\n', [("yaml-characters", 1, 4)]),
        ('a: "\\x00"\n', [("yaml-characters", 1, 4)]),
        ('"\\u202e": 1\n', [("yaml-characters", 1, 1)]),
        ("a: &x 1\nb: *x\n", [("yaml-anchor", 1, 4), ("yaml-anchor", 2, 4)]),
        ("&k a: 1\n", [("yaml-anchor", 1, 1)]),
        ("a: !!str 1\nb: !x {}\nc: ! y\n", [("yaml-tag", 1, 4), ("yaml-tag", 2, 4), ("yaml-tag", 3, 4)]),
        ("# c\n%YAML 1.1\n---\na: 1\n", [("yaml-directive", 2, 1)]),
        ("%FOO\n---\na: 1\n", [("yaml-directive", 1, 1)]),
        ("a: 1\n---\nb: 2\n", [("yaml-documents", 2, 1)]),
        ("a: 1\n...\nb: 2\n", [("yaml-documents", 2, 1)]),
        ("a: {}\n<<: {b: no}\n", [("yaml-merge-key", 2, 1)]),
        ("a: {b: 1, b: no}\n", [("yaml-duplicate-key", 1, 11)]),
        ("? [a]\n: b\n", [("yaml-key", 1, 3)]),
        ("{a: 1}: b\n", [("yaml-key", 1, 1)]),
        ("on: x\n8080: z\n", [("yaml-ambiguous", 1, 1), ("yaml-ambiguous", 2, 1)]),
        ("- " * 17 + "a", [("yaml-depth", 1, 33)]),
        ("[" * 17 + "]" * 17, [("yaml-depth", 1, 17)]),
        ("\ta: 1\n", [("yaml-syntax", 1, 1)]),
        ("a: b: c\n", [("yaml-syntax", 1, 5)]),
        ("a: 'x\nb: 1\n", [("yaml-syntax", 1, 4)]),
        ("a: no\nb: {\n", [("yaml-ambiguous", 1, 4), ("yaml-syntax", 2, 5)]),
        (b"a: " + b"9" * 10_000, [("yaml-ambiguous", 1, 4)]),
        (b"#" * (64 * 1024 + 1), [("file-problem", 1, 1)]),
    ],
)
def test_refused(text: bytes | str, found: list[tuple[str, int, int]], pure: bool) -> None:
    assert rules(text, pure=pure) == found


@both_parsers
def test_marks_say_where_keys_and_values_stand_in_code_points(pure: bool) -> None:
    document, _ = read("a: 𝄞\nb: {ü: [x, 'y']}\n", pure=pure)

    assert document is not None
    assert document.key_mark("b", "ü") == Mark(2, 5)
    assert document.value_mark("b", "ü", 1) == Mark(2, 12)
    assert document.value_mark("b", "missing") == Mark(2, 4)


@both_parsers
def test_a_value_with_a_finding_is_not_sound(pure: bool) -> None:
    document, _ = read("a: no\nb: yes sir\n", pure=pure)

    assert document is not None
    assert not document.is_sound("a")
    assert document.is_sound("b")


@both_parsers
@pytest.mark.parametrize("text", ["[", "{", "[{", "a: [", "- ", "? ", "&a ", "!", "'", "[?", "<<: {", "%", '"\n', "1_"])
def test_twice_as_much_of_anything_takes_no_more_than_twice_the_steps(text: str, pure: bool) -> None:
    steps = [_steps((text * size)[:size], pure=pure) for size in (8 * 1024, 16 * 1024)]

    assert steps[1] <= 2 * steps[0] + 1000


@pytest.mark.parametrize("text", ["[", "{", "[{"])
def test_what_is_nested_too_deep_is_read_no_further(text: str) -> None:
    # libyaml takes time by the square of the depth, inside of calls that nobody can count.
    short, long = ((text * size)[:size] for size in (1024, 64 * 1024))

    assert _steps(long, pure=False) == _steps(short, pure=False)


def _steps(content: str, *, pure: bool) -> int:
    """How many calls of Python functions, and of C functions by them, it takes to read this."""
    count = 0

    def step(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    read(content[:1024], pure=pure)  # the first of a kind takes more steps, such as making the parser
    before = sys.getprofile()
    sys.setprofile(step)
    try:
        read(content, pure=pure)
    finally:
        sys.setprofile(before)
    return count


yaml_like = st.text(alphabet=st.sampled_from("ab1-:,[]{}?&*!|>'\"%@`#\n\r \t<.~\\ux0\u202e\x00é𝄞"), max_size=60)


@both_parsers
@given(content=st.binary(max_size=80) | yaml_like.map(str.encode))
def test_no_bytes_lead_to_an_exception(pure: bool, content: bytes) -> None:
    document, findings = read_document("a.yaml", content, pure=pure)

    assert document is not None or findings


@given(text=yaml_like)
@example(text="---")
@example(text=":: ")
@example(text="a:  \n")
@example(text="{a:  , b: }")
def test_what_both_parsers_read_they_read_the_same(text: str) -> None:
    fast, fast_findings = read(text, pure=False)
    slow, slow_findings = read(text, pure=True)

    if fast is not None and slow is not None and not fast_findings and not slow_findings:
        assert fast.data == slow.data
        assert (fast.key_marks, fast.value_marks) == (slow.key_marks, slow.value_marks)


CURIOUS = (
    *AMBIGUOUS,
    *(
        "",
        "x",
        "5432",
        "10.0.0.1",
        "fd00::1",
        "a b",
        "x # y",
        "a: b",
        "<<",
        '"x"',
        "'no'",
        '"a\\tb"',
        '"\\u202e"',
        "é𝄞",
    ),
    *("[a, 1]", "[fd00::1]", "{a: 1}", "{a: 1, a: 2}", "&a b", "*a", "!t c", "|\n  text", "- a", "? a", "...", "--- b"),
    "[" * 15 + "]" * 15,
    "[" * 16 + "]" * 16,
)
curious_lines = st.builds(
    "{}{}: {}\n".format,
    st.sampled_from(["", "", "", "  ", "- ", "? "]),
    st.sampled_from(["a", "b", "c", "endpoint_port", "no", "<<", '"k"', "1", "[k]"]),
    st.sampled_from(CURIOUS),
)


def check_both_ways(text: str) -> None:
    document, findings = read(text, pure=False)
    if not findings:
        assert (document, findings) == read_with_care("a.yaml", text)


def test_each_curious_value_is_read_alike_quickly_and_with_care() -> None:
    for value in CURIOUS:
        for text in ("a: {}\n", "{}: a\n", "a:\n  b: {}\n", "a:\n  {}: b\n", "a: 1\n{}\n"):
            check_both_ways(text.format(value))


@given(text=yaml_like | st.lists(curious_lines, min_size=1, max_size=5).map("".join))
def test_a_file_without_finding_is_read_alike_quickly_and_with_care(text: str) -> None:
    check_both_ways(text)


def test_a_contract_is_read_with_care_only_when_something_is_placed_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cares: list[str] = []

    def with_care(path: str, text: str) -> tuple[Document | None, tuple[Finding, ...]]:
        cares.append(path)
        return read_with_care(path, text)

    monkeypatch.setattr(reader, "read_with_care", with_care)
    document, _ = read("endpoint_port: 5432\nendpoint_sites:\n  gcp: 10.0.0.1\n", pure=False)
    assert document is not None
    assert not cares

    assert document.value_mark("endpoint_sites", "gcp") == Mark(3, 8)
    assert document.key_mark("endpoint_port") == Mark(1, 1)
    assert cares == ["a.yaml"]
