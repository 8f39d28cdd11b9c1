"""A .tar.gz whose bytes follow from its files alone: sorted, of one time, of nobody, with an empty gzip header."""

import gzip
import io
import tarfile
from collections.abc import Collection, Mapping
from datetime import datetime

_LEVEL = 9


def tarball(top: str, files: Mapping[str, bytes], executable: Collection[str], time: datetime) -> bytes:
    """The archive.

    Args:
        top: The one folder that everything is in.
        files: Contents by path below it.
        executable: The paths that may be run.
        time: Of every file and folder; whole seconds.
    """
    packed = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=packed, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for folder in sorted(_folders(top, files)):
            archive.addfile(_member(folder, time, tarfile.DIRTYPE, 0o755))
        for path, content in sorted(files.items()):
            member = _member(f"{top}/{path}", time, tarfile.REGTYPE, 0o755 if path in executable else 0o644)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _folders(top: str, files: Mapping[str, bytes]) -> set[str]:
    found = {top}
    for path in files:
        parts = path.split("/")[:-1]
        found |= {"/".join((top, *parts[:length])) for length in range(1, len(parts) + 1)}
    return found


def _member(path: str, time: datetime, kind: bytes, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.type, member.mode, member.mtime = kind, mode, int(time.timestamp())
    return member
