"""A private key file as CI systems leave it, in a form that OpenSSH takes.

OpenSSH refuses a key that others may read, and one whose line ends are not LF. A CI system that writes its variables to
files (GitLab: mode 0666) can write no other; so there, and only there, the mode is passed over. The file itself is
never changed: OpenSSH is given a copy, for its owner alone, that is there for the length of one call.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hyops_gitops.adapters.files.files import scratch_folder
from hyops_gitops.core.errors import HyopsError, InvalidData
from hyops_gitops.core.signatures.private_keys import LIMIT, is_key_text, mended

_OTHERS_MAY = 0o077


@dataclass(frozen=True, slots=True)
class KeyFile:
    """One private key file.

    Args:
        path: Where it is.
        variable: The environment variable that names it.
        environ: Of this process.
        failure: Makes the error to raise of the file's name, what is wrong and how to mend it.
    """

    path: Path
    variable: str
    environ: Mapping[str, str]
    failure: Callable[[str, str, str], HyopsError]

    @contextmanager
    def usable(self) -> Iterator[Path]:
        """A path from which OpenSSH takes this key: the file itself, or a copy that is there for a moment.

        Raises:
            HyopsError: of `failure`'s making.
            OutsideFailure: code `cannot-write`: no copy can be made.
        """
        data = self.content(LIMIT + 1)
        try:
            key = mended(data)
        except InvalidData as bad:
            raise self.refused(bad.message, bad.hint) from None
        loose = self._is_loose()
        if loose and not self.environ.get("CI"):
            raise self.refused("others may read it", f"chmod 600 {self.path}")
        if key == data and not loose:
            yield self.path
            return
        with scratch_folder() as folder:
            copy = folder / "key"
            with os.fdopen(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(key)
            yield copy

    def content(self, most: int) -> bytes:
        """The file's first octets.

        Raises:
            HyopsError: of `failure`'s making.
        """
        if is_key_text(str(self.path)):
            hint = f"{self.variable} names a file: write the key to one (GitLab: a variable of type File)"
            raise self.failure("", f"{self.variable} holds a key itself, not the name of a file", hint)
        try:
            if self.path.is_dir():
                raise self.refused("it is a directory", f"point {self.variable} at the key file")
            if not self.path.is_file():
                raise self.refused("there is no such file", self._missing_hint())
            with self.path.open("rb") as file:
                return file.read(most)
        except OSError as error:
            raise self.refused(f"it cannot be read: {error.strerror}", "check its owner and mode") from None

    def refused(self, reason: str, hint: str) -> HyopsError:
        """The error to raise."""
        return self.failure(str(self.path), reason, hint)

    def _missing_hint(self) -> str:
        if str(self.path).startswith("$"):
            return "the CI variable is not defined in this job: GitLab gives a protected one to protected branches only"
        return f"{self.variable} has to name the file with the private key"

    def _is_loose(self) -> bool:
        """Whether OpenSSH would refuse its mode, which it does to the file's owner."""
        status = self.path.stat()
        return status.st_uid == os.getuid() and bool(status.st_mode & _OTHERS_MAY)
