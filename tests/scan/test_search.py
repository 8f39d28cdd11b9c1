"""What is found in the bytes of a file, where, and what stands beside it that makes it something else."""

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyops_gitops.core.zone import canonical_address
from hyops_gitops.scan.addressbook import AddressBook, ContractFacts, PastRecord, make_book
from hyops_gitops.scan.search import AROUND, FileSearch, Hit, Search

POSTGRES, ORDERS = "postgres.prod.hyops.internal", "orders.prod.hyops.internal"
BOOK = make_book(
    ["hyops.internal"],
    [
        ContractFacts(POSTGRES, ("10.0.0.1", "fd00::1"), ("db.prod.hyops.internal",)),
        ContractFacts(ORDERS, ("10.0.0.2", "fd00::a00:9"), ()),
    ],
    [PastRecord(POSTGRES, "A", ("10.0.0.8",)), PastRecord("gone.prod.hyops.internal", "A", ("10.0.0.7",))],
)


def search(text: str | bytes, book: AddressBook = BOOK, piece: int | None = None) -> FileSearch:
    content = text.encode() if isinstance(text, str) else text
    file = FileSearch(Search(book), "file")
    size = piece or len(content) or 1
    for start in range(0, max(1, len(content)), size):
        file.feed(content[start : start + size], last=start + size >= len(content))
    return file


def hits(text: str | bytes) -> list[Hit]:
    return search(text).hits


def found(text: str | bytes) -> list[str]:
    return [hit.found for hit in hits(text)]


def test_a_hit_says_where_what_and_what_to_write() -> None:
    (hit,) = hits("# é\nhost = 'ü' # 10.0.0.1\n")

    assert (hit.path, hit.line, hit.column, hit.rule) == ("file", 2, 14, "raw-target")
    assert (hit.found, hit.names) == ("10.0.0.1", (POSTGRES,))
    assert hit.message == f"10.0.0.1 is a target of {POSTGRES}"
    assert hit.hint == f"write {POSTGRES}"


def test_several_hits_of_a_line_come_in_their_order() -> None:
    assert found("10.0.0.2 db.prod.hyops.internal fd00::1 10.0.0.1") == [
        "10.0.0.2",
        "db.prod.hyops.internal",
        "fd00::1",
        "10.0.0.1",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "110.0.0.1",
        "10.0.0.12",
        "10.0.0.1.2",
        "1.10.0.0.1",
        "v10.0.0.1",
        "10.0.0.1rc1",
        "010.0.0.1",
        "2010.0.0.1",
        "version: 10.0.0.1",
        '"Version" = "10.0.0.1"',
        "VERSION=10.0.0.1",
    ],
)
def test_another_number_or_a_version_is_no_address(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.1:5432",
        "10.0.0.1/32",
        "http://10.0.0.1/",
        "user@10.0.0.1",
        "[10.0.0.1]",
        "at 10.0.0.1.",
        "10.0.0.1.bak",
        "10.0.0.0-10.0.0.1",
        "10.0.0.0..10.0.0.1",
        "host_10.0.0.1_old",
        r'"\n10.0.0.1\n"',
        "a%2F10.0.0.1%3A5432",
        "a%2010.0.0.1",
        r"a\u003d10.0.0.1\u0026",
        r"a\u002610.0.0.1",
        r"a\x3d10.0.0.1",
        "10.0.0.1\r\n",
        b"\xff10.0.0.1\xff",
    ],
)
def test_an_address_is_found_whatever_stands_beside_it(text: str | bytes) -> None:
    assert found(text) == ["10.0.0.1"]


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("fd00::1", "fd00::1"),
        ("FD00::0001", "FD00::0001"),
        ("fd00:0:0:0:0:0:0:1", "fd00:0:0:0:0:0:0:1"),
        ("[fd00:0000:0000:0000:0000:0000:0000:0001]:80", "fd00:0000:0000:0000:0000:0000:0000:0001"),
        ("fd00::0:1/64", "fd00::0:1"),
        ("fd00::1%eth0", "fd00::1"),
        ("fd00::1:", "fd00::1"),
        ("at fd00::1.", "fd00::1"),
        ("node:fd00::1", "fd00::1"),
        ("ip6:fd00::1", "fd00::1"),
        (":fd00::1", "fd00::1"),
        (r"\nfd00::1", "fd00::1"),
        (r"a\u003dfd00::1", "fd00::1"),
        ("%3Dfd00:0:0:0:0:0:0:1", "fd00:0:0:0:0:0:0:1"),
        ("%5Bfd00::1%5D", "fd00::1"),
        ("fd00:0:0:0:0:0:0:1:5432", "fd00:0:0:0:0:0:0:1"),
        ("fd00::10.0.0.9", "fd00::10.0.0.9"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
        ("::FFFF:a00:1", "::FFFF:a00:1"),
        ("64:ff9b::10.0.0.1", "10.0.0.1"),
    ],
)
def test_an_ipv6_address_is_found_in_any_spelling(text: str, spelling: str) -> None:
    assert found(text) == [spelling]


@pytest.mark.parametrize("text", ["fd00::12", "afd00::1", "2001:db8:fd00::1", "fd00::1x", "fd00::1:1", "std::fd00"])
def test_a_longer_ipv6_address_or_word_is_another(text: str) -> None:
    assert found(text) == []


def test_another_spelling_is_explained() -> None:
    assert hits("FD00::0001")[0].message == f"FD00::0001 (fd00::1) is a target of {POSTGRES}"


@pytest.mark.parametrize(
    "text",
    [
        "db.prod.hyops.internal",
        "DB.Prod.hyops.INTERNAL.",
        "https://u:p@db.prod.hyops.internal:5432/x",
        r'"\ndb.prod.hyops.internal\n"',
        r"\\db.prod.hyops.internal\share",
        "a%2Fdb.prod.hyops.internal",
        r"a\u0026db.prod.hyops.internal",
        "See db.prod.hyops.internal. Then go",
        "-db.prod.hyops.internal",
    ],
)
def test_a_renamed_name_is_found_in_any_case(text: str) -> None:
    (hit,) = hits(text)

    assert (hit.rule, hit.found.lower(), hit.names) == ("retired-name", "db.prod.hyops.internal", (POSTGRES,))


@pytest.mark.parametrize(
    "text",
    [
        "xdb.prod.hyops.internal",
        "a.db.prod.hyops.internal",
        "a-db.prod.hyops.internal",
        "db.prod.hyops.internal.example.com",
        "db.prod.hyops.internals",
        "db.prod.hyops.internal-old",
        POSTGRES,
        "hyops.internal",
        ".hyops.internal",
    ],
)
def test_only_whole_names_are_found(text: str) -> None:
    assert found(text) == []


def test_what_was_is_another_rule_than_what_is() -> None:
    rules = {hit.found: (hit.rule, hit.names) for hit in hits("10.0.0.1 10.0.0.8 10.0.0.7 gone.prod.hyops.internal")}

    assert rules == {
        "10.0.0.1": ("raw-target", (POSTGRES,)),
        "10.0.0.8": ("former-target", (POSTGRES,)),
        "10.0.0.7": ("former-target", ()),
        "gone.prod.hyops.internal": ("retired-name", ()),
    }


# --- allowed


def test_a_line_with_a_reason_is_allowed() -> None:
    file = search("a 10.0.0.1  # hyops-allow: the proxy's own configuration\nb 10.0.0.1\n")

    assert ([hit.line for hit in file.hits], file.allowed) == ([2], 1)


@pytest.mark.parametrize("mark", ["hyops-allow:", "hyops-allow: -->", "hyops-allow:\nreason"])
def test_a_mark_without_a_reason_allows_nothing(mark: str) -> None:
    (hit,) = hits(f"10.0.0.1 {mark}")

    assert (hit.rule, hit.hint) == ("allow-reason", f"write the reason after `hyops-allow:`, or write {POSTGRES}")


def test_a_mark_before_the_address_allows_it_too() -> None:
    assert hits("/* hyops-allow: seed node */ 10.0.0.1, 10.0.0.2") == []


# --- in pieces


@settings(max_examples=20)
@given(st.integers(1, 40), st.text("0. fd:\n#é", max_size=30))
def test_pieces_make_no_difference(size: int, before: str) -> None:
    text = f"{before}10.0.0.1 é fd00:0::1\n db.prod.hyops.internal 10.0.0.2 # hyops-allow: x\n{before}10.0.0.2 "

    assert search(text, piece=size).hits == hits(text)


@pytest.mark.parametrize("size", [4096, AROUND, 3 * AROUND + 1])
def test_a_line_longer_than_memory_is_searched(size: int) -> None:
    far = "é " * (2 * AROUND)
    text = f"{far}10.0.0.1{far}fd00::1 hyops-allow: x{far}db.prod.hyops.internal"
    file = search(text, piece=size)

    assert [(hit.line, hit.column, hit.found) for hit in file.hits] == [
        (1, len(far) + 1, "10.0.0.1"),
        (1, text.index("db.prod") + 1, "db.prod.hyops.internal"),
    ]
    assert file.allowed == 1
    assert len(file._data) <= 2 * AROUND + size


def test_a_file_of_hits_shows_the_first_and_counts_all() -> None:
    file = search("10.0.0.1\n" * 1000)

    assert (len(file.hits), file.count) == (100, 1000)


@given(st.ip_addresses(v=6), st.data())
@settings(max_examples=50)
def test_every_spelling_of_an_ipv6_address_is_the_address(address: ipaddress.IPv6Address, data: st.DataObject) -> None:
    book = make_book(["hyops.internal"], [ContractFacts(POSTGRES, (canonical_address(str(address)),), ())], [])
    groups = [group.lstrip("0") or "0" for group in address.exploded.split(":")]
    padded = [group.zfill(data.draw(st.integers(1, 4))) for group in groups]
    spelling = data.draw(st.sampled_from([str(address), address.exploded, ":".join(padded)]))
    spelling = data.draw(st.sampled_from([spelling, spelling.upper()]))
    before, after = data.draw(st.sampled_from([("", ""), ("[", "]:80"), ("x=", "/64"), ("(", "%eth0)"), ('"', '"')]))

    assert [hit.found for hit in search(f"{before}{spelling}{after}", book).hits] == [spelling]
