"""A parsed YAML file as plain data that still knows where every key and value stood."""

from collections.abc import Mapping
from dataclasses import dataclass

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
