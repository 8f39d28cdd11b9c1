"""Which commits of main count after the one applied last, in every way that a branch gets there."""

import itertools
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyops_gitops.adapters.git.clone import GitRepository
from hyops_gitops.apply.propose import mixed_commits
from hyops_gitops.core.exchange import CommitInfo
from tests.support.plain_repo import MakeRepo, Repo

AUTHORITY, FIRST, SECOND, OWN = (
    "authority/z.yaml",
    "endpoints/prod/a.yaml",
    "endpoints/prod/b.yaml",
    "endpoints/own.yaml",
)


def steps(repo: Repo, after: str, upto: str = "main") -> list[tuple[str, tuple[str, ...]]]:
    return [(one.subject, one.changed) for one in infos(repo, after, upto)]


def infos(repo: Repo, after: str, upto: str = "main") -> tuple[CommitInfo, ...]:
    return GitRepository(repo.path).first_parent_commits(after, upto)


def is_mixed(repo: Repo, after: str) -> bool:
    return mixed_commits(infos(repo, after)) is not None


@pytest.fixture
def forked(repo: Repo) -> Repo:
    """Main got an authority change and a contract since `topic`, which holds a contract of its own, was forked."""
    repo.commit("root", authority__z_="1", endpoints__prod__a_="1")
    repo.git("switch", "-q", "-c", "topic")
    repo.commit("own", endpoints__own_="1")
    repo.git("switch", "-q", "main")
    repo.commit("authority", authority__z_="2")
    repo.commit("contract", endpoints__prod__b_="1")
    return repo


def update_and_fast_forward(repo: Repo, *options: str) -> None:
    """The forge's button "Update branch", and then its fast-forward of main."""
    repo.git("switch", "-q", "topic")
    repo.git("merge", "-q", "--no-ff", "--no-edit", "-m", "update", *options, "main")
    repo.git("switch", "-q", "main")
    repo.git("merge", "-q", "--ff-only", "topic")


def test_what_was_applied_is_not_counted_again_when_main_is_fast_forwarded_to_an_updated_branch(forked: Repo) -> None:
    applied = forked.git("rev-parse", "main")
    update_and_fast_forward(forked)

    assert steps(forked, applied) == [("own", (OWN,)), ("update", ())]
    assert not is_mixed(forked, applied)


def test_a_pull_that_merges_before_a_push_is_the_same(forked: Repo) -> None:
    applied = forked.git("rev-parse", "main")
    forked.git("switch", "-q", "topic")
    forked.git("pull", "-q", "--no-rebase", "--no-edit", ".", "main")
    forked.git("push", "-q", ".", "topic:refs/heads/pushed")

    assert [changed for _, changed in steps(forked, applied, "pushed")] == [(OWN,), ()]


def test_what_main_had_and_was_not_applied_yet_is_counted_once_and_by_its_own_commits(forked: Repo) -> None:
    applied = forked.git("rev-parse", "main~1")  # the authority's change
    update_and_fast_forward(forked)

    assert steps(forked, applied) == [("contract", (SECOND,)), ("own", (OWN,)), ("update", ())]


def test_two_pull_requests_on_main_and_a_fast_forward_are_not_mixed(repo: Repo) -> None:
    repo.commit("root", authority__z_="1", endpoints__prod__a_="1")
    repo.git("switch", "-q", "-c", "topic")
    repo.commit("own", endpoints__own_="1")
    repo.git("switch", "-q", "main")
    applied = repo.commit("applied", endpoints__prod__a_="2")
    repo.commit("authority", authority__z_="2")
    repo.commit("contract", endpoints__prod__b_="1")
    update_and_fast_forward(repo)

    assert [subject for subject, _ in steps(repo, applied)] == ["authority", "contract", "own", "update"]
    assert not is_mixed(repo, applied)


def test_a_fast_forward_of_one_authority_and_one_contract_commit_is_mixed(forked: Repo) -> None:
    applied = forked.git("rev-parse", "main")
    forked.git("switch", "-q", "topic")
    forked.commit("server", authority__other_="1")
    update_and_fast_forward(forked)

    assert is_mixed(forked, applied)
    merge = forked.git("rev-parse", "main")
    assert mixed_commits(infos(forked, applied)) == f"commit {merge[:12]}"


def test_a_merged_branch_of_one_authority_and_one_contract_commit_is_mixed(forked: Repo) -> None:
    applied = forked.git("rev-parse", "main")
    forked.git("switch", "-q", "topic")
    forked.commit("server", authority__other_="1")
    forked.git("switch", "-q", "main")
    forked.git("merge", "-q", "--no-ff", "-m", "merged", "topic")

    assert steps(forked, applied) == [("merged", ("authority/other.yaml", OWN))]
    assert is_mixed(forked, applied)


def test_a_branch_whose_update_is_merged_into_main_counts_what_is_its_own(forked: Repo) -> None:
    applied = forked.git("rev-parse", "main")
    forked.git("switch", "-q", "topic")
    forked.git("merge", "-q", "--no-edit", "main")
    forked.git("switch", "-q", "main")
    forked.git("merge", "-q", "--no-ff", "-m", "merged", "topic")

    assert steps(forked, applied) == [("merged", (OWN,))]


def test_a_merge_that_discards_what_was_applied_is_what_changes_it(forked: Repo) -> None:
    applied = forked.git("rev-parse", "main")
    update_and_fast_forward(forked, "--strategy=ours")

    assert steps(forked, applied) == [("own", (OWN,)), ("update", (AUTHORITY, SECOND))]
    assert is_mixed(forked, applied)


def test_what_an_update_slips_in_is_counted_of_it(forked: Repo) -> None:
    applied = forked.git("rev-parse", "main")
    update_and_fast_forward(forked)
    forked.git("reset", "-q", "--soft", "HEAD")
    forked.commit("unused", authority__z_="evil")
    forked.git("reset", "-q", "--hard", "HEAD~1")
    tree = forked.git("rev-parse", "HEAD@{1}^{tree}")
    parents = forked.git("log", "-1", "--format=-p %P", "HEAD").replace(" ", " -p ").split()[1:]
    evil = forked.git("commit-tree", tree, *[word for word in parents if word], "-m", "evil update")

    assert steps(forked, applied, evil) == [("own", (OWN,)), ("evil update", (AUTHORITY,))]
    assert mixed_commits(infos(forked, applied, evil)) is not None


def test_a_squash_and_a_rebase_are_ordinary_commits(forked: Repo) -> None:
    applied = forked.git("rev-parse", "main")
    forked.git("merge", "-q", "--squash", "topic")
    forked.git("commit", "-q", "-m", "squashed")
    forked.git("switch", "-q", "-c", "again", applied)
    forked.commit("later", endpoints__prod__a_="2")
    forked.git("rebase", "-q", "main")
    forked.git("switch", "-q", "main")
    forked.git("merge", "-q", "--ff-only", "again")

    assert steps(forked, applied) == [("squashed", (OWN,)), ("later", (FIRST,))]


def test_an_octopus_that_main_is_fast_forwarded_to(forked: Repo) -> None:
    applied = forked.git("rev-parse", "main")
    forked.git("switch", "-q", "-c", "third", "main~2")
    forked.commit("third", endpoints__third_="1")
    forked.git("switch", "-q", "topic")
    forked.git("merge", "-q", "-m", "octopus", "main", "third")
    forked.git("switch", "-q", "main")
    forked.git("merge", "-q", "--ff-only", "topic")

    assert steps(forked, applied) == [("own", (OWN,)), ("octopus", ("endpoints/third.yaml",))]


def test_a_criss_cross_counts_each_side_once(forked: Repo) -> None:
    applied = forked.git("rev-parse", "main")
    forked.git("switch", "-q", "topic")
    before = forked.git("rev-parse", "topic")
    forked.git("merge", "-q", "-m", "main into topic", "main")
    forked.git("switch", "-q", "main")
    forked.git("merge", "-q", "--no-ff", "-m", "topic into main", before)
    crossed = steps(forked, applied)
    newly = forked.git("rev-parse", "main")
    forked.git("switch", "-q", "topic")
    forked.commit("more", endpoints__more_="1")
    update_and_fast_forward(forked)

    assert crossed == [("topic into main", (OWN,))]
    assert [one for one in steps(forked, newly) if one[1]] == [("more", ("endpoints/more.yaml",))]


def test_what_was_taken_back_before_it_was_applied_mends_a_mixed_commit(forked: Repo) -> None:
    applied = forked.commit("applied", endpoints__prod__a_="2")
    forked.commit("both", authority__z_="3", endpoints__prod__a_="3")
    mixed = is_mixed(forked, applied)
    forked.commit("another edit of one side", endpoints__prod__a_="4")
    edited = is_mixed(forked, applied)
    forked.commit("taken back", endpoints__prod__a_="2")
    taken_back = is_mixed(forked, applied)
    forked.commit("brought again", endpoints__prod__a_="4")

    assert (mixed, edited, taken_back, is_mixed(forked, applied)) == (True, True, False, False)


def test_people_of_an_update_are_not_those_of_main(forked: Repo) -> None:
    forked.git("commit", "-q", "--amend", "--no-edit", "--author=Mainer <m@example.invalid>")
    applied = forked.git("rev-parse", "main")
    update_and_fast_forward(forked)
    own, update = infos(forked, applied)

    assert (own.author, own.merged_head, own.arrived_with) == ("Tester", None, update.id)
    assert (update.author, update.merged_head, update.merged_author) == ("Tester", None, None)
    assert update.joined == applied


def test_trailers_of_what_was_applied_are_not_said_again(forked: Repo) -> None:
    forked.commit("said before\n\nHyops-Kind: drill", endpoints__prod__a_="2")
    applied = forked.git("rev-parse", "main")
    forked.git("switch", "-q", "topic")
    forked.commit("said now\n\nHyops-Kind: incident", endpoints__own_="2")
    update_and_fast_forward(forked)

    said = [(one.subject, [line.value for line in one.trailers]) for one in infos(forked, applied)]
    assert said == [("own", []), ("said now", ["incident"]), ("update", [])]


# --- any history


@dataclass
class Forge:
    """Branches, merged in every way that forges know, each into the main of that moment; and what was applied when."""

    draw: random.Random
    parents: list[tuple[int, ...]] = field(default_factory=list)
    trees: list[frozenset[str]] = field(default_factory=list)
    authors: list[str] = field(default_factory=list)
    main: int = 0
    applied: list[int] = field(default_factory=list)
    asked_by: dict[str, str] = field(default_factory=dict)  # a path -> who wrote it; each is written once

    def commit(self, parents: tuple[int, ...], tree: Iterable[str], author: str) -> int:
        self.parents.append(parents)
        self.trees.append(frozenset(tree))
        self.authors.append(author)
        return len(self.parents) - 1

    def history(self, commit: int) -> set[int]:
        found, pending = set(), [commit]
        while pending:
            if (one := pending.pop()) not in found:
                found.add(one)
                pending += self.parents[one]
        return found

    def edit(self, onto: int, author: str) -> int:
        path = f"{self.draw.choice(('authority', 'endpoints/prod'))}/{len(self.parents)}.yaml"
        self.asked_by[path] = author
        return self.commit((onto,), self.trees[onto] | {path}, author)

    def join(self, first: int, *others: int, author: str) -> int:
        every = (first, *others)
        return self.commit(every, frozenset().union(*(self.trees[one] for one in every)), author)

    def land(self, branch: int, author: str) -> None:
        way = self.draw.choice(("merge", "update", "squash", "octopus"))
        if self.main in self.history(branch):
            self.main = branch if way != "merge" else self.join(self.main, branch, author="forge")
        elif way == "merge":
            self.main = self.join(self.main, branch, author="forge")
        elif way == "squash":
            self.main = self.commit((self.main,), self.trees[self.main] | self.trees[branch], author)
        elif way == "octopus":
            third = self.edit(self.main, author)
            self.main = self.join(branch, self.main, third, author=author)
        else:
            self.main = self.join(branch, self.main, author=author)

    def stream(self) -> str:
        lines = []
        for number, (parents, tree, author) in enumerate(zip(self.parents, self.trees, self.authors, strict=True)):
            who = f"{author} <x@example.invalid> {1700000000 + number} +0000"
            lines += [f"commit refs/heads/c{number}", f"mark :{number + 1}", f"author {who}", f"committer {who}"]
            lines += ["data 1", "c"]
            lines += [f"{'merge' if at else 'from'} :{one + 1}" for at, one in enumerate(parents)]
            lines += ["deleteall", *(f"M 100644 inline {path}\ndata 1\n1" for path in sorted(tree))]
        return "\n".join(lines) + "\n"


def random_forge(draw: random.Random, *, always_applied: bool) -> Forge:
    forge = Forge(draw)
    forge.commit((), ["authority/root.yaml"], "root")
    forge.applied.append(0)
    branches: dict[str, int] = {}
    for number in range(draw.randint(4, 24)):
        match draw.randint(0, 4):
            case 0:
                branches[f"author{number}"] = forge.edit(
                    draw.choice([forge.main, forge.applied[-1]]), f"author{number}"
                )
            case 1 if branches:
                name = draw.choice(sorted(branches))
                branches[name] = forge.edit(branches[name], name)
            case 2 if branches:
                name = draw.choice(sorted(branches))
                if forge.main not in forge.history(branches[name]):
                    branches[name] = forge.join(branches[name], forge.main, author=name)
            case 3 if branches:
                name = draw.choice(sorted(branches))
                forge.land(branches.pop(name), name)
                if always_applied:
                    forge.applied.append(forge.main)
            case 4 if not always_applied and draw.random() < 0.5:
                forge.applied.append(forge.main)
            case _:
                pass
    forge.applied.append(forge.main)
    return forge


def read(forge: Forge, repo: Repo) -> list[tuple[CommitInfo, ...]]:
    repo.git("fast-import", "--quiet", "--force", stdin=forge.stream())
    ids = [repo.git("rev-parse", f"c{one}") for one in forge.applied]
    ranges = list(itertools.pairwise(ids))
    return list(GitRepository(repo.path).main_lines(ranges))


def counted(lines: Iterable[Iterable[CommitInfo]]) -> Mapping[str, list[CommitInfo]]:
    found: dict[str, list[CommitInfo]] = {}
    for line in lines:
        for one in line:
            for path in one.changed:
                found.setdefault(path, []).append(one)
    return found


ANY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@ANY
@given(seed=st.integers(0, 2**32))
def test_every_applied_change_is_counted_exactly_once_in_any_history(seed: int, make_repo: MakeRepo) -> None:
    forge = random_forge(random.Random(seed), always_applied=False)  # noqa: S311 - a shape, no secret
    found = counted(read(forge, make_repo(f"any{seed}")))

    assert {path: len(by) for path, by in found.items()} == dict.fromkeys(forge.trees[forge.main] - forge.trees[0], 1)


@ANY
@given(seed=st.integers(0, 2**32))
def test_applied_merge_by_merge_each_change_is_counted_of_who_asked_for_it(seed: int, make_repo: MakeRepo) -> None:
    forge = random_forge(random.Random(seed), always_applied=True)  # noqa: S311 - a shape, no secret
    found = counted(read(forge, make_repo(f"each{seed}")))

    who = {path: {one.merged_author or one.author for one in by} for path, by in found.items()}
    assert who == {path: {forge.asked_by[path]} for path in forge.trees[forge.main] - forge.trees[0]}
