"""`completion`: a script by which a shell completes commands, options and names."""

import os
import re
from pathlib import Path

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from hyops_gitops.cli.options import find_repository
from hyops_gitops.cli.output import echo_orders
from hyops_gitops.core.errors import HyopsError

# What a file's name may be to be offered: a shell takes it for a word, whatever a pull request named its files.
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")


@click.command()
@click.argument("shell", metavar="SHELL", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script by which a shell completes commands, options and names.

    SHELL is bash, zsh or fish. The script runs hyops-gitops at each completion, which reads the names of files below
    endpoints/ and nothing else.
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise AssertionError(f"unreachable: click knows {shell}")
    made = kind(context.find_root().command, {}, "hyops-gitops", "_HYOPS_GITOPS_COMPLETE")
    echo_orders(ShellComplete.source(made).strip("\n"))  # bash's own would start a bash to ask for its version


def endpoint_names(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Short names of endpoints that begin so, by their contracts' paths."""
    try:
        root = find_repository(context.params.get("repo"))
    except HyopsError:
        return []
    found: set[str] = set()
    for folder, _, files in os.walk(root / "endpoints"):
        environment = Path(folder).name
        stems = (file.removesuffix(".yaml") for file in files if file.endswith(".yaml"))
        found |= {f"{stem}.{environment}" for stem in stems if _WORD.fullmatch(stem) and _WORD.fullmatch(environment)}
    return [CompletionItem(name) for name in sorted(found) if name.startswith(begun)]
