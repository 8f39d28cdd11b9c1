"""Failover: every endpoint of a site that has to move, in one commit."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from hyops_gitops.core.contracts.context import suggestion
from hyops_gitops.core.declaration import DeclaredHold
from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.moves.commit_text import CommitText
from hyops_gitops.core.moves.moves import Move, SiteChoice, Skipped, select
from hyops_gitops.core.moves.moving import Moving
from hyops_gitops.core.names import SHARED
from hyops_gitops.usecases.moves.moving import (
    MovePorts,
    Order,
    cache_warnings,
    carry_out,
    edit_moves,
    named_contract,
    read_contracts,
)
from hyops_gitops.usecases.validation.contract_files import FileChange
from hyops_gitops.usecases.validation.validate import Validation


@dataclass(frozen=True, slots=True)
class FailoverRequest:
    """One call of failover; names may be short."""

    origin: str
    to: str
    environment: str | None = None
    include: tuple[str, ...] = ()
    hold: Mapping[str, str] = field(default_factory=dict)  # name and reason
    site_lost: bool = False  # the servers of the origin cannot answer


@dataclass(frozen=True, slots=True)
class Selected:
    """What would move, edited in memory and checked."""

    validation: Validation
    moves: tuple[Move, ...]
    skipped: tuple[Skipped, ...]
    changes: tuple[FileChange, ...]
    holds: tuple[DeclaredHold, ...]


def select_moves(request: FailoverRequest, order: Order, ports: MovePorts) -> Selected:
    """Which endpoints move, and which stay for what reason. Writes nothing.

    Raises:
        UsageError: a site, an environment or a name that there is not.
        FindingsError: a contract would be invalid.
        Refused: guard `dirty`.
    """
    validation = read_contracts(ports, order)
    moves, skipped, holds = choose_moves(request, validation)
    return Selected(validation, moves, skipped, edit_moves(moves, validation, ports), holds)


def choose_moves(
    request: FailoverRequest, validation: Validation
) -> tuple[tuple[Move, ...], tuple[Skipped, ...], tuple[DeclaredHold, ...]]:
    """The moves, what stays and why, and what is held by request.

    Raises:
        UsageError: a site, an environment or a name that there is not.
    """
    _check_places(request, validation)
    include = frozenset(str(named_contract(validation, name).name) for name in request.include)
    hold = {str(named_contract(validation, name).name): reason for name, reason in request.hold.items()}
    choice = SiteChoice(request.origin, request.to, request.environment, include, hold)
    moves, skipped = select(validation.contracts, choice)
    broken = _broken(validation, request.environment)
    holds = tuple(DeclaredHold(name, reason) for name, reason in hold.items())
    return moves, (*skipped, *broken), holds


def failover(request: FailoverRequest, order: Order, ports: MovePorts) -> Moving:
    """Move a site's endpoints to another site.

    Raises:
        UsageError, FindingsError, Refused: as `select_moves`.
        OutsideFailure: git, the remote or the forge's program failed.
    """
    found = select_moves(request, order, ports)
    moving = Moving("failover", found.moves, found.skipped, cache_warnings(found.moves, found.validation, ports))
    lost = (request.origin,) if request.site_lost else ()
    declared = replace(
        order.declared,
        sites_lost=tuple(dict.fromkeys((*lost, *order.declared.sites_lost))),
        holds=found.holds,
    )
    number = len(found.moves)
    where = f" in {request.environment}" if request.environment else ""
    subject = f"Fail over from {request.origin} to {request.to}{where}: {number} endpoint{'s' if number != 1 else ''}"
    words = ("failover", request.origin, "to", request.to, request.environment or "")
    text = CommitText(subject, "\n".join(_lines(found)))
    return carry_out(moving, found.changes, text, words, replace(order, declared=declared), ports)


def _check_places(request: FailoverRequest, validation: Validation) -> None:
    """Sites and environments that nobody knows are slips, never an empty failover."""
    authority = validation.authority
    if authority is None:
        return
    sites = {site for contract in validation.contracts for site in contract.sites}
    for site in (request.origin, request.to):
        if site not in sites:
            raise UsageError(f"no endpoint has a site {site!r}", code="no-site", hint=suggestion(site, sites, "sites"))
    if request.origin == request.to:
        raise UsageError(f"{request.origin} is both where from and where to", code="usage")
    environments = {*authority.environments, SHARED}
    if request.environment is not None and request.environment not in environments:
        hint = suggestion(request.environment, environments, "environments")
        raise UsageError(f"{request.environment!r} is no environment", code="no-environment", hint=hint)


def _broken(validation: Validation, environment: str | None) -> Iterable[Skipped]:
    """Contracts that cannot be read as such: nobody knows whether they had to move."""
    for path in sorted(validation.invalid_paths):
        if path.startswith(f"endpoints/{environment}/" if environment else "endpoints/"):
            yield Skipped(path, "has findings: `hyops-gitops validate` shows them")


def _lines(found: Selected) -> Iterable[str]:
    """The commit's body: what moves, and how many stay."""
    for move in found.moves:
        yield f"{move.name}: {', '.join(move.before.values)} -> {', '.join(move.after.values)}"
    if found.skipped:
        yield f"{len(found.skipped)} stay: {', '.join(one.name for one in found.skipped)}"
