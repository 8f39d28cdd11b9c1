"""Annotations of GitHub, as its runner takes them apart."""

import re
from urllib.parse import unquote

COMMAND = re.compile(r"::(error|warning) ([^:\n]*)::([^\n]*)")


def annotations(text: str) -> list[tuple[str, dict[str, str], str]]:
    """As the runner takes a log apart: level, parameters and message of each command, anything else refused."""
    found = []
    for line in text.splitlines():
        command = COMMAND.fullmatch(line)
        assert command is not None, line
        level, parameters, message = command.groups()
        pairs = dict(pair.split("=", 1) for pair in parameters.split(","))
        found.append((level, {name: unquote(value) for name, value in pairs.items()}, unquote(message)))
    return found
