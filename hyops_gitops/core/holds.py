"""Names that are held: an automatic roll-back (or break-glass) moved them away from what their contracts ask for.

A hold is in effect until the contract's data changes: another comment, order or spelling of the same data does not lift
it, so that an unrelated change of the tree moves nothing.
"""

from collections.abc import Iterable, Mapping, Sequence

from hyops_gitops.core.canonical import canonical_json, sha256_hex
from hyops_gitops.core.contract import Contract
from hyops_gitops.core.custody_entries import Adopted, Reconcile
from hyops_gitops.core.entries import Intent
from hyops_gitops.core.entry_parts import Hold
from hyops_gitops.core.guards import Override, override_line
from hyops_gitops.core.limits import Limits
from hyops_gitops.core.log import Log

GUARD = "held"
_ATTESTED = "endpoint_attested"


def contract_digest(contract: Contract) -> str:
    """SHA-256 of the canonical JSON of a contract's data; a publisher's word that is given anew is no change of it."""
    data = contract.document.data
    fields = data if isinstance(data, dict) else {}
    return sha256_hex(canonical_json({key: value for key, value in fields.items() if key != _ATTESTED}))


def hold_of(contract: Contract) -> Hold:
    """A hold of a contract's name as it stands now."""
    return Hold(str(contract.name), contract_digest(contract))


def holds_in_effect(log: Log, contracts: Iterable[Contract]) -> dict[str, int]:
    """The paths of contracts whose names are held, with the intent that has them held."""
    found = {}
    for contract in contracts:
        seq = log.state.held_by(str(contract.name))
        body = log.entries[seq - 1].body if seq is not None and seq <= len(log.entries) else None
        if seq is not None and hold_of(contract) in _holds(body):
            found[contract.path] = seq
    return found


def _holds(body: object) -> tuple[Hold, ...]:
    match body:
        case Intent(holds=holds) | Reconcile(adopted=Adopted(holds=holds)):
            return holds
        case _:
            return ()


def held_contracts(
    log: Log | None, contracts: Sequence[Contract], limits: Limits, overrides: Sequence[Override]
) -> Mapping[str, str]:
    """The paths of contracts that a plan leaves as they were applied last because of a hold, and why."""
    if log is None:
        return {}
    names = {contract.path: str(contract.name) for contract in contracts}
    return {
        path: f"by entry {seq}, until its contract changes; to lift it: {override_line(GUARD, names[path])}"
        for path, seq in holds_in_effect(log, contracts).items()
        if not limits.lifted(GUARD, names[path], overrides)
    }
