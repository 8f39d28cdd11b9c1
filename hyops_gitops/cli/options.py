"""Options that every command takes, and the repository they lead to."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from hyops_gitops.core.errors import UsageError

_Command = TypeVar("_Command", bound=Callable[..., object])


def common_options(*formats: str) -> Callable[[_Command], _Command]:
    """`--repo`, `--authority`, `--format` and `-v`, for the formats this command can write (`text` comes first)."""

    def decorate(command: _Command) -> _Command:
        for option in (
            click.option("-v", "--verbose", is_flag=True, help="Say more; print a traceback if this program fails."),
            click.option(
                "--format",
                "output_format",
                type=click.Choice(["text", *formats]),
                default="text",
                show_default=True,
                help="Form of the result on stdout.",
            ),
            click.option(
                "--authority",
                "authority_file",
                type=click.Path(path_type=Path, dir_okay=False, exists=True),
                help="Use this file in place of the zone's authority file (a lab, a drill).",
            ),
            click.option(
                "--repo",
                type=click.Path(path_type=Path, file_okay=False),
                help="The repository; default: the nearest parent with authority/.",
            ),
        ):
            command = option(command)
        return command

    return decorate


def lab_directory_option(command: _Command) -> _Command:
    """`--dir`, by which every lab command says which lab."""
    option = click.option(
        "--dir",
        "directory",
        type=click.Path(path_type=Path, file_okay=False),
        required=True,
        help="The lab's directory.",
    )
    return option(command)


def find_repository(given: Path | None) -> Path:
    """The repository's root: the given directory, or the nearest parent that has `authority/`.

    Raises:
        UsageError: neither leads to a directory with `authority/`.
    """
    if given is not None:
        if not _holds_authority(given):
            raise UsageError(
                f"{given} has no authority/ directory",
                code="no-repository",
                hint="--repo takes the root of a repository with endpoints/ and authority/",
            )
        return given.resolve()
    try:
        here = Path.cwd()
    except OSError:
        raise UsageError(
            "the current directory is gone", code="no-repository", hint="change into the repository"
        ) from None
    for directory in (here, *here.parents):
        if _holds_authority(directory):
            return directory
    raise UsageError(
        f"no repository: neither {here} nor a parent of it has an authority/ directory",
        code="no-repository",
        hint="change into the repository, or give --repo DIR",
    )


def _holds_authority(directory: Path) -> bool:
    try:
        return (directory / "authority").is_dir()
    except OSError:  # closed to us, or a name that no file can have
        return False
