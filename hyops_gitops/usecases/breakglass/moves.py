"""What a break-glass command is to move, and the contracts as they would be then, in memory alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hyops_gitops.core.contracts.contract import Contract, Target
from hyops_gitops.core.errors import OutsideFailure, UsageError
from hyops_gitops.core.evidence.log import Log
from hyops_gitops.core.moves.moves import Move, Skipped, given_target, move_of, previous_target, site_target
from hyops_gitops.usecases.breakglass.opening import BreakglassPorts, BreakglassRequest
from hyops_gitops.usecases.moves.failover import FailoverRequest, choose_moves
from hyops_gitops.usecases.moves.moving import named_contract
from hyops_gitops.usecases.validation.contract_files import FilePorts, check_changes, edit_file
from hyops_gitops.usecases.validation.validate import Validation


@dataclass(frozen=True, slots=True)
class Cutover:
    """One endpoint to a site, or to a target."""

    name: str
    site: str | None
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failback:
    """One endpoint back to its home, or to where the log says it was."""

    name: str


Wanted = Cutover | Failback | FailoverRequest | None  # None: the contracts as they lie here


@dataclass(frozen=True, slots=True)
class Chosen:
    """What moves, and the tree as the moves leave it."""

    validation: Validation
    moves: tuple[Move, ...]
    skipped: tuple[Skipped, ...] = ()

    @property
    def paths(self) -> frozenset[str]:
        """The contracts that move."""
        return frozenset(move.path for move in self.moves)


def choose(
    wanted: Wanted, validation: Validation, log: Log, request: BreakglassRequest, ports: BreakglassPorts
) -> Chosen:
    """The moves of one command.

    Raises:
        UsageError: a name, site or target that there is not.
        FindingsError: a contract is, or would be, invalid.
    """
    moves: Sequence[Move] = ()
    skipped: Sequence[Skipped] = ()
    match wanted:
        case None:
            return Chosen(validation, ())
        case Cutover(name, site, targets):
            contract = named_contract(validation, name)
            if not targets and site is None:
                raise UsageError("where to? give --to SITE or --target ADDR", code="usage")
            target = given_target(contract, targets) if targets else site_target(contract, site or "")
            moves = [move_of(contract, target, site if targets else None)]
        case Failback(name):
            contract = named_contract(validation, name)
            moves = [move_of(contract, _before(contract, log))]
        case FailoverRequest():
            moves, skipped, _ = choose_moves(wanted, validation)
    return Chosen(edited(moves, validation, request, ports), tuple(moves), tuple(skipped))


def _before(contract: Contract, log: Log) -> Target:
    """Where a failback leads: home, else to where the log says that the endpoint was."""
    past = log.applied_to(str(contract.name))
    found = contract.sites[contract.home] if contract.home else previous_target(contract, past)
    if found is None:
        raise UsageError(
            f"where {contract.name} was before is not known: no endpoint_home, and the log knows no other target",
            code="no-previous-target",
            hint=f"hyops-gitops breakglass cutover {contract.name} --to SITE",
        )
    return found


def edited(
    moves: Sequence[Move], validation: Validation, request: BreakglassRequest, ports: BreakglassPorts
) -> Validation:
    """The tree with these moves. A move without an edit is one too: the log may know the name elsewhere."""

    def never(files: Mapping[str, bytes]) -> None:
        raise OutsideFailure(f"{', '.join(files)}: nothing is written", code="cannot-write")

    files = FilePorts(
        ports.apply.read, ports.apply.check, ports.work_tree, ports.writer, never, request.apply.authority_override
    )
    changes = [edit_file(move.path, validation.files[move.path], move.edits, files) for move in moves if move.edits]
    return check_changes(changes, files) if changes else validation
