"""The directory of a lab: whose it is, what is in it, and how it is tidied."""

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from hyops_gitops.core.errors import OutsideFailure, UsageError
from hyops_gitops.lab import processes
from hyops_gitops.lab import resolver as resolvers
from hyops_gitops.lab.compose import any_container_runs
from hyops_gitops.lab.config import LOG_FILE, MADE
from hyops_gitops.lab.database import remove_database
from hyops_gitops.lab.files import AUTHORITY_FILE, ENV_FILE
from hyops_gitops.lab.model import DATABASE_FOLDER, SERVICES_FOLDER, STATE_FILE, Lab, load_lab


@contextlib.contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Hold a directory against other lab commands; the lock ends with the process.

    Raises:
        UsageError: code `lab-busy`: another command holds it.
        OutsideFailure: code `lab-directory`: it cannot be opened.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _unusable(directory, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise UsageError(f"another lab command is at work in {directory}", code="lab-busy") from error
    finally:
        os.close(descriptor)


def make(directory: Path) -> bool:
    """Make the directory, for its owner alone, unless it exists; whether it had to be made."""
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        directory.mkdir(mode=0o700)
    except FileExistsError:
        return False
    except OSError as error:
        raise _unusable(directory, error) from error
    return True


def claim(directory: Path) -> bool:
    """Make sure that a lab may be built here, tidying one that has died; whether that one had made the directory.

    Raises:
        UsageError: code `lab-running`: a lab runs here; code `lab-directory`: it holds what is not a lab's.
    """
    entries = {entry.name for entry in directory.iterdir()}
    if STATE_FILE in entries:
        lab = load_lab(directory)
        if any(map(processes.is_running, lab.processes)) or any_container_runs(lab):
            raise UsageError(
                f"a lab runs in {directory}",
                code="lab-running",
                hint=f"end it: hyops-gitops lab down --dir {directory}",
            )
        tidy(lab)
        return lab.made_directory
    if entries:
        raise UsageError(
            f"{directory} is not empty and holds no lab", code="lab-directory", hint="give --dir a new directory"
        )
    return False


def tidy(lab: Lab) -> None:
    """Remove every file that belongs to the lab; the files of others, and folders that hold some, stay."""
    for server in lab.servers:
        _empty(lab.folder(server), MADE)
    if lab.resolver:
        _empty(lab.folder(lab.resolver), (*resolvers.MADE, LOG_FILE))
    remove_database(lab)
    remove_if_empty(lab.directory / DATABASE_FOLDER)
    _empty(lab.directory / SERVICES_FOLDER, [f"{service.name}.log" for service in lab.services])
    for name in (AUTHORITY_FILE, ENV_FILE, STATE_FILE):
        (lab.directory / name).unlink(missing_ok=True)


def _empty(folder: Path, made: Iterable[str]) -> None:
    for pattern in made:
        for path in folder.glob(pattern):
            path.unlink()
    remove_if_empty(folder)


def remove_if_empty(directory: Path) -> None:
    """Remove a directory unless something is left in it."""
    with contextlib.suppress(OSError):
        directory.rmdir()


def _unusable(directory: Path, error: OSError) -> OutsideFailure:
    return OutsideFailure(f"cannot use {directory}: {(error.strerror or str(error)).lower()}", code="lab-directory")
