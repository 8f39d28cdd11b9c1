"""A private key file as CI systems leave it, in a form that OpenSSH takes.

OpenSSH refuses a key that others may read, and one whose line ends are not LF. A CI system that writes its variables to
files (GitLab: mode 0666) can write no other; so there, and only there, the mode is passed over. The file itself is
never changed: OpenSSH is given a copy, for its owner alone, that is there for the length of one call.
"""

import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hyops_gitops.adapters.files import at_home, scratch_folder
from hyops_gitops.core.errors import HyopsError, InvalidData, OutsideFailure
from hyops_gitops.core.private_key import LIMIT, is_key_text, mended

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


DEPLOY_KEY = "HYOPS_DEPLOY_KEY_FILE"
KNOWN_HOSTS = "HYOPS_KNOWN_HOSTS_FILE"
_MOST = 1024 * 1024  # octets of host keys


@contextmanager
def ssh_with_deploy_key(environ: Mapping[str, str]) -> Iterator[str | None]:
    """The command, for as long as it is needed; None where no deploy key is named.

    Raises:
        OutsideFailure: code `deploy-key`: the key or the file of host keys cannot be used; `cannot-write`.
    """
    named, hosts = environ.get(DEPLOY_KEY, ""), environ.get(KNOWN_HOSTS, "")
    if not named:
        yield None
        return
    with scratch_folder() as folder, KeyFile(at_home(Path(named)), DEPLOY_KEY, environ, _bad_key).usable() as key:
        options = ["BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes"]
        if hosts:
            (folder / "known_hosts").write_bytes(_host_keys(hosts, environ))
            options.append(f'UserKnownHostsFile="{folder / "known_hosts"}"')
        yield shlex.join(["ssh", "-F", "none", "-i", str(key), *(f"-o{option}" for option in options)])


def _host_keys(named: str, environ: Mapping[str, str]) -> bytes:
    """The lines of host keys, with the line ends that ssh reads."""
    file = KeyFile(at_home(Path(named)), KNOWN_HOSTS, environ, _bad_hosts)
    lines = file.content(_MOST).removeprefix(b"\xef\xbb\xbf").replace(b"\r", b"\n").split(b"\n")
    kept = [line.strip() for line in lines if line.strip()]
    if not kept:
        raise file.refused(
            "it is empty", "`ssh-keyscan HOST` shows a server's keys; compare them with what it publishes"
        )
    return b"\n".join([*kept, b""])


def _bad_key(path: str, reason: str, hint: str) -> OutsideFailure:
    named = f"the deploy key {path!r} cannot be used: {reason}" if path else f"no deploy key: {reason}"
    return OutsideFailure(named, code="deploy-key", hint=hint)


def _bad_hosts(path: str, reason: str, hint: str) -> OutsideFailure:
    named = f"the file of host keys {path!r} cannot be used: {reason}" if path else f"no host keys: {reason}"
    return OutsideFailure(named, code="deploy-key", hint=hint)
