"""The text of contract files, made and changed; meets the port `ContractWriter`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hyops_gitops.adapters.files.files import replace_files
from hyops_gitops.adapters.yaml.setting import in_order, new_text, set_values
from hyops_gitops.core.contracts.edit import Edit
from hyops_gitops.core.errors import InvalidData, OutsideFailure

_SCHEMA = "schemas/endpoint.schema.json"


@dataclass(frozen=True, slots=True)
class TextWriter:
    """Writes for one repository: a new contract names the schema where editors can find it."""

    root: Path

    def set_values(self, content: bytes, edits: Sequence[Edit]) -> bytes:
        """The file with these keys set and every other byte as it was."""
        return set_values(_text(content), edits).encode()

    def new(self, fields: Mapping[str, object]) -> bytes:
        """A new file with these keys."""
        named = f"# yaml-language-server: $schema=../../{_SCHEMA}\n" if (self.root / _SCHEMA).is_file() else ""
        return new_text(fields, named).encode()

    def in_order(self, content: bytes) -> bytes:
        """The file with its keys in canonical order, comments kept."""
        return in_order(_text(content)).encode()

    def replace(self, files: Mapping[str, bytes]) -> None:
        """Write these files of the repository, all or none, their folders too where there are none yet.

        Raises:
            OutsideFailure: code `cannot-write`; also where a link would lead it out of the repository.
        """
        for path in files:
            folder = self.root.resolve() / Path(path).parent
            try:
                if folder.resolve() != folder:
                    raise OutsideFailure(f"cannot write {path}: a link is on the way to it", code="cannot-write")
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutsideFailure(f"cannot write {path}: {error.strerror}", code="cannot-write") from None
        replace_files({self.root / path: _as_on_disk(self.root / path, content) for path, content in files.items()})


def _as_on_disk(file: Path, content: bytes) -> bytes:
    """With the line ends of the file that it replaces, where git stores others (core.autocrlf)."""
    try:
        before = file.read_bytes()
    except OSError:
        return content
    converted = b"\r\n" not in content and b"\r\n" in before and before.count(b"\n") == before.count(b"\r\n")
    return content.replace(b"\n", b"\r\n") if converted else content


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise InvalidData("the file is not UTF-8", code="not-editable") from None
