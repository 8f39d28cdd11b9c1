"""Names held away from their contracts by an automatic roll-back or break-glass.

A hold is in effect until the contract's data changes: another comment, order or spelling of the same data does not lift
it, so that an unrelated change of the tree moves nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from hyops_gitops.core.canonical import canonical_json, sha256_hex
from hyops_gitops.core.contract import Contract
from hyops_gitops.core.guards import Override, override_line
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.zone import served
from hyops_gitops.log.admin_entries import ImportedSegment, Reconcile
from hyops_gitops.log.entries import Intent
from hyops_gitops.log.envelope import Entry
from hyops_gitops.log.log import Landing, Log
from hyops_gitops.log.parts import Hold
from hyops_gitops.plan.assertions import LastMove, Moves, sides_of
from hyops_gitops.plan.limits import Limits
from hyops_gitops.plan.plan import names_moved

GUARD = "held"
_ATTESTED = "endpoint_attested"


def contract_digest(contract: Contract) -> str:
    """SHA-256 of a contract's data, attestations aside."""
    data = contract.document.data
    fields = data if isinstance(data, dict) else {}
    return sha256_hex(canonical_json({key: value for key, value in fields.items() if key != _ATTESTED}))


def hold_of(contract: Contract) -> Hold:
    """A hold of a contract's name as it stands now."""
    return Hold(str(contract.name), contract_digest(contract))


def holds_due(intents: Sequence[Intent], contracts: Iterable[Contract], after: ManagedSet) -> tuple[Hold, ...]:
    """Holds of the names that a segment leaves elsewhere than their contracts.

    Args:
        intents: What the segment applied, in its order.
        contracts: As they are when it is brought in.
        after: What is managed then.
    """
    back: set[str] = set()  # what the segment itself has moved back, and held
    for intent in intents:
        back -= {change.name for change in intent.changes}
        back |= {hold.name for hold in intent.holds}
    held = back.union(names_moved(change for intent in intents for change in intent.changes))
    return tuple(
        hold_of(contract) for contract in contracts if str(contract.name) in held and not _is_served(contract, after)
    )


def _is_served(contract: Contract, managed: ManagedSet) -> bool:
    """Whether a contract's own name is what it asks for."""
    name = str(contract.name)
    asked = {rrset.key: served(rrset) for rrset in contract.target.rrsets(name, contract.ttl)}
    return asked == {rrset.key: served(rrset) for rrset in managed.rrsets_of(name)}


def holds_in_effect(
    managed: ManagedSet, holder: Callable[[int], Entry | None], contracts: Iterable[Contract]
) -> dict[str, int]:
    """Paths of contracts with held names, and the entry that holds them.

    Args:
        managed: The managed set, with its marks.
        holder: The entry that a mark names.
        contracts: The contracts as they are now.
    """
    found: dict[str, int] = {}
    held = managed.held()
    for contract in contracts if held else ():
        number = held.get(str(contract.name))
        entry = holder(number) if number is not None else None
        if number is not None and entry is not None and hold_of(contract) in _holds(entry.body):
            found[contract.path] = number
    return found


def _holds(body: object) -> tuple[Hold, ...]:
    match body:
        case Intent(holds=holds) | Reconcile(imported=ImportedSegment(holds=holds)):
            return holds
        case _:
            return ()


def held_contracts(
    log: Log | None, contracts: Sequence[Contract], limits: Limits, overrides: Sequence[Override]
) -> Mapping[str, str]:
    """Paths of contracts that a plan skips for a hold, and reasons."""
    if log is None:
        return {}
    names = {contract.path: str(contract.name) for contract in contracts}
    return {
        path: f"by {_said(log, number)}, until its contract changes; to lift it: {override_line(GUARD, names[path])}"
        for path, number in holds_in_effect(log.state, log.holder, contracts).items()
        if not limits.lifted(GUARD, names[path], overrides)
    }


def _said(log: Log, number: int) -> str:
    """The entry of this number, in words."""
    if log.segment is None or log.base is None or number <= log.base.head.seq:
        return f"entry {number}"
    return f"entry {number - log.base.head.seq} of segment {log.segment.id}"


def moves_of(log: Log | None, now: datetime) -> Moves | None:
    """Earlier moves by the log, looked up for names that move."""
    return None if log is None else Moves(now, lambda name: _last_move(log, name))


def _last_move(log: Log, name: str) -> LastMove | None:
    moved: Landing | None = None
    for applied in log.applied_to(name):
        if any(change.cutover and change.name == name for change in applied.intent.changes):
            moved = applied
    if moved is None:
        return None
    changes = [change for change in moved.intent.changes if change.name == name and change.cutover]
    return LastMove(moved.result.accepted or moved.result_entry.envelope.time, sides_of(changes, "before"))
