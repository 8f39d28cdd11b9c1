"""What is validated of a few files alone, against a run over everything."""

from collections import Counter
from collections.abc import Callable, Collection
from random import Random

import pytest

from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.adapters.yaml.schema import check_document
from hyops_gitops.core.findings import Finding, Severity
from hyops_gitops.core.tree import SourceTree
from hyops_gitops.validate.concerned import Scope
from hyops_gitops.validate.validation import MemoryTree, Validation, validate_tree
from tests.support.histories import History, Tree, over_seeds
from tests.support.site import LONG

EXAMPLES = 3000 if LONG else 150


class Silent(MemoryTree):
    """A search over this tree finds nothing."""

    def mentioning(self, texts: Collection[str]) -> frozenset[str]:
        assert texts
        return frozenset()


def everything(tree: SourceTree) -> Validation:
    return validate_tree(tree, read_document, check_document)


def of_changes(before: Tree, tree: SourceTree, after: Tree, *, is_sound: bool, about: frozenset[str]) -> Validation:
    base = MemoryTree(before)
    changed = frozenset(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    return validate_tree(
        tree, read_document, check_document, scope=Scope(about or changed, base, changed, is_sound=is_sound)
    )


def places(findings: Collection[Finding]) -> set[tuple[str, str, str]]:
    """Findings without the line, which moves when one above it does."""
    return {(finding.path, finding.rule, finding.message) for finding in findings}


def errors(validation: Validation) -> list[Finding]:
    return [finding for finding in validation.findings if finding.severity is Severity.ERROR]


def check(seed: int, made: Counter[str], of: Callable[[Tree], SourceTree] = MemoryTree) -> None:
    """Compare one change of a random tree with a full run before and after it."""
    random = Random(seed)  # noqa: S311 - not for secrets
    history = History(random, mistakes=random.random() < 0.7)
    before = history.go_on(random.randint(0, 8))
    after = history.go_on(random.randint(1, 4))
    full_before, full = everything(MemoryTree(before)), everything(MemoryTree(after))
    changed = frozenset(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))

    short = of_changes(before, of(after), after, is_sound=False, about=frozenset())
    looked_at = after.keys() if short.about is None else short.about
    assert short.findings == tuple(one for one in full.findings if one.path in looked_at)
    assert changed & after.keys() <= looked_at
    assert places(full.findings) - places(full_before.findings) <= places(short.findings)

    some = frozenset(random.sample(sorted(changed), 1)) if changed else frozenset()
    part = of_changes(before, of(after), after, is_sound=False, about=some)
    looked_at = after.keys() if part.about is None else part.about
    assert part.findings == tuple(one for one in full.findings if one.path in looked_at)
    assert some & after.keys() <= looked_at

    if not errors(full_before):
        made["sound base"] += 1
        made["sound base, then errors"] += bool(errors(full))
        trusting = of_changes(before, of(after), after, is_sound=True, about=frozenset())
        assert errors(trusting) == errors(full)
        assert trusting.contracts == full.contracts or errors(full) or trusting.about is not None
    made["examples"] += 1
    made["findings"] += bool(full.findings)
    made["read in part"] += short.about is not None
    made.update({kind: bool(number) for kind, number in history.made.items()})


@pytest.fixture
def made() -> Counter[str]:
    return Counter()


def test_a_few_files_have_the_findings_of_a_full_run(
    made: Counter[str], record_property: Callable[[str, object], None]
) -> None:
    over_seeds(lambda seed: check(seed, made), made, record_property, examples=EXAMPLES)
    assert made["findings"] * 3 >= made["examples"]
    assert made["read in part"] * 3 >= made["examples"]
    least = 100 if LONG else 5
    assert min(made[kind] for kind in ("keep", "delete", "rename", "copy", "break_form", "sound base")) >= least


def test_a_search_that_finds_nothing_is_found_out(made: Counter[str]) -> None:
    def compare() -> None:
        for seed in range(2000):
            check(seed, made, Silent)

    with pytest.raises(AssertionError):
        compare()
