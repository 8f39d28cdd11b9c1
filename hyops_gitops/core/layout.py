"""The paths that a tree may have: a misplaced contract deletes nothing."""

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import cache
from pathlib import PurePosixPath

from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.findings import Finding, Mark, Rule, finding
from hyops_gitops.core.path_list import PathList

FILE_PROBLEM = Rule(
    "file-problem",
    "A file under endpoints/ or authority/ is an ordinary readable file of at most 64 KiB.",
    "A link, a FIFO or a device can show other content on the machine that applies than the one that was reviewed.",
    "Replace it by an ordinary file of at most 64 KiB; a contract has less than one.",
    "endpoints/prod/postgres.yaml is a symbolic link to ../staging/postgres.yaml",
)
TREE_STRAY_FILE = Rule(
    "tree-stray-file",
    "Under endpoints/ there are only <environment>/<service>.yaml of the first zone, "
    "<zone>/<environment>/<service>.yaml of each further one, README.md and dot files; under authority/ only "
    "<zone>.yaml, allowed_signers, README.md and dot files.",
    "A contract renamed to postgres.yml would otherwise silently mean a deleted record.",
    "Rename or move the file as the hint says, or delete it.",
    "endpoints/prod/postgres.yml",
)
TREE_NO_AUTHORITY = Rule(
    "tree-no-authority",
    "The repository has an authority file, authority/<zone>.yaml.",
    "It names the zone, the environments and the server that the contracts are for.",
    "Add authority/<zone>.yaml.",
    "a repository with endpoints/ only",
)
TREE_TWO_AUTHORITIES = Rule(
    "tree-two-authorities",
    "The contracts of every zone but one lie in a folder of their own, endpoints/<zone>/.",
    "A contract in endpoints/<environment>/ is of the one zone without such a folder; it must not be applied to two.",
    "Put the contracts of the further zone below endpoints/<zone>/, or at least a README.md; or delete its authority "
    "file.",
    "authority/hyops.internal.yaml and authority/lab.internal.yaml, without endpoints/lab.internal/",
)
MIXED_CHANGE = Rule(
    "mixed-change",
    "Once the log is started, a change touches authority/ or endpoints/, not both (checked with --changed-since); of "
    "several zones, each by itself, and allowed_signers is of all.",
    "A review of a contract must not pass a new server, a looser policy or another signing key along with it. Of "
    "another zone, neither governs the contract: that zone's owners review it, and its apply decides.",
    "Change the authority in a pull request of its own, then the contracts.",
    "one pull request that raises policy.max_deletes and deletes contracts",
)


ROOTS = ("endpoints", "authority")
MAX_FILE_BYTES = 64 * 1024
SIGNERS_PATH = "authority/allowed_signers"
START = Mark(1, 1)


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of a tree by kind, without dot files and README.md."""

    contracts: AbstractSet[str]  # sorted
    authorities: tuple[str, ...]
    signers: bool
    stray: tuple[str, ...]
    folder: str = ""  # `<zone>/`, where the zone has a folder of its own below endpoints/


@cache
def _contracts_in(folder: str) -> re.Pattern[bytes]:
    """The records of contracts, by what `lay_out` says of a path."""
    name = re.escape(folder.encode("utf-8", "surrogateescape"))
    return re.compile(rb"(?:[^\t]*+\tendpoints/%b[^/.\0][^/\0]*+/[^/.\0][^/\0]*+(?<=\.yaml)\0)*+" % name)


def lay_out(paths: Collection[str], folder: str | None = None) -> Layout:
    """Sort the paths of one zone's tree by kind.

    Args:
        paths: All of them.
        folder: `<zone>/`, or "" for a zone in endpoints/ itself; None: as the paths of the only zone say.
    """
    layout = _laid_out(paths, folder or "")
    if folder is None and len(layout.authorities) == 1:
        own = f"{layout.authorities[0].removeprefix('authority/').removesuffix('.yaml')}/"
        if any(path.startswith(f"endpoints/{own}") for path in layout.stray):
            return _laid_out(paths, own)
    return layout


def _laid_out(paths: Collection[str], folder: str) -> Layout:
    if isinstance(paths, PathList):
        listed, others = paths.parted(_contracts_in(folder))
        return replace(_laid_out([path for path, _ in others], folder), contracts=listed)
    begin = ["endpoints", *filter(None, [folder.rstrip("/")])]
    contracts: list[str] = []
    authorities: list[str] = []
    stray: list[str] = []
    for path in paths:
        match path.split("/"):
            case parts if any(part.startswith(".") for part in parts) or parts[-1] == "README.md":
                continue
            case [*start, _, file] if start == begin and file.endswith(".yaml"):
                contracts.append(path)
            case ["authority", "allowed_signers"]:
                continue
            case ["authority", file] if file.endswith(".yaml"):
                authorities.append(path)
            case _:
                stray.append(path)
    return Layout(dict.fromkeys(contracts).keys(), tuple(authorities), SIGNERS_PATH in paths, tuple(stray), folder)


@dataclass(frozen=True, slots=True)
class Division:
    """The zones of a tree, and whose each path is."""

    zones: tuple[str, ...]  # those with an authority file, sorted
    folders: frozenset[str]  # the zones whose contracts lie in a folder of their own

    @classmethod
    def of(cls, below: Callable[[str], Collection[str]]) -> "Division":
        """The division of a tree, by the paths below its folders."""
        zones = tuple(map(zone_of_authority, lay_out(below("authority")).authorities))
        several = len(zones) > 1
        parts = (path.split("/", 2) for path in below("endpoints")) if several else ()
        inner = {each[1] for each in parts if len(each) > 2}  # noqa: PLR2004 - endpoints, a folder, and what is in it
        return cls(zones, frozenset(zone for zone in zones if zone in inner))

    @property
    def several(self) -> bool:
        """Whether there is more than one zone."""
        return len(self.zones) > 1

    def has_folder(self, zone: str) -> bool:
        """Whether a zone has a folder, or is not there yet."""
        return zone in self.folders or zone not in self.zones

    def owns(self, zone: str, path: str) -> bool:
        """Whether a path belongs to a zone."""
        if path == SIGNERS_PATH or zone not in self.zones:
            return path == SIGNERS_PATH
        owner = self._owner(path)
        if owner is not None:
            return owner == zone
        if self.has_folder(zone):  # what belongs to none is shown to each, unless it needs no owner
            return len(self.folders) == len(self.zones) and not _is_free(path)
        return True

    def _owner(self, path: str) -> str | None:
        """The zone that has its own place for a path, if any."""
        if path.startswith("authority/") and path.endswith(".yaml"):
            zone = zone_of_authority(path)
            return zone if zone in self.folders else None
        parts = path.split("/", 2)
        inner = len(parts) > 2 and parts[0] == "endpoints"  # noqa: PLR2004 - endpoints, a folder, and what is in it
        return parts[1] if inner and parts[1] in self.folders else None


def authority_path(zone: str) -> str:
    """The path of a zone's authority file."""
    return f"authority/{zone}.yaml"


def zone_of_authority(path: str) -> str:
    """The zone that an authority file is named after."""
    return path.removeprefix("authority/").removesuffix(".yaml")


def _is_free(path: str) -> bool:
    parts = path.split("/")
    return parts[-1] == "README.md" or any(part.startswith(".") for part in parts)


def check_layout(layout: Layout) -> Iterator[Finding]:
    """Stray files, and a number of authority files other than one."""
    for path in layout.stray:
        root = path.split("/", 1)[0]
        contracts = f"{layout.folder}<environment>/<service>.yaml"
        allowed = contracts if root == "endpoints" else "<zone>.yaml and allowed_signers"
        message = f"only {allowed}, README.md and dot files may be under {root}/"
        yield finding(TREE_STRAY_FILE, path, START, message, _stray_hint(path, layout.folder))
    if not layout.authorities:
        hint = "add authority/<zone>.yaml"
        yield finding(TREE_NO_AUTHORITY, "authority", START, "there is no authority file", hint)
    for path in layout.authorities[1:]:
        folder = f"endpoints/{PurePosixPath(path).stem}/"
        message = f"neither this zone nor that of {layout.authorities[0]} has a folder of its own below endpoints/"
        hint = f"put its contracts, or a README.md, below {folder}: hyops-gitops init --add-zone does"
        yield finding(TREE_TWO_AUTHORITIES, path, START, message, hint)


def mixed(paths: Iterable[str]) -> tuple[str, str] | None:
    """An authority path and a contract path, where both are changed.

    A review of one must not have to pass the other along.
    """
    sides = tuple(min((path for path in paths if path.startswith(f"{root}/")), default="") for root in ROOTS)
    contract, authority = sides
    return (authority, contract) if contract and authority else None


def check_mixed(changed: Collection[str], since: str) -> Iterator[Finding]:
    """Report a change that touches authority and contracts together."""
    if (both := mixed(changed)) is not None:
        authority, contract = both
        message = f"{authority} is changed together with {contract} since {since}"
        hint = "change the authority in a pull request of its own, then the contracts; apply refuses a merge of both"
        yield finding(MIXED_CHANGE, authority, START, message, hint)


def _stray_hint(path: str, folder: str) -> str:
    parts = PurePosixPath(path)
    if parts.suffix.lower() in (".yml", ".yaml", ".json") and parts.suffix != ".yaml":
        return f"rename it to {parts.with_suffix('.yaml')}"
    if path.startswith("authority/"):
        if difflib.get_close_matches(parts.name, ["allowed_signers"]):
            return f"rename it to {SIGNERS_PATH}"
        return "move it out of authority/"
    inner = parts.parts[2 if folder and f"{parts.parts[1]}/" == folder else 1 :]  # below the zone's own folder
    if len(inner) == 1 and parts.suffix == ".yaml":
        return f"move it to endpoints/{folder}<environment>/{parts.name}"
    if inner and parts.suffix == ".yaml":
        return f"move it to endpoints/{folder}{inner[0]}/{parts.name}"
    return "move it out of endpoints/, or delete it"
