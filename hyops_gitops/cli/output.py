"""Where bytes leave: stdout is the result, stderr is progress and log."""

import contextlib
import json
import os
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TextIO

import click

from hyops_gitops.core.errors import Unconfirmed, UsageError
from hyops_gitops.core.findings import printable

if TYPE_CHECKING:
    from hyops_gitops.core.events import Event

# Legal in JSON as they are, but perhaps no UTF-8 (file names may hold any byte), or an order to a terminal or runner.
_DOUBTFUL = re.compile(r"[^\n -~]|(?<=##)\[")
# What the runner of a job takes for a command: `##[error]` anywhere, and `::error::` at the beginning of a line.
_INNER_COMMAND = re.compile(r"(?<=##)\[")
_COMMAND = re.compile(r"^(\s*):(?=:[A-Za-z-]+[ :])", re.MULTILINE)


class ResultLost(Unconfirmed):
    """The result could not be written; the command itself is complete."""


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
    text = json.dumps(document, indent=2, ensure_ascii=False)
    _write(_DOUBTFUL.sub(_in_json, text), "utf-8")


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


def tell(result: Outcome, output_format: object, text: Callable[[], str]) -> None:
    """The result as its JSON document, or else as text."""
    if output_format == "json":
        echo_json(result.to_json())
    else:
        echo(text())


def _write(text: str, encoding: str) -> None:
    """Put a line on stdout.

    A reader that closed its end (`| head`) changes no exit code.

    Raises:
        ResultLost: code `result-not-written`, such as on a full disk.
    """
    try:
        click.echo(text.encode(encoding, "backslashreplace"))
    except BrokenPipeError:
        _drop_the_rest()
    except OSError as error:
        _drop_the_rest()
        raise ResultLost(
            f"cannot write the result: {error.strerror}",
            code="result-not-written",
            hint="look at `status` and `history`; the command itself is complete",
        ) from None


def note(text: str) -> None:
    """Write progress or a remark to stderr, which may be closed."""
    with contextlib.suppress(OSError):
        click.echo(_harmless(text), err=True)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether this stream is a terminal; a closed one is None."""
    return stream is not None and stream.isatty()


def wants_colour() -> bool:
    """Whether stdout is a terminal, and NO_COLOR is not set."""
    return is_terminal(sys.stdout) and "NO_COLOR" not in os.environ


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


def show_event(event: "Event") -> None:
    """One line for each event."""
    from hyops_gitops.apply.text import server_line  # noqa: PLC0415 - `--version` and the hook show none
    from hyops_gitops.core.events import ServerSeen, Step, Warned  # noqa: PLC0415 - as above

    match event:
        case Step(text):
            note(f"- {printable(text)}")
        case Warned(text):
            note(f"warning: {printable(text)}")
        case ServerSeen(report) if not is_terminal(sys.stdout):  # a terminal shows them once, in the result
            from hyops_gitops.apply.text import server_line  # noqa: PLC0415 - plans and receipts cost 100 ms

            note(f"  {printable(server_line(report))}")
        case ServerSeen():
            pass
