"""Cutover, its preparation, and failback: one endpoint, by name."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from hyops_gitops.core.contract import Contract, Target, TargetType
from hyops_gitops.core.document import Edit
from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.names import canonical_name
from hyops_gitops.core.text import suggestion
from hyops_gitops.core.zone import canonical_address, is_address
from hyops_gitops.log.log import Landing
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.move.moves import CommitText, Move, MoveResult, move_of
from hyops_gitops.move.write_moves import (
    CommitOptions,
    cache_warnings,
    edit_moves,
    named_contract,
    part_with,
    read_contracts,
    write_or_commit,
    zone_label,
)
from hyops_gitops.validate.validation import Validation


def cutover(
    name: str, site: str | None, targets: Sequence[str], options: CommitOptions, workspace: Workspace
) -> MoveResult:
    """Point an endpoint at a site, a target, or both.

    Raises:
        UsageError: no such name or site, or a bad target.
        FindingsError: a contract is, or would be, invalid.
        Refused: guard `dirty`.
    """
    workspace = part_with(name, workspace)
    (validation,) = read_contracts(workspace, options)
    move = cutover_move(named_contract(validation, name), site, targets)
    return _finish("cutover", move, validation, options, workspace)


def failback(name: str, options: CommitOptions, workspace: Workspace) -> MoveResult:
    """Point an endpoint at its home, else its recorded previous target.

    Raises:
        UsageError: no such name; code `no-previous-target`: neither home nor log tells where it was.
        FindingsError: a contract is, or would be, invalid.
        Refused: guard `dirty`; without home, the log is missing or does not verify.
    """
    workspace = part_with(name, workspace)
    (validation,) = read_contracts(workspace, options)

    def applied_to(whole_name: str) -> Iterable[Landing]:
        log = workspace.here().zone().log_if_started()
        return log.applied_to(whole_name) if log is not None else ()

    move = failback_move(named_contract(validation, name), applied_to)
    return _finish("failback", move, validation, options, workspace)


def prepare(name: str, ttl: int | None, options: CommitOptions, workspace: Workspace) -> MoveResult:
    """Lower an endpoint's TTL ahead of a cutover.

    Raises:
        UsageError: no such name.
        FindingsError: a contract is, or would be, invalid.
        Refused: guard `dirty`.
    """
    workspace = part_with(name, workspace)
    (validation,) = read_contracts(workspace, options)
    contract = named_contract(validation, name)
    policy = validation.authority.policy if validation.authority else None
    lowest = max(policy.ttl.minimum, min(policy.cutover_ttl_max, policy.ttl.maximum)) if policy else contract.ttl
    wanted = lowest if ttl is None else ttl
    if contract.ttl <= wanted:
        warning = f"{contract.name}: its TTL is {contract.ttl} s already, nothing to lower"
        return MoveResult("prepare", (), warnings=(warning,))
    edits = (Edit(("endpoint_ttl",), wanted),)
    move = replace(move_of(contract, contract.target), edits=edits, zone=zone_label(workspace))
    short = _short_name(move)
    wait = f"{contract.name}: cut over {contract.ttl} s after this is applied, when no cache holds the old TTL any more"
    text = CommitText(f"Lower the TTL of {short} from {contract.ttl} to {wanted} s")
    result = MoveResult("prepare", (move,), warnings=(wait,))
    return write_or_commit(
        result, edit_moves([move], validation, workspace), text, ("prepare", short), options, workspace
    )


def cutover_move(contract: Contract, site: str | None, targets: Sequence[str]) -> Move:
    """The move of an endpoint to a site, a target, or both.

    Raises:
        UsageError: neither site nor target, no such site, or a bad target.
    """
    if targets:
        if site is not None and not contract.sites:
            raise _no_site(contract, site)
        return move_of(contract, _given_target(contract, targets), site)
    if site is None:
        raise UsageError("expected a site or a target", code="usage", hint="give --to SITE or --target ADDR")
    if site not in contract.sites:
        raise _no_site(contract, site)
    return move_of(contract, contract.sites[site])


def failback_move(contract: Contract, applied_to: Callable[[str], Iterable[Landing]], command: str = "cutover") -> Move:
    """The move of an endpoint to its home, else its previous target.

    Args:
        contract: As it is now.
        applied_to: The applied intents that changed a name, oldest first; asked only where there is no home.
        command: The command that moves to a named site, for the hint.

    Raises:
        UsageError: code `no-previous-target`.
    """
    if contract.home is not None:
        return move_of(contract, contract.sites[contract.home])
    before = previous_target(contract, applied_to(str(contract.name)))
    if before is None:
        raise UsageError(
            f"cannot find the previous target of {contract.name}: no endpoint_home, and the log has no other target",
            code="no-previous-target",
            hint=f"give the site: hyops-gitops {command} {contract.name} --to SITE",
        )
    return move_of(contract, before)


def _no_site(contract: Contract, site: str) -> UsageError:
    hint = suggestion(site, contract.sites, "its sites") if contract.sites else "--target ADDR moves it anywhere"
    return UsageError(f"{contract.name} has no site {site!r}", code="no-site", hint=hint)


def _given_target(contract: Contract, texts: Collection[str]) -> Target:
    """A target of a command line: addresses, or one name.

    Raises:
        UsageError: code `bad-target`.
    """
    values = tuple(sorted({canonical_address(canonical_name(text.strip())) for text in texts}))
    kind = contract.target.type
    if all(map(is_address, values)):
        kind = TargetType.HOST if kind is TargetType.DNS else kind
    elif len(values) == 1:
        kind = TargetType.DNS
    else:
        raise UsageError(f"expected addresses or one name, got {', '.join(values)}", code="bad-target")
    same = (target for target in contract.sites.values() if target.values == values)
    return next(same, Target(kind, values, contract.target.port))


def previous_target(contract: Contract, past: Iterable[Landing]) -> Target | None:
    """The target before the last move to the current target."""
    name, found = str(contract.name), None
    for applied in past:
        changes = [change for change in applied.intent.changes if change.name == name]
        if any(change.cutover and change.before is not None for change in changes):
            before = contract.target_shown_by(change.before for change in changes if change.before)
            found = before if before.values != contract.target.values else found
    return found


def _finish(verb: str, move: Move, validation: Validation, options: CommitOptions, workspace: Workspace) -> MoveResult:
    if not move.edits:
        return MoveResult(verb, (), warnings=(f"{move.name} points there already",))
    move = replace(move, zone=zone_label(workspace))
    changes = edit_moves([move], validation, workspace)
    result = MoveResult(verb, (move,), warnings=cache_warnings([move], validation, workspace))
    short, back = _short_name(move), " back" if verb == "failback" else ""
    text = CommitText(f"Move {short}{back} to {move.to_site or ', '.join(move.after.values)}", move.addresses)
    where = move.to_site or "-".join(move.after.values)
    return write_or_commit(result, changes, text, (verb, short, "to", where), options, workspace)


def _short_name(move: Move) -> str:
    """The name without the zone, where there is only one."""
    return move.name if move.zone else f"{move.name.partition('.')[0]}.{move.environment}"
