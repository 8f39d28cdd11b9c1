"""Rules across zones: targets in another zone, and logs.

A zone is validated by itself. Another one is read only where a contract points there, and only at the names that it
points at: by path, and what has none there by a search for its bytes, as an alias is found within a zone.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.context import ZoneContext
from hyops_gitops.core.document import KeyPath, finding_at
from hyops_gitops.core.findings import Finding, Rule
from hyops_gitops.core.layout import lay_out
from hyops_gitops.core.names import canonical_name
from hyops_gitops.core.tree import SourceTree
from hyops_gitops.core.zone_tree import ZoneTree
from hyops_gitops.validate.building import ContractDraft
from hyops_gitops.validate.concerned import PLAIN, DraftReader
from hyops_gitops.validate.name_rules import alias_names, possible_paths
from hyops_gitops.validate.reference_rules import (
    TARGET_DANGLING,
    TARGET_DELETED,
    dns_names,
    loop_findings,
    loops_in,
    main_target,
    similar_name,
)

AUTHORITY_SHARED_LOG = Rule(
    "authority-shared-log",
    "Each zone of a repository has a log of its own: no other has its evidence.branch on the same remote.",
    "A log is of one zone: the second would overwrite it, or be refused for ever.",
    "Give the further zone another evidence.branch, such as evidence-<zone>, before its log is started.",
    "authority/hyops.internal.yaml and authority/corp.example.yaml, both without evidence.branch",
)


def check_other_zones(
    drafts: Sequence[ContractDraft],
    context: ZoneContext,
    tree: SourceTree,
    read: DraftReader,
    earlier: tuple[str, SourceTree] | None = None,
) -> Iterator[Finding]:
    """Check targets in other zones of the repository, and loops through them.

    Args:
        drafts: The contracts of one zone.
        context: That zone's.
        tree: The zone's part of the repository.
        read: Reads contracts of any zone.
        earlier: A revision, as the user wrote it, with its tree: what was there then was deleted.
    """
    if context.zone is None or not context.other_zones:
        return
    pointing = {draft.path: targets for draft in drafts if (targets := list(_elsewhere(draft, context)))}
    if not pointing:
        return
    by_path = {draft.path: draft for draft in drafts}
    others = _OtherZones(context, tree.whole, read, by_path)
    found = others.find({name for targets in pointing.values() for _, name in targets})
    missing = {name for targets in pointing.values() for _, name in targets if name not in found}
    gone = _deleted(missing, context, earlier[1].whole) if missing and earlier is not None else {}
    for path, targets in pointing.items():
        for at, name in targets:
            if name in gone and earlier is not None:
                message = f"{name} is pointed at here, but {gone[name]} was deleted since {earlier[0]}"
                hint = f"point {path} elsewhere first, or keep {gone[name]}"
                yield finding_at(TARGET_DELETED, by_path[path].document, at, message, hint)
            elif name in missing:
                yield others.dangling(by_path[path], at, name)
    yield from others.loops([by_path[path] for path in pointing])


def _elsewhere(draft: ContractDraft, context: ZoneContext) -> Iterator[tuple[KeyPath, str]]:
    """The names in other zones that its targets lead to."""
    own = canonical_name(draft.name or "")  # what points at itself has a finding of its own
    targets = ((at, name) for at, name in dns_names(draft) if name != own)
    return ((at, name) for at, name in targets if context.zone_of(name) not in (context.zone, None))


def _deleted(names: Iterable[str], context: ZoneContext, whole: SourceTree) -> Mapping[str, str]:
    """Name -> the path of its contract in an earlier tree."""
    paths = {path: name for name in names for path in _paths(name, context, whole)}
    return {name: path for path, name in paths.items() if path in whole.read(paths)}


def _paths(name: str, context: ZoneContext, whole: SourceTree) -> Sequence[str]:
    """The possible paths of this name in its zone."""
    zone, division = context.zone_of(name), whole.division
    if zone is None:
        return ()
    own, is_only = f"{zone}/", division.zones == (zone,)  # the only one may have a folder, or none
    folders = ["", own] if is_only else [own if division.has_folder(zone) else ""]
    return [path for folder in folders for path in possible_paths(name, zone, folder) if division.owns(zone, path)]


class _OtherZones:
    """Contracts of other zones, as far as they were asked for."""

    def __init__(
        self, context: ZoneContext, whole: SourceTree, read: DraftReader, own: Mapping[str, ContractDraft]
    ) -> None:
        self._context = context
        self._whole = whole
        self._read = read
        self._drafts = dict(own)
        self._own = own
        kept = alias_names(list(own.values())).items()
        self._aliases = {name: path for name, path in kept if context.zone_of(name) == context.zone}
        self._found: dict[str, str] = {}  # name -> the path of its contract

    def find(self, names: Collection[str]) -> Mapping[str, str]:
        """Name -> the path of its contract, by name or alias."""
        asked = {name for name in names if name not in self._found}
        possible = {path: name for name in asked for path in _paths(name, self._context, self._whole)}
        for path in self._whole.read(possible):
            self._found.setdefault(possible[path], path)
        left = {name for name in asked if name not in self._found and PLAIN.fullmatch(name)}
        self._found |= {name: self._aliases[name] for name in left if name in self._aliases}
        if unknown := {name for name in left if name not in self._found}:
            keepers = self._read_drafts(sorted(self._whole.mentioning(unknown)))
            for name, path in alias_names(keepers).items():
                zone = self._context.zone_of(name)
                if name in unknown and zone is not None and self._whole.division.owns(zone, path):
                    self._found[name] = path
        return self._found

    def _read_drafts(self, paths: Sequence[str]) -> list[ContractDraft]:
        contracts = [path for path in paths if path.startswith("endpoints/") and path.endswith(".yaml")]
        self._drafts |= self._read(self._whole, [path for path in contracts if path not in self._drafts])
        return [self._drafts[path] for path in contracts if path in self._drafts]

    def dangling(self, draft: ContractDraft, at: KeyPath, name: str) -> Finding:
        """The finding about a name that no contract has."""
        zone = self._context.zone_of(name)
        part = ZoneTree(self._whole, zone or "")
        contracts = lay_out(part.paths(), part.folder).contracts
        guess = similar_name(name, replace(self._context, zone=zone, folder=part.folder, contract_paths=contracts))
        message = f"{name} is in the zone {zone} of this repository, but no contract there defines it"
        hint = f"did you mean {guess}?" if guess else f"add its contract to {zone}, or correct the name"
        return finding_at(TARGET_DANGLING, draft.document, at, message, hint)

    def loops(self, starts: Sequence[ContractDraft]) -> Iterator[Finding]:
        """The loops through other zones, at their contracts in this one."""
        following: dict[str, str] = {}
        todo = list(starts)
        while todo:
            targets = {draft.path: main_target(draft) for draft in todo}
            found = self.find({name for name in targets.values() if self._context.zone_of(name) is not None})
            led = {path: found[name] for path, name in targets.items() if name in found}
            following |= led
            todo = self._read_drafts(sorted({path for path in led.values() if path not in following}))
        through = [loop for loop in loops_in(following) if not all(path in self._own for path in loop)]
        yield from (each for each in loop_findings(through, self._drafts) if each.path in self._own)


def check_logs(authorities: Iterable[Authority]) -> Iterator[Finding]:
    """Report zones whose log is on the branch of an earlier one."""
    first: dict[tuple[str, str | None], Authority] = {}
    for authority in sorted(authorities, key=lambda each: each.evidence.genesis is None):
        place = (authority.evidence.branch, authority.evidence.remote)
        if (other := first.setdefault(place, authority)) is not authority:
            message = f"the log would be on the branch {place[0]}, which is that of {other.path}"
            at = ("evidence", "branch")
            hint = f"give evidence.branch a name of its own, such as {place[0]}-{authority.zone}"
            yield finding_at(AUTHORITY_SHARED_LOG, authority.document, at, message, hint)
