"""Old names that a contract keeps: endpoint_aliases."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from hyops_gitops.core.contracts.context import ZoneContext
from hyops_gitops.core.contracts.drafts import AliasDraft, ContractDraft
from hyops_gitops.core.findings import Finding
from hyops_gitops.core.names import canonical_name, endpoint_name_of_path
from hyops_gitops.core.rules.catalog import finding_at
from hyops_gitops.core.rules.names import naming_problem


def alias_names(drafts: Sequence[ContractDraft]) -> Mapping[str, str]:
    """Alias -> path of the first contract that keeps it."""
    found: dict[str, str] = {}
    for draft in drafts:
        for alias in draft.aliases:
            found.setdefault(canonical_name(alias.name), draft.path)
    return found


def check_aliases(drafts: Sequence[ContractDraft], context: ZoneContext, as_of: date | None) -> Iterator[Finding]:
    """What is wrong with the aliases of all contracts, and which of them are past their day.

    Args:
        drafts: All contracts.
        context: Zone, environments, and the paths of all contracts.
        as_of: Today, for whoever wants to be reminded; None: nobody is.
    """
    taken = _takers(drafts, context)
    for draft in drafts:
        for alias in draft.aliases:
            yield from _check_one(draft, alias, context, taken, as_of)
        own = canonical_name(draft.name) if draft.name is not None else ""
        keeper = next((path for path in taken.get(own, ()) if path != draft.path), None)
        if keeper is not None and _name_of(keeper, context) != own and _name_of(draft.path, context) == own:
            message = f"{own} is kept as an alias by {keeper}"
            hint = f"delete it from endpoint_aliases of {keeper}, in the same change"
            yield finding_at("alias-taken", draft.document, ("endpoint_dns_name",), message, hint)


def _takers(drafts: Sequence[ContractDraft], context: ZoneContext) -> Mapping[str, list[str]]:
    """Name -> the contracts that it belongs to, as their own name or as an alias, each as often as it says so."""
    found: dict[str, list[str]] = {}
    for path in sorted(context.contract_paths):
        if (name := _name_of(path, context)) is not None:
            found.setdefault(name, []).append(path)
    for draft in drafts:
        for alias in draft.aliases:
            found.setdefault(canonical_name(alias.name), []).append(draft.path)
    return found


def _check_one(
    draft: ContractDraft,
    alias: AliasDraft,
    context: ZoneContext,
    taken: Mapping[str, list[str]],
    as_of: date | None,
) -> Iterator[Finding]:
    name, at = canonical_name(alias.name), (*alias.at, "name")
    others = list(taken[name])
    others.remove(draft.path)
    if problem := naming_problem(alias.name, context):
        form = f"the form is <service>.<env>.{context.zone}" if context.zone else ""
        yield finding_at("alias-name", draft.document, at, problem, form)
    elif others:
        whose = "this contract's already" if draft.path in others else f"taken by {others[0]}"
        hint = "delete the alias, or the other one"
        yield finding_at("alias-taken", draft.document, at, f"{name} is {whose}", hint)
    try:
        until = date.fromisoformat(alias.until)
    except ValueError:
        message = f"{alias.until!r} is no day of the calendar"
        yield finding_at("alias-until", draft.document, (*alias.at, "until"), message, "write it as YYYY-MM-DD")
        return
    if as_of is not None and as_of > until:
        message = f"{name} was to be kept until {until.isoformat()}"
        hint = f"delete its line from endpoint_aliases of {draft.path}; DNS changes when that is applied, not before"
        yield finding_at("alias-expired", draft.document, at, message, hint)


def _name_of(path: str, context: ZoneContext) -> str | None:
    name = endpoint_name_of_path(path, context.zone) if context.zone else None
    return None if name is None else str(name)
