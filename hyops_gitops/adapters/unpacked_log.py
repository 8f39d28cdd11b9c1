"""The log in a folder without git. Meets `EvidenceStore`, for reading only.

It lies under `evidence/`: in a bundle, or put there (`git archive evidence | tar -x -C evidence`).
"""

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NoReturn

from hyops_gitops.adapters.unpacked import UnpackedFolder, read_files
from hyops_gitops.core.errors import Refused, UsageError
from hyops_gitops.recover.bundle import EVIDENCE_FOLDER

UNKNOWN_COMMIT = ""  # of the branch, in a folder that does not say


class FolderSnapshot:
    """The branch as these files have it. Meets `EvidenceSnapshot`."""

    def __init__(self, directory: Path, commit: str) -> None:
        self._directory = directory
        self._commit = commit

    @property
    def commit(self) -> str:
        """The branch's commit in a bundle, else empty."""
        return self._commit

    def paths(self) -> Sequence[str]:
        """Every path, sorted.

        Raises:
            InvalidData: code `evidence-invalid`: the tree holds anything but ordinary files.
        """
        return sorted(self._files)

    def read(self, paths: Collection[str]) -> Mapping[str, bytes]:
        """The content of these paths; paths that do not exist are absent."""
        return {path: self._files[path] for path in paths if path in self._files}

    def earlier(self, commit: str, paths: Collection[str]) -> Mapping[str, bytes]:  # noqa: ARG002 - as below
        """Refuse: no earlier state is here.

        Raises:
            UsageError: code `no-repository`.
        """
        _read_only(f"the branch at {commit[:12]} is not here")

    def unchanged_since(self, commit: str) -> Collection[str] | None:  # noqa: ARG002 - the port's signature
        """None: unknown here."""
        return None

    @cached_property
    def _files(self) -> Mapping[str, bytes]:
        return read_files(self._directory)


class UnpackedEvidence:
    """The log that a folder carries."""

    def __init__(self, folder: UnpackedFolder) -> None:
        self._folder = folder

    def recorded(self) -> FolderSnapshot:
        """The log in the folder.

        Raises:
            Refused: guard `evidence-missing`: it carries none.
            InvalidData: code `bundle-invalid`.
        """
        info, directory = self._folder.info, self._folder.root / EVIDENCE_FOLDER
        if not directory.is_dir():
            raise Refused(
                f"{self._folder.root} is not a clone and has no folder {EVIDENCE_FOLDER}/ with the log",
                guard="evidence-missing",
                hint="from a clone: mkdir evidence && git archive evidence | tar -x -C evidence; a bundle has it",
            )
        return FolderSnapshot(directory, info.log.commit if info else UNKNOWN_COMMIT)

    def fetch(self) -> NoReturn:
        """Refuse: there is no remote.

        Raises:
            UsageError: code `no-repository`, as every method below does.
        """
        _read_only("the log cannot be fetched")

    def append(self, *_: object, **__: object) -> NoReturn:
        """Refuse: the log is read-only here."""
        _read_only("nothing can be written to the log")

    def mirror(self, *_: object) -> NoReturn:
        """Refuse: there is no remote."""
        _read_only("nothing can be pushed")

    def fetch_beside_mirrors(self) -> NoReturn:
        """Refuse: there is no remote."""
        _read_only("the log cannot be fetched")

    def offered(self, source: Path) -> NoReturn:
        """Refuse: the log is read-only here."""
        _read_only(f"{source} cannot be imported")

    def advance(self, commit: str) -> NoReturn:
        """Refuse: the log is read-only here."""
        _read_only(f"the branch cannot be moved to {commit[:12]}")


def _read_only(what: str) -> NoReturn:
    raise UsageError(
        f"this folder is not a clone: {what}", code="no-repository", hint="run this in a clone of the repository"
    )
