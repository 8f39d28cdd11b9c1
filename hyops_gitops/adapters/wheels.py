"""Wheels of a bundle: the program and its dependencies. Meets `WheelSource`.

They come from a prepared folder; else, for this machine, from what is installed here; else from the package index
that pip is set up for. The program's own wheel is built where this runs from its source.
"""

import base64
import gzip
import hashlib
import io
import re
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from email import message_from_bytes
from importlib import metadata, util
from pathlib import Path

from hyops_gitops import __version__
from hyops_gitops.adapters.files import scratch_folder, source_tree
from hyops_gitops.adapters.host.machine import Program
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.core.events import OnEvent, Step, Warned

_INSTALLED_PRODUCT = "hyops-gitops"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")
_EXTRAS = re.compile(r"\[([^\]]*)\]")
_LEFT_OUT = frozenset({"INSTALLER", "REQUESTED", "RECORD", "direct_url.json"})  # of one installation, not of the wheel
_EPOCH = (1980, 1, 1, 0, 0, 0)
_FILE_MODE = 0o100644 << 16


class NotPackable(Exception):
    """A distribution cannot be packed again; the message says which and why."""


def needed_distributions(root: str = _INSTALLED_PRODUCT) -> Sequence[metadata.Distribution]:
    """The dependencies of a distribution, by name.

    Of those that markers exclude, the ones that are here count too.

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
        yield name, frozenset(tag.strip() for tag in wanted[1].split(",")) if wanted else frozenset()


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def is_packable(dist: metadata.Distribution) -> bool:
    """Whether a wheel installed it; editable installs record no modules."""
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


def repacked(wheel: bytes) -> bytes:
    """A wheel as `pack` makes it from its installation."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        contents = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    record = next(name for name in contents if name.endswith(".dist-info/RECORD"))
    del contents[record]
    return _zip(contents, record)


def _recorded_files(dist: metadata.Distribution) -> Iterator[tuple[str, bytes]]:
    for file in dist.files or ():
        path = file.as_posix()
        if file.hash is None or path.startswith("../") or file.name in _LEFT_OUT:
            continue  # compiled files, scripts that installing makes again, facts about this installation
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


_PRODUCT = "hyops-gitops"
_OWN = f"hyops_gitops-{__version__}-"
_PIP_TIMEOUT_S = 540
_PINNED = re.compile(r"\(constraint\) (\S+)")
_SHOWN = 300  # characters of pip's own words


def host_platform() -> str:
    """This machine's platform, as pip's `--platform` takes it."""
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")


def host_python() -> str:
    """This Python's version, as pip's `--python-version` takes it."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True, slots=True)
class Wheels:
    """A source of wheels.

    Args:
        folder: A folder with wheels; nothing else is looked at then, the program's own wheel aside.
        platform: For another machine than this one, as pip takes it; None is this one.
        pythons: The versions to serve; empty is the one that runs this.
    """

    folder: Path | None
    platform: str | None
    pythons: tuple[str, ...]
    on_event: OnEvent

    def versions(self) -> tuple[str, ...]:
        """The Python versions that the wheels are for."""
        return self.pythons or (host_python(),)

    def target(self) -> str:
        """The platform that the wheels are for."""
        return self.platform or host_platform()

    def wheels(self) -> Mapping[str, bytes]:
        """Contents by file name.

        Raises:
            OutsideFailure: code `no-wheel`: which one cannot be had, and why.
        """
        with scratch_folder() as scratch:
            own = scratch / "own"
            own.mkdir()
            self._own(own)
            if self.folder is None and self.platform is None and self.versions() == (host_python(),):
                try:
                    return _installed(own, self.on_event)
                except NotPackable as reason:
                    self.on_event(Warned(f"{reason}; asking the package index instead"))
            return self._downloaded(own, scratch)

    def _own(self, directory: Path) -> None:
        """Put the program's own wheel into a directory."""
        if self.folder is not None and (found := sorted(self.folder.glob(f"{_OWN}*.whl"))):
            (directory / found[0].name).write_bytes(found[0].read_bytes())
            return
        dist = metadata.distribution(_PRODUCT)
        source = source_tree()
        try:
            if source is None or is_packable(dist):
                name, content = pack(dist)
                (directory / name).write_bytes(content)
                return
        except NotPackable as reason:
            raise _no_wheel(f"{_PRODUCT} {__version__}", str(reason)) from None
        self.on_event(Step(f"building the wheel of {_PRODUCT} {__version__}"))
        isolated = [] if util.find_spec("hatchling") is None else ["--no-build-isolation"]
        built = _pip("wheel", "--no-deps", *isolated, "--wheel-dir", str(directory), str(source))
        if built is not None:
            raise _no_wheel(f"{_PRODUCT} {__version__}", built)
        for path in directory.glob("*.whl"):
            path.write_bytes(repacked(path.read_bytes()))

    def _downloaded(self, own: Path, scratch: Path) -> Mapping[str, bytes]:
        found: dict[str, bytes] = {}
        for version in self.versions():
            where = f"{self.target()}, Python {version}"
            self.on_event(Step(f"collecting wheels for {where} from {self.folder or 'the package index'}"))
            into = scratch / version
            failure = self._download(into, own, version, f"{_PRODUCT}=={__version__}")
            if failure is not None:
                raise _no_wheel(where, failure)
            if self._download(into, own, version, "pip") is not None:
                self.on_event(Warned("no wheel of pip: the machine's Python has to have ensurepip (python3-venv)"))
            found |= _read(into)
        return found

    def _download(self, into: Path, own: Path, version: str, what: str) -> str | None:
        target = ["--python-version", version, "--implementation", "cp"]
        if self.platform is not None:
            target += ["--platform", self.platform]
        source = ["--no-index", "--find-links", str(self.folder.resolve())] if self.folder else _constraints(own.parent)
        return _pip(
            "download", "--only-binary=:all:", *target, *source, "--find-links", str(own), "--dest", str(into), what
        )


def _installed(own: Path, on_event: OnEvent) -> Mapping[str, bytes]:
    check_current(own)
    distributions = list(needed_distributions())
    on_event(Step(f"packing the wheels of {len(distributions)} distributions that are installed here"))
    packed = dict(pack(dist) for dist in distributions)
    try:
        packed |= dict([pack(metadata.distribution("pip"))])
    except (NotPackable, metadata.PackageNotFoundError):
        on_event(Warned("no wheel of pip: the machine's Python has to have ensurepip (python3-venv)"))
    return {**packed, **_read(own)}


def check_current(own: Path) -> None:
    """Refuse an installation whose source has asked for something else since."""
    for wheel in own.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            (described,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            asked = message_from_bytes(archive.read(described)).get_all("Requires-Dist", [])
        if sorted(asked) != sorted(metadata.distribution(_PRODUCT).requires or ()):
            raise NotPackable(f"{_PRODUCT} asks for other packages than when it was installed here")


def _read(directory: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.glob("*.whl"))}


def _constraints(scratch: Path) -> Sequence[str]:
    """The versions that run here, so that another machine gets the same."""
    file = scratch / "constraints.txt"
    pins = {f"{dist.metadata['Name']}=={dist.version}\n" for dist in metadata.distributions()}
    file.write_text("".join(sorted(pin for pin in pins if not pin.startswith(f"{_PRODUCT}=="))))
    return ["--constraint", str(file)]


def _pip(verb: str, *arguments: str) -> str | None:
    """Run pip; the reason why it failed, or None."""
    python = Program(sys.executable, code="no-wheel", timeout_s=_PIP_TIMEOUT_S)
    try:
        done = python.run("-m", "pip", "--no-input", "--disable-pip-version-check", verb, *arguments)
    except OutsideFailure as failure:
        return failure.message
    if done.returncode == 0:
        return None
    printed = b"\n".join((done.stdout, done.stderr)).decode("utf-8", "replace")
    return why_not(printed) or f"exit status {done.returncode}"


def why_not(printed: str) -> str:
    """The pinned packages that pip found no wheel of, else its errors."""
    if pinned := dict.fromkeys(_PINNED.findall(printed)):
        return f"no wheel of {', '.join(pinned)}"
    lines = [line for line in printed.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return "; ".join(errors or lines[-1:])[:_SHOWN]


def _no_wheel(what: str, why: str) -> OutsideFailure:
    return OutsideFailure(
        f"cannot get a wheel for {what}: {why}",
        code="no-wheel",
        hint="put every wheel into a folder on a machine that has them (`pip download` or `pip wheel`), "
        "then give it: --wheels DIR",
    )


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
