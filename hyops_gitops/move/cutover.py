"""Cutover, its preparation, and failback: one endpoint, by name."""

from collections.abc import Sequence
from dataclasses import replace

from hyops_gitops.core.contract import Contract, Target
from hyops_gitops.core.document import Edit
from hyops_gitops.core.errors import UsageError
from hyops_gitops.move.moves import CommitText, Move, MoveResult, given_target, move_of, previous_target, site_target
from hyops_gitops.move.moving import (
    CommitOptions,
    MovePorts,
    cache_warnings,
    edit_moves,
    named_contract,
    read_contracts,
    read_log,
    write_or_commit,
)
from hyops_gitops.validate.validation import Validation


def cutover(name: str, site: str | None, targets: Sequence[str], order: CommitOptions, ports: MovePorts) -> MoveResult:
    """Point an endpoint at one of its sites, or at a target; both: the site has this target from now on.

    Raises:
        UsageError: no such name or site, or what is given is no target.
        FindingsError: a contract is, or would be, invalid.
        Refused: guard `dirty`.
    """
    validation = read_contracts(ports, order)
    contract = named_contract(validation, name)
    if not targets and site is None:
        raise UsageError("where to? give --to SITE or --target ADDR", code="usage")
    target = given_target(contract, targets) if targets else site_target(contract, site or "")
    if site is not None and not contract.sites:
        site_target(contract, site)
    return _moved("cutover", contract, target, site if targets else None, validation, order, ports)


def failback(name: str, order: CommitOptions, ports: MovePorts) -> MoveResult:
    """Point an endpoint back: at its home, else at where the log says it was before. A move of its own, no revert.

    Raises:
        UsageError: no such name; code `no-previous-target`: neither home nor log tells where it was.
        FindingsError: a contract is, or would be, invalid.
        Refused: guard `dirty`; without home, the log is missing or does not verify.
    """
    validation = read_contracts(ports, order)
    contract = named_contract(validation, name)
    if contract.home is not None:
        return _moved("failback", contract, contract.sites[contract.home], None, validation, order, ports)
    log = read_log(validation, validation.authority, ports) if validation.authority is not None else None
    before = previous_target(contract, log.applied_to(str(contract.name))) if log is not None else None
    if before is None:
        raise UsageError(
            f"where {contract.name} was before is not known: no endpoint_home, and the log knows no other target",
            code="no-previous-target",
            hint=f"hyops-gitops cutover {contract.name} --to SITE",
        )
    return _moved("failback", contract, before, None, validation, order, ports)


def prepare(name: str, ttl: int | None, order: CommitOptions, ports: MovePorts) -> MoveResult:
    """Lower an endpoint's TTL ahead of a cutover, by default to the longest that the policy wants then.

    Raises:
        UsageError: no such name.
        FindingsError: a contract is, or would be, invalid.
        Refused: guard `dirty`.
    """
    validation = read_contracts(ports, order)
    contract = named_contract(validation, name)
    policy = validation.authority.policy if validation.authority else None
    lowest = max(policy.ttl.minimum, min(policy.cutover_ttl_max, policy.ttl.maximum)) if policy else contract.ttl
    wanted = lowest if ttl is None else ttl
    short = _short(contract)
    if contract.ttl <= wanted:
        warning = f"{contract.name}: its TTL is {contract.ttl} s already, nothing to lower"
        return MoveResult("prepare", (), warnings=(warning,))
    move = replace(move_of(contract, contract.target), edits=(Edit(("endpoint_ttl",), wanted),))
    wait = f"{contract.name}: cut over {contract.ttl} s after this is applied, when no cache holds the old TTL any more"
    text = CommitText(f"Lower the TTL of {short} from {contract.ttl} to {wanted} s")
    moving = MoveResult("prepare", (move,), warnings=(wait,))
    return write_or_commit(moving, edit_moves([move], validation, ports), text, ("prepare", short), order, ports)


def _moved(
    verb: str,
    contract: Contract,
    target: Target,
    site: str | None,
    validation: Validation,
    order: CommitOptions,
    ports: MovePorts,
) -> MoveResult:
    move = move_of(contract, target, site)
    if not move.edits:
        return MoveResult(verb, (), warnings=(f"{contract.name} points there already",))
    changes = edit_moves([move], validation, ports)
    moving = MoveResult(verb, (move,), warnings=cache_warnings([move], validation, ports))
    text = CommitText(f"{_subject(verb, move, _short(contract))}", _way(move))
    where = move.to_site or "-".join(target.values)
    return write_or_commit(moving, changes, text, (verb, _short(contract), "to", where), order, ports)


def _subject(verb: str, move: Move, short: str) -> str:
    back = " back" if verb == "failback" else ""
    return f"Move {short}{back} to {move.to_site or ', '.join(move.after.values)}"


def _way(move: Move) -> str:
    return f"{move.name}: {', '.join(move.before.values)} -> {', '.join(move.after.values)}"


def _short(contract: Contract) -> str:
    return f"{contract.name.service}.{contract.name.environment}"
