"""The contracts that a few of them concern, found without reading all.

A name is found by its path; what keeps it as an alias, points at it or declares it at a wrong path, by a search for its
bytes over the tree. Where that could miss a spelling, everything is to be read.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from hyops_gitops.core.context import ZoneContext
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.names import canonical_name, endpoint_name_of_path
from hyops_gitops.core.tree import SourceTree
from hyops_gitops.validate.building import ContractDraft
from hyops_gitops.validate.name_rules import paths_of_name
from hyops_gitops.validate.reference_rules import dns_names, dns_targets

# YAML and the rule for canonical names leave such a name as it is, but for what `SourceTree.mentioning` adds.
PLAIN = re.compile(r"[a-z0-9._-]+")


class DraftReader(Protocol):
    """Reads contracts of a tree."""

    def __call__(self, tree: SourceTree, paths: Collection[str]) -> Mapping[str, ContractDraft]:
        """The contracts at these paths, as far as they can be read."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is asked about a tree."""

    about: frozenset[str]  # contract paths, gone ones included
    base: SourceTree  # an earlier state, to see which names appeared or vanished since
    changed: frozenset[str]  # the contract paths that differ from it
    is_sound: bool = False  # whether the base had no error: then only names that appear or vanish make one elsewhere
    elsewhere: frozenset[str] = frozenset()  # names that vanished from other zones of the repository


@dataclass(frozen=True, slots=True)
class Concerns:
    """Contracts whose findings are sought, and all that were read for them."""

    paths: frozenset[str]  # what the findings of a full run would be, is known of these
    drafts: tuple[ContractDraft, ...]  # sorted by path
    vanished: frozenset[str]  # the names that no changed contract has any more


def find_concerned(scope: Scope, tree: SourceTree, context: ZoneContext, read: DraftReader) -> Concerns | None:
    """The contracts whose findings may depend on what changed; None: read all."""
    zone = context.zone
    if zone is None:
        return None
    there = context.contract_paths
    drafts = dict(read(tree, scope.changed & there | scope.about & there))
    before = read(scope.base, scope.changed)
    names_before = _names(scope.base.read(scope.changed), before, zone)
    names_after = _names(scope.changed & there, drafts, zone)
    vanished = names_before - names_after
    pointed_at = vanished if scope.is_sound else vanished | _names(scope.about & there, drafts, zone)
    wanted = vanished | scope.elsewhere | (names_after - names_before if scope.is_sound else set())
    found, todo, asked = set[str](), set(scope.about & there), set[str]()
    while True:
        found |= todo
        following = set[str]()
        for path in todo:
            targets = {target for _, target in dns_targets(drafts[path], context)} if path in drafts else set()
            named = {target: paths_of_name(target, context) for target in targets}
            following.update(*named.values(), *_paths_of_aliases(drafts.get(path), context))
            wanted |= {target for target, paths in named.items() if not paths}
            wanted |= set() if scope.is_sound else _own_names(path, drafts.get(path), context)
        searched = wanted - asked
        if not all(map(PLAIN.fullmatch, searched)):
            return None
        asked |= searched
        hits = tree.mentioning(searched) & there if searched else frozenset[str]()
        drafts |= read(tree, (hits | following) - drafts.keys())
        claiming = {path for path in hits & drafts.keys() if _concerns(drafts[path], asked, pointed_at, context)}
        claiming |= {path for path in hits & drafts.keys() if _points_at(drafts[path], scope.elsewhere)}
        todo = (following | claiming) - found
        if not todo:
            return Concerns(frozenset(found), tuple(drafts[path] for path in sorted(drafts)), vanished)


def _concerns(draft: ContractDraft, names: Collection[str], pointed_at: Collection[str], context: ZoneContext) -> bool:
    """Whether a contract has, or points at, one of these names."""
    if any(name in names for name in _declared(draft)):
        return True
    return any(target in pointed_at for _, target in dns_targets(draft, context))


def _points_at(draft: ContractDraft, names: Collection[str]) -> bool:
    return bool(names) and any(name in names for _, name in dns_names(draft))


def _names(paths: Iterable[str], drafts: Mapping[str, ContractDraft], zone: str) -> frozenset[str]:
    """Every name that these contracts have, declare, or keep."""
    listed = list(paths)
    by_path = (str(name) for path in listed if (name := endpoint_name_of_path(path, zone)) is not None)
    return frozenset(by_path).union(*(_declared(drafts[path]) for path in listed if path in drafts))


def _declared(draft: ContractDraft) -> set[str]:
    names = {canonical_name(alias.name) for alias in draft.aliases}
    return names if draft.name is None else {*names, canonical_name(draft.name)}


def _paths_of_aliases(draft: ContractDraft | None, context: ZoneContext) -> Iterable[Iterable[str]]:
    """The contracts whose own names this one keeps as aliases."""
    return (paths_of_name(canonical_name(alias.name), context) for alias in (draft.aliases if draft else ()))


def _own_names(path: str, draft: ContractDraft | None, context: ZoneContext) -> set[str]:
    """The names that another contract's alias can clash with.

    An alias in odd letters has a finding of its own.
    """
    named = endpoint_name_of_path(path, context.zone or "")
    kept = {canonical_name(alias.name) for alias in (draft.aliases if draft else ())}
    plain = {name for name in kept if PLAIN.fullmatch(name)}
    return plain if named is None else {*plain, str(named)}
