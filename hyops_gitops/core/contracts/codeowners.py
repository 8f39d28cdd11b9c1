"""`.github/CODEOWNERS`: who has to approve a change of which file. The last line that fits a file counts."""

import re
from collections.abc import Iterable

from hyops_gitops.core.contracts.contract import Contract

PATH = ".github/CODEOWNERS"
PLACEHOLDER = "@CHANGE-ME"
# What decides who is written to, what is run and who may sign: never left to the owner of an endpoint.
PROTECTED = ("/authority/", "/.github/", "/schemas/", "/.pre-commit-config.yaml")
_HANDLE = re.compile(r"@[A-Za-z0-9-]+(?:/[A-Za-z0-9._-]+)?|[^@\s]+@[^@\s]+")
_SLUG = re.compile(r"[A-Za-z0-9._-]+")


def codeowners(contracts: Iterable[Contract], admins: str | None, organisation: str | None) -> str:
    """The file.

    Args:
        contracts: Those with an `endpoint_owner` get a line of their own.
        admins: Who approves everything else, and alone what is protected; handles separated by blanks.
        organisation: Whose teams the owners are: `data-platform` is `@organisation/data-platform`.
    """
    everybody = admins or PLACEHOLDER
    lines = [
        "# Who has to approve what. The last line that fits a file counts.",
        "# Made by `hyops-gitops init`; lines of endpoints come from their endpoint_owner.",
        f"* {everybody}",
        "",
    ]
    owned = [_line(contract, organisation) for contract in contracts if contract.owner is not None]
    lines += [*owned, ""] if owned else []
    lines += [f"{path} {everybody}" for path in PROTECTED]
    return "".join(f"{line}\n" for line in lines)


def _line(contract: Contract, organisation: str | None) -> str:
    owner = contract.owner or ""
    if _HANDLE.fullmatch(owner):
        return f"/{contract.path} {owner}"
    slug = owner.strip().replace(" ", "-")
    if organisation is not None and _SLUG.fullmatch(slug):
        return f"/{contract.path} @{organisation}/{slug}"
    return (
        f"# /{contract.path}: which team is {owner!r}? init --owner-org ORGANISATION, or an @handle as endpoint_owner"
    )
