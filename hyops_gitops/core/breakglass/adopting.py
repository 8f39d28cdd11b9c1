"""Contracts that follow a break-glass segment: the moves that make them ask for what is there already. Pure."""

from collections.abc import Iterable, Sequence

from hyops_gitops.core.contracts.contract import Contract, Target
from hyops_gitops.core.moves.moves import Move, move_of
from hyops_gitops.core.plan.plan import Change, moved


def adopting_moves(changes: Sequence[Change], contracts: Iterable[Contract]) -> tuple[Move, ...]:
    """The moves of contracts that still ask for what was there before these changes.

    A contract that asks for something else by now was changed by somebody since, and stays as it is.
    """
    found = []
    for contract in contracts:
        now, before = _ends(contract, changes)
        if now is not None and before is not None and contract.target.values == before.values != now.values:
            found.append(move_of(contract, now))
    return tuple(found)


def _ends(contract: Contract, changes: Sequence[Change]) -> tuple[Target | None, Target | None]:
    """The target that these changes left a contract's name with, and the one that it had before."""
    own = [change for change in moved(changes).values() if change.name == str(contract.name)]
    after = [one.after for one in own if one.after is not None]
    before = [one.before for one in own if one.before is not None]
    return (
        contract.target_shown_by(after) if after else None,
        contract.target_shown_by(before) if before else None,
    )
