"""The bundle: contracts, log and program for use without git.

An unpacked bundle is a folder that looks like a repository:

    endpoints/ authority/ schemas/     of the commit; `hyops-gitops` finds it as it finds a clone
    recorded/                          endpoints/ and authority/ of the commit applied last, where that is another one
    evidence/                          the files of the evidence branch
    script/audit*                      the audit with stock tools
    wheels/                            the program and everything it needs
    install README.md
    bundle.json                        what is in it: `BundleInfo`
    SHA256SUMS SHA256SUMS.sig          of every other file, as sha256sum prints it; signed in `BUNDLE_NAMESPACE`

Nothing in it says when it was made: the same commit, log and wheels give the same bytes.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated

from hyops_gitops.core.canonical import canonical_json, parse_canonical, sha256_hex
from hyops_gitops.core.codec import JsonObject
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.fields import At, Sha256, time_text

INFO, SUMS, SUMS_SIGNATURE = "bundle.json", "SHA256SUMS", "SHA256SUMS.sig"
EVIDENCE_FOLDER, RECORDED_FOLDER, WHEELS_FOLDER = "evidence", "recorded", "wheels"
INSTALL, README = "install", "README.md"
EXECUTABLE = frozenset({INSTALL, "script/audit.sh"})
# Folders whose every file is listed; what else lies in an unpacked bundle (an installation, notes) is not ours.
OWN_FOLDERS = ("authority", "endpoints", EVIDENCE_FOLDER, RECORDED_FOLDER, "schemas", "script", WHEELS_FOLDER)
_FORMAT = "hyops-bundle/1"
_LINE = re.compile(r"(?P<sha256>[0-9a-f]{64})  (?P<path>[^\n\\]+)")


@dataclass(frozen=True, slots=True)
class BundledLog(JsonObject):
    """The end of the log in a bundle."""

    branch: str
    commit: str  # of the evidence branch
    genesis: Sha256
    seq: int
    sha256: Sha256  # of the newest entry
    time: datetime  # of the newest entry


@dataclass(frozen=True, slots=True)
class BundleInfo(JsonObject):
    """What a bundle says about itself."""

    zone: str
    tool: str
    commit: str  # of the contracts
    commit_time: datetime
    recorded: str | None  # the contracts' commit that the log recorded last
    base: str | None  # where `commits` begin: `recorded`, or the commit of genesis; None: from the beginning
    is_descendant: bool  # whether `commit` equals or descends from `base`
    commits: tuple[CommitInfo, ...]  # the first parents not recorded yet, up to `commit`, oldest first
    log: BundledLog
    platform: str
    pythons: Annotated[tuple[str, ...], At("python")]  # versions that the wheels are for, such as 3.12

    @property
    def as_of(self) -> datetime:
        """The newest time in the bundle, a bound of its age."""
        return max(self.commit_time, self.log.time)

    def to_bytes(self) -> bytes:
        """`bundle.json`."""
        return canonical_json({"format": _FORMAT, **self.to_json()})

    @classmethod
    def from_bytes(cls, data: bytes) -> "BundleInfo":
        """Back from `bundle.json`.

        Raises:
            InvalidData: code `bundle-invalid`.
        """
        try:
            found = parse_canonical(data)
            if found.get("format") != _FORMAT:
                raise bundle_invalid(f"{INFO}: expected format {_FORMAT!r}, got {found.get('format')!r}")
            return cls.from_json(found)
        except InvalidData as error:
            raise error if error.code == "bundle-invalid" else bundle_invalid(f"{INFO}: {error.message}") from None


def sums_text(files: Mapping[str, bytes]) -> bytes:
    """`SHA256SUMS` of these files."""
    return "".join(f"{sha256_hex(content)}  {path}\n" for path, content in sorted(files.items())).encode()


def parse_sums(data: bytes) -> Mapping[str, str]:
    """SHA-256 by path.

    Raises:
        InvalidData: code `bundle-invalid`.
    """
    sums: dict[str, str] = {}
    try:
        lines = data.decode().removesuffix("\n").split("\n")  # as sha256sum ends them, and nothing else
    except UnicodeDecodeError:
        raise bundle_invalid(f"{SUMS} is not UTF-8") from None
    for line in lines:
        match = _LINE.fullmatch(line)
        path = match["path"] if match else ""
        if match is None or path in sums or not _stays_inside(path):
            raise bundle_invalid(f"{SUMS} holds a line that sha256sum would not write for a bundle: {line[:100]!r}")
        sums[path] = match["sha256"]
    return sums


def differences(sums: Mapping[str, str], found: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
    """Paths that differ from the sums, each with the problem.

    Args:
        sums: SHA-256 of every file of the bundle.
        found: SHA-256 of every file that is there, None for one that cannot be read.
    """
    for path in sorted(sums.keys() | found.keys()):
        if path not in found:
            yield path, "is missing"
        elif path not in sums:
            yield path, "is not in the bundle"
        elif found[path] != sums[path]:
            yield path, f"is not what {SUMS} says"


def _stays_inside(path: str) -> bool:
    return all(part not in ("", ".", "..") for part in path.split("/"))


def bundle_invalid(message: str) -> InvalidData:
    """The error for a bundle that differs from the signed one."""
    return InvalidData(
        f"cannot trust this bundle: {message}",
        code="bundle-invalid",
        hint="unpack it again, or take a fresh copy; `./install` checks all of it",
    )


_TEXT = """\
# {zone}: contracts, log and program in one folder

Made by `hyops-gitops bundle` of commit `{commit}`. Everything in it works without git, network and package index.
It knows nothing newer than {as_of}; the log in it ends with entry `{head}`.

## Check it, before anything in it is run

With your own copy of `authority/allowed_signers`, kept outside, and the principal that signs bundles:

    ssh-keygen -Y verify -f SIGNERS -I PRINCIPAL -n hyops-gitops-bundle -s SHA256SUMS.sig < SHA256SUMS
    sha256sum --check --quiet SHA256SUMS

## Install

    ./install --signers SIGNERS

checks the same, makes a virtual environment in `./venv` (`--venv DIR`) and fills it from `wheels/` alone. It needs one
of these Pythons: {pythons}; the wheels are for {platform}.

## Use

In this folder, as in a clone: `venv/bin/hyops-gitops status`, `plan`, `validate`, `audit`. Facts that need the history
of the contracts are shown as unknown. With stock tools, and no git:

    script/audit.sh evidence SIGNERS --genesis {genesis}
"""


def bundle_readme(info: BundleInfo) -> bytes:
    return _TEXT.format(
        zone=info.zone,
        commit=info.commit,
        as_of=time_text(info.as_of),
        head=f"{info.log.seq}:{info.log.sha256}",
        pythons=", ".join(info.pythons),
        platform=info.platform,
        genesis=info.log.genesis,
    ).encode()
