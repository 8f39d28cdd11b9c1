"""A screen: tables of its width, servers that turn new."""

import io
import os
from collections.abc import Iterable, Iterator
from typing import TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from hyops_gitops.core.findings import printable
from hyops_gitops.core.server_report import Server, ServerReport, server_label
from hyops_gitops.core.table import Block, Cell, Table, Tone

# The sixteen colours that every terminal has, in the shades its user chose.
_STYLES: dict[Tone, str] = {
    "plain": "",
    "good": "green",
    "doubtful": "yellow",
    "bad": "red",
    "faint": "bright_black",
    "heading": "bold",
}
_ENDLESS = 100_000  # columns
_NARROWEST = 20  # columns


def width_of(stream: TextIO) -> int:
    """The columns of a terminal; 80 where it does not say."""
    try:
        return max(_NARROWEST, os.get_terminal_size(stream.fileno()).columns or 80)
    except OSError:
        return 80


def drawn(blocks: Iterable[Block], width: int, *, colour: bool) -> str:
    """The blocks as lines of at most this width."""
    paper = io.StringIO()
    console = _console(paper, width, colour=colour)
    for block in blocks:
        if isinstance(block, Table):
            for part in _fitting(block, console):
                console.print(part)
        else:
            console.print(_text(block))
    return "\n".join(line.rstrip() for line in paper.getvalue().split("\n")).rstrip("\n")


def _console(stream: TextIO, width: int, *, colour: bool) -> Console:
    """A console whose decisions are made: none follows from the environment."""
    return Console(
        file=stream,
        width=width,
        force_terminal=colour,
        force_interactive=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        markup=False,
        highlight=False,
        emoji=False,
        legacy_windows=False,
    )


def _text(cell: Cell) -> Text:
    """A text that is neither markup nor an order to the terminal."""
    return Text(printable(cell.text), style=_STYLES[cell.tone], overflow="fold")


def _grid(*headers: str) -> Grid:
    heads = any(headers)
    grid = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=heads, header_style="bold")
    for header in headers:
        grid.add_column(Text(header.upper()), overflow="fold")
    return grid


def _fitting(table: Table, console: Console) -> Iterator[RenderableType]:
    """The table; a list for each row where words would break."""
    grid = _grid(*table.columns)
    for row in table.rows:
        grid.add_row(*map(_text, row))
    if Measurement.get(console, console.options.update(width=_ENDLESS), grid).minimum <= console.width:
        yield grid
        return
    for row in table.rows:
        listed = _grid("", "")
        for name, cell in zip(table.columns, row, strict=True):
            if cell.text:
                listed.add_row(Text(name.upper(), style="bold"), _text(cell))
        yield Padding(listed, (0, 0, 1, 0))


class LiveServers:
    """A line for each watched server, redrawn as they answer."""

    def __init__(self, stream: TextIO, servers: Iterable[Server], *, stays: bool) -> None:
        self._states: dict[Server, Cell] = {server: Cell("old", "doubtful") for server in servers}
        console = _console(stream, width_of(stream), colour=True)
        self._live = Live(
            self._rows(),
            console=console,
            auto_refresh=False,
            transient=not stays,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="visible",
        )
        self._live.start(refresh=True)

    def say(self, line: str, tone: Tone = "plain") -> None:
        """Print a line above the servers."""
        self._live.console.print(_text(Cell(line, tone)))

    def saw(self, report: ServerReport) -> None:
        """Show what a server answers now."""
        self._set(report)
        self._live.update(self._rows(), refresh=True)

    def _set(self, report: ServerReport) -> None:
        if report.verdict == "converged":
            when = "" if report.after_ms is None else f" after {report.after_ms} ms"
            self._states[report.key] = Cell(f"new{when}", "good")
        else:
            shown = {"stale": "still old"}.get(report.verdict_text, report.verdict_text)
            self._states[report.key] = Cell(shown, "bad")

    def end(self, reports: Iterable[ServerReport]) -> None:
        """Show the last answers, and leave the screen to others."""
        for report in reports:
            self._set(report)
        self._live.update(self._rows())  # drawn once more where it stays
        self._live.stop()

    def _rows(self) -> Grid:
        grid = _grid("", "")
        for (role, name), state in self._states.items():
            grid.add_row(_text(Cell(f"  {server_label(role, name)}")), _text(state))
        return grid
