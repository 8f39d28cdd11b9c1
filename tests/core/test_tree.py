"""What a tree answers without being read, made from its files where it knows no better."""

import pytest

from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.tree import SourceTree, blob_id
from hyops_gitops.validate.validation import MemoryTree


class Tree(SourceTree):
    def __init__(self, *files: SourceFile) -> None:
        self._files = files

    def files(self) -> tuple[SourceFile, ...]:
        return self._files


LINK = SourceFile("endpoints/prod/link.yaml", None, "is a symbolic link")


def test_entries_are_git_s_ids() -> None:
    tree = Tree(SourceFile("endpoints/prod/a.yaml", b"a: 1\n"), LINK)

    assert tree.entries() == {"endpoints/prod/a.yaml": "a8926a52d8dcba5c4386945476ab6a2ad008afd4", LINK.path: ""}
    assert blob_id(b"a: 1\n", 64) == "80d3735834c615c1ed161b8c218d42171f3247f20cfc07f033dee488cb7b98a9"


def test_what_differs_is_changed() -> None:
    before = MemoryTree({"endpoints/a": b"1", "endpoints/b": b"1", "endpoints/c": b"1"})
    after = MemoryTree({"endpoints/a": b"1", "endpoints/b": b"2", "endpoints/d": b"1"})

    assert after.changed(before) == before.changed(after) == {"endpoints/b", "endpoints/c", "endpoints/d"}


def test_what_cannot_be_read_is_not_known_to_be_the_same() -> None:
    assert Tree(LINK).changed(Tree(LINK)) == {LINK.path}


@pytest.mark.parametrize(
    ("content", "is_found"),
    [
        ("endpoint_target: postgres.prod.hyops.internal\n", True),
        ("endpoint_target: POSTGRES.prod.hyops.internal\r\n", True),
        ("endpoint_target: redis.prod.hyops.internal\n", False),
        ("endpoint_target: postgresXprod\n", False),
        ('endpoint_target: "\\x70ostgres.prod.hyops.internal"\n', True),
        ('endpoint_target: "post\\\n  gres.prod.hyops.internal"\n', True),
        ("endpoint_target: \u212aafka.prod.hyops.internal\n", True),  # KELVIN SIGN: lower() makes it a k
    ],
    ids=["plain", "upper case", "another", "no wildcard", "escape", "folded", "kelvin"],
)
def test_a_search_finds_what_the_reader_may_read(content: str, is_found: bool) -> None:
    tree = MemoryTree({"endpoints/prod/db.yaml": content.encode()})

    assert bool(tree.mentioning(["postgres.prod"])) == is_found


def test_no_text_is_an_expression() -> None:
    tree = MemoryTree({"endpoints/a": b"a+b", "endpoints/b": b"aab"})

    assert tree.mentioning(["a+b"]) == {"endpoints/a"}
    assert tree.mentioning([]) == frozenset()
