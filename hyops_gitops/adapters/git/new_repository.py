"""The directory of a new repository: new files, git, first commits."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from hyops_gitops.adapters.files import replace_file
from hyops_gitops.adapters.git.process import Git, no_identity, own_identity, summary
from hyops_gitops.adapters.yaml.edit import add_scalar
from hyops_gitops.core.errors import OutsideFailure, UsageError

_REMOTE = "origin"


class NewRepository:
    """Meets `init.init.RepositoryFolder`."""

    def __init__(self, root: Path, environ: Mapping[str, str] = os.environ) -> None:
        self._root = root
        self._git = Git(root, environ)
        self._identity = own_identity(environ)

    def has(self, path: str) -> bool:
        """Whether something is at this path, be it a broken link."""
        return os.path.lexists(self._root / path)

    def mentions(self, path: str, word: str) -> bool:
        """Whether a readable file at this path has this word."""
        try:
            return word.encode() in (self._root / path).read_bytes()
        except OSError:
            return False

    def check_place(self) -> None:
        """Check that this can be the top of a repository.

        Workflows and owners count nowhere else.
        """
        there = next(parent for parent in (self._root, *self._root.parents) if parent.is_dir())
        found = _top(there)
        if found is not None and Path(found).resolve() != self._root:
            raise UsageError(
                f"{self._root} is inside of the repository {found}",
                code="inside-repository",
                hint="give a directory outside of it: workflows and CODEOWNERS count at a repository's top only",
            )

    def write_new(self, files: Mapping[str, bytes]) -> None:
        """Write files that are not there, each whole or not at all."""
        for name, content in files.items():
            path = self._root / name
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                _write_new(path, content)
            except FileExistsError:
                raise UsageError(f"{path} is there already", code="exists") from None
            except OSError as error:
                raise OutsideFailure(f"cannot write {path}: {error.strerror}", code="cannot-write") from None

    def begin(self, remote_url: str | None) -> None:
        """Make it a Git repository, with a remote `origin` if given."""
        if _top(self._root) is None:
            self._git.output("init", "-q", "-b", "main")
        if remote_url is None:
            return
        known = self._git.ask("config", "--get", f"remote.{_REMOTE}.url")
        if not known.ok:
            self._git.output("remote", "add", "--", _REMOTE, remote_url)
        elif os.fsdecode(known.stdout).strip() != remote_url:
            raise UsageError(
                f"the remote {_REMOTE} has another URL",
                code="remote-exists",
                hint=f"`git remote -v` shows it; `git remote set-url {_REMOTE} URL` changes it",
            )

    def commit(self, paths: Sequence[str], message: str) -> str:
        """Commit these paths alone; the commit's id."""
        listed = "".join(f"{path}\0" for path in paths).encode()
        from_stdin = ("--pathspec-from-file=-", "--pathspec-file-nul")
        self._git.output("add", *from_stdin, stdin=listed)
        made = self._git.attempt("commit", "-q", "-m", message, *from_stdin, stdin=listed, env=self._identity)
        if (unknown := no_identity(made.stderr)) is not None and not made.ok:
            raise unknown
        if not made.ok:
            raise OutsideFailure(f"git commit failed: {summary(made.stderr)}", code="git-failed")
        return self._git.output("rev-parse", "HEAD").decode().strip()

    def pin(self, path: str, sha256: str) -> None:
        """Add `evidence.genesis` to the authority file."""
        pin_genesis(self._root / path, sha256)


def pin_genesis(file: Path, sha256: str) -> None:
    """Add the digest of a log's first entry to an authority file."""
    text = add_scalar(file.read_bytes().decode(), "evidence", "genesis", f"sha256:{sha256}")
    replace_file(file, text.encode())


def _top(directory: Path) -> str | None:
    """The top of the repository around a directory, if any."""
    try:
        return os.fsdecode(Git(directory).output("rev-parse", "--show-toplevel")).rstrip("\n")
    except UsageError:  # of another owner, it is one all the same, and that is another failure
        return None


def _write_new(path: Path, content: bytes) -> None:
    descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(beside).chmod(0o644)
        os.link(beside, path)  # unlike a rename, fails where there is something
    finally:
        Path(beside).unlink(missing_ok=True)
