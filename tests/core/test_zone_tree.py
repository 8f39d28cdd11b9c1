"""Which part of a repository belongs to which of its zones."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.layout import SIGNERS_PATH, Division, lay_out
from hyops_gitops.core.path_list import PathList
from hyops_gitops.core.ports import History
from hyops_gitops.core.tree import SourceTree
from hyops_gitops.core.zone_tree import ZoneHistory, ZoneTree, zone_tree
from hyops_gitops.validate.validation import MemoryTree

FIRST, SECOND, CHILD = "hyops.internal", "corp.example", "eu.hyops.internal"
ONE_ZONE = (
    f"authority/{FIRST}.yaml",
    SIGNERS_PATH,
    "authority/README.md",
    "endpoints/README.md",
    "endpoints/prod/db.yaml",
    "endpoints/prod/README.md",
    "endpoints/prod/db.yml",
)
OF_SECOND = (f"authority/{SECOND}.yaml", f"endpoints/{SECOND}/README.md", f"endpoints/{SECOND}/prod/db.yaml")
OF_CHILD = (f"authority/{CHILD}.yaml", f"endpoints/{CHILD}/prod/db.yaml")


def tree(*paths: str) -> MemoryTree:
    return MemoryTree({path: path.encode() for path in paths})


class Listed(MemoryTree):
    """A tree that lists its paths as Git does."""

    def paths(self) -> PathList:
        return PathList(b"".join(b"100644 blob 0\t%b\0" % path.encode() for path in sorted(self.contents)))


def test_a_repository_with_one_zone_is_all_of_it() -> None:
    whole = tree(*ONE_ZONE)

    assert zone_tree(whole, FIRST) is whole


def test_the_first_zone_keeps_what_it_had() -> None:
    before, after = tree(*ONE_ZONE), tree(*ONE_ZONE, *OF_SECOND, *OF_CHILD)

    assert sorted(zone_tree(after, FIRST).paths()) == sorted(before.paths())
    assert zone_tree(after, FIRST).manifest_sha256() == before.manifest_sha256()
    assert zone_tree(after, FIRST).changed(before) == frozenset()


def test_a_further_zone_has_its_folder_its_authority_file_and_the_signers() -> None:
    whole = tree(*ONE_ZONE, *OF_SECOND, *OF_CHILD)

    assert sorted(zone_tree(whole, SECOND).paths()) == sorted([*OF_SECOND, SIGNERS_PATH])
    assert list(lay_out(zone_tree(whole, SECOND).paths(), f"{SECOND}/").contracts) == [OF_SECOND[2]]


def test_a_zone_that_is_not_there_yet_has_the_signers_alone() -> None:
    assert list(zone_tree(tree(*ONE_ZONE), SECOND).paths()) == [SIGNERS_PATH]


def test_the_only_zone_may_have_a_folder() -> None:
    layout = lay_out((*OF_SECOND, SIGNERS_PATH))

    assert (list(layout.contracts), layout.folder, layout.stray) == ([OF_SECOND[2]], f"{SECOND}/", ())


def test_a_folder_for_the_first_zone_makes_no_contract_vanish_unseen() -> None:
    """Else one new file would delete every record of the zone."""
    moved = zone_tree(tree(*ONE_ZONE, *OF_SECOND, f"endpoints/{FIRST}/README.md"), FIRST)

    assert "endpoints/prod/db.yaml" in lay_out(moved.paths(), moved.folder).stray


def test_two_zones_without_folders_see_each_other() -> None:
    both = zone_tree(tree(*ONE_ZONE, f"authority/{SECOND}.yaml"), FIRST)

    assert len(lay_out(both.paths(), both.folder).authorities) == 2


def test_what_is_in_no_zone_s_place_is_the_first_zone_s() -> None:
    misplaced = "endpoints/gone.example/prod/db.yaml"

    assert misplaced in zone_tree(tree(*ONE_ZONE, *OF_SECOND, misplaced), FIRST).paths()


def test_a_file_that_changes_its_zone_alone_is_changed() -> None:
    before = tree(*ONE_ZONE, f"endpoints/{SECOND}/README.md")
    after = tree(*ONE_ZONE, *OF_SECOND)

    assert f"endpoints/{SECOND}/README.md" in zone_tree(after, FIRST).changed(before)


_names = st.sampled_from(["prod", FIRST, SECOND, CHILD, "db.yaml", "README.md", ".hidden", "db.yml"])
_paths = st.one_of(
    st.lists(_names, min_size=1, max_size=3).map(lambda parts: "/".join(["endpoints", *parts])),
    st.sampled_from([f"authority/{zone}.yaml" for zone in (FIRST, SECOND, CHILD)] + [SIGNERS_PATH, "authority/x"]),
)


@given(st.sets(_paths, max_size=12))
def test_every_path_is_seen_and_contracts_are_of_one_zone(paths: set[str]) -> None:
    whole = tree(*paths)
    parts = {zone: zone_tree(whole, zone) for zone in whole.division.zones}
    contracts = {zone: set(lay_out(part.paths(), part.folder).contracts) for zone, part in parts.items()}

    if not whole.division.several:
        return
    needed = {path for path in paths if lay_out([path]).stray or lay_out([path]).contracts}
    assert needed <= {path for part in parts.values() for path in part.paths()}
    if len(whole.division.zones) - len(whole.division.folders) < 2:
        assert sum(map(len, contracts.values())) == len(set[str]().union(*contracts.values()))


@given(st.sets(_paths, max_size=12), st.sampled_from([FIRST, SECOND, CHILD]))
def test_a_listing_is_divided_as_its_paths_are(paths: set[str], zone: str) -> None:
    contents = dict.fromkeys(paths, b"")
    by_bytes, by_name = ZoneTree(Listed(contents), zone), ZoneTree(MemoryTree(contents), zone)

    assert list(by_bytes.paths()) == list(by_name.paths())


class Commits(History):
    """A history of one commit that changed these paths."""

    def __init__(self, head: SourceTree, *changed: str) -> None:
        self._head = head
        self._commit = CommitInfo("c" * 40, "Change", "A", datetime(2026, 1, 1, tzinfo=UTC), changed)

    def tree(self, commit: str) -> SourceTree:  # noqa: ARG002 - the only one
        return self._head

    def first_parent_commits(self, after: str | None, upto: str) -> tuple[CommitInfo, ...]:  # noqa: ARG002 - all
        return (self._commit,)


@pytest.mark.parametrize(
    ("path", "zones"),
    [
        ("endpoints/prod/db.yaml", {FIRST}),
        (f"endpoints/{SECOND}/prod/db.yaml", {SECOND}),
        ("endpoints/gone.example/prod/db.yaml", set[str]()),
        (f"authority/{CHILD}.yaml", {CHILD}),
        (SIGNERS_PATH, {FIRST, SECOND, CHILD}),
    ],
)
def test_a_commit_changed_in_a_zone_what_is_of_the_zone(path: str, zones: set[str]) -> None:
    whole = Commits(tree(*ONE_ZONE, *OF_SECOND, *OF_CHILD), path)  # type: ignore[abstract]

    seen = {zone: ZoneHistory(whole, zone).first_parent_commits(None, "c") for zone in (FIRST, SECOND, CHILD)}

    assert {zone for zone, commits in seen.items() if commits} == zones


def test_a_division_is_made_of_paths_alone() -> None:
    whole = tree(*ONE_ZONE, *OF_SECOND)

    assert Division.of(whole.below) == Division((SECOND, FIRST), frozenset([SECOND]))


def test_what_other_zones_name_is_elsewhere() -> None:
    whole = MemoryTree({**dict.fromkeys(ONE_ZONE, b""), OF_SECOND[0]: b"site: frankfurt", OF_SECOND[1]: b""})

    assert zone_tree(whole, FIRST).is_elsewhere("frankfurt")
    assert not zone_tree(whole, SECOND).is_elsewhere("frankfurt")
    assert not MemoryTree({OF_SECOND[0]: b"site: frankfurt"}).is_elsewhere("frankfurt")


def test_a_commit_s_changes_are_divided_by_the_commit_that_is_asked_about() -> None:
    """What is checked out may have other zones: an audit is of a branch, an apply of a commit."""

    class Checkout(Commits):
        def tree(self, commit: str) -> SourceTree:
            return super().tree(commit) if commit != "HEAD" else tree(f"authority/{SECOND}.yaml")

    history = ZoneHistory(Checkout(tree(*ONE_ZONE, *OF_SECOND), "endpoints/prod/db.yaml"), FIRST)  # type: ignore[abstract]

    (commit,) = history.first_parent_commits(None, "c" * 40)
    assert commit.changed == ("endpoints/prod/db.yaml",)
