"""Caps on how much one apply may change, counted by endpoint: an A -> CNAME swap is one replace, not two changes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hyops_gitops.core.contracts.contract import Contract, Target
from hyops_gitops.core.plan.limits import PERCENT_APPLIES_FROM, Limits
from hyops_gitops.core.plan.plan import Action, Change, Refusal, written_by_name
from hyops_gitops.core.plan.state import ManagedSet


@dataclass(frozen=True, slots=True)
class Tally:
    """How many endpoints change, by kind."""

    replaced: int
    deleted: int
    moved: int  # between two of the contract's own sites: a failover, not a rewrite


def cap_refusals(
    changes: Sequence[Change], contracts: Mapping[str, Contract], recorded: ManagedSet, limits: Limits
) -> Iterator[Refusal]:
    """A refusal for each cap that the changes exceed."""
    tally = count(changes, contracts)
    managed = len(recorded.entries)
    counted = tally.replaced + tally.deleted
    for guard, number, limit, what in (
        ("max-replaces", tally.replaced, limits.max_replaces, "endpoints would be replaced"),
        ("max-deletes", tally.deleted, limits.max_deletes, "endpoints would be deleted"),
        ("max-cutovers", tally.moved, limits.max_cutovers, "endpoints would move between their sites"),
    ):
        if number > limit:
            message = f"{number} {what}, policy.{guard.replace('-', '_')} allows {limit}"
            yield Refusal.overridable(guard, None, message)
    if managed >= PERCENT_APPLIES_FROM and counted * 100 > limits.max_change_percent * managed:
        share = counted * 100 // managed
        message = f"{counted} of {managed} managed RRsets ({share} %) would change, "
        message += f"policy.max_change_percent allows {limits.max_change_percent} %"
        yield Refusal.overridable("max-change-percent", None, message)


def count(changes: Iterable[Change], contracts: Mapping[str, Contract]) -> Tally:
    """Replaced, deleted and moved endpoints; created and adopted ones are not limited."""
    replaced = deleted = moved = 0
    for of_name in written_by_name(changes).values():
        if all(change.action is Action.DELETE for change in of_name) and _is_gone(of_name[0], contracts):
            deleted += 1
        elif _moves_between_sites(of_name, contracts.get(of_name[0].contract)):
            moved += 1
        elif any(change.before is not None for change in of_name):
            replaced += 1
    return Tally(replaced, deleted, moved)


def _is_gone(change: Change, contracts: Mapping[str, Contract]) -> bool:
    """Whether no contract asks for the name any more: neither as its own nor as an alias."""
    contract = contracts.get(change.contract)
    return contract is None or change.name not in {rrset.name for rrset in contract.rrsets()}


def _moves_between_sites(changes: Iterable[Change], contract: Contract | None) -> bool:
    before = frozenset(value for change in changes if change.before for value in change.before.rdata)
    after = frozenset(value for change in changes if change.after for value in change.after.rdata)
    if contract is None or not before or before == after:
        return False
    sites = [site_rdata(target) for target in contract.sites.values()]
    return any(before <= site for site in sites) and any(after <= site for site in sites)


def site_rdata(target: Target) -> frozenset[str]:
    """The canonical rdata of a site's target, whatever its RRset types."""
    return frozenset(value for rrset in target.rrsets("site", 0) for value in rrset.rdata)
