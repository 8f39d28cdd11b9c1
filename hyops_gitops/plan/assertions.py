"""Assertions of the policy about the zone after a whole change.

How many endpoints of an environment move, that none moves to and fro, that some move together: after the safety rules
of AWS ARC.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from hyops_gitops.core.authority import Assertions
from hyops_gitops.core.contract import Contract
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.fields import time_text
from hyops_gitops.core.zone import Zone
from hyops_gitops.plan.limits import FindContract, site_rdata
from hyops_gitops.plan.plan import Change, GuardRefusal, written_by_name

Sides = frozenset[tuple[str, tuple[str, ...]]]  # type and rdata; no rdata is absence


@dataclass(frozen=True, slots=True)
class LastMove:
    """The time of an endpoint's last move, and its place before."""

    at: datetime
    before: Sides


@dataclass(frozen=True, slots=True)
class Moves:
    """Earlier moves known at this moment."""

    now: datetime
    last: Callable[[str], LastMove | None]  # of a name


def assertion_refusals(
    assertions: Assertions,
    changes: Sequence[Change],
    contract_of: FindContract,
    after: Zone,
    moves: Moves | None,
) -> Iterator[GuardRefusal]:
    """A refusal for each assertion that would not hold.

    Args:
        assertions: What is asserted.
        changes: What would be done.
        contract_of: The contract that has a name, or keeps it as an alias.
        after: The zone as it would be.
        moves: Earlier moves; None where nothing is known of them.
    """
    moving = written_by_name(change for change in changes if change.cutover)
    found = ((name, contract_of(name)) for name in moving)
    yield from _too_many(assertions, [contract for name, contract in found if contract and str(contract.name) == name])
    if moves is not None and assertions.anti_flap_minutes:
        yield from _flapping(assertions.anti_flap_minutes, moving, moves)
    for group in assertions.move_together:
        yield from _left_behind(group, moving, contract_of, after)


def _too_many(assertions: Assertions, moving: Sequence[Contract]) -> Iterator[GuardRefusal]:
    for environment, most in sorted(assertions.environment_cutovers.items()):
        number = sum(contract.name.environment == environment for contract in moving)
        if number > most:
            message = f"{number} endpoints of {environment} would move, "
            message += f"policy.assertions.max_environment_cutovers allows {most}"
            yield GuardRefusal.overridable("max-environment-cutovers", None, message)


def _flapping(minutes: int, moving: Mapping[str, Sequence[Change]], moves: Moves) -> Iterator[GuardRefusal]:
    for name, changes in sorted(moving.items()):
        last = moves.last(name)
        long_ago = last is not None and moves.now - last.at >= timedelta(minutes=minutes)
        if last is None or long_ago or sides_of(changes, "after") == last.before:
            continue
        message = f"{name} moved at {time_text(last.at)}, less than {minutes} minutes ago"
        yield GuardRefusal.overridable("anti-flap", name, message)


def _left_behind(
    group: Sequence[str], moving: Mapping[str, object], contract_of: FindContract, after: Zone
) -> Iterator[GuardRefusal]:
    movers = [name for name in group if name in moving]
    if not movers:
        return
    first = movers[0]
    found = {name: contract_of(name) for name in group}  # an old name that is kept as an alias counts too
    sites = {name: _site(contract, after) for name, contract in found.items() if contract is not None}
    there = sites.get(first)
    for name in group:
        if name not in sites:
            why = "has no contract"
        elif sites[name] is None or there is None:
            why = "" if name in moving else "would stay where it is"
        else:
            why = "" if sites[name] == there else f"would be at {sites[name]}"
        if why:
            where = f" to {there}" if there else ""
            message = f"{name} {why} while {first}, which it belongs together with, moves{where}"
            yield GuardRefusal.overridable("move-together", name, message)


def _site(contract: Contract, zone: Zone) -> str | None:
    """The site at which an endpoint would be."""
    here = zone.rrsets.at(str(contract.name))
    rdata = frozenset(value for rrset in here.values() for value in rrset.rdata)
    return next((name for name, target in contract.sites.items() if site_rdata(target) == rdata), None)


def sides_of(changes: Iterable[Change], side: str) -> Sides:
    """The RRsets of a name, `before` or `after` the changes."""
    rrsets = ((change.type, change.before if side == "before" else change.after) for change in changes)
    return frozenset((rrtype, rrset.rdata if rrset else ()) for rrtype, rrset in rrsets)
