"""Canonical JSON, names and rdata, markers, masking: small values that leave the process."""

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyops_gitops.core.canonical import MAX_INTEGER, canonical_json, parse_canonical
from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.fields import parse_time, time_text
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.markers import (
    EXPIRED_AT_ONCE,
    INTENTS_KEPT,
    MARKERS_KEPT,
    Anchor,
    Turn,
    claim,
    expired_markers,
    parse_protocol,
    protocol_marker,
    protocol_name,
    tombstone,
)
from hyops_gitops.core.text import MAX_TEXT, masked
from hyops_gitops.core.zone import RRset, Zone
from hyops_gitops.init.repository import scalar

APEX = "z.internal"
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"), max_size=20)
keys = st.text(st.characters(max_codepoint=0x7E), max_size=8)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-MAX_INTEGER, MAX_INTEGER), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=12,
)


@given(st.dictionaries(keys, values, max_size=6))
def test_canonical_json_reads_back(value: dict[str, object]) -> None:
    assert parse_canonical(canonical_json(value)) == value


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
@settings(max_examples=5, deadline=None)
@given(st.lists(st.dictionaries(keys, values, max_size=6), min_size=40, max_size=40))
def test_canonical_json_is_what_jq_writes(documents: list[dict[str, object]]) -> None:
    ours = b"".join(canonical_json(document) for document in documents)
    loose = "\n".join(json.dumps(document, indent=1) for document in documents).encode()
    assert subprocess.run(["jq", "-cS", "."], input=loose, capture_output=True, check=True).stdout == ours


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        MAX_INTEGER + 1,
        "\x7f",
        "\ud800",
        {"ü": 1},
        {1: 2},
        {"a": [float("nan")]},
        b"bytes",
        [1, {"a": ("b", [True, -MAX_INTEGER - 1])}],
        [[{"a": {"b": 1}}, {"a": {None: 1}}]],
        {"a": [{"b": 1}, {"b": 1.0}]},
    ],
)
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(InvalidData):
        canonical_json({"value": value})


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}\n',
        b'{"b":1,"a":1}\n',
        b'{"a": 1}\n',
        b'{"a":1}',
        b'{"a":1}\n\n',
        b"[]\n",
        b"",
        b'{"a":"\\u0041"}\n',
        b'{"a":"\\u007f"}\n',
        b'{"a":"\x7f"}\n',
        b'{"a":"\\ud800"}\n',
        b'{"a":"\\ud83d\\ude00"}\n',
        b'{"a":"\xed\xa0\x80"}\n',
        b'{"a":1.5}\n',
        b'{"a":[NaN]}\n',
        b'{"a":9007199254740992}\n',
        b'{"a":-9007199254740992}\n',
        b'{"\\u00fc":1}\n',
        b'{"\xc3\xbc":1}\n',
        b'\xef\xbb\xbf{"a":1}\n',
    ],
)
def test_only_the_one_canonical_form_is_read(data: bytes) -> None:
    with pytest.raises(InvalidData):
        parse_canonical(data)


@pytest.mark.parametrize(
    ("rrtype", "written", "canonical"),
    [
        ("AAAA", "2001:DB8:0:0::1", "2001:db8::1"),
        ("AAAA", "::FFFF:10.0.0.1", "::ffff:10.0.0.1"),
        ("CNAME", "Host.Example", "host.example."),
        ("CNAME", "host.example.", "host.example."),
        ("TXT", '"Kept As Is"', '"Kept As Is"'),
        ("TXT", '"ä"', '"\\195\\164"'),
        ("MX", "10 Mail.Example.", "10 Mail.Example."),
    ],
)
def test_rdata_has_one_spelling(rrtype: str, written: str, canonical: str) -> None:
    assert RRset.of("a.z.internal", rrtype, 60, [written]).rdata == (canonical,)


def test_an_owner_has_one_spelling_and_records_one_order() -> None:
    one = RRset.of("A.Z.Internal.", "A", 60, ["10.0.0.2", "10.0.0.1", "10.0.0.2"])
    assert one == RRset.of("a.z.internal", "A", 60, ["10.0.0.1", "10.0.0.2"])


@pytest.mark.parametrize("rrtype", ["SOA", "RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNSKEY", "CDS", "CDNSKEY"])
def test_what_is_in_no_digest_by_type(rrtype: str) -> None:
    assert Zone.of(APEX, [RRset.of(APEX, rrtype, 60, ["x"])]).text() == ""


def test_what_is_in_no_digest_by_owner() -> None:
    markers = [Anchor(7, "a" * 64).rrset(APEX), claim(APEX, 7, "a" * 64), tombstone(APEX, 5)]
    assert Zone.of(APEX, markers).digest() == Zone.of(APEX, []).digest()


def test_a_disabled_record_is_in_no_digest_but_makes_a_difference() -> None:
    plain, half = (RRset.of(f"a.{APEX}", "A", 60, ["10.0.0.1"], disabled) for disabled in ([], ["10.0.0.2"]))
    assert plain != half
    assert Zone.of(APEX, [plain]).digest() == Zone.of(APEX, [half]).digest()


@pytest.mark.parametrize(
    "text",
    [
        "a. 60 IN A\n",
        "a. x IN A 10.0.0.1\n",
        "a. 60 CH A 10.0.0.1\n",
        "\n",
        "junk\n",
        f"a. {'9' * 5000} IN A 10.0.0.1\n",
    ],
)
def test_a_damaged_file_is_no_zone_and_no_state(text: str) -> None:
    with pytest.raises(InvalidData):
        Zone.parse(APEX, text)
    with pytest.raises(InvalidData):
        ManagedSet.parse(APEX, text)


@given(st.integers(1, 10**15), st.text("0123456789abcdef", min_size=64, max_size=64))
def test_an_anchor_reads_back(seq: int, sha256: str) -> None:
    for segment in (None, "0123456789ab"):
        anchor = Anchor(seq, sha256, segment)
        assert Anchor.parse(anchor.rrset(APEX)) == anchor


@pytest.mark.parametrize(
    "rdata",
    [
        [],
        ['"v=hyops2 seq=1 intent=sha256:' + "a" * 64 + '"'],
        ['"v=hyops1 seq=0 intent=sha256:' + "a" * 64 + '"'],
        ['"v=hyops1 seq=1 intent=sha256:' + "A" * 64 + '"'],
        ['"v=hyops1 seq=1 entry=sha256:' + "a" * 64 + '"'],
        ['"v=hyops1 bg=0123456789ab seq=1 intent=sha256:' + "a" * 64 + '"'],
        ['"v=hyops1 bg=0123456789AB seq=1 entry=sha256:' + "a" * 64 + '"'],
        ['"v=hyops1 seq=1 intent=sha256:' + "a" * 64 + '"', '"another"'],
    ],
)
def test_what_is_not_our_anchor(rdata: list[str]) -> None:
    assert Anchor.parse(RRset.of(f"_hyops-gitops.{APEX}", "TXT", 60, rdata)) is None


@pytest.mark.parametrize(
    "text",
    ["2026-1-2T3:4:5Z", "2026-01-02 03:04:05Z", "2026-01-02T03:04:05", "2026-01-02T03:04:05+00:00", "20260102T030405Z"],
)
def test_a_time_is_read_in_the_one_form_in_which_it_is_written(text: str) -> None:
    assert time_text(parse_time("2026-01-02T03:04:05Z")) == "2026-01-02T03:04:05Z"
    with pytest.raises(ValueError, match=r"."):
        parse_time(text)


SEGMENT = "0123456789ab"
NOW = datetime(2026, 1, 10, tzinfo=UTC)


def named(seq: int, segment: str | None = None) -> set[tuple[str, str]]:
    """The markers of one intent that is over."""
    turn = Turn(APEX, seq, f"{seq:064x}", segment).taken(landed=True)
    return {tombstone(APEX, seq, segment).key, turn.key}


@given(st.lists(st.integers(0, 300), min_size=1, max_size=40))
def test_markers_are_deleted_once_they_are_a_day_old_and_not_before(hours: list[int]) -> None:
    times = [NOW + timedelta(hours=hour) for hour in sorted(hours)]
    seen = set().union(*(named(seq) for seq in range(1, len(times) + 1)))
    expired = expired_markers(seen, APEX, lambda seq, _: times[seq - 1], times[-1])
    old = [seq for seq, at in enumerate(times, 1) if times[-1] - at > MARKERS_KEPT]
    assert set(expired) == set().union(*(named(seq) for seq in old))


def test_what_a_patch_deletes_is_bounded_and_the_oldest_go_first() -> None:
    seen = set().union(*(named(seq) for seq in range(1, 2001)))
    left, patches = set(seen), 0
    while expired := expired_markers(left, APEX, lambda *_: NOW, NOW + timedelta(days=2)):
        assert len(expired) <= EXPIRED_AT_ONCE
        left -= set(expired)
        patches += 1
        if patches == 1:
            assert set(expired) == set().union(*(named(seq) for seq in range(1, EXPIRED_AT_ONCE // 2 + 1)))
    assert not left


def test_of_very_many_intents_in_a_day_the_newest_keep_their_markers() -> None:
    seen = set().union(*(named(seq) for seq in range(1, INTENTS_KEPT + 11)))
    expired = expired_markers(seen, APEX, lambda *_: NOW, NOW)
    assert set(expired) == set().union(*(named(seq) for seq in range(1, 11)))


def test_markers_of_a_segment_expire_a_day_after_it_was_brought_in() -> None:
    seen = named(1, SEGMENT) | named(2, SEGMENT) | named(3, "ba9876543210") | {claim(APEX, 9, "a" * 64).key}
    seen |= {protocol_marker(APEX).key, Anchor(9, "a" * 64).rrset(APEX).key, (f"_9.{APEX}", "CNAME")}

    def written(_: int, segment: str | None) -> datetime | None:
        return NOW if segment == SEGMENT else None

    assert expired_markers(seen, APEX, written, NOW + MARKERS_KEPT) == []
    assert set(expired_markers(seen, APEX, written, NOW + MARKERS_KEPT + timedelta(seconds=1))) == named(
        1, SEGMENT
    ) | named(2, SEGMENT)


@pytest.mark.parametrize(
    ("text", "protocol"),
    [
        ('"v=hyops1 protocol=2"', 2),
        ('"v=hyops1 protocol=3 since=later"', 3),
        ('"v=hyops2 protocol=12"', 12),
        ('"v=hyops1 protocol=0"', None),
        ('"v=hyops1 protocol=x"', None),
        ('"protocol=2"', None),
    ],
)
def test_the_protocol_that_a_marker_names(text: str, protocol: int | None) -> None:
    assert parse_protocol(RRset.of(protocol_name(APEX), "TXT", 60, [text])) == protocol
    assert parse_protocol(RRset.of(protocol_name(APEX), "TXT", 60, [text, '"another"'])) is None


SECRETS = [
    "ghp_" + "a" * 36,
    "github_pat_" + "b" * 30,
    "glpat-" + "c" * 20,
    "AKIA" + "D" * 16,
    "xoxb-" + "1" * 12,
    "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl",
    "somebody@example.org",
    "jörg.o'neil@bücher.example",
    "ASIA" + "D" * 16,
    "AIza" + "e" * 35,
    "sk_live_" + "f" * 24,
    "npm_" + "g" * 36,
    "hvs." + "h" * 24,
    "AGE-SECRET-KEY-1" + "Q" * 58,
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_masked_wherever_it_stands(secret: str) -> None:
    assert masked(f"before {secret} after") == "before [masked] after"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("push to https://user:hunter2@git.example/repo", "push to https://[masked]@git.example/repo"),
        ("set API_KEY=hunter2, passwd=hunter2; go", "set API_KEY=[masked], passwd=[masked]; go"),
        ("Authorization: Bearer hunter2hunter2hunter2==", "Authorization: Bearer [masked]"),
        ("key -----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\nhunter2", "key [masked]"),
    ],
)
def test_what_is_secret_by_its_place_is_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize("word", ["a", "eyJ", "x@a", "é"])
def test_a_word_without_end_is_masked_all_the_same(word: str) -> None:
    assert masked(f"before {word * 500_000}") == "before …"


def test_no_half_of_a_secret_is_left_where_a_long_text_is_cut() -> None:
    emails = f"{'a' * 380}@example.org " * 5
    assert masked(f"{emails}ghp_{'b' * 5000}") == "[masked] " * 5 + "…"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("dns-1.prod.z.internal", True),
        ("10.0.0.1", True),
        ("a.1b", True),
        ("a.1", False),
        ("a..b", False),
        ("yes", False),
        ("1a.b", False),
        ("a" + ".aaaaaaaa" * 29 + "_", False),
    ],
)
def test_what_yaml_could_read_otherwise_is_quoted(text: str, *, plain: bool) -> None:
    assert scalar(text) == (text if plain else f'"{text}"')


@given(st.text(max_size=600))
def test_masked_text_is_one_printable_line_of_bounded_length(text: str) -> None:
    line = masked(text)
    assert line.isprintable()
    assert len(line) <= MAX_TEXT
    canonical_json({"title": line})


@given(st.text(max_size=100))
def test_masking_twice_changes_nothing(text: str) -> None:
    assert masked(masked(text)) == masked(text)
