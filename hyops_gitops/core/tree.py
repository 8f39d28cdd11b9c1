"""Which files may be there. A misplaced contract must never mean a deleted record."""

import difflib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from hyops_gitops.core.document import Mark
from hyops_gitops.core.findings import Finding
from hyops_gitops.core.rules import finding

ROOTS = ("endpoints", "authority")
MAX_FILE_BYTES = 64 * 1024
SIGNERS_PATH = "authority/allowed_signers"
START = Mark(1, 1)


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of a tree, sorted by what they are. Dot files and README.md are in none of these."""

    contracts: tuple[str, ...]
    authorities: tuple[str, ...]
    signers: bool
    stray: tuple[str, ...]


def lay_out(paths: Sequence[str]) -> Layout:
    """Sort the paths of a tree by what they are."""
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
    return Layout(tuple(contracts), tuple(authorities), SIGNERS_PATH in paths, tuple(stray))


def check_layout(layout: Layout) -> Iterator[Finding]:
    """Stray files, and a number of authority files other than one."""
    for path in layout.stray:
        root = path.split("/", 1)[0]
        allowed = "<environment>/<service>.yaml" if root == "endpoints" else "<zone>.yaml and allowed_signers"
        message = f"only {allowed}, README.md and dot files may be under {root}/"
        yield finding("tree-stray-file", path, START, message, _stray_hint(path))
    if not layout.authorities:
        hint = "add authority/<zone>.yaml"
        yield finding("tree-no-authority", "authority", START, "there is no authority file", hint)
    for path in layout.authorities[1:]:
        message = f"a second authority file beside {layout.authorities[0]}; several zones are not implemented"
        yield finding("tree-two-authorities", path, START, message, "keep one zone per repository")


def mixed(paths: Iterable[str]) -> tuple[str, str] | None:
    """An authority path and a contract path, where both are among these: nobody could review one without the other."""
    sides = tuple(min((path for path in paths if path.startswith(f"{root}/")), default="") for root in ROOTS)
    contract, authority = sides
    return (authority, contract) if contract and authority else None


def check_mixed(changed: Collection[str], since: str) -> Iterator[Finding]:
    """Whether a change touches authority and contracts together, which apply refuses once it is merged."""
    if (both := mixed(changed)) is not None:
        authority, contract = both
        message = f"{authority} is changed together with {contract} since {since}"
        hint = "change the authority in a pull request of its own, then the contracts; apply refuses a merge of both"
        yield finding("mixed-change", authority, START, message, hint)


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
