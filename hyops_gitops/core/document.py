"""A parsed YAML file as plain data that still knows where every key and value stood."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, cast

from hyops_gitops.core.findings import Finding

KeyPath = tuple[str | int, ...]  # from the root; () is the document itself


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file; both count from 1, the column in code points."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: str, int, bool, None, list and dict only.

    `key_marks` has an entry for every mapping key, `value_marks` for every value, the root included.
    """

    path: str
    data: object
    key_marks: Mapping[KeyPath, Mark]
    value_marks: Mapping[KeyPath, Mark]
    faulty: frozenset[KeyPath] = frozenset()  # values that have a finding already: nothing more is said about them

    def is_sound(self, *at: str | int) -> bool:
        """Whether neither the value at this path nor one that holds it has a finding of form."""
        return not self.faulty or not any(at[:length] in self.faulty for length in range(len(at) + 1))

    def value_mark(self, *at: str | int) -> Mark:
        """Where the value at this path stands, or the nearest enclosing value that exists."""
        return self._nearest(self.value_marks, at)

    def key_mark(self, *at: str | int) -> Mark:
        """Where the key at this path stands, or the nearest enclosing value that exists."""
        return self.key_marks[at] if at in self.key_marks else self._nearest(self.value_marks, at)

    @staticmethod
    def _nearest(marks: Mapping[KeyPath, Mark], at: KeyPath) -> Mark:
        while at and at not in marks:
            at = at[:-1]
        return marks.get(at, Mark(1, 1))


@dataclass(frozen=True, slots=True)
class Fields:
    """The sound values of one document."""

    document: Document

    def get(self, *at: str | int) -> object:
        """The value at this path, or None when it is absent or has a finding."""
        value = self.document.data
        for step in at:
            match value, step:
                case dict(), str() if step in value:
                    value = value[step]
                case list(), int() if step < len(value):
                    value = value[step]
                case _:
                    return None
        return value if self.document.is_sound(*at) else None

    def text(self, *at: str | int) -> str | None:
        """A string."""
        value = self.get(*at)
        return value if isinstance(value, str) else None

    def number(self, *at: str | int) -> int | None:
        """An integer; true and false are none."""
        value = self.get(*at)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def flag(self, *at: str | int) -> bool | None:
        """True or false."""
        value = self.get(*at)
        return value if isinstance(value, bool) else None

    def mapping(self, *at: str | int) -> Mapping[str, object]:
        """A mapping, empty when absent."""
        value = self.get(*at)
        return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}

    def length(self, *at: str | int) -> int:
        """How many items a list has, 0 when absent."""
        value = self.get(*at)
        return len(value) if isinstance(value, list) else 0

    def texts(self, *at: str | int) -> tuple[tuple[int, str], ...]:
        """The sound strings of a list, with their indices."""
        indexed = ((index, self.text(*at, index)) for index in range(self.length(*at)))
        return tuple((index, text) for index, text in indexed if text is not None)


class DocumentReader(Protocol):
    """Reads one YAML file strictly."""

    def __call__(self, path: str, content: bytes) -> tuple[Document | None, tuple[Finding, ...]]:
        """The document, or None when there is none to speak of, and what is wrong with the file. Never raises."""


class SchemaChecker(Protocol):
    """Checks a document's form."""

    def __call__(
        self, schema: Literal["endpoint", "authority"], document: Document
    ) -> tuple[Document, tuple[Finding, ...]]:
        """The document with its malformed values marked as faulty, and one finding for each of them."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One key and its new value: str, int, bool, or lists and mappings of them."""

    at: tuple[str, ...]
    value: object


class ContractWriter(Protocol):
    """Makes the text of contract files. What it makes is never trusted."""

    def set_values(self, content: bytes, edits: Sequence[Edit]) -> bytes:
        """The file with these keys set and every other byte as it was.

        Raises:
            InvalidData: code `not-editable`.
        """

    def new(self, fields: Mapping[str, object]) -> bytes:
        """A new file with these keys."""

    def in_order(self, content: bytes) -> bytes:
        """The file with its keys in canonical order, comments kept.

        Raises:
            InvalidData: code `not-editable`.
        """
