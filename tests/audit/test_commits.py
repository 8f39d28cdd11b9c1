"""Commits that an audit brings forward by what changed, against each of them read whole."""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.adapters.yaml.schema import check_document
from hyops_gitops.audit.commits import CommitFacts, CommitReader
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.tree import SourceTree, manifest_sha256
from hyops_gitops.log.holds import hold_of
from hyops_gitops.log.parts import AuthorityRef
from hyops_gitops.validate.validation import MemoryTree
from tests.support.contracts import AUTHORITY
from tests.support.histories import AUTHORITY_TEXT, ZONE, History, Tree, over_seeds
from tests.support.site import LONG

EXAMPLES = 1000 if LONG else 60
STEPS = 6
INSIDE = AuthorityRef("0" * 64, outside_commit=False)
OUTSIDE = AUTHORITY_TEXT.replace(b"hetzner", b"onprem")


class Silent(MemoryTree):
    """A search over this tree finds nothing."""

    def mentioning(self, texts: Collection[str]) -> frozenset[str]:
        assert texts
        return frozenset()


class Still(MemoryTree):
    """Nothing that this tree is compared with is another."""

    def changed(self, other: SourceTree) -> frozenset[str]:
        assert other is not self
        return frozenset()


def reader(trees: dict[str, SourceTree]) -> CommitReader:
    """A reader that has looked at nothing yet."""
    history = SimpleNamespace(tree=trees.__getitem__, is_ancestor=lambda commit, _: commit in trees)
    workspace: Any = SimpleNamespace(
        read=read_document,
        check=check_document,
        rules="1",
        history=history,
        authority_override=SourceFile("authority.yaml", OUTSIDE),
    )
    return CommitReader(workspace, "head")


def shown(facts: CommitFacts | None) -> tuple[object, ...]:
    """All that checks ask of it; documents are read again, and are others."""
    assert facts is not None
    contracts = [(contract.path, contract.rrsets(), hold_of(contract)) for contract in facts.contracts.values()]
    desired = facts.desired
    return contracts, desired.data, replace(facts, contracts={}, desired=desired.without(desired.rrsets))


def check(seed: int, made: Counter[str], of: Callable[[Tree], SourceTree] = MemoryTree) -> None:
    """Compare a random history brought forward with each of its commits alone."""
    random = Random(seed)  # noqa: S311 - not for secrets
    history = History(random, mistakes=random.random() < 0.5)
    trees: dict[str, SourceTree] = {}
    forward = reader(trees)
    for number in range(STEPS):
        files = dict(history.go_on(random.randint(0, 3)))
        if random.random() < 0.2:
            files[AUTHORITY] = AUTHORITY_TEXT.replace(b"[prod, dev]", b"[prod, dev, extra]")
        trees[f"{number}"] = of(files)
        ref = AuthorityRef(sha256_hex(OUTSIDE), outside_commit=True) if random.random() < 0.2 else INSIDE
        facts = forward.facts(ZONE, f"{number}", ref)
        assert shown(facts) == shown(reader({f"{number}": MemoryTree(files)}).facts(ZONE, f"{number}", ref))
        assert facts is not None
        assert facts.manifest == manifest_sha256(files)
        assert forward.facts(ZONE, f"{number}", ref) is facts
        made["commits"] += 1
        made["invalid"] += bool(facts.invalid)
        made["outside"] += ref.outside_commit
    made.update({kind: bool(number) for kind, number in history.made.items()})


@pytest.fixture
def made() -> Counter[str]:
    return Counter()


def test_commits_brought_forward_are_as_read_whole(
    made: Counter[str], record_property: Callable[[str, object], None]
) -> None:
    over_seeds(lambda seed: check(seed, made), made, record_property, examples=EXAMPLES)
    assert min(made["invalid"], made["outside"]) * 10 >= made["commits"]
    assert min(made[kind] for kind in ("keep", "delete", "rename", "copy", "break_form", "dangle")) >= 5


@pytest.mark.parametrize("of", [Silent, Still])
def test_a_tree_that_lies_about_what_changed_is_found_out(made: Counter[str], of: Callable[[Tree], SourceTree]) -> None:
    def compare() -> None:
        for seed in range(2000):
            check(seed, made, of)

    with pytest.raises(AssertionError):
        compare()


def test_nothing_of_another_run_is_looked_at() -> None:
    """What an audit brings forward is what it has read itself: its first commit is read whole."""
    asked: list[str] = []

    class Counted(MemoryTree):
        def files(self) -> list[SourceFile]:
            asked.append("files")
            return super().files()

    trees: dict[str, SourceTree] = {"1": Counted({AUTHORITY: AUTHORITY_TEXT})}
    first = reader(trees).facts(ZONE, "1", INSIDE)
    assert asked
    asked.clear()
    assert reader(trees).facts(ZONE, "1", INSIDE) == first
    assert asked
