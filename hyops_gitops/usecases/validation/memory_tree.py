"""A tree of files that need not be on any disk. Meets `SourceTree`."""

from collections.abc import Mapping
from dataclasses import dataclass

from hyops_gitops.core.exchange import SourceFile


@dataclass(frozen=True, slots=True)
class MemoryTree:
    """Contents by path."""

    contents: Mapping[str, bytes]

    def files(self) -> list[SourceFile]:
        """All of them, sorted by path."""
        return [SourceFile(path, content) for path, content in sorted(self.contents.items())]
