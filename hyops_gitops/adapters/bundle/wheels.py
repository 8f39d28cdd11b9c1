"""Every wheel that a bundle carries: the program's own and those it needs. Meets the port `WheelSource`.

From a folder that somebody prepared; else, for this machine, from what is installed here; else from the package index
that pip is set up for. The program's own wheel is built where this runs from its source.
"""

import re
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from hyops_gitops import __version__
from hyops_gitops.adapters.bundle.installed_wheels import NotPackable, is_packable, needed_distributions, pack
from hyops_gitops.adapters.files.files import scratch_folder
from hyops_gitops.adapters.files.shipped import source_tree
from hyops_gitops.adapters.host.programs import Program
from hyops_gitops.core.apply.events import OnEvent, Step, Warned
from hyops_gitops.core.errors import OutsideFailure

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
    """Where wheels come from.

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
    distributions = list(needed_distributions())
    on_event(Step(f"packing the wheels of {len(distributions)} distributions that are installed here"))
    packed = dict(pack(dist) for dist in distributions)
    try:
        packed |= dict([pack(metadata.distribution("pip"))])
    except (NotPackable, metadata.PackageNotFoundError):
        on_event(Warned("no wheel of pip: the machine's Python has to have ensurepip (python3-venv)"))
    return {**packed, **_read(own)}


def _read(directory: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.glob("*.whl"))}


def _constraints(scratch: Path) -> Sequence[str]:
    """The versions that run here, so that another machine gets the same."""
    file = scratch / "constraints.txt"
    pins = {f"{dist.metadata['Name']}=={dist.version}\n" for dist in metadata.distributions()}
    file.write_text("".join(sorted(pin for pin in pins if not pin.startswith(f"{_PRODUCT}=="))))
    return ["--constraint", str(file)]


def _pip(verb: str, *arguments: str) -> str | None:
    """Why a call of pip failed, None when it did not."""
    python = Program(sys.executable, code="no-wheel", timeout_s=_PIP_TIMEOUT_S)
    try:
        done = python.run("-m", "pip", "--no-input", "--disable-pip-version-check", verb, *arguments)
    except OutsideFailure as failure:
        return failure.message
    if done.returncode == 0:
        return None
    said = b"\n".join((done.stdout, done.stderr)).decode("utf-8", "replace")
    return why_not(said) or f"exit status {done.returncode}"


def why_not(said: str) -> str:
    """What pip's many words come to: the pinned packages that it found no wheel of, else its errors."""
    if pinned := dict.fromkeys(_PINNED.findall(said)):
        return f"no wheel of {', '.join(pinned)}"
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return "; ".join(errors or lines[-1:])[:_SHOWN]


def _no_wheel(what: str, why: str) -> OutsideFailure:
    return OutsideFailure(
        f"a wheel cannot be had for {what}: {why}",
        code="no-wheel",
        hint="put every wheel into a folder on a machine that has them (`pip download` or `pip wheel`), "
        "then give it: --wheels DIR",
    )
