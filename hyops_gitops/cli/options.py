"""Options that every command takes, and the repository they lead to."""

import functools
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hyops_gitops.adapters.checkout import work_tree
from hyops_gitops.cli.output import EventDisplay, note
from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.findings import printable
from hyops_gitops.core.layout import ROOTS

if TYPE_CHECKING:
    from hyops_gitops.cli.zones import ZoneMode

_Command = TypeVar("_Command", bound=Callable[..., object])


def option(*names: str, **attributes: Any) -> Any:
    """A field that an option fills; `taking` adds it to a command."""
    return field(metadata={"option": (names, attributes)})


def taking(name: str, of: type[Any]) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Add an option for each field; the command takes one object."""

    def decorate(command: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(command)
        def run(*arguments: object, **values: object) -> int:
            given = of(**{known.name: values.pop(known.name) for known in fields(of)})
            return command(*arguments, **{name: given}, **values)

        for known in reversed(fields(of)):
            names, attributes = known.metadata["option"]
            run = click.option(*names, known.name, **attributes)(run)
        return run

    return decorate


def common_options(*formats: str, contracts: bool = False) -> Callable[[_Command], _Command]:
    """`--repo`, `--authority`, `--format` with these formats beside `text`.

    With `contracts`, for commands about other repositories, `--repo` is `--contracts` too, and HYOPS_CONTRACTS.
    """

    def decorate(command: _Command) -> _Command:
        for option in (
            click.option(
                "--format",
                "output_format",
                type=click.Choice(["text", *formats]),
                default="text",
                show_default=True,
                help="Format of the result on stdout.",
            ),
            click.option(
                "--authority",
                "authority_file",
                type=click.Path(path_type=Path, dir_okay=False, exists=True),
                help="Use this file instead of the zone's authority file, for a lab or a drill.",
            ),
            click.option(
                *(["--contracts"] if contracts else []),
                "--repo",
                "repo",
                envvar="HYOPS_CONTRACTS" if contracts else None,
                type=click.Path(path_type=Path, file_okay=False),
                help="A clone of the contracts, or an unpacked bundle; default: the nearest parent with authority/."
                if contracts
                else "Root of the repository; default: the nearest parent directory with authority/.",
            ),
        ):
            command = option(command)
        return command

    return decorate


_ZONES: "Mapping[ZoneMode, str]" = {
    "each": "Only this zone, of a repository with several; default: each of them.",
    "at once": "Only this zone, of a repository with several; default: all of them, at the same time.",
    "one": "The zone, in a repository with several.",
    "own": "Only this zone, of a repository with several.",
}


def on_workspace(
    *formats: str, contracts: bool = False, zones: "ZoneMode" = "one"
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Add the common options and `--zone`, and hand over the open `workspace`.

    In a repository with several zones a command gets the workspace of one zone, as often as `zones` says.
    """

    def decorate(command: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(command)
        def run(repo: Path | None, authority_file: Path | None, zone: str | None, **options: object) -> int:
            from hyops_gitops.cli.wiring import LocalWorkspace  # noqa: PLC0415 - reading a log takes cryptography
            from hyops_gitops.cli.zones import choose_zones, on_chosen  # noqa: PLC0415 - as above

            workspace = LocalWorkspace(find_repository(repo), on_event=EventDisplay(), authority_file=authority_file)
            choice = choose_zones(workspace, zone, zones, options)
            form = str(options.get("output_format"))
            file = options.get("receipt_file")
            return on_chosen(
                workspace,
                choice,
                zones,
                form,
                lambda restricted: command(restricted, **options),
                file if isinstance(file, Path) else None,
            )

        zone_option = click.option("--zone", metavar="ZONE", help=_ZONES[zones])
        return common_options(*formats, contracts=contracts)(zone_option(run))

    return decorate


_DATES = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ")


def _date(_context: click.Context, _option: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    for form in _DATES:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise UsageError(
        f"expected a date, got {text!r}", code="usage", hint="write 2026-11-22, or 2026-11-22T08:15:30Z; both are UTC"
    )


def period_options(command: _Command) -> _Command:
    """`--since`, `--until`: what is listed."""
    for option in (
        click.option(
            "--until",
            metavar="DATE",
            callback=_date,
            help="List only entries before this date (UTC); all are verified.",
        ),
        click.option(
            "--since",
            metavar="DATE",
            callback=_date,
            help="List only entries of this date or later (UTC); all are verified.",
        ),
    ):
        command = option(command)
    return command


def lab_directory_option(command: _Command) -> _Command:
    """`--dir`, which selects the lab."""
    option = click.option(
        "--dir",
        "directory",
        type=click.Path(path_type=Path, file_okay=False),
        required=True,
        help="Directory of the lab.",
    )
    return option(command)


def find_repository(given: Path | None) -> Path:
    """The given directory, or the nearest parent that has `authority/`.

    Raises:
        UsageError: neither leads to a directory with `authority/`.
    """
    if given is not None:
        if not _holds_authority(given):
            raise UsageError(
                f"{given} has no authority/ directory",
                code="no-repository",
                hint="give --repo the root of a repository with endpoints/ and authority/",
            )
        return given.resolve()
    try:
        here = Path.cwd()
    except OSError:
        raise UsageError(
            "the current directory does not exist any more", code="no-repository", hint="change into the repository"
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


def place_in_checkout(root: Path) -> tuple[Path, str]:
    """The top of the checkout, and the way from there (`dns/`)."""
    top = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)
    return top, "" if top == root else f"{root.relative_to(top).as_posix()}/"


def inside(root: Path, paths: Iterable[Path]) -> set[str]:
    """The paths relative to the repository; notes and omits those outside."""
    sources: list[str] | None = None  # read when a folder is named: the hook names files
    known: set[str] = set()
    for path in paths:
        absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow a link that is itself meant
        absolute = absolute.parent.resolve() / absolute.name
        relative = absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else ""
        whole = root.is_relative_to(absolute)
        if not whole and relative.split("/")[0] not in ROOTS:
            note(f"{printable(str(path))} is not under endpoints/ or authority/, ignored")
            continue
        known |= set() if whole else {relative}
        if whole or (absolute.is_dir() and not absolute.is_symlink()):
            sources = [source.path for source in work_tree(root).files()] if sources is None else sources
            known.update(source for source in sources if whole or source.startswith(f"{relative}/"))
    return known
