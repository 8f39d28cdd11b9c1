"""Typed access to a document's values; a value that already has a finding reads as absent."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from hyops_gitops.core.document import Document


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
