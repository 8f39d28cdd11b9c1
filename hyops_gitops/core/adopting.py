"""Contracts that follow a break-glass segment: the moves that make them ask for what is there already. Pure."""

from collections.abc import Iterable, Sequence

from hyops_gitops.core.contract import Contract, Target, TargetType
from hyops_gitops.core.moves import Move, move_of
from hyops_gitops.core.names import canonical_name
from hyops_gitops.core.plan import Change
from hyops_gitops.core.reconciling import moved
from hyops_gitops.core.zone import RRset


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


def names_moved(changes: Sequence[Change]) -> tuple[str, ...]:
    """The names that are not where they were before these changes."""
    return tuple(sorted({name for name, _ in moved(changes)}))


def _ends(contract: Contract, changes: Sequence[Change]) -> tuple[Target | None, Target | None]:
    """The target that these changes left a contract's name with, and the one that it had before."""
    own = [change for change in moved(changes).values() if change.name == str(contract.name)]
    return (
        _target(contract, [one.after for one in own if one.after is not None]),
        _target(contract, [one.before for one in own if one.before is not None]),
    )


def _target(contract: Contract, rrsets: Sequence[RRset]) -> Target | None:
    """The target that these records are: one of the contract's sites, or else what they say."""
    if not rrsets:
        return None
    values = tuple(sorted(canonical_name(value) for rrset in rrsets for value in rrset.rdata))
    kind = TargetType.DNS if any(rrset.type == "CNAME" for rrset in rrsets) else TargetType.HOST
    known = (site for site in contract.sites.values() if site.values == values)
    return next(known, Target(kind, values, contract.target.port))
