"""Wheels made of what is installed here: the files this very program runs from, each checked against its RECORD.

Needs neither pip nor an index. A wheel is a zip of the files it installed (PEP 427), so packing them again gives a
wheel that installs the same. Only for this machine's platform and Python, and only for distributions that a wheel
installed: a distribution's own package (Debian's python3-*) keeps no RECORD of hashes.
"""

import base64
import hashlib
import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata

_PRODUCT = "hyops-gitops"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")
_EXTRAS = re.compile(r"\[([^\]]*)\]")
_LEFT_OUT = frozenset({"INSTALLER", "REQUESTED", "RECORD", "direct_url.json"})  # of one installation, not of the wheel
_EPOCH = (1980, 1, 1, 0, 0, 0)
_FILE_MODE = 0o100644 << 16


class NotPackable(Exception):
    """A distribution cannot be packed again; the message says which and why."""


def needed_distributions(root: str = _PRODUCT) -> Sequence[metadata.Distribution]:
    """What a distribution needs, itself left out, by name; of what its markers exclude only what happens to be here.

    Raises:
        NotPackable: one of them is not installed.
    """
    found: dict[str, metadata.Distribution] = {}
    pending = [(root, frozenset[str]())]
    seen: set[tuple[str, frozenset[str]]] = set()
    while pending:
        name, extras = pending.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            raise NotPackable(f"{name} is not installed as a Python distribution") from None
        pending += _requirements(found[name], extras)
    return [dist for name, dist in sorted(found.items()) if name != root]


def _requirements(dist: metadata.Distribution, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for requirement in dist.requires or ():
        spec, _, marker = requirement.partition(";")
        asked = set(_EXTRA.findall(marker))
        if asked and not asked & extras:
            continue
        match = _NAME.match(spec.strip())
        name = re.sub(r"[-_.]+", "-", match.group()).lower() if match else spec
        # pip has installed whatever a marker asks for here, so what is absent is not asked for.
        if marker and not _is_installed(name):
            continue
        wanted = _EXTRAS.search(spec)
        yield name, frozenset(one.strip() for one in wanted[1].split(",")) if wanted else frozenset()


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def is_packable(dist: metadata.Distribution) -> bool:
    """Whether a wheel installed it; an editable installation leaves none of its modules on record."""
    editable = '"editable": true' in (dist.read_text("direct_url.json") or "")
    return not editable and bool(dist.read_text("WHEEL")) and bool(dist.read_text("RECORD"))


def pack(dist: metadata.Distribution) -> tuple[str, bytes]:
    """The file name and the bytes of its wheel.

    Raises:
        NotPackable: no wheel installed it, or a file was changed since.
    """
    name = dist.metadata["Name"]
    if not is_packable(dist):
        raise NotPackable(f"{name} {dist.version} was not installed from a wheel")
    contents = dict(_recorded_files(dist))
    info = next(path.split("/", 1)[0] for path in contents if ".dist-info/" in path)
    tags = re.findall(r"^Tag: *(\S+)", dist.read_text("WHEEL") or "", re.MULTILINE)
    parts = [sorted({tag.split("-")[place] for tag in tags}) for place in range(3)]
    file_name = f"{info.removesuffix('.dist-info')}-{'-'.join('.'.join(part) for part in parts)}.whl"
    return file_name, _zip(contents, f"{info}/RECORD")


def _recorded_files(dist: metadata.Distribution) -> Iterator[tuple[str, bytes]]:
    for file in dist.files or ():
        path = file.as_posix()
        if file.hash is None or path.startswith("../") or file.name in _LEFT_OUT:
            continue  # compiled files, scripts that installing makes anew, facts about this installation
        content = file.read_binary()
        if _digest(file.hash.mode, content) != file.hash.value:
            raise NotPackable(f"{path} of {dist.metadata['Name']} was changed since it was installed")
        yield path, content


def _digest(algorithm: str, content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.new(algorithm, content).digest()).decode().rstrip("=")


def _zip(contents: Mapping[str, bytes], record: str) -> bytes:
    rows = [f"{path},sha256={_digest('sha256', content)},{len(content)}" for path, content in sorted(contents.items())]
    listing = "".join(f"{row}\n" for row in [*rows, f"{record},,"]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in [*sorted(contents.items()), (record, listing)]:
            member = zipfile.ZipInfo(path, _EPOCH)
            member.external_attr, member.compress_type = _FILE_MODE, zipfile.ZIP_DEFLATED
            archive.writestr(member, content)
    return packed.getvalue()
