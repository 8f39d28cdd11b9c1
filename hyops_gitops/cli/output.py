"""Where bytes leave: stdout is the result, stderr is progress and log."""

import contextlib
import dataclasses
import json
import os
import re
import sys
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

import click

from hyops_gitops.cli.help import next_step
from hyops_gitops.core.errors import HyopsError, Unconfirmed, UsageError
from hyops_gitops.core.findings import FindingsError, findings_text, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hyops_gitops.cli.terminal import LiveServers
    from hyops_gitops.core.events import Event
    from hyops_gitops.core.table import Block

# Legal in JSON as they are, but perhaps no UTF-8 (file names may hold any byte), or an order to a terminal or runner.
_DOUBTFUL = re.compile(r"[^\n -~]|(?<=##)\[")
# What the runner of a job takes for a command: `##[error]` anywhere, and `::error::` at the beginning of a line.
_INNER_COMMAND = re.compile(r"(?<=##)\[")
_COMMAND = re.compile(r"^(\s*):(?=:[A-Za-z-]+[ :])", re.MULTILINE)


class ResultLost(Unconfirmed):
    """The result could not be written; the command itself is complete."""


@dataclasses.dataclass(slots=True)
class KeptResult:
    """The result of one zone of several, not yet written."""

    zone: str
    texts: list[str] = dataclasses.field(default_factory=list)
    document: object = None

    def replay(self, form: str) -> None:
        """Write it in this format."""
        if form == "json":
            echo_json(self.document)
        for text in self.texts:
            _write(text, sys.stdout.encoding if sys.stdout else "utf-8")


_kept_in: ContextVar[KeptResult | None] = ContextVar("kept_in", default=None)


@contextlib.contextmanager
def into(part: KeptResult) -> "Iterator[None]":
    """Keep what this thread writes to stdout; remarks name the zone."""
    token = _kept_in.set(part)
    try:
        yield
    finally:
        _kept_in.reset(token)


def echo(text: str) -> None:
    """Write a part of the result in stdout's encoding, escaping the rest."""
    echo_orders(_harmless(text))


def echo_orders(text: str) -> None:
    """Write our own orders to a terminal or runner."""
    _write(_INNER_COMMAND.sub(r"\\x5b", text), sys.stdout.encoding if sys.stdout else "utf-8")


def _harmless(text: str) -> str:
    """Text without orders to a terminal or runner."""
    lines = _COMMAND.sub(r"\1\\x3a", text).split("\n")
    return _INNER_COMMAND.sub(r"\\x5b", "\n".join(map(printable, lines)))


def echo_json(document: object) -> None:
    """Write the result as one JSON document in UTF-8 (RFC 8259)."""
    if (part := _kept_in.get()) is not None:
        part.document = document
    else:
        _write(json_text(document), "utf-8")


def json_text(document: object) -> str:
    """A document as JSON that orders neither terminal nor runner."""
    return _DOUBTFUL.sub(_in_json, json.dumps(document, indent=2, ensure_ascii=False))


def write_json(document: object, file: Path) -> None:
    """Write the result to a file, or keep it for a zone.

    Raises:
        ResultLost: code `result-not-written`.
    """
    if (part := _kept_in.get()) is not None:
        part.document = document
        return
    try:
        file.write_text(json_text(document) + "\n", encoding="utf-8")
    except OSError as error:
        raise _lost(error) from None


def echo_metrics(text: str) -> None:
    """Write metrics, which are UTF-8 and hold nothing but printable text."""
    _write(text, "utf-8")


def _in_json(found: re.Match[str]) -> str:
    if found[0] == "[":
        return r"\u005b"
    return found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1]


class Outcome(Protocol):
    """A command's result, which has a JSON form."""

    def to_json(self) -> dict[str, object]: ...


def tell(
    result: Outcome,
    output_format: object,
    text: Callable[[], str],
    blocks: "Callable[[], Iterable[Block]] | None" = None,
) -> None:
    """The result as its JSON document, or for people."""
    if output_format == "json":
        echo_json(result.to_json())
    elif blocks is None:
        echo(text())
    else:
        echo_drawn(text, blocks)


_MOST_ROWS = 1000  # to draw 10,000 takes longer than to plan them


def echo_drawn(text: Callable[[], str], blocks: "Callable[[], Iterable[Block]]") -> None:
    """Draw the blocks on a terminal; elsewhere write the text."""
    if is_screen(sys.stdout):
        from hyops_gitops.core.table import Table  # noqa: PLC0415 - on a terminal alone

        shown = tuple(blocks())
        if sum(len(block.rows) if isinstance(block, Table) else 1 for block in shown) <= _MOST_ROWS:
            from hyops_gitops.cli.terminal import drawn, width_of  # noqa: PLC0415 - so is rich, which takes 40 ms

            echo_orders(drawn(shown, width_of(sys.stdout), colour=wants_colour(sys.stdout)))
            return
    echo(text())


def _write(text: str, encoding: str) -> None:
    """Put a line on stdout.

    A reader that closed its end (`| head`) changes no exit code.

    Raises:
        ResultLost: code `result-not-written`, such as on a full disk.
    """
    if (part := _kept_in.get()) is not None:
        part.texts.append(text)
        return
    try:
        click.echo(text.encode(encoding, "backslashreplace"))
    except BrokenPipeError:
        _drop_the_rest()
    except OSError as error:
        _drop_the_rest()
        raise _lost(error) from None


def _lost(error: OSError) -> ResultLost:
    hint = "look at `status` and `history`; the command itself is complete"
    return ResultLost(f"cannot write the result: {error.strerror}", code="result-not-written", hint=hint)


def note(text: str) -> None:
    """Write progress or a remark to stderr, which may be closed."""
    part = _kept_in.get()
    _note_of(None if part is None else part.zone, text)


def _note_of(zone: str | None, text: str) -> None:
    with contextlib.suppress(OSError):
        click.echo(_harmless(text if zone is None else f"{zone}: {text}"), err=True)


def tell_error(form: str, error: HyopsError, zone: str | None = None) -> None:
    """Write an error, with what to do next, in this format."""
    context = click.get_current_context(silent=True)  # none: the command is over, or this is the thread of a zone
    error.hint = next_step(error, context.command_path if context else "hyops-gitops")
    whose = "" if zone is None else f"{zone}: "
    findings = error.findings if isinstance(error, FindingsError) else ()
    if form == "json":
        echo_json(error.to_json())
        return
    if form == "markdown":
        from hyops_gitops.apply.text import error_markdown  # noqa: PLC0415 - plans and receipts cost 100 ms

        echo(error_markdown(error, findings).rstrip("\n"))
    if findings:
        note(findings_text(findings).rstrip("\n"))
    note(f"{whose}error: {printable(error.message)}")
    if error.hint:
        note(f"{whose}hint: {printable(error.hint)}")


def is_terminal(stream: TextIO | None) -> bool:
    """Whether this stream is a terminal; a closed one is None."""
    return stream is not None and stream.isatty()


def is_screen(stream: TextIO | None) -> bool:
    """Whether a person reads this stream; a job may have terminals too."""
    return is_terminal(stream) and not os.environ.get("CI")


def wants_colour(stream: TextIO | None) -> bool:
    """Whether a stream takes orders to a terminal."""
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM", "dumb") == "dumb"
    return is_screen(stream) and not plain


def require_terminal(*, yes: bool) -> None:
    """Check that confirmation is given, or can be asked for.

    Raises:
        UsageError: code `not-confirmed`.
    """
    if not yes and not is_terminal(sys.stdin):
        message = "cannot ask for confirmation: stdin is not a terminal"
        raise UsageError(message, code="not-confirmed", hint="pass --yes")


def confirm(question: str, *, yes: bool) -> None:
    """Ask for confirmation, unless it is given.

    Raises:
        UsageError: as `require_terminal`.
    """
    require_terminal(yes=yes)
    if not yes:
        click.confirm(question, abort=True, err=True)


def _drop_the_rest() -> None:
    """Send what stdout holds to /dev/null, so that its flush succeeds."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


class EventDisplay:
    """Events on stderr, a line each; servers live on a terminal."""

    def __init__(self, zone: str | None = None) -> None:
        self._zone = zone  # of several that are applied at the same time
        self._live: LiveServers | None = None

    def __call__(self, event: "Event") -> None:
        with contextlib.suppress(OSError):  # a terminal that goes away stops nothing
            self._show(event)

    def _show(self, event: "Event") -> None:
        from hyops_gitops.core.events import ServerSeen, Step, Warned, WatchBegins, WatchEnds  # noqa: PLC0415 - as below

        match event:
            case Step(text):
                self._say(f"- {printable(text)}")
            case Warned(text):
                self._say(f"warning: {printable(text)}")
            case WatchBegins(servers) if wants_colour(sys.stderr) and self._zone is None:
                from hyops_gitops.cli.terminal import LiveServers  # noqa: PLC0415 - on a terminal alone

                # The result shows them again, where it goes to a terminal.
                self._live = LiveServers(sys.stderr, servers, stays=not is_terminal(sys.stdout))
            case ServerSeen(report) if self._live is not None:
                self._live.saw(report)
            case ServerSeen(report) if not is_terminal(sys.stdout):  # a terminal shows them once, in the result
                from hyops_gitops.apply.text import server_line  # noqa: PLC0415 - plans and receipts cost 100 ms

                self._say(f"  {printable(server_line(report))}")
            case WatchEnds(reports) if self._live is not None:
                live, self._live = self._live, None
                live.end(reports)

    def _say(self, line: str) -> None:
        if self._zone is not None:
            _note_of(self._zone, line)  # whichever thread it comes from
        elif self._live is None:
            note(line)
        else:
            self._live.say(line)
