"""Changing contract files.

Each result is read again and compared with what was meant, and the whole tree validated, before any file is replaced.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hyops_gitops.core.document import ContractWriter, DocumentReader, Edit, SchemaChecker
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.findings import FindingsError, Severity
from hyops_gitops.core.ports import SourceTree
from hyops_gitops.core.tree import lay_out
from hyops_gitops.move.contract_edit import edited, same_data
from hyops_gitops.validate.tree import Validation, validate_tree


@dataclass(frozen=True, slots=True)
class FilePorts:
    """What it takes to change contracts."""

    read: DocumentReader
    check: SchemaChecker
    tree: SourceTree  # the work tree
    writer: ContractWriter
    replace: Callable[[Mapping[str, bytes]], None]  # files of the work tree, all or none
    authority_override: SourceFile | None = None


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
class Overlay:
    """A tree with some files as they would be."""

    tree: SourceTree
    changes: Mapping[str, bytes]

    def files(self) -> Iterable[SourceFile]:
        """Every file."""
        kept = [source for source in self.tree.files() if source.path not in self.changes]
        made = [SourceFile(path, content) for path, content in self.changes.items()]
        return sorted([*kept, *made], key=lambda source: source.path)


def validated(ports: FilePorts) -> Validation:
    """The work tree as it is.

    Raises:
        FindingsError: the authority is invalid.
    """
    validation = validate_tree(ports.tree, ports.read, ports.check, authority_override=ports.authority_override)
    if validation.authority is None:
        raise FindingsError(validation.findings)
    return validation


def edit_file(path: str, before: bytes, edits: Sequence[Edit], ports: FilePorts) -> FileChange:
    """One file with these keys set, proved to say exactly that and nothing else.

    Raises:
        FindingsError: it cannot be read.
        InvalidData: code `not-editable`.
    """
    after = ports.writer.set_values(before, edits) if edits else before
    was, now = _data(path, before, ports), _data(path, after, ports)
    if not same_data(now, edited(was if isinstance(was, dict) else {}, edits)):
        raise AssertionError(f"{path} would not say what was meant")
    return FileChange(path, before, after)


def order_file(path: str, before: bytes, ports: FilePorts) -> FileChange:
    """One file in canonical order, proved to say the same.

    Raises:
        FindingsError: it cannot be read.
        InvalidData: code `not-editable`.
    """
    was, after = _data(path, before, ports), ports.writer.in_order(before)
    if not same_data(was, _data(path, after, ports)):
        return FileChange(path, before, before)  # white space that means something: it stays as it is
    return FileChange(path, before, after)


def check_changes(changes: Iterable[FileChange], ports: FilePorts) -> Validation:
    """The tree as the changes would leave it.

    Raises:
        FindingsError: a changed file would be invalid.
    """
    made = {one.path: one.after for one in changes}
    validation = validate_tree(
        Overlay(ports.tree, made), ports.read, ports.check, authority_override=ports.authority_override
    )
    about = validation.findings_about(made)
    if any(one.severity is Severity.ERROR for one in about) or validation.authority is None:
        raise FindingsError(about or validation.findings, unwritten=True)
    return validation


def write_changes(changes: Iterable[FileChange], ports: FilePorts) -> None:
    """Replace the files that change, all or none."""
    ports.replace({one.path: one.after for one in changes if one.changes})


def _data(path: str, content: bytes, ports: FilePorts) -> object:
    document, findings = ports.read(path, content)
    if document is None or findings:
        raise FindingsError(findings)
    return document.data


@dataclass(frozen=True, slots=True)
class Formatted:
    """Contracts looked at, and those that were, or are to be, written anew."""

    checked: int
    changed: tuple[str, ...]
    written: bool

    def to_json(self) -> dict[str, object]:
        """`hyops-fmt/1`."""
        return {
            "format": "hyops-fmt/1",
            "checked": self.checked,
            "changed": list(self.changed),
            "written": self.written,
        }


def format_contracts(ports: FilePorts, paths: Collection[str] | None, *, write: bool) -> Formatted:
    """Put the contracts in order: those at these paths, or all.

    Raises:
        FindingsError: one cannot be read; none is written.
        InvalidData: code `not-editable`.
    """
    sources = {one.path: one.content for one in ports.tree.files()}
    wanted = [path for path in lay_out(tuple(sources)).contracts if paths is None or path in paths]
    changes: list[FileChange] = []
    for path in wanted:
        content = sources[path]
        if content is not None:
            changes.append(order_file(path, content, ports))
    changed = tuple(one for one in changes if one.changes)
    if write:
        write_changes(changed, ports)
    return Formatted(len(changes), tuple(one.path for one in changed), written=write and bool(changed))
