"""Where bytes leave: stdout is the result, stderr is progress and log."""

import json

import click


def echo(text: str) -> None:
    """One piece of the result."""
    click.echo(text)


def echo_json(document: object) -> None:
    """The result as exactly one JSON document."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def note(text: str) -> None:
    """Progress or a remark, never part of the result."""
    click.echo(text, err=True)
