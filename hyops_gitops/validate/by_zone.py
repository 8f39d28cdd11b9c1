"""Validate a repository with several zones: each by itself, the findings together.

With one zone this is one run of `validate_tree`. With several, a zone is looked at where everything is asked for, where
any of its files is asked about or changed, and where it points at a name that vanished from another zone: found by one
search for the names that vanished. Others are not read.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Protocol

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.document import DocumentReader, Fields
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.findings import Finding
from hyops_gitops.core.layout import TREE_STRAY_FILE, Division
from hyops_gitops.core.names import zone_of_name
from hyops_gitops.core.tree import SourceTree
from hyops_gitops.core.zone_tree import zone_tree
from hyops_gitops.validate.concerned import PLAIN, Scope
from hyops_gitops.validate.validation import Start, Validation, changed_paths
from hyops_gitops.validate.zone_rules import check_logs


class TreeValidator(Protocol):
    """`validate_tree`, given all that is the same for every zone."""

    def __call__(
        self, tree: SourceTree, *, authority_override: SourceFile | None, start: Start | None, scope: Scope | None
    ) -> Validation:
        """Check a zone's tree, or what a scope is about."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What a run is about: paths, a change, or both."""

    named: frozenset[str] | None  # on the command line
    start: Start | None  # to show what changed since
    base: SourceTree | None  # what few files are compared with: that of the start, or HEAD; None: there is none
    full: bool = False  # whether every file is read

    def of_zone(self, tree: SourceTree, zone: str) -> "Inquiry":
        """What it asks about one zone of a tree."""
        named = self.named and frozenset(path for path in self.named if tree.division.owns(zone, path))
        start = self.start and Start(
            zone_tree(self.start.tree, zone),
            self.start.name,
            self.start.theirs and zone_tree(self.start.theirs, zone),
        )
        return Inquiry(named, start, self.base and zone_tree(self.base, zone), self.full)


@dataclass(frozen=True, slots=True)
class ZoneSelection:
    """The paths of a zone to show, and what to read."""

    named: frozenset[str] | None = None  # None: all
    changed: frozenset[str] | None = None  # None: all
    differing: frozenset[str] = frozenset()  # from the base
    scope: Scope | None = None  # None: everything has to be read

    @classmethod
    def of(cls, tree: SourceTree, asked: Inquiry | None) -> "ZoneSelection":
        """What a run shows of a zone's tree."""
        if asked is None:
            return cls()
        if asked.base is None:
            return cls(asked.named)
        differing = changed_paths(asked.start, tree) if asked.start else tree.changed(asked.base)
        changed = differing if asked.start or asked.named is None else None
        about = frozenset.intersection(*(some for some in (asked.named, changed) if some is not None))
        of_authority = any(path.startswith("authority/") for path in about | differing)
        scope = None if of_authority or asked.full else Scope(about, asked.base, differing)
        return cls(asked.named, changed, differing, scope)

    @property
    def touches_authority(self) -> bool:
        """Whether authority files differ from the base."""
        return any(path.startswith("authority/") for path in self.differing)

    def of_everything(self) -> "ZoneSelection":
        """The same, but for a change that concerns all of the zone."""
        return replace(self, changed=None, scope=None)

    @property
    def is_touched(self) -> bool:
        """Whether the zone has to be looked at."""
        return self.scope is None or bool(self.scope.about or self.scope.changed or self.scope.elsewhere)

    def shown(self, validation: Validation) -> tuple[Finding, ...]:
        """The findings to show."""
        findings = validation.findings
        if validation.about is not None:
            of_layout = (self.named or frozenset()) | (self.changed or frozenset())
            return tuple(finding for finding in findings if finding.path in validation.about | of_layout)
        if self.changed is not None:
            findings = validation.findings_about(self.changed)
        if self.named is not None:
            about = {*validation.findings_about(self.named), *validation.dangling}
            findings = tuple(finding for finding in findings if finding in about)
        return findings


@dataclass(frozen=True, slots=True)
class ZonePart:
    """A zone that was looked at."""

    zone: str | None  # None: the only one, as its files say
    tree: SourceTree
    validation: Validation


@dataclass(frozen=True, slots=True)
class ZonesValidation:
    """The zones that were looked at, and the findings to show."""

    parts: tuple[ZonePart, ...]
    findings: tuple[Finding, ...]  # sorted

    @property
    def checked(self) -> int:
        """The number of contract files looked at."""
        return sum(part.validation.checked for part in self.parts)


def validate_zones(
    tree: SourceTree,
    asked: Inquiry | None,
    validate: TreeValidator,
    read: DocumentReader,
    override: SourceFile | None = None,
) -> ZonesValidation:
    """Validate each zone of a tree that the question concerns.

    Args:
        tree: Of all zones.
        asked: What is shown; None: everything.
        validate: Validates the tree of one zone.
        read: The strict YAML reader.
        override: Stands in for the authority file of the zone that it names.
    """
    if tree.division.several:
        return _Zones(tree, asked, validate, read, override).validated()
    selection = ZoneSelection.of(tree, asked)
    if asked is not None and tree.division.zones and selection.touches_authority:
        asked = asked.of_zone(tree, tree.division.zones[0])  # there may have been more zones
        selection = ZoneSelection.of(tree, asked)
    start = None if asked is None else asked.start
    validation = validate(tree, authority_override=override, start=start, scope=selection.scope)
    return ZonesValidation((ZonePart(None, tree, validation),), selection.shown(validation))


class _Zones:
    """The zones of a tree with several, being validated."""

    def __init__(
        self,
        tree: SourceTree,
        asked: Inquiry | None,
        validate: TreeValidator,
        read: DocumentReader,
        override: SourceFile | None,
    ) -> None:
        self._tree = tree
        self._asked = asked
        self._validate = validate
        self._trees = {zone: zone_tree(tree, zone) for zone in zones_apart(tree.division)}
        self._starts = {zone: asked.of_zone(tree, zone) if asked else None for zone in self._trees}
        self._selected = {zone: ZoneSelection.of(part, self._starts[zone]) for zone, part in self._trees.items()}
        if asked is not None and asked.base is not None and asked.base.division != tree.division:
            # A zone that comes or goes takes names from others, or leaves them theirs.
            self._selected = {zone: each.of_everything() for zone, each in self._selected.items()}
        self._overridden = None if override is None else (zone_of_override(override, read, self._trees), override)
        self._done: dict[str, Validation] = {}

    def validated(self) -> ZonesValidation:
        """Every zone that has to be looked at, validated."""
        self._look_at(zone for zone, selection in self._selected.items() if selection.is_touched)
        if any(selection.scope is not None for selection in self._selected.values()):
            self._look_at_pointing()
        found = [finding for zone in self._done for finding in self._shown(zone)]
        found += self._about_logs()
        parts = (ZonePart(zone, part, self._done[zone]) for zone, part in self._trees.items() if zone in self._done)
        return ZonesValidation(tuple(parts), _once(found))

    def _look_at(self, zones: Iterable[str]) -> None:
        for zone in zones:
            asked = self._starts[zone]
            start = None if asked is None else asked.start
            self._done[zone] = self._of(zone, start, self._selected[zone].scope)

    def _of(self, zone: str, start: Start | None, scope: Scope | None) -> Validation:
        stands_in = self._overridden[1] if self._overridden and self._overridden[0] == zone else None
        return self._validate(self._trees[zone], authority_override=stands_in, start=start, scope=scope)

    def _look_at_pointing(self) -> None:
        """Look at contracts that point at names which vanished elsewhere."""
        changed = {zone for zone, each in self._selected.items() if any(map(_is_below_endpoints, each.differing))}
        names = set[str]()
        for zone in changed:
            if (vanished := self._done[zone].vanished) is None or not all(map(PLAIN.fullmatch, vanished)):
                self._look_at_everything()
                return
            names |= vanished
        hits = self._tree.mentioning(names) if names else frozenset[str]()
        for zone, selection in self._selected.items():
            elsewhere = frozenset(name for name in names if zone_of_name(name, self._trees) != zone)
            owned = any(self._tree.division.owns(zone, path) for path in hits)
            if selection.scope is not None and elsewhere and owned:
                self._selected[zone] = replace(selection, scope=replace(selection.scope, elsewhere=elsewhere))
                self._look_at([zone])

    def _look_at_everything(self) -> None:
        partial = [zone for zone, selection in self._selected.items() if selection.scope is not None]
        self._selected |= {zone: replace(self._selected[zone], scope=None) for zone in partial}
        self._look_at(partial)

    def _shown(self, zone: str) -> Iterable[Finding]:
        """The findings to show of a zone, dangling targets included."""
        selection, validation = self._selected[zone], self._done[zone]
        is_alone = not any(each.differing for other, each in self._selected.items() if other != zone)
        left = () if validation.about is not None or is_alone else validation.dangling
        return (*selection.shown(validation), *left)

    def _about_logs(self) -> Iterator[Finding]:
        """Findings about logs, which the authority files alone can change."""
        asked, touched = self._asked, any(each.touches_authority for each in self._selected.values())
        if asked is not None and asked.base is not None and not asked.full and not touched:
            return
        by_age = sorted(self._trees, key=lambda zone: zone in self._tree.division.folders)  # the first zone first
        authorities = (self._authority(zone) for zone in by_age)
        for found in check_logs(authority for authority in authorities if authority is not None):
            if asked is None or asked.named is None or found.path in asked.named:
                yield found

    def _authority(self, zone: str) -> Authority | None:
        if zone in self._done:
            return self._done[zone].authority
        return self._of(zone, None, Scope(frozenset(), self._trees[zone], frozenset())).authority


def zones_apart(division: Division) -> list[str]:
    """The zones that are validated apart.

    Those without a folder see each other: the first stands for them.
    """
    without = [zone for zone in division.zones if zone not in division.folders]
    return [zone for zone in division.zones if zone in division.folders or zone == without[0]]


def zone_of_override(override: SourceFile, read: DocumentReader, zones: Collection[str]) -> str:
    """The zone that a replacement names, else the first, to report it."""
    document = read(override.path, override.content or b"")[0]
    named = None if document is None else Fields(document).text("zone")
    return named if named is not None and named in zones else next(iter(zones))


def _is_below_endpoints(path: str) -> bool:
    return path.startswith("endpoints/")


def _once(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings once: signers are of all zones, stray files of none."""
    kept = {(each.path, each.rule) if each.rule == TREE_STRAY_FILE.id else each: each for each in sorted(findings)}
    return tuple(sorted(kept.values()))
