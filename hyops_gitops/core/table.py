"""Text for a terminal, before its width is known."""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from hyops_gitops.core.dataclass import dataclass

Tone = Literal["plain", "good", "doubtful", "bad", "faint", "heading"]


class Cell(NamedTuple):
    """A line or a part of a table, with its meaning."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with the same columns, which may be shown as lists."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


Block = Cell | Table


def table(columns: Iterable[str], rows: Iterable[Iterable[str | Cell]]) -> Iterator[Table]:
    """A table without its empty columns; none without rows."""
    names = tuple(columns)
    cells = [tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in row) for row in rows]
    used = [place for place in range(len(names)) if any(row[place].text for row in cells)]
    if cells:
        yield Table(tuple(names[place] for place in used), tuple(tuple(row[place] for place in used) for row in cells))
