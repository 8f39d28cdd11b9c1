"""The paths that a tree may have: a misplaced contract deletes nothing."""

import difflib
import re
from collections.abc import Collection, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import replace
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
    "Under endpoints/ there are only <environment>/<service>.yaml, README.md and dot files; under authority/ only "
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
    "The repository has one authority file.",
    "One repository serves one zone; several zones are not implemented, and a contract must not be applied to two.",
    "Delete one of the files, or make a repository for the other zone.",
    "authority/hyops.internal.yaml and authority/lab.internal.yaml",
)
MIXED_CHANGE = Rule(
    "mixed-change",
    "Once the log is started, a change touches authority/ or endpoints/, not both (checked with --changed-since).",
    "A review of a contract must not pass a new server, a looser policy or another signing key along with it.",
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


# Of a listing the records of contracts, by what `lay_out` says of a path.
_CONTRACTS = re.compile(rb"(?:[^\t]*+\tendpoints/[^/.\0][^/\0]*+/[^/.\0][^/\0]*+(?<=\.yaml)\0)*+")


def lay_out(paths: Collection[str]) -> Layout:
    """Sort the paths of a tree by what they are."""
    if isinstance(paths, PathList):
        listed, others = paths.parted(_CONTRACTS)
        return replace(lay_out([path for path, _ in others]), contracts=listed)
    contracts: list[str] = []
    authorities: list[str] = []
    stray: list[str] = []
    for path in paths:
        match path.split("/"):
            case parts if any(part.startswith(".") for part in parts) or parts[-1] == "README.md":
                continue
            case ["endpoints", _, file] if file.endswith(".yaml"):
                contracts.append(path)
            case ["authority", "allowed_signers"]:
                continue
            case ["authority", file] if file.endswith(".yaml"):
                authorities.append(path)
            case _:
                stray.append(path)
    return Layout(dict.fromkeys(contracts).keys(), tuple(authorities), SIGNERS_PATH in paths, tuple(stray))


def check_layout(layout: Layout) -> Iterator[Finding]:
    """Stray files, and a number of authority files other than one."""
    for path in layout.stray:
        root = path.split("/", 1)[0]
        allowed = "<environment>/<service>.yaml" if root == "endpoints" else "<zone>.yaml and allowed_signers"
        message = f"only {allowed}, README.md and dot files may be under {root}/"
        yield finding(TREE_STRAY_FILE, path, START, message, _stray_hint(path))
    if not layout.authorities:
        hint = "add authority/<zone>.yaml"
        yield finding(TREE_NO_AUTHORITY, "authority", START, "there is no authority file", hint)
    for path in layout.authorities[1:]:
        message = f"a second authority file beside {layout.authorities[0]}; several zones are not implemented"
        yield finding(TREE_TWO_AUTHORITIES, path, START, message, "keep one zone per repository")


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


def _stray_hint(path: str) -> str:
    parts = PurePosixPath(path)
    if parts.suffix.lower() in (".yml", ".yaml", ".json") and parts.suffix != ".yaml":
        return f"rename it to {parts.with_suffix('.yaml')}"
    if path.startswith("authority/"):
        if difflib.get_close_matches(parts.name, ["allowed_signers"]):
            return f"rename it to {SIGNERS_PATH}"
        return "move it out of authority/"
    if len(parts.parts) == 2 and parts.suffix == ".yaml":  # noqa: PLR2004 - endpoints/<file>
        return f"move it to endpoints/<environment>/{parts.name}"
    if len(parts.parts) > 3 and parts.suffix == ".yaml":  # noqa: PLR2004 - deeper than endpoints/<environment>/<file>
        return f"move it to endpoints/{parts.parts[1]}/{parts.name}"
    return "move it out of endpoints/, or delete it"
