"""Who asked, who approved and who merged, as commits tell it."""

import pytest

from hyops_gitops.adapters.git.clone import GitRepository
from hyops_gitops.core.exchange import CommitInfo
from tests.support.plain_repo import Repo


def newest(repo: Repo) -> CommitInfo:
    return GitRepository(repo.path).first_parent_commits(None, "HEAD")[-1]


@pytest.mark.parametrize("trailer", ["Approved-by", "Reviewed-by", "approved-by"])
def test_approvers_are_named_without_their_address(repo: Repo, trailer: str) -> None:
    repo.commit(f"Move\n\nBecause.\n\n{trailer}: Rea Viewer <rea@example.invalid>")

    assert newest(repo).approved_by == ("Rea Viewer",)


def test_several_approvers(repo: Repo) -> None:
    repo.commit("Move\n\nApproved-by: A <a@x.invalid>\nReviewed-by: B\nSigned-off-by: C <c@x.invalid>")

    assert newest(repo).approved_by == ("A", "B")


def test_a_trailer_in_the_middle_of_the_text_is_no_approval(repo: Repo) -> None:
    repo.commit("Move\n\nApproved-by: A <a@x.invalid>\n\nis what a trailer looks like.")

    assert newest(repo).approved_by == ()


def test_a_trailer_over_two_lines_is_one_name(repo: Repo) -> None:
    repo.commit("Move\n\nApproved-by: A Very\n  Long Name <a@x.invalid>")

    assert newest(repo).approved_by == ("A Very Long Name",)


def test_an_approver_who_is_only_an_address_is_nobody(repo: Repo) -> None:
    repo.commit("Move\n\nApproved-by: <a@x.invalid>")

    assert newest(repo).approved_by == ()


def test_an_ordinary_commit_merges_nothing(repo: Repo) -> None:
    repo.commit("Move")

    assert (newest(repo).merged_head, newest(repo).merged_author, newest(repo).committer) == (None, None, "Tester")


def test_a_merge_names_the_author_of_what_it_brings(repo: Repo) -> None:
    repo.commit("Begin", endpoints__prod__a_="a: 1\n")
    repo.git("checkout", "-q", "-b", "move")
    repo.git("commit", "-q", "--allow-empty", "-m", "Move", "--author", "Ann Author <ann@x.invalid>")
    head = repo.git("rev-parse", "HEAD")
    repo.git("checkout", "-q", "main")
    repo.git("merge", "-q", "--no-ff", "-m", "Merge\n\nApproved-by: Rea Viewer <rea@x.invalid>", "move")
    found = newest(repo)

    assert (found.author, found.committer) == ("Tester", "Tester")
    assert (found.merged_head, found.merged_author) == (head, "Ann Author")
    assert found.approved_by == ("Rea Viewer",)


def test_two_merges_of_different_people(repo: Repo) -> None:
    repo.commit("Begin")
    for name in ("Ann", "Bob"):
        repo.git("checkout", "-q", "-b", name, "main")
        repo.git("commit", "-q", "--allow-empty", "-m", f"By {name}", "--author", f"{name} <x@x.invalid>")
        repo.git("checkout", "-q", "main")
        repo.git("merge", "-q", "--no-ff", "-m", f"Merge {name}", name)
    found = GitRepository(repo.path).first_parent_commits(None, "HEAD")

    assert [one.merged_author for one in found] == [None, "Ann", "Bob"]


def test_versions_of_a_file(repo: Repo) -> None:
    first = repo.commit("One", a="1\n")
    repo.commit("Elsewhere", b="1\n")
    second = repo.commit("Two", a="2\n")

    assert GitRepository(repo.path).versions("a", "HEAD") == (
        (first, b"1\n"),
        (second, b"2\n"),
    )


# --- trailers


def trailers(repo: Repo) -> list[list[tuple[str, str]]]:
    """The key and value of each first-parent commit's trailers."""
    found = GitRepository(repo.path).first_parent_commits(None, "HEAD")
    return [[(one.key, one.value) for one in commit.trailers] for commit in found]


def test_trailers_of_an_ordinary_commit(repo: Repo) -> None:
    commit = repo.commit("Move\n\nWhy.\n\nHyops-Reason: a long\n  story: told\nHyops-Kind: drill\nApproved-by: A")

    assert trailers(repo) == [[("Hyops-Reason", "a long story: told"), ("Hyops-Kind", "drill")]]
    assert newest(repo).trailers[0].commit == commit
    assert newest(repo).approved_by == ("A",)


def test_text_that_looks_like_a_trailer_is_none(repo: Repo) -> None:
    repo.commit("Move\n\nHyops-Override: max-deletes=no\n\nis how one would lift it.")

    assert trailers(repo) == [[]]


def test_a_merge_brings_the_trailers_of_its_commits_and_its_own_last(repo: Repo) -> None:
    repo.commit("Begin\n\nHyops-Reason: begin")
    repo.git("checkout", "-q", "-b", "early")
    repo.commit("Early\n\nHyops-Reason: early")
    repo.git("checkout", "-q", "-b", "move", "main")
    repo.commit("One\n\nHyops-Reason: one")
    repo.git("merge", "-q", "--no-ff", "-m", "Bring early", "early")
    repo.commit("Two\n\nHyops-Reason: two")
    repo.git("checkout", "-q", "main")
    repo.git("merge", "-q", "--no-ff", "-m", "Merge early\n\nHyops-Reason: merge", "early")
    repo.git("merge", "-q", "--no-ff", "-m", "Merge move\n\nHyops-Kind: drill", "move")

    values = [[value for _, value in commit] for commit in trailers(repo)]
    assert values == [["begin"], ["early", "merge"], ["one", "two", "drill"]]


def test_only_the_range_counts(repo: Repo) -> None:
    first = repo.commit("Begin\n\nHyops-Reason: begin")
    repo.commit("Move\n\nHyops-Reason: move")
    (found,) = GitRepository(repo.path).first_parent_commits(first, "HEAD")

    assert [one.value for one in found.trailers] == ["move"]
