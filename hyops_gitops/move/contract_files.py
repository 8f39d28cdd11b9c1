"""Edits of contract files, proved by reading the result again.

The order of `CONTRACT_KEYS` is the canonical one; the schema's properties have it, and a test compares them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from hyops_gitops.core.codec import JsonReport
from hyops_gitops.core.contract import Contract, Target
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.document import Edit
from hyops_gitops.core.errors import HyopsError
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.findings import FindingsError, Severity
from hyops_gitops.core.layout import Division, lay_out
from hyops_gitops.core.tree import SourceTree, blob_id, differing, mentions
from hyops_gitops.core.zone_tree import zone_tree
from hyops_gitops.log.workspace import Revision, Workspace
from hyops_gitops.validate.concerned import Scope
from hyops_gitops.validate.validation import Validation

CONTRACT_KEYS = (
    "endpoint_dns_name",
    "endpoint_target",
    "endpoint_target_type",
    "endpoint_port",
    "endpoint_cutover_required",
    "endpoint_ttl",
    "endpoint_protocol",
    "endpoint_owner",
    "endpoint_description",
    "endpoint_source",
    "endpoint_sites",
    "endpoint_home",
    "endpoint_aliases",
    "endpoint_attested",
    "endpoint_readiness",
)


def apply_edits(data: Mapping[str, object], edits: Iterable[Edit]) -> dict[str, object]:
    """The data of a document after these edits."""
    result = dict(data)
    for edit in edits:
        first, rest = edit.at[0], edit.at[1:]
        inner = result.get(first)
        below = [Edit(rest, edit.value)]
        result[first] = apply_edits(inner if isinstance(inner, dict) else {}, below) if rest else edit.value
    return result


def same_data(left: object, right: object) -> bool:
    """Whether two documents mean the same; addresses are a set."""
    match left, right:
        case dict(), dict():
            return left.keys() == right.keys() and all(same_data(value, right[key]) for key, value in left.items())
        case list(), list() if all(isinstance(item, str) for item in [*left, *right]):
            return sorted(left) == sorted(right)
        case list(), list():
            return len(left) == len(right) and all(map(same_data, left, right))
        case _:
            return type(left) is type(right) and left == right


def move_edits(contract: Contract, target: Target) -> tuple[Edit, ...]:
    """The edits that make `target` active and keep all sites.

    A site without type or port has the contract's: where those change, it gets its own.
    """
    now = contract.target
    edits = [Edit(("endpoint_target",), target_value(target))] if target.values != now.values else []
    if target.type is not now.type:
        edits.append(Edit(("endpoint_target_type",), target.type.value))
    if target.port != now.port:
        edits.append(Edit(("endpoint_port",), target.port))
    written = _written_sites(contract)
    for name, site in contract.sites.items():
        value = written.get(name)
        stated = value if isinstance(value, dict) else {"target": value}
        added = {
            key: _of_target(key, site)
            for key in ("type", "port")
            if key not in stated and _of_target(key, site) != _of_target(key, target)
        }
        at = ("endpoint_sites", name)
        if added and isinstance(value, dict):
            edits += [Edit((*at, key), setting) for key, setting in added.items()]
        elif added:
            edits.append(Edit(at, {**stated, **added}))
    return tuple(edits)


def site_move_edits(contract: Contract, site: str, target: Target) -> tuple[Edit, ...]:
    """The edits that give a site this target and make it active."""
    others = {name: own for name, own in contract.sites.items() if name != site}
    return (
        *move_edits(replace(contract, sites=others), target),
        *site_edits(replace(contract, target=target), site, target),
    )


def site_edits(contract: Contract | None, name: str, target: Target) -> tuple[Edit, ...]:
    """The edits that give a site its target, in shortest form."""
    if contract is not None and contract.sites.get(name) == target:
        return ()
    base = target if contract is None else contract.target
    written = None if contract is None else _written_sites(contract).get(name)
    stated = written if isinstance(written, dict) else {}
    wanted: dict[str, object] = {"target": target_value(target)}
    for key in ("type", "port"):
        if key in stated or _of_target(key, target) != _of_target(key, base):
            wanted[key] = _of_target(key, target)
    at = ("endpoint_sites", name)
    if stated:
        return tuple(Edit((*at, key), setting) for key, setting in wanted.items() if stated.get(key) != setting)
    return (Edit(at, wanted if len(wanted) > 1 else wanted["target"]),)


def target_value(target: Target) -> object:
    """A target as a contract writes it."""
    return target.values[0] if len(target.values) == 1 else list(target.values)


def _of_target(key: str, target: Target) -> object:
    return target.type.value if key == "type" else target.port


def _written_sites(contract: Contract) -> Mapping[str, object]:
    data = contract.document.data
    sites = data.get("endpoint_sites") if isinstance(data, dict) else None
    return sites if isinstance(sites, dict) else {}


def key_order(key: str, order: Sequence[str] = CONTRACT_KEYS) -> int:
    """Position of a key; unknown keys come last."""
    return order.index(key) if key in order else len(order)


@dataclass(frozen=True, slots=True)
class FileChange:
    """One contract file before and after; nothing is written yet."""

    path: str
    before: bytes | None  # None: there was none
    after: bytes

    @property
    def changes(self) -> bool:
        """Whether it is another file now."""
        return self.before != self.after


@dataclass(frozen=True, slots=True)
class Overlay(SourceTree):
    """A tree with some of its files replaced."""

    tree: SourceTree
    changes: Mapping[str, bytes]

    @property
    def folder(self) -> str | None:
        """That of the tree."""
        return self.tree.folder

    @property
    def other_zones(self) -> tuple[str, ...]:
        """Those of the tree."""
        return self.tree.other_zones

    @property
    def division(self) -> Division:
        """That of the tree: no authority file is replaced."""
        return self.tree.division

    @property
    def whole(self) -> SourceTree:
        """The whole tree, changed alike."""
        return self if self.tree.whole is self.tree else Overlay(self.tree.whole, self.changes)

    def files(self) -> list[SourceFile]:
        kept = [source for source in self.tree.files() if source.path not in self.changes]
        made = [SourceFile(path, content) for path, content in self.changes.items()]
        return sorted([*kept, *made], key=lambda source: source.path)

    def paths(self) -> Collection[str]:
        """The path of every file, sorted."""
        listed = self.tree.paths()
        return listed if all(path in listed for path in self.changes) else sorted({*listed, *self.changes})

    def entries(self) -> Mapping[str, str]:
        """The ids of the contents, by path."""
        made = {path: blob_id(content) for path, content in self.changes.items()}
        return dict(sorted({**self.tree.entries(), **made}.items()))

    def read(self, paths: Collection[str]) -> Mapping[str, SourceFile]:
        """These files, without missing ones."""
        made = {path: SourceFile(path, self.changes[path]) for path in paths if path in self.changes}
        return {**self.tree.read([path for path in paths if path not in made]), **made}

    def changed(self, other: SourceTree) -> frozenset[str]:
        """The paths whose file is not the same in both."""
        made = differing(self.read(self.changes.keys()), other.read(self.changes.keys()))
        return (frozenset() if other is self.tree else self.tree.changed(other) - self.changes.keys()) | made

    def mentioning(self, texts: Collection[str]) -> frozenset[str]:
        """Files that hold one of these texts, or may hide one."""
        found = mentions(texts)
        made = {path for path, content in self.changes.items() if found.search(content)}
        return (self.tree.mentioning(texts) - self.changes.keys()) | made


def validated(workspace: Workspace) -> Validation:
    """Validate what the log does not know of the work tree.

    Raises:
        FindingsError: the authority is invalid.
    """
    zone = workspace.here().zone()
    try:
        return zone.validated(zone.log_if_started())
    except HyopsError:  # a log that cannot be had vouches for nothing
        return zone.validated(None)


def edit_file(path: str, before: bytes, edits: Sequence[Edit], workspace: Workspace) -> FileChange:
    """Set these keys in one file, and prove that nothing else changed.

    Raises:
        FindingsError: it cannot be read.
        InvalidData: code `not-editable`.
    """
    after = workspace.contract_writer.set_values(before, edits) if edits else before
    was, now = _data(path, before, workspace), _data(path, after, workspace)
    if not same_data(now, apply_edits(was if isinstance(was, dict) else {}, edits)):
        raise AssertionError(f"the edit of {path} changes something else")
    return FileChange(path, before, after)


def order_file(path: str, before: bytes, workspace: Workspace) -> FileChange:
    """Order the keys of one file, and prove that its data stays.

    Raises:
        FindingsError: it cannot be read.
        InvalidData: code `not-editable`.
    """
    was, after = _data(path, before, workspace), workspace.contract_writer.in_order(before)
    if not same_data(was, _data(path, after, workspace)):
        return FileChange(path, before, before)  # white space that means something stays
    return FileChange(path, before, after)


def check_changes(changes: Iterable[FileChange], workspace: Workspace, beside: Iterable[FileChange] = ()) -> Validation:
    """Validate these changes, and what they concern in the tree.

    Args:
        changes: Those of a zone.
        workspace: That of the zone, as it is now.
        beside: Those of other zones, which are made along with them.

    Raises:
        FindingsError: a changed file would be invalid.
    """
    made = {change.path: change.after for change in changes}
    tree: SourceTree = Overlay(workspace.work_tree, made)
    if others := {change.path: change.after for change in beside}:
        tree = zone_tree(Overlay(workspace.work_tree.whole, {**others, **made}), workspace.zone_name or "")
    validation = Revision(workspace, tree).validate(Scope(frozenset(made), workspace.work_tree, frozenset(made)))
    about = validation.findings_about(made)
    if any(finding.severity is Severity.ERROR for finding in about) or validation.authority is None:
        raise FindingsError(about or validation.findings, unwritten=True)
    return validation


def write_changes(changes: Iterable[FileChange], workspace: Workspace) -> None:
    """Replace the files that change, all or none."""
    workspace.replace_files({change.path: change.after for change in changes if change.changes})


def _data(path: str, content: bytes, workspace: Workspace) -> object:
    document, findings = workspace.read(path, content)
    if document is None or findings:
        raise FindingsError(findings)
    return document.data


@dataclass(frozen=True, slots=True)
class FormatResult(JsonReport):
    """Number of contracts checked, and the paths whose form changes."""

    FORMAT = "hyops-fmt/1"
    checked: int
    changed: tuple[str, ...]
    written: bool


def format_contracts(workspace: Workspace, paths: Collection[str] | None, *, write: bool) -> FormatResult:
    """Order the keys of the contracts at these paths, or all.

    Raises:
        FindingsError: a contract cannot be read; none is written.
        InvalidData: code `not-editable`.
    """
    tree = workspace.work_tree
    sources = {source.path: source.content for source in tree.files()}
    by_zone = workspace.zone_name is None and tree.division.several
    parts = [zone_tree(tree, zone) for zone in tree.division.zones] if by_zone else [tree]
    contracts = {path for part in parts for path in lay_out(part.paths(), part.folder).contracts}
    wanted = [path for path in sorted(contracts) if paths is None or path in paths]
    changes: list[FileChange] = []
    for path in wanted:
        content = sources[path]
        if content is not None:
            changes.append(order_file(path, content, workspace))
    changed = tuple(change for change in changes if change.changes)
    if write:
        write_changes(changed, workspace)
    return FormatResult(len(changes), tuple(change.path for change in changed), written=write and bool(changed))
