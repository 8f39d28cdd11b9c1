"""Another end for a log, in another clone, and our own verdict on it."""

from pathlib import Path

from hyops_gitops.audit.commits import AuditRequest
from hyops_gitops.audit.report import Audit
from hyops_gitops.audit.run import audit
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.log.pinned_heads import SeenHead
from tests.support.book import ZONE, Book, commit_trees
from tests.support.world import World

HEAD = 15


def offline_audit(root: Path, *seen: str) -> Audit:
    """Our verdict on a clone, without asking any server."""
    request = AuditRequest(look="offline", seen=tuple(map(SeenHead.parse, seen)))
    workspace = LocalWorkspace(root)
    return audit(request, workspace, workspace.audit_git())


def problem_codes(found: Audit) -> set[str]:
    return {problem.code for problem in found.problems}


def forked(book: Book, root: Path, upto: int) -> Book:
    """The log up to one entry, to be continued with the contracts of another clone."""
    copy = book.copy(upto)
    copy.world = World(root, ZONE, book.world.environ, None, None, book.world.key, book.world.policy)
    return copy


def store(copy: Book) -> Path:
    commit_trees(copy.world.root, copy.store.trees)
    return copy.world.root
