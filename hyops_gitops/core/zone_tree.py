"""The part of a repository that belongs to one zone.

A zone has its authority file and its contracts; `authority/allowed_signers` is of all. Contracts lie below
`endpoints/<zone>/`, and of one zone, the first of a repository, in `endpoints/` itself: to it belongs what belongs to
no other. With one authority file everything is the zone's, so that a repository with one zone is read as it always was.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from threading import Lock

from hyops_gitops.core.exchange import CommitInfo, SourceFile
from hyops_gitops.core.layout import SIGNERS_PATH, Division, authority_path
from hyops_gitops.core.path_list import PathList
from hyops_gitops.core.ports import History
from hyops_gitops.core.tree import SourceTree


class ZoneTree(SourceTree):
    """One zone's part of a tree with several."""

    def __init__(self, whole: SourceTree, zone: str) -> None:
        self._whole = whole
        self.zone = zone

    @property
    def whole(self) -> SourceTree:
        """The tree that it is a part of."""
        return self._whole

    @property
    def division(self) -> Division:
        """That of the whole tree."""
        return self.whole.division

    @property
    def folder(self) -> str:
        """`<zone>/`, or "" for the first zone."""
        return f"{self.zone}/" if self.division.has_folder(self.zone) else ""

    @property
    def other_zones(self) -> tuple[str, ...]:
        """The other zones of the repository."""
        return tuple(zone for zone in self.division.zones if zone != self.zone)

    def is_elsewhere(self, text: str) -> bool:
        """Whether a file of another zone may hold this text."""
        return any(not self.division.owns(self.zone, path) for path in self.whole.mentioning([text]))

    def files(self) -> Sequence[SourceFile]:
        """Every file of the zone, sorted by path."""
        return list(self.read(self.paths()).values())

    def paths(self) -> Collection[str]:
        """The path of every file, sorted."""
        return self._paths

    @cached_property
    def _paths(self) -> Collection[str]:
        listed, division = self.whole.paths(), self.division
        shows_misplaced = len(division.folders) == len(division.zones)  # what is in no zone's folder
        if not isinstance(listed, PathList) or not listed.is_plain or shows_misplaced:
            return tuple(self._owned(listed))
        if division.has_folder(self.zone):
            own = [f"endpoints/{self.zone}/"] if self.zone in division.zones else []
            return listed.only([*self._owned(listed.below("authority")), *own])
        others = sorted(division.folders)
        return listed.without([*map(authority_path, others), *(f"endpoints/{zone}/" for zone in others)])

    def _owned(self, paths: Iterable[str]) -> list[str]:
        return [path for path in paths if self.division.owns(self.zone, path)]

    def below(self, folder: str) -> list[str]:
        """The paths below a folder, sorted."""
        return self._owned(self.whole.below(folder))

    def entries(self) -> Mapping[str, str]:
        """The ids of the contents, by path."""
        return {path: found for path, found in self.whole.entries().items() if self.division.owns(self.zone, path)}

    def read(self, paths: Collection[str]) -> Mapping[str, SourceFile]:
        """These files, without missing ones."""
        return self.whole.read(self._owned(paths))

    def changed(self, other: SourceTree) -> frozenset[str]:
        """The paths whose file is not the same in both."""
        there = other if isinstance(other, ZoneTree) and other.zone == self.zone else ZoneTree(other, self.zone)
        differing = self.whole.changed(there.whole)
        if self.division == there.division:
            return frozenset(self._owned(differing))
        here, before = set(self.paths()), set(there.paths())
        return frozenset(differing & (here | before) | here ^ before)  # a file may have changed its zone alone

    def is_at(self, commit: str) -> bool:
        """Whether the whole tree surely is what a commit has."""
        return self.whole.is_at(commit)

    def manifest_sha256(self) -> str:
        """The digest of the manifest of the zone's files."""
        return self.whole.manifest_of_zone(self.zone, self)

    def mentioning(self, texts: Collection[str]) -> frozenset[str]:
        """Files of the zone that hold one of these texts."""
        known, asked = self.whole.known_mentions, frozenset(texts)
        if asked not in known:
            known[asked] = self.whole.mentioning(texts)
        return frozenset(self._owned(known[asked]))


def zone_tree(tree: SourceTree, zone: str) -> SourceTree:
    """The part of a zone; everything, where there is one."""
    return tree if tree.division.zones in ((), (zone,)) else ZoneTree(tree, zone)


class _HistoryOf(History):
    """A history that answers by another one."""

    def __init__(self, whole: History) -> None:
        self._whole = whole

    def resolve(self, revision: str) -> str:
        """The full id of a commit."""
        return self._whole.resolve(revision)

    def dirty_paths(self) -> tuple[str, ...]:
        """Uncommitted paths."""
        return self._whole.dirty_paths()

    def is_shallow(self) -> bool:
        """Whether the history is cut off."""
        return self._whole.is_shallow()

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Whether `descendant` equals or descends from `ancestor`."""
        return self._whole.is_ancestor(ancestor, descendant)

    def versions(self, path: str, upto: str) -> tuple[tuple[str, bytes], ...]:
        """The commits that changed a file, with its content."""
        return self._whole.versions(path, upto)

    def first_parent_commits(self, after: str | None, upto: str) -> tuple[CommitInfo, ...]:
        """The commits of main."""
        return self._whole.first_parent_commits(after, upto)

    def main_lines(self, ranges: Sequence[tuple[str | None, str]]) -> Sequence[tuple[CommitInfo, ...]]:
        """As `first_parent_commits`, for several ranges of full ids."""
        return self._whole.main_lines(ranges)

    def tree(self, commit: str) -> SourceTree:
        """The tree of one commit."""
        return self._whole.tree(commit)

    def merged(self, into: str, commit: str, changed: Mapping[str, bytes | None]) -> SourceTree:
        """The tree of a trial merge."""
        return self._whole.merged(into, commit, changed)


class SharedHistory(_HistoryOf):
    """A history that the zones of one run ask together.

    What does not depend on the zone is asked of Git once.
    """

    def __init__(self, whole: History) -> None:
        super().__init__(whole)
        self._lock = Lock()
        self._dirty: tuple[str, ...] | None = None
        self._lines: dict[tuple[str | None, str], tuple[CommitInfo, ...]] = {}

    def dirty_paths(self) -> tuple[str, ...]:
        """Uncommitted paths, as they were when they were first asked for."""
        with self._lock:
            if self._dirty is None:
                self._dirty = self._whole.dirty_paths()
            return self._dirty

    def first_parent_commits(self, after: str | None, upto: str) -> tuple[CommitInfo, ...]:
        """The commits of main."""
        with self._lock:
            if (after, upto) not in self._lines:
                self._lines[after, upto] = self._whole.first_parent_commits(after, upto)
            return self._lines[after, upto]


class ZoneHistory(_HistoryOf):
    """The history of one zone's part of a repository."""

    def __init__(self, whole: History, zone: str) -> None:
        super().__init__(whole)
        self._zone = zone
        self._trees: dict[str, SourceTree] = {}  # each remembers what it was asked

    def dirty_paths(self) -> tuple[str, ...]:
        """Uncommitted paths of the zone, by their form."""
        has_folder = self._has_folder("HEAD")
        return tuple(path for path in self._whole.dirty_paths() if self._is_own(path, has_folder=has_folder))

    def first_parent_commits(self, after: str | None, upto: str) -> tuple[CommitInfo, ...]:
        """The commits of main, with the changes of the zone."""
        return self._of_zone(self._whole.first_parent_commits(after, upto), upto)

    def main_lines(self, ranges: Sequence[tuple[str | None, str]]) -> Sequence[tuple[CommitInfo, ...]]:
        """As `first_parent_commits`, for several ranges of full ids."""
        newest = ranges[-1][1] if ranges else ""
        return [self._of_zone(commits, newest) for commits in self._whole.main_lines(ranges)]

    def tree(self, commit: str) -> SourceTree:
        """The zone's part of one commit."""
        found = self.resolve(commit)
        if found not in self._trees:
            self._trees[found] = zone_tree(self._whole.tree(found), self._zone)
        return self._trees[found]

    def merged(self, into: str, commit: str, changed: Mapping[str, bytes | None]) -> SourceTree:
        """The zone's part of a trial merge, as `History.merged`."""
        return zone_tree(self._whole.merged(into, commit, changed), self._zone)

    def _of_zone(self, commits: Sequence[CommitInfo], upto: str) -> tuple[CommitInfo, ...]:
        """The commits that concern the zone, with its changes alone."""
        has_folder = self._has_folder(upto) if commits else False
        own = [(commit, self._with_own_changes(commit, has_folder=has_folder)) for commit in commits]
        return tuple(changed for commit, changed in own if changed.changed or not commit.changed)

    def _with_own_changes(self, commit: CommitInfo, *, has_folder: bool) -> CommitInfo:
        changed = tuple(path for path in commit.changed if self._is_own(path, has_folder=has_folder))
        taken_back = tuple(path for path in commit.taken_back if path in changed)
        return replace(commit, changed=changed, taken_back=taken_back)

    def _is_own(self, path: str, *, has_folder: bool) -> bool:
        """Whether a changed path has the form of the zone's.

        Whose it was depends on the zones that were there then; they come and go in a history.
        """
        if path == SIGNERS_PATH or path == authority_path(self._zone):
            return True
        if path.startswith("authority/"):
            return not path.endswith(".yaml") and not has_folder
        if path.startswith(f"endpoints/{self._zone}/"):
            return True
        parts = path.split("/")
        in_a_folder = len(parts) > 3 or "." in parts[1].lstrip(".")  # noqa: PLR2004 - endpoints/<environment>/<file>
        return not has_folder and not in_a_folder

    def _has_folder(self, commit: str) -> bool:
        return self._whole.tree(commit).division.has_folder(self._zone)
