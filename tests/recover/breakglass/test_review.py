"""A segment in the log waits for somebody else's review: said by plan, validate and audit, and overdue it fails."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from hyops_gitops.adapters.files import WorkTree
from hyops_gitops.cli.main import execute
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.log.admin_entries import Reconcile
from hyops_gitops.log.reconciling import pending_reviews, segment_findings, segment_warnings
from hyops_gitops.log.workspace import Revision
from tests.support.book import Book, commit_trees
from tests.support.forks import forked, offline_audit
from tests.support.forks import problem_codes as codes
from tests.support.metrics import Series, parsed, values
from tests.support.segments import SEGMENT, Breakglass, take_in


@pytest.fixture
def taken(book: Book, tmp_path: Path) -> Book:
    """A clone whose log holds a segment of Alice's."""
    root = tmp_path / "clone"
    root.parent.mkdir(exist_ok=True)
    import shutil  # noqa: PLC0415

    shutil.copytree(book.world.root, root, symlinks=True)
    copy = forked(book, root, len(book.head.entries))
    take_in(Breakglass.on(copy).move("10.0.0.2").move("10.0.0.1"))
    commit_trees(root, copy.store.trees)
    return copy


def review(book: Book, principal: str) -> None:
    body = book.head.head.body
    assert isinstance(body, Reconcile)
    book.add(Reconcile(body.segment, body.count, body.head, principal, reason="seen"))


def test_it_waits_until_somebody_reviewed_it(taken: Book) -> None:
    (pending,) = pending_reviews(taken.head, 72)
    body = taken.head.head.body
    assert isinstance(body, Reconcile)
    assert body.imported is not None
    assert pending.due == body.imported.ended + timedelta(hours=72)
    assert (pending.overdue(pending.due), pending.overdue(pending.due + timedelta(seconds=1))) == (False, True)
    assert list(segment_warnings(taken.head, ["f" * 12, SEGMENT], 72)) == [
        pending.message,
        f"break-glass segment {'f' * 12} in this folder is not reconciled with the log",
    ]
    review(taken, "other@tests")
    assert list(pending_reviews(taken.head, 72)) == []


def test_validate_warns_and_then_fails(taken: Book) -> None:
    (pending,) = pending_reviews(taken.head, 72)
    revision = Revision(LocalWorkspace(taken.world.root), WorkTree(taken.world.root))

    def found(now: datetime) -> list[tuple[str, str]]:
        findings = segment_findings(revision, now)
        return [(one.rule, one.severity.value) for one in findings]

    assert found(pending.due) == [("breakglass-review", "warning")]
    assert found(pending.due + timedelta(seconds=1)) == [("breakglass-overdue", "error")]


def test_validate_prints_what_waits_for_a_review(taken: Book, capsys: pytest.CaptureFixture[str]) -> None:
    exit_code = execute(["validate", "--repo", str(taken.world.root)])

    assert ": breakglass-overdue: " in capsys.readouterr().out  # the log is of long ago
    assert exit_code == 1


def test_metrics_count_it_until_it_is_reviewed(taken: Book, capsys: pytest.CaptureFixture[str]) -> None:
    (pending,) = pending_reviews(taken.head, 72)

    def printed() -> Series:
        execute(["status", "--repo", str(taken.world.root), "--format", "openmetrics"])
        return parsed(capsys.readouterr().out)

    waiting = printed()
    assert values(waiting, "hyops_unreviewed_exceptions", kind="review") == [1]
    assert values(waiting, "hyops_review_due_timestamp_seconds") == [int(pending.due.timestamp())]
    review(taken, "other@tests")
    commit_trees(taken.world.root, taken.store.trees)
    done = printed()
    assert set(values(done, "hyops_unreviewed_exceptions")) == {0}
    assert values(done, "hyops_review_due_timestamp_seconds") == []


def test_audit_fails_when_it_is_overdue(taken: Book) -> None:
    found = offline_audit(taken.world.root)  # the log is of long ago
    assert codes(found) == {"review"}
    assert [one.message for one in found.exceptions if one.kind == "breakglass"] != []
    review(taken, "other@tests")
    commit_trees(taken.world.root, taken.store.trees)
    found = offline_audit(taken.world.root)
    assert found.passed
    assert [one.kind for one in found.exceptions if one.seq == taken.head.head.seq] == ["reviewed"]
