"""Progress on stderr while something long runs."""

import sys

from hyops_gitops.cli.output import is_terminal, note
from hyops_gitops.core.apply.events import Event, ServerSeen, Step, Warned
from hyops_gitops.render.findings import printable
from hyops_gitops.render.reports import server_line


def show_event(event: Event) -> None:
    """One line for each event."""
    match event:
        case Step(text):
            note(f"- {printable(text)}")
        case Warned(text):
            note(f"warning: {printable(text)}")
        case ServerSeen(report) if not is_terminal(sys.stdout):  # a terminal shows them once, in the result
            note(f"  {printable(server_line(report))}")
        case ServerSeen():
            pass
