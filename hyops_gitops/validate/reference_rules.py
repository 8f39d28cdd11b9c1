"""Rules that look at several contracts: what dns targets lead to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from hyops_gitops.core.context import ZoneContext
from hyops_gitops.core.contract import TargetType
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.document import KeyPath, finding_at
from hyops_gitops.core.findings import Finding, Rule
from hyops_gitops.core.names import EndpointName, canonical_name, endpoint_name_of_path
from hyops_gitops.core.text import did_you_mean
from hyops_gitops.validate.building import ContractDraft
from hyops_gitops.validate.name_rules import alias_names, paths_of_name

TARGET_DANGLING = Rule(
    "target-dangling",
    "A dns target inside a zone of the repository is the name of another contract.",
    "A CNAME to a name that does not exist answers NXDOMAIN.",
    "Correct the name, or add the missing contract.",
    "endpoint_target: postgress.prod.hyops.internal",
)
TARGET_DELETED = Rule(
    "target-deleted",
    "A contract that another one points at is not deleted.",
    "The other name would answer NXDOMAIN as soon as the deletion is applied.",
    "Point the other contract elsewhere first, or keep this one.",
    "deleting endpoints/prod/postgres.yaml while endpoints/prod/db.yaml points at it",
)
TARGET_LOOP = Rule(
    "target-loop",
    "CNAMEs do not lead back to themselves.",
    "A loop resolves nowhere (RFC 1034 section 3.6.2).",
    "Point one of the members at an address.",
    "a -> b -> a",
)


_MISTYPED = 2  # letters more or less
_COMPARED = 200


@dataclass(frozen=True, slots=True)
class Deletions:
    """The contracts that were there at an earlier revision and are gone."""

    since: str  # the revision, as the user wrote it
    paths: frozenset[str]


def check_references(drafts: Sequence[ContractDraft], context: ZoneContext, deletions: Deletions) -> Iterator[Finding]:
    """Check for dangling targets, deleted targets and loops in a known zone."""
    if context.zone is None:
        return
    pointing = _pointing(drafts, context)
    if not pointing:
        return
    names = _KnownNames.of(drafts, context)
    gone = _names_of_paths(deletions.paths, context.zone)
    for draft, targets in pointing:
        for at, target in targets:
            if names.contract(target) or (draft.name is not None and target == canonical_name(draft.name)):
                continue
            if target in gone:
                message = f"{target} is pointed at here, but {gone[target]} was deleted since {deletions.since}"
                hint = f"point {draft.path} elsewhere first, or keep {gone[target]}"
                yield finding_at(TARGET_DELETED, draft.document, at, message, hint)
            else:
                message = f"{target} is in the zone, but no contract defines it"
                guess = similar_name(target, context)
                hint = f"did you mean {guess}?" if guess else "add its contract, or correct the name"
                yield finding_at(TARGET_DANGLING, draft.document, at, message, hint)
    yield from _check_loops([draft for draft, _ in pointing], names)


@dataclass(frozen=True, slots=True)
class _KnownNames:
    """The names of contracts: by path, declared, or an alias.

    A contract with findings has its name too, by its path.
    """

    context: ZoneContext
    declared: Mapping[str, str]  # name -> path of the contract
    aliases: Mapping[str, str]

    @classmethod
    def of(cls, drafts: Sequence[ContractDraft], context: ZoneContext) -> "_KnownNames":
        """The names of these drafts and of all paths."""
        declared = {canonical_name(draft.name): draft.path for draft in drafts if draft.name is not None}
        return cls(context, declared, alias_names(drafts))

    def contract(self, name: str) -> str | None:
        """The path of the contract that has this name or alias."""
        by_path = paths_of_name(name, self.context)
        return by_path[-1] if by_path else self.declared.get(name) or self.aliases.get(name)


def references(drafts: Sequence[ContractDraft], context: ZoneContext) -> Mapping[str, frozenset[str]]:
    """Contract -> the contracts it points at, missing ones included."""
    zone = context.zone
    pointing = _pointing(drafts, context)
    if zone is None or not pointing:
        return {}
    names = _KnownNames.of(drafts, context)
    return {
        draft.path: frozenset(names.contract(target) or _expected_path(target, context) for _, target in targets)
        for draft, targets in pointing
    }


def _expected_path(name: str, context: ZoneContext) -> str:
    """The path of a contract of this name, unused for odd names."""
    zone = context.zone or ""
    service, _, environment = name.removesuffix(f".{zone}").partition(".")
    meant = EndpointName.parse(name, zone, context.folder) or EndpointName(service, environment, zone, context.folder)
    return meant.contract_path


def similar_name(name: str, context: ZoneContext) -> str | None:
    """The name of a contract that differs by a typing mistake.

    Few are compared: comparing all with all takes minutes.
    """
    if (meant := EndpointName.parse(name, context.zone or "", context.folder)) is None:
        return None
    service = meant.service
    start, end = f"endpoints/{context.folder}{meant.environment}/{service[:1]}", ".yaml"
    near = (
        path[len(start) - 1 : -len(end)]
        for path in sorted(context.contract_paths)
        if path.startswith(start) and abs(len(path) - len(start) + 1 - len(end) - len(service)) <= _MISTYPED
    )
    guess = did_you_mean(service, list(islice(near, _COMPARED)))
    return str(replace(meant, service=guess)) if guess else None


def _names_of_paths(paths: frozenset[str], zone: str) -> dict[str, str]:
    named = ((endpoint_name_of_path(path, zone), path) for path in sorted(paths))
    return {str(name): path for name, path in named if name is not None}


def _pointing(
    drafts: Sequence[ContractDraft], context: ZoneContext
) -> Sequence[tuple[ContractDraft, list[tuple[KeyPath, str]]]]:
    """The contracts that point at names in the zone, with these."""
    pairs = ((draft, list(dns_targets(draft, context))) for draft in drafts)
    return [(draft, targets) for draft, targets in pairs if targets]


def dns_targets(draft: ContractDraft, context: ZoneContext) -> Iterator[tuple[KeyPath, str]]:
    """The names in the zone that this contract's targets lead to."""
    return ((at, name) for at, name in dns_names(draft) if context.zone and context.zone_of(name) == context.zone)


def dns_names(draft: ContractDraft) -> Iterator[tuple[KeyPath, str]]:
    """The names that this contract's targets lead to, in any zone."""
    for target in draft.targets():
        if target.type is TargetType.DNS and not target.listed:
            yield from ((at, canonical_name(value)) for at, value in target.values)


def _check_loops(drafts: Sequence[ContractDraft], names: _KnownNames) -> Iterator[Finding]:
    """Report each contract in a loop; an alias leads to its contract."""
    by_path = {draft.path: draft for draft in drafts}
    following = {}
    for draft in drafts:
        target = main_target(draft)
        leads_to = names.contract(target) if target else None
        # A contract that points at its own name has a finding of its own; one that points at its alias loops.
        if leads_to in by_path and (leads_to != draft.path or names.aliases.get(target) == leads_to):
            following[draft.path] = leads_to
    yield from loop_findings(loops_in(following), by_path)


def loop_findings(loops: Iterable[tuple[str, ...]], drafts: Mapping[str, ContractDraft]) -> Iterator[Finding]:
    """Report each contract in these loops of paths."""
    for loop in loops:
        for position, path in enumerate(loop):
            draft = drafts[path]
            around = (*loop[position:], *loop[:position], path)
            message = f"the targets form a loop: {' -> '.join(_name_of(drafts[member]) for member in around)}"
            at = draft.target.at if draft.target is not None else ()
            yield finding_at(TARGET_LOOP, draft.document, at, message, "point one of them at an address")


def loops_in(following: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """The loops, each path visited once."""
    visited: set[str] = set()
    for start in sorted(following):
        walk: dict[str, int] = {}
        path = start
        while path in following and path not in visited:
            visited.add(path)
            walk[path] = len(walk)
            path = following[path]
        if path in walk:
            yield tuple(walk)[walk[path] :]


def _name_of(draft: ContractDraft) -> str:
    """The name that a contract declares, else the place of its file."""
    return draft.name or draft.path


def main_target(draft: ContractDraft) -> str:
    """The name that a contract's own target leads to, or ""."""
    target = draft.target
    if target is None or target.type is not TargetType.DNS or target.listed:
        return ""
    return canonical_name(target.values[0][1])
