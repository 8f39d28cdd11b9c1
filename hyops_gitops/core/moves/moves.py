"""Which endpoints move where: one by name, or all of a site. Values and their selection; nothing is written here."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from hyops_gitops.core.contracts.context import suggestion
from hyops_gitops.core.contracts.contract import Contract, Target, TargetType
from hyops_gitops.core.contracts.edit import Edit, moved, moved_with_site
from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.evidence.log import Applied
from hyops_gitops.core.names import canonical_name
from hyops_gitops.core.zone import canonical_address, is_address


@dataclass(frozen=True, slots=True)
class Move:
    """One endpoint, as it is and as it is to be."""

    name: str
    path: str
    environment: str
    before: Target
    after: Target
    from_site: str | None
    to_site: str | None
    ttl: int  # that clients have of the old target
    edits: tuple[Edit, ...]

    def to_json(self) -> dict[str, object]:
        """The shape used in `hyops-move/1`."""
        return {
            "name": self.name,
            "path": self.path,
            "environment": self.environment,
            "before": {**_target_json(self.before), "site": self.from_site},
            "after": {**_target_json(self.after), "site": self.to_site},
            "ttl": self.ttl,
        }


@dataclass(frozen=True, slots=True)
class Skipped:
    """One endpoint that a failover of its site leaves alone, and why."""

    name: str
    reason: str

    def to_json(self) -> dict[str, object]:
        """The shape used in `hyops-move/1`."""
        return {"name": self.name, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class SiteChoice:
    """What a failover is asked to move."""

    origin: str
    to: str
    environment: str | None = None
    include: frozenset[str] = frozenset()  # whole names
    hold: Mapping[str, str] | None = None  # whole names, and why


def move_of(contract: Contract, target: Target, site: str | None = None) -> Move:
    """The move of one endpoint to a target, as one of its sites where that is said."""
    edits = moved(contract, target) if site is None else moved_with_site(contract, site, target)
    arrives = site or next((name for name, one in contract.sites.items() if one == target), None)
    return Move(
        str(contract.name),
        contract.path,
        contract.name.environment,
        contract.target,
        target,
        contract.active_site,
        arrives,
        contract.ttl,
        edits,
    )


def site_target(contract: Contract, site: str) -> Target:
    """The target of one site.

    Raises:
        UsageError: code `no-site`.
    """
    if site not in contract.sites:
        hint = suggestion(site, contract.sites, "its sites") if contract.sites else "--target ADDR moves it anywhere"
        raise UsageError(f"{contract.name} has no site {site!r}", code="no-site", hint=hint)
    return contract.sites[site]


def given_target(contract: Contract, texts: Collection[str]) -> Target:
    """A target as it is given on a command line: addresses, or one name.

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
        raise UsageError(f"{', '.join(values)}: expected addresses or one name", code="bad-target")
    same = (one for one in contract.sites.values() if one.values == values)
    return next(same, Target(kind, values, contract.target.port))


def previous_target(contract: Contract, past: Iterable[Applied]) -> Target | None:
    """Where an endpoint was before it last moved to where it is now, as the log tells it (oldest entry first)."""
    name, found = str(contract.name), None
    for applied in past:
        changes = [change for change in applied.intent.changes if change.name == name]
        if any(change.cutover and change.before is not None for change in changes):
            before = contract.target_shown_by(change.before for change in changes if change.before)
            found = before if before.values != contract.target.values else found
    return found


def select(contracts: Iterable[Contract], choice: SiteChoice) -> tuple[tuple[Move, ...], tuple[Skipped, ...]]:
    """The endpoints of a site that move to another, and those that stay, each with the reason.

    Raises:
        UsageError: code `cannot-include`: one that is named to be taken along cannot be.
    """
    moves: list[Move] = []
    skipped: list[Skipped] = []
    for contract in contracts:
        if choice.environment not in (None, contract.name.environment):
            continue
        name = str(contract.name)
        reason = _stays(contract, choice)
        if reason is None:
            moves.append(move_of(contract, contract.sites[choice.to]))
        elif name in choice.include:
            raise UsageError(f"{name} cannot be taken along: it {reason}", code="cannot-include")
        else:
            skipped.append(Skipped(name, reason))
    return tuple(moves), tuple(skipped)


def _stays(contract: Contract, choice: SiteChoice) -> str | None:
    """Why an endpoint stays, or None when it moves."""
    name = str(contract.name)
    if choice.hold and name in choice.hold:
        return f"is held: {choice.hold[name]}"
    if not contract.sites:
        return "has no endpoint_sites"
    if contract.active_site != choice.origin:
        return f"is active at {contract.active_site}"
    if choice.to not in contract.sites:
        return f"has no site {choice.to}"
    if not contract.cutover_required and name not in choice.include:
        publisher = f", says {contract.source}" if contract.source else ""
        return f"need not move (endpoint_cutover_required: false{publisher}); --include {name} takes it along"
    return None


def _target_json(target: Target) -> dict[str, object]:
    return {"target": list(target.values), "type": target.type.value, "port": target.port}
