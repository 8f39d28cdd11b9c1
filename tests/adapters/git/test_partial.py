"""Clones made with `--filter=blob:none`, of a real remote: blobs come when they are needed, together."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from hyops_gitops.adapters.git.evidence import GitEvidenceStore
from hyops_gitops.adapters.git.objects import read_blobs
from hyops_gitops.adapters.git.process import Git
from hyops_gitops.adapters.git.trees import CommitTree
from hyops_gitops.core.errors import OutsideFailure
from tests.support.plain_repo import Repo

PATHS = [f"endpoints/prod/svc{number}.yaml" for number in range(70)]
MakePartial = Callable[[], Repo]


@pytest.fixture
def make_partial(clone: Repo, bare: Repo, tmp_path: Path) -> MakePartial:
    """Clone without blobs and without a checkout, which would fetch those of HEAD."""
    for number, path in enumerate(PATHS):
        clone.write(path, f"a: {number}\n")
    clone.commit("many")
    clone.git("push", "-q", "origin", "main", "main:evidence")
    bare.git("config", "uploadpack.allowFilter", "true")

    def make() -> Repo:
        clone.git(
            "clone", "-q", "--filter=blob:none", "--no-checkout", f"file://{bare.path}", str(tmp_path / "partial")
        )
        return Repo(tmp_path / "partial")

    return make


def fetches(repo: Repo) -> int:
    """How often the clone and git by itself fetched something: each left a pack."""
    return len(list((repo.path / ".git/objects/pack").glob("*.promisor")))


def asked(repo: Repo, question: Callable[[], object]) -> tuple[object, int]:
    """An answer, and how many fetches it took."""
    before = fetches(repo)
    return question(), fetches(repo) - before


def test_the_files_of_a_commit_come_in_one_fetch(make_partial: MakePartial) -> None:
    partial = make_partial()
    said: list[str] = []
    tree = CommitTree(Git(partial.path, say=said.append), partial.git("rev-parse", "HEAD"))

    files, needed = asked(partial, tree.files)

    assert needed == 1
    assert [file.content for file in files if file.path == PATHS[-1]] == [b"a: 69\n"]  # type: ignore[attr-defined]
    assert said == ["fetching 70 files that this partial clone lacks, from origin"]  # one is the same as another
    assert asked(partial, tree.files) == (files, 0)
    assert asked(partial, CommitTree(Git(partial.path), tree.commit).files) == (files, 0)


def test_a_search_in_a_commit_takes_one_fetch(make_partial: MakePartial) -> None:
    partial = make_partial()
    tree = CommitTree(Git(partial.path), partial.git("rev-parse", "HEAD"))

    assert asked(partial, lambda: tree.mentioning(["a: 69"])) == ({PATHS[-1]}, 1)


def test_what_a_log_is_asked_for_in_turn_comes_in_one_fetch(make_partial: MakePartial) -> None:
    partial = make_partial()
    snapshot = GitEvidenceStore(partial.path, "evidence", "origin").recorded()
    assert snapshot is not None

    def read(paths: Iterable[str]) -> list[bytes]:
        return [snapshot.read([path])[path] for path in paths]

    assert asked(partial, lambda: read(PATHS[:5])) == ([b"a: 0\n", b"a: 1\n", b"a: 2\n", b"a: 3\n", b"a: 4\n"], 1)
    assert asked(partial, lambda: snapshot.paths() == sorted([*PATHS, "endpoints/prod/a.yaml"])) == (True, 0)


def test_what_was_made_here_is_not_asked_for(make_partial: MakePartial) -> None:
    partial = make_partial()
    git = Git(partial.path)
    read_blobs(git, [partial.git("rev-parse", f"HEAD:{PATHS[0]}")])
    made = partial.git("hash-object", "-w", "--stdin", stdin="made here")

    assert asked(partial, lambda: read_blobs(git, [made])) == ({made: b"made here"}, 0)


def test_a_remote_that_is_gone_is_named(make_partial: MakePartial, bare: Repo) -> None:
    partial = make_partial()
    shutil.move(bare.path, bare.path.with_name("elsewhere"))

    with pytest.raises(OutsideFailure, match=r"cannot fetch 70 files .* from remote 'origin'") as caught:
        CommitTree(Git(partial.path), partial.git("rev-parse", "HEAD")).files()

    assert (caught.value.code, caught.value.exit_code) == ("remote-unreachable", 4)
    assert "clone without --filter" in caught.value.hint


def test_a_whole_clone_is_not_asked_what_it_has(clone: Repo) -> None:
    git = Git(clone.path)

    CommitTree(git, clone.git("rev-parse", "HEAD")).files()

    assert not {"promisor", "stored"} & vars(git).keys() or (git.promisor, git.stored) == (None, set())
