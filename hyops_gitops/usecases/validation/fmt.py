"""Fmt: the keys of contracts in one order, so that two people's files differ only where they say something else."""

from collections.abc import Collection
from dataclasses import dataclass

from hyops_gitops.core.rules.tree import lay_out
from hyops_gitops.usecases.validation.contract_files import FileChange, FilePorts, order_file, write_changes


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
