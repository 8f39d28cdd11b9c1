"""Who has to have approved a change, and what an apply and an audit make of it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from hyops_gitops.audit.report import Audit
from hyops_gitops.core.people import Approval, MergedCommit, Person, missing_approval
from tests.support.book import Book, build, commit_trees
from tests.support.forks import offline_audit, problem_codes

AUTHOR = Person("Ada", "1")
HEAD, OLD = "a" * 40, "b" * 40


def merged(*approvals: Approval, head: str | None = HEAD) -> MergedCommit:
    return MergedCommit("c" * 40, "title", AUTHOR, datetime(2026, 1, 1, tzinfo=UTC), approvals, head)


@pytest.mark.parametrize(
    ("approval", "why"),
    [
        (Approval(Person("Grace", "2"), HEAD), None),
        (Approval(Person("Grace", "2")), None),
        (Approval(Person("Grace", "2"), OLD), "not the last head"),
        (Approval(Person("ada", "1"), HEAD), "their own change"),
        (Approval(Person("Renamed", "1"), HEAD), "their own change"),
        (Approval(Person("ADA"), HEAD), "their own change"),
        (Approval(Person("Linus", "3"), HEAD), "pushed last"),
        (Approval(Person("renovate[bot]", "4"), HEAD), "not a human"),
    ],
)
def test_approval_is_by_somebody_else_and_of_the_last_head(approval: Approval, why: str | None) -> None:
    found = missing_approval(merged(approval), [Person("Linus", "3")])
    assert found is None if why is None else found is not None and why in found


def test_one_good_approval_is_enough() -> None:
    assert missing_approval(merged(Approval(AUTHOR), Approval(Person("Grace"), HEAD))) is None
    assert missing_approval(merged()) == "nobody approved it"


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Book:
    return build(tmp_path_factory.mktemp("reviewed"))


def _merge(book: Book, message: str, *, evil: bool = False) -> Audit:
    """Merge a branch by another author, apply it, audit."""
    world = book.world
    world.git("checkout", "-q", "-b", "change")
    world.contract("first", "10.0.0.77")
    world.git("-c", "user.name=Ada", "commit", "-qam", "Move")
    world.git("checkout", "-q", "main")
    world.git("merge", "-q", "--no-ff", "--no-commit", "change")
    if evil:
        world.contract("api", "10.0.0.66", required=False)
    world.git("add", "-A")
    world.git("commit", "-q", "-m", message)
    copy = book.copy(15)
    copy.apply()
    commit_trees(world.root, copy.store.trees)
    return offline_audit(world.root)


def _about_people(found: Audit) -> list[str]:
    return [one.message for one in found.exceptions if one.kind == "separation-of-duties" and one.seq == 16]


def test_warned_about_and_listed(tmp_path: Path) -> None:
    assert "nobody approved it" in _about_people(_merge(build(tmp_path), "Merge"))[0]


def test_reviewed_merge_has_nothing_to_say(tmp_path: Path) -> None:
    assert _about_people(_merge(build(tmp_path), "Merge\n\nReviewed-by: Grace <g@example.invalid>")) == []


def test_author_cannot_approve_by_merging(tmp_path: Path) -> None:
    said = _about_people(_merge(build(tmp_path), "Merge\n\nReviewed-by: Ada <a@example.invalid>"))
    assert "their own change" in said[0]


def test_merge_that_holds_more_than_its_branch_is_said(tmp_path: Path) -> None:
    said = _about_people(_merge(build(tmp_path), "Merge\n\nReviewed-by: Grace <g@example.invalid>", evil=True))
    assert "has content without approval" in said[0]


def test_enforced_separation_fails_the_audit(reviewed: Book) -> None:
    book = reviewed
    book.world.edit_authority('"ttl"', '"separation_of_duties": "enforce", "ttl"')
    book.world.commit("Enforce")
    copy = book.copy(15)
    copy.unchanged()
    commit_trees(book.world.root, copy.store.trees)
    assert "separation-of-duties" in problem_codes(offline_audit(book.world.root))
