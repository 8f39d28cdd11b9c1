"""Writing files: whole or not at all."""

import fcntl
import os
import stat
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from hyops_gitops.core.errors import OutsideFailure, Refused
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.layout import MAX_FILE_BYTES, ROOTS
from hyops_gitops.core.tree import SourceTree


def replace_file(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write beside and rename, keeping an existing file's mode.

    A private file is readable by its owner alone.

    Raises:
        OutsideFailure: code `cannot-write`.
    """
    replace_files({path: content}, private=private)


def replace_files(files: Mapping[Path, bytes], *, private: bool = False) -> None:
    """Replace several files, all or none.

    The first is renamed when the last is on disk, so that a full disk changes none.

    Raises:
        OutsideFailure: code `cannot-write`.
    """
    made: dict[Path, Path] = {}
    path = Path()
    try:
        for path, content in files.items():
            made[path] = _written_beside(path, content, private=private)
        for path, beside in made.items():
            beside.replace(path)
    except OSError as error:
        raise OutsideFailure(f"cannot write {path}: {error.strerror}", code="cannot-write") from None
    finally:
        for beside in made.values():
            _remove(beside)


def _written_beside(path: Path, content: bytes, *, private: bool) -> Path:
    mode = 0o600 if private else path.stat().st_mode & 0o777 if path.exists() else 0o644
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
    except BaseException:
        _remove(Path(name))
        raise
    return Path(name)


def _remove(file: Path) -> None:
    with suppress(OSError):
        file.unlink()


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that is there for a moment.

    Raises:
        OutsideFailure: code `cannot-write`: no room, or no right, to put files down.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="hyops-") as scratch:
            yield Path(scratch)
    except OSError as error:
        raise OutsideFailure(
            f"cannot write temporary files: {error.strerror}", code="cannot-write", hint="set TMPDIR to another folder"
        ) from None


def at_home(path: Path) -> Path:
    """The path with its `~` filled in; unchanged for unknown users."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


AUDIT_SCRIPT = "audit.sh"
_AUDIT_FILES = (AUDIT_SCRIPT, "audit.jq", "audit-contracts.jq", "audit-contracts.sh", "audit-segments.sh")
_PACKAGE = Path(__file__).resolve().parents[1]


def shipped_directory(name: str) -> Path:
    """A folder inside the package, or beside it in an editable install."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


def source_tree() -> Path | None:
    """The program's own source, None when it runs from a wheel."""
    root = _PACKAGE.parent
    return root if (root / "pyproject.toml").is_file() else None


def bundle_files() -> dict[str, bytes]:
    """Files of the program in every bundle, beside its wheel."""
    from hyops_gitops.recover.bundle import INSTALL  # noqa: PLC0415 - for bundles alone

    scripts = shipped_directory("script")
    files = {f"script/{name}": scripts / name for name in _AUDIT_FILES} | {INSTALL: scripts / "bundle-install"}
    return {path: file.read_bytes() for path, file in files.items()}


def auditor_kit() -> dict[str, bytes]:
    """Files of every export that explain and script an audit."""
    files = {name: shipped_directory("script") / name for name in _AUDIT_FILES}
    return {name: file.read_bytes() for name, file in files.items()} | {
        "AUDITING.md": (shipped_directory("docs") / "auditing.md").read_bytes()
    }


_TEMPLATES = _PACKAGE / "templates"
_DOT = "dot-"  # a hidden file would be lost on the way into a wheel, or overlooked


def load_templates() -> dict[str, str]:
    """Every template by the path it has in a repository."""
    return {
        "/".join(_named(part) for part in file.relative_to(_TEMPLATES).parts): file.read_text(encoding="utf-8")
        for file in sorted(_TEMPLATES.rglob("*"))
        if file.is_file()
    }


def report_templates() -> dict[str, str]:
    """The pages of a report, with their style and script, by name."""
    return {file.name: file.read_text(encoding="utf-8") for file in (_PACKAGE / "report" / "templates").iterdir()}


def _named(part: str) -> str:
    return f".{part.removeprefix(_DOT)}" if part.startswith(_DOT) else part


_KINDS = {
    stat.S_IFLNK: "is a symbolic link",
    stat.S_IFIFO: "is a FIFO",
    stat.S_IFSOCK: "is a socket",
    stat.S_IFCHR: "is a device",
    stat.S_IFBLK: "is a device",
}


class WorkTree(SourceTree):
    """The files of a directory as they are now, committed or not."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def files(self) -> list[SourceFile]:
        """Every file below `endpoints/` and `authority/`, sorted by path."""
        found = (source for name in ROOTS for source in walk(self._root / name, name))
        return sorted(found, key=lambda source: source.path)

    def read(self, paths: Collection[str]) -> Mapping[str, SourceFile]:
        """These files, without missing ones."""
        if any("\\" in path for path in paths):  # bytes that are not UTF-8, as messages show them
            return super().read(paths)
        place = _Places(self._root)
        return {path: source for path in paths if (source := place.read(path)) is not None}


class _Places:
    """Single files below a folder, never by way of a link."""

    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root)
        self._folders: dict[str, bool] = {}

    def read(self, path: str) -> SourceFile | None:
        """The file at a path below the watched folders, if any."""
        parts = path.split("/")
        if parts[0] not in ROOTS or not {"", ".", ".."}.isdisjoint(parts) or "\0" in path:
            return None
        place = f"{self._root}/{path}"
        try:
            mode = os.lstat(place).st_mode if self._is_folder(path.rpartition("/")[0]) else stat.S_IFDIR
        except OSError:
            return None
        return None if stat.S_ISDIR(mode) else _read_source(place, path, mode)

    def _is_folder(self, path: str) -> bool:
        if path and path not in self._folders:
            own = stat.S_ISDIR(os.lstat(f"{self._root}/{path}").st_mode)
            self._folders[path] = own and self._is_folder(path.rpartition("/")[0])
        return not path or self._folders[path]


def read_source(file: Path, shown: str, most: int = MAX_FILE_BYTES) -> SourceFile:
    """One ordinary file, under the path that messages show."""
    place = os.fspath(file)
    try:
        mode = os.lstat(place).st_mode
    except OSError as error:
        return _unreadable(shown, error)
    return _read_source(place, shown, mode, most)


def _read_source(place: str, shown: str, mode: int, most: int = MAX_FILE_BYTES) -> SourceFile:
    if not stat.S_ISREG(mode):
        return SourceFile(shown, None, _KINDS.get(stat.S_IFMT(mode), "is not an ordinary file"))
    try:
        content = _content(place, most)
    except OSError as error:
        return _unreadable(shown, error)
    if len(content) > most:
        return SourceFile(shown, None, f"is larger than {most // 1024} KiB")
    return SourceFile(shown, content)


def _content(place: str, most: int) -> bytes:
    """The content of an ordinary file, as far as it may go."""
    # A link or a FIFO that took the file's place meanwhile is neither followed nor waited for.
    descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        content = chunk = os.read(descriptor, most + 1)
        while chunk and len(content) <= most:
            chunk = os.read(descriptor, most + 1 - len(content))
            content += chunk
        return content
    finally:
        os.close(descriptor)


def _unreadable(shown: str, error: OSError) -> SourceFile:
    return SourceFile(shown, None, f"cannot be read: {error.strerror or error}")


def walk(top: Path, shown: str) -> Iterator[SourceFile]:
    """Everything below a folder, under the paths that messages show."""
    pending = [(os.fspath(top), shown)]
    while pending:
        directory, prefix = pending.pop()
        try:
            mode = os.lstat(directory).st_mode
            if not stat.S_ISDIR(mode):
                yield _read_source(directory, prefix, mode)
                continue
            names = os.listdir(directory)  # noqa: PTH208 - bare names, which Path.iterdir would only wrap
        except FileNotFoundError:
            continue
        except OSError as error:
            yield _unreadable(prefix, error)
            continue
        pending += [(f"{directory}/{name}", f"{prefix}/{printable_name(name)}") for name in names]


def printable_name(name: str) -> str:
    r"""The name, bytes that are not UTF-8 written as \xNN."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


_LIMIT = 64 * 1024 * 1024  # octets; a zone of 100,000 records has a tenth of it


class DiskSegments:
    """The segments under one directory's `segments/`.

    Those of one of several zones are below `segments/<zone>/`.
    """

    def __init__(self, root: Path, zone: str | None = None) -> None:
        from hyops_gitops.log.segment import SEGMENTS, is_segment_id  # noqa: PLC0415 - for segments alone

        self._folder = root / SEGMENTS.rstrip("/") / (zone or "")
        self._is_segment_id = is_segment_id

    def segments(self) -> list[str]:
        """The name of each segment's folder, sorted."""
        try:
            return sorted(entry.name for entry in self._folder.iterdir() if self._is_segment_id(entry.name))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise OutsideFailure(f"cannot read {self._folder}: {error.strerror}", code="cannot-read") from None

    def read(self, segment: str) -> Mapping[str, bytes]:
        """Every file of a segment, by name.

        Raises:
            OutsideFailure: code `cannot-read`.
        """
        return read_folder(self._folder / segment)

    def append(self, segment: str, files: Mapping[str, bytes], last: str) -> None:
        """Write these files durably in order, and the new `last` last.

        Raises:
            Refused: guard `race`: `last` exists.
            OutsideFailure: code `cannot-write`.
        """
        folder = self._folder / segment
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with _alone(self._folder):
                if (folder / last).exists():
                    raise _race(folder / last)
                for name in (*(name for name in files if name != last), last):
                    replace_file(folder / name, files[name])
                for directory in (folder, folder.parent, folder.parent.parent):
                    _to_disk(directory)
        except OSError as error:
            raise OutsideFailure(f"cannot write {folder}: {error.strerror}", code="cannot-write") from None


def read_folder(folder: Path) -> Mapping[str, bytes]:
    """Every ordinary file of a folder by name, without temporary ones.

    Raises:
        OutsideFailure: code `cannot-read`.
    """
    try:
        files = sorted(file for file in folder.iterdir() if not file.name.startswith("."))
        for file in files:
            if file.is_symlink() or not file.is_file() or file.stat().st_size > _LIMIT:
                raise OutsideFailure(f"{file} is not an ordinary file", code="cannot-read")
        return {file.name: file.read_bytes() for file in files}
    except OSError as error:
        raise OutsideFailure(f"cannot read {folder}: {error.strerror}", code="cannot-read") from None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lock a folder: two processes must never mix files of one number."""
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _to_disk(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _race(path: Path) -> Refused:
    return Refused(
        f"{path.name} exists: another breakglass command is at work in this folder", guard="race", hint="run again"
    )
