"""Paths found in a listing are those that a dictionary of it has."""

import re

from hypothesis import given
from hypothesis import strategies as st

from hyops_gitops.core.layout import lay_out
from hyops_gitops.core.path_list import PathList, shown

_parts = st.sampled_from(
    [
        "a",
        "a.yaml",
        "ab.yaml",
        "b",
        "README.md",
        ".x.yaml",
        "yaml",
        ".yaml",
        "a\ty.yaml",
        "a\\b.yaml",
        "é.yaml",
        "\n.yaml",
    ]
)
_paths = st.one_of(
    st.lists(_parts, min_size=1, max_size=3).map(lambda parts: "/".join(["endpoints", *parts]).encode()),
    st.sampled_from(
        [b"authority/z.yaml", b"authority/allowed_signers", b"authority/a/b.yaml", b"endpoints/a/\xff.yaml"]
    ),
)
HEAD = "100644 blob " + "0" * 40


def listing(paths: list[bytes]) -> PathList:
    return PathList(b"".join(b"%b\t%b\0" % (HEAD.encode(), path) for path in sorted(paths)))


@given(st.lists(_paths, unique=True, max_size=12), _paths)
def test_what_is_found_is_what_is_listed(paths: list[bytes], other: bytes) -> None:
    listed, names = listing(paths), sorted(map(shown, paths))
    assert (list(listed), len(listed)) == (names, len(names))
    for name in (*names, shown(other), "endpoints/", "", "zz"):
        assert (name in listed) == (name in names)
        assert listed.head(name) == (HEAD if name in names else None)
    for folder in ("authority", "endpoints", "endpoints/a", "a", "z"):
        assert listed.below(folder) == [name for name in names if name.startswith(f"{folder}/")]
    assert listed & {*names[:2], "none"} == set(names[:2])
    assert {*names, "none"} - listed == {"none"}


@given(st.lists(_paths, unique=True, max_size=12))
def test_a_listing_is_laid_out_as_its_paths_are(paths: list[bytes]) -> None:
    by_bytes, by_name = lay_out(listing(paths)), lay_out(sorted(map(shown, paths)))
    assert list(by_bytes.contracts) == list(by_name.contracts)
    assert by_bytes.authorities == by_name.authorities
    assert by_bytes.stray == by_name.stray
    assert by_bytes.signers == by_name.signers


def test_records_are_parted_in_their_order() -> None:
    usual = re.compile(rb"(?:[^\t]*+\tendpoints/[^\0]*+\0)*+")
    paths = [b"a", b"endpoints/a", b"endpoints/b", b"f", b"z"]
    matching, others = listing(paths).parted(usual)
    assert list(matching) == ["endpoints/a", "endpoints/b"]
    assert others == [("a", HEAD), ("f", HEAD), ("z", HEAD)]
