"""Trees read as objects: what differs between two of them is what git says."""

from random import Random

import pytest

from hyops_gitops.adapters.git import tree_objects
from hyops_gitops.adapters.git.process import Git
from hyops_gitops.adapters.git.tree_objects import changed_leaves
from hyops_gitops.core.errors import OutsideFailure
from tests.support.plain_repo import Repo

COMMITS = 40
# Names of files that are folders elsewhere, and an order that git has for folders alone.
PATHS = ("a", "a/b", "a/b/c", "a.b", "a/x", "a0", "b/a/b", "b/a", "b/\xe9", "c", "c/d/e/f")
MODES = ("100644", "100755", "120000")


def make_history(repo: Repo, random: Random) -> None:
    """Commits of random trees, with one `git fast-import`."""
    stream = []
    for _ in range(COMMITS):
        stream.append(
            "commit refs/heads/main\ncommitter T <t@example.invalid> 1767225600 +0000\ndata 1\nx\ndeleteall\n"
        )
        taken = list[str]()
        for path in random.sample(PATHS, random.randint(1, len(PATHS))):
            if not any(path.startswith(f"{other}/") or other.startswith(f"{path}/") for other in taken):
                taken.append(path)
                content = random.choice("xy")
                stream.append(f"M {random.choice(MODES)} inline {path}\ndata 1\n{content}\n")
    repo.git("fast-import", "--quiet", "--force", stdin="".join(stream))


def test_what_differs_between_two_trees_is_what_git_says(repo: Repo) -> None:
    make_history(repo, Random(3))  # noqa: S311 - guards nothing
    git = Git.of(repo.path)
    commits = git.output("rev-list", "main").decode().split()
    for before, after in zip(commits, commits[1:] + commits[:1], strict=True):
        trees = [git.output("rev-parse", f"{commit}^{{tree}}").decode().strip() for commit in (before, after)]
        found = changed_leaves(git, *trees)
        listed = git.output("diff-tree", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", *trees).split(b"\0")[:-1]
        said = {}
        for head, path in zip(listed[::2], listed[1::2], strict=True):
            old_mode, mode, old_id, object_id, _ = head.decode().removeprefix(":").split(" ")
            was, now = ((old_mode, old_id), (mode, object_id))
            said[path] = tuple(None if side[0] == "000000" else side for side in (was, now))

        assert {path: (was and tuple(was), now and tuple(now)) for path, was, now in found} == said


def test_trees_that_stand_for_any_number_of_files_are_refused(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    make_history(repo, Random(1))  # noqa: S311 - guards nothing
    git = Git.of(repo.path)
    before, after = (git.output("rev-parse", f"main~{back}^{{tree}}").decode().strip() for back in (1, 0))
    monkeypatch.setattr(tree_objects, "MAX_ENTRIES", 1)
    with pytest.raises(OutsideFailure) as caught:
        list(changed_leaves(git, before, after))
    assert caught.value.code == "too-large"
