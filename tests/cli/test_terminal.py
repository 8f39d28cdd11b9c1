"""What a terminal gets: aligned tables of its width, colours where they are wanted, and servers that turn new."""

import contextlib
import io
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hyops_gitops.cli.output import EventDisplay, echo_drawn, wants_colour
from hyops_gitops.cli.terminal import LiveServers, drawn, width_of
from hyops_gitops.core.events import ServerSeen, Warned, WatchBegins, WatchEnds
from hyops_gitops.core.server_report import ServerReport
from hyops_gitops.core.table import Cell, table
from hyops_gitops.lab.model import Lab
from hyops_gitops.lab.zones import create_zone
from hyops_gitops.log.history import NameChange
from hyops_gitops.log.text import history_blocks
from tests.support.repository import ROOT
from tests.support.screen import at_terminal
from tests.support.world import World

WIDTHS = (60, 80, 120)


def starts(lines: Sequence[str], *words: str) -> list[set[int]]:
    """For each word, where it begins in the lines that have it."""
    found = [{line.index(word) for line in lines if word in line} for word in words]
    assert all(found)
    return found


# --- drawing


def rows(*names: str) -> str:
    return drawn(table(("name", "type", "value"), [(name, "A", "10.0.0.1") for name in names]), 80, colour=False)


def test_columns_are_aligned_under_their_heads() -> None:
    lines = rows("pg.prod.z.internal", "a.dev.z.internal").splitlines()
    assert [line.split() for line in lines] == [
        ["NAME", "TYPE", "VALUE"],
        ["pg.prod.z.internal", "A", "10.0.0.1"],
        ["a.dev.z.internal", "A", "10.0.0.1"],
    ]
    assert starts(lines, "VALUE") == starts(lines, "10.0.0.1")


def test_wide_characters_move_no_column() -> None:
    lines = rows("数据", "ab").splitlines()
    assert lines[1].index("10.0.0.1") + 2 == lines[2].index("10.0.0.1")  # two characters take four columns


def test_a_column_that_is_empty_in_every_row_is_left_out() -> None:
    assert drawn(table(("name", "remark"), [("a", ""), ("b", "")]), 80, colour=False).split() == ["NAME", "a", "b"]
    assert list(table(("name",), [])) == []


def test_a_table_that_would_break_words_is_a_list_for_each_row() -> None:
    cells = [("postgres.prod.hyops.internal", "10.12.0.31", "10.72.16.24")]
    lines = drawn(table(("name", "from", "to"), cells), 40, colour=False).splitlines()
    assert [line.split() for line in lines] == [
        ["NAME", "postgres.prod.hyops.internal"],
        ["FROM", "10.12.0.31"],
        ["TO", "10.72.16.24"],
    ]


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    change = NameChange(
        seq=12,
        time=datetime(2026, 11, 30, 8, 15, tzinfo=UTC),
        action="replace",
        type="A",
        old=("10.12.0.31",),
        new=("10.72.16.24", "10.72.16.25"),
        asked=("Ann Onymous",),
        approved=("Bob", "Carl"),
        outcome="refused",
        converged=None,
        reason="drift: " + "x" * 150,
    )
    text = drawn(history_blocks("postgres.prod.hyops.internal", [change, change]), width, colour=False)
    assert max(map(len, text.splitlines())) <= width
    for value in ("2026-11-30", "10.12.0.31", "10.72.16.25", "Onymous", "Carl"):
        assert text.count(value) == 2, text
    assert "".join(text.split()).count("x") >= 300


def test_text_of_others_is_neither_markup_nor_an_order() -> None:
    hostile = "[red]a[/red] [link=http://x]b :smile: \x1b[31mc\u202e\r\n::error::d"
    for colour in (False, True):
        text = drawn([Cell(hostile), *table(("x",), [(hostile,)])], 200, colour=colour)
        shown = r"[red]a[/red] [link=http://x]b :smile: \x1b[31mc\u202e\r\n::error::d"
        assert text.count(shown) == 2
        assert "\x1b[31m" not in text


# --- servers that are watched


def report(role: str, name: str, verdict: str, after_ms: int | None = None) -> ServerReport:
    return ServerReport(role, name, "127.0.0.1:53", verdict, after_ms)  # type: ignore[arg-type]


def test_servers_turn_from_old_to_new() -> None:
    terminal = io.StringIO()
    live = LiveServers(terminal, [("primary", "primary"), ("secondary", "onprem")], stays=True)
    live.saw(report("primary", "primary", "converged", 34))
    live.say("warning: [bold]something")
    live.end([report("secondary", "onprem", "stale")])
    shown = terminal.getvalue()
    first, _, rest = shown.partition("new after 34 ms")
    assert first.index("primary") < first.index("old") < first.index("secondary onprem")
    assert rest.index("warning: [bold]something") < rest.index("still old")
    assert shown.endswith("\x1b[?25h")  # the cursor is shown again


@pytest.fixture
def in_colour(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment in which a terminal takes orders."""
    monkeypatch.setenv("TERM", "xterm")
    for name in ("CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_a_closed_stderr_stops_no_watch(in_colour: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        in_colour.setattr(sys, "stdout", terminal)
        in_colour.setattr(sys, "stderr", None)
        assert (wants_colour(sys.stdout), wants_colour(sys.stderr)) == (True, False)
        show = EventDisplay()
        for event in (WatchBegins((("primary", "primary"),)), Warned("something"), WatchEnds(())):
            show(event)
    os.close(ours)


def test_a_terminal_that_goes_away_stops_no_watch(in_colour: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        in_colour.setattr(sys, "stderr", terminal)
        show = EventDisplay()
        show(WatchBegins((("primary", "primary"),)))
        os.close(ours)
        for event in (ServerSeen(report("primary", "primary", "converged", 3)), Warned("something"), WatchEnds(())):
            show(event)
        with contextlib.suppress(OSError):
            terminal.close()


def test_a_stream_without_a_size_is_80_wide() -> None:
    ours, theirs = pty.openpty()  # 0 columns
    with os.fdopen(theirs, "w") as terminal:
        assert width_of(terminal) == 80
    os.close(ours)
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        assert width_of(nowhere) == 80


# --- commands


def test_no_terminal_and_no_job_gets_a_table(offline: World) -> None:
    piped = offline.cli("plan").out
    job = at_terminal(["plan"], offline.root, offline.environ, 80, progress=False, more={"CI": "true"})
    assert [line.rstrip() for line in job.lines] == [line.rstrip() for line in piped.split("\n")]
    assert job.plain
    assert piped.startswith("plan for off.internal: ")
    assert "\n+ first.prod.off.internal A 10.0.0.1 (TTL " in piped


@pytest.mark.parametrize("width", WIDTHS)
def test_a_plan_at_a_terminal(offline: World, width: int) -> None:
    offline.contract("another-long-name", "10.0.0.2")
    offline.commit()
    screen = at_terminal(["plan"], offline.root, offline.environ, width)
    assert screen.exit == 0
    assert "\x1b[32m+ create" in screen.raw
    assert max(map(len, screen.lines)) <= width
    (name,), (target,) = starts(screen.lines, "another-long-name.prod.off.internal", "10.0.0.2")
    assert starts(screen.lines, "10.0.0.1") == [{target}]
    assert starts(screen.lines, "first.prod.off.internal") == [{name}]


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_without_colours_gets_the_table_alone(offline: World, name: str, value: str) -> None:
    screen = at_terminal(["plan"], offline.root, offline.environ, 80, more={name: value})
    assert screen.plain
    assert any(line.split() == ["CHANGE", "NAME", "TYPE", "TO", "TTL"] for line in screen.lines)


@pytest.mark.parametrize(("count", "shown"), [(1000, b"NAME\r\n"), (1001, b"the text\r\n")])
def test_what_is_too_long_to_draw_is_text(monkeypatch: pytest.MonkeyPatch, count: int, shown: bytes) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("CI", raising=False)
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        echo_drawn(lambda: "the text", lambda: table(("name",), [("a",)] * count))
        terminal.flush()
        assert os.read(ours, 4096).startswith(shown)
    os.close(ours)


def test_rich_is_imported_for_a_terminal_alone(offline: World) -> None:
    program = (
        "import sys; from hyops_gitops.cli.main import execute; "
        "codes = [execute([name]) for name in ('validate', 'plan', 'status')]; "
        "sys.exit(next((name for name in sys.modules if name.split('.')[0] == 'rich'), 0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=offline.root,
        env={**offline.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "plan for off.internal" in done.stdout) == (0, True), done.stderr


# --- with servers


@pytest.mark.authority
def test_an_apply_and_what_is_seen_of_it(service_lab: Lab, tmp_path: Path) -> None:
    create_zone(service_lab, "screen.internal")
    world = World.make(tmp_path / "world", "screen.internal", service_lab)
    applied = at_terminal(["apply", "--no-watch"], world.root, world.environ, 80)
    assert applied.exit == 0, applied.raw
    order = [applied.raw.index(words) for words in ("sending one PATCH", "old", "new after ", "\x1b[?25h", "VERDICT")]
    assert order == sorted(order)
    assert [line for line in applied.lines if len(line) > 80] == []
    world.contract("first", "10.0.0.2")
    world.commit("Move first")
    progress = at_terminal(["apply", "--no-watch"], world.root, world.environ, 80, result=False)
    assert "new after " in progress.raw
    assert "applied" in progress.piped
    assert "\x1b" not in progress.piped
    for command, word in (
        (["status"], "screen.internal"),
        (["status", "-v"], "intended"),
        (["history", "first"], "CHANGE"),
    ):
        for width in WIDTHS:
            screen = at_terminal(command, world.root, world.environ, width)
            assert screen.exit == 0, screen.raw
            assert word in screen.raw
            assert max(map(len, screen.lines)) <= width
            assert "10.0.0.2" in screen.raw
        assert "\x1b" not in world.cli(*command).out
