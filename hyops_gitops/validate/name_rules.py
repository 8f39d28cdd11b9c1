"""Rules about names and aliases (cutover contract, section 4)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date

from hyops_gitops.core.context import ZoneContext
from hyops_gitops.core.document import finding_at
from hyops_gitops.core.findings import Finding, Rule, Severity
from hyops_gitops.core.names import (
    MAX_NAME_OCTETS,
    EndpointName,
    canonical_name,
    endpoint_name_of_path,
    is_below,
    is_in_zone,
    name_problem,
)
from hyops_gitops.core.text import did_you_mean, suggestion
from hyops_gitops.validate.building import AliasDraft, ContractDraft

NAME_SYNTAX = Rule(
    "name-syntax",
    "endpoint_dns_name is a lower-case RFC 1123 host name without final dot, underscore or xn-- label.",
    "One name has one spelling, so that review, diff and evidence can be compared by eye and by program.",
    "Write letters, digits and hyphens in lower case, without final dot.",
    "endpoint_dns_name: Postgres.prod.hyops.internal.",
)
NAME_OUTSIDE_ZONE = Rule(
    "name-outside-zone",
    "endpoint_dns_name lies in the zone of the authority file, and in no zone of the repository that is below it.",
    "Only this zone is ours to write; public DNS is not, and what a child zone answers for, its parent cannot.",
    "Use a name under the zone; a name that two zones of the repository end in belongs to the longer one.",
    "endpoint_dns_name: postgres.prod.example.com",
)
NAME_LABELS = Rule(
    "name-labels",
    "endpoint_dns_name has exactly one label for the service and one for the environment before the zone.",
    "The naming rule of the cutover contract (section 4) is <service>.<env>.<zone> or <service>.shared.<zone>; a "
    "further zone that is called after an environment, prod.hyops.internal, has that label in its own name.",
    "Join the parts of the service name with hyphens; add the environment if it is missing.",
    "endpoint_dns_name: db.postgres.prod.hyops.internal",
)
NAME_ENVIRONMENT = Rule(
    "name-environment",
    "The environment label is one of the authority file's environments, or shared.",
    "A mistyped environment makes a name that no client asks for.",
    "Use one of the environments that the hint lists.",
    "endpoint_dns_name: postgres.prd.hyops.internal",
)
NAME_PATH = Rule(
    "name-path",
    "A contract for <service>.<env>.<zone> stands in endpoints/<env>/<service>.yaml, of a further zone in "
    "endpoints/<zone>/<env>/<service>.yaml.",
    "Who reviews a path must be able to rely on which name it changes, and one name must have one file.",
    "Move the file, or correct endpoint_dns_name.",
    "endpoints/dev/postgres.yaml with endpoint_dns_name: postgres.prod.hyops.internal",
)
NAME_DUPLICATE = Rule(
    "name-duplicate",
    "No two contracts define the same name.",
    "Two contracts would overwrite each other for ever.",
    "Correct endpoint_dns_name in the copy.",
    "endpoints/prod/redis.yaml copied to cache.yaml with its endpoint_dns_name unchanged",
)
ALIAS_NAME = Rule(
    "alias-name",
    "An alias is a name that a contract of this zone could have.",
    "An alias is what is left of a contract's name after a rename; it follows the same naming rule.",
    "Write <service>.<env>.<zone>, in lower case, with one of the authority file's environments.",
    'endpoint_aliases: [{name: db.prod.example.com, until: "2027-01-31"}]',
)
ALIAS_TAKEN = Rule(
    "alias-taken",
    "An alias is neither the name of a contract nor an alias of another one.",
    "One name has one meaning: a CNAME cannot stand beside other records.",
    "Delete the alias, or the contract whose name it is.",
    "an alias db.prod.hyops.internal while endpoints/prod/db.yaml exists",
)
ALIAS_UNTIL = Rule(
    "alias-until",
    "The last day of an alias is a day of the calendar.",
    "An old name is easily forgotten.",
    'Write the date as "YYYY-MM-DD", in quotes.',
    'until: "2027-02-30"',
)
ALIAS_EXPIRED = Rule(
    "alias-expired",
    "An alias is not kept for longer than it was meant to be.",
    "A date never changes DNS by itself: every change has a commit, an approver, and an entry in the "
    "log. So the name stays until its line is deleted, and this reminds of it.",
    "Delete the line, in a pull request of its own; or, if clients still use the name, give it a later date.",
    'until: "2026-01-31", in February',
    Severity.WARNING,
)


_AT = ("endpoint_dns_name",)


def check_name(draft: ContractDraft, context: ZoneContext) -> Iterator[Finding]:
    """Check endpoint_dns_name and its environment."""
    name = draft.name
    if name is None:
        return
    if problem := name_problem(name):
        meant = _repaired(name, context)
        hint = f"write {meant}" if meant else _by_path(draft, context)
        yield finding_at(NAME_SYNTAX, draft.document, _AT, f"{name!r}: {problem}", hint)
        if (parsed := _parsed(_in_letters(name), context)) is not None:
            yield from _check_environment(draft, parsed, context)
    elif context.zone is not None:
        yield from _check_in_zone(draft, name, context.zone, context)


def naming_problem(name: str, context: ZoneContext) -> str | None:
    """The reason why no contract of this zone could have this name."""
    if problem := name_problem(name):
        return f"{name!r}: {problem}"
    if context.zone is None:
        return None
    if (owner := context.zone_of(name)) not in (context.zone, None):
        return f"{name} is in the zone {owner}, not in {context.zone}"
    parsed = _parsed(name, context)
    if parsed is None:
        return f"{name} is not of the form <service>.<env>.{context.zone}"
    if context.environments is not None and parsed.environment not in context.environments:
        return f"{name}: expected an environment, got {parsed.environment!r}"
    return None


def _check_in_zone(draft: ContractDraft, name: str, zone: str, context: ZoneContext) -> Iterator[Finding]:
    if (owner := context.zone_of(name)) not in (zone, None):
        message = f"{name} is in the zone {owner}, not in {zone}"
        hint = f"write its contract below endpoints/ where those of {owner} are, or give it a name outside {owner}"
        yield finding_at(NAME_OUTSIDE_ZONE, draft.document, _AT, message, hint)
        return
    if not is_in_zone(name, zone):
        message = f"{name} is outside the zone {zone}"
        yield finding_at(NAME_OUTSIDE_ZONE, draft.document, _AT, message, _outside_hint(draft, name, zone, context))
        return
    parsed = _parsed(name, context)
    if parsed is None:
        labels = name.count(".") - zone.count(".")
        message = f"{name} has {labels} label(s) before the zone {zone}, expected 2: service and environment"
        yield finding_at(NAME_LABELS, draft.document, _AT, message, _by_path(draft, context))
        return
    if context.environments is None:
        return
    if parsed.environment not in context.environments:
        yield from _check_environment(draft, parsed, context)
    elif parsed.contract_path != draft.path:
        yield _misplaced(draft, parsed, context)


def _check_environment(draft: ContractDraft, name: EndpointName, context: ZoneContext) -> Iterator[Finding]:
    if context.environments is not None and name.environment not in context.environments:
        message = f"{name}: expected an environment, got {name.environment!r}"
        hint = suggestion(name.environment, context.environments, "environments")
        yield finding_at(NAME_ENVIRONMENT, draft.document, _AT, message, hint)


def _misplaced(draft: ContractDraft, name: EndpointName, context: ZoneContext) -> Finding:
    if name.contract_path in context.contract_paths:
        message = f"{name} is defined by {name.contract_path} already"
        hint = "give a copied file an endpoint_dns_name of its own"
        return finding_at(NAME_DUPLICATE, draft.document, _AT, message, hint)
    message = f"the contract of {name} must be {name.contract_path}, not {draft.path}"
    return finding_at(NAME_PATH, draft.document, _AT, message, "move the file, or correct endpoint_dns_name")


def _repaired(name: str, context: ZoneContext) -> str | None:
    """The name that a misspelt one probably stands for."""
    spelt = _in_letters(name)
    parsed = _parsed(spelt, context)
    if parsed is not None and context.environments and parsed.environment not in context.environments:
        guess = did_you_mean(parsed.environment, context.environments)
        spelt = str(replace(parsed, environment=guess)) if guess else spelt
    return None if name_problem(spelt) else spelt


def _in_letters(name: str) -> str:
    return canonical_name(name).replace("_", "-")


def _parsed(name: str, context: ZoneContext) -> EndpointName | None:
    if context.zone is None or name_problem(name) or not is_below(name, context.zone):
        return None
    found = EndpointName.parse(name, context.zone, context.folder)
    is_short = found is not None and name == f"{found.service}.{context.zone}"
    return None if is_short and found and found.environment not in (context.environments or ()) else found


def _outside_hint(draft: ContractDraft, name: str, zone: str, context: ZoneContext) -> str:
    tail = ".".join(name.split(".")[-(zone.count(".") + 1) :])
    guess = did_you_mean(tail, [zone])
    return f"did you mean {name.removesuffix(tail)}{guess}? {_form(zone)}" if guess else _by_path(draft, context)


def _by_path(draft: ContractDraft, context: ZoneContext) -> str:
    """The name that a contract at this path has, or its form."""
    if context.zone is None:
        return _form("<zone>")
    named = endpoint_name_of_path(draft.path, context.zone)
    if named is None or name_problem(str(named)) or named.environment not in (context.environments or ()):
        return _form(context.zone)
    return f"write {named}, as its path says; its form is <service>.<env>.{context.zone}"


def _form(zone: str) -> str:
    return f"write it as <service>.<env>.{zone}"


def alias_names(drafts: Sequence[ContractDraft]) -> Mapping[str, str]:
    """Alias -> path of the first contract that keeps it."""
    return {alias: paths[0] for alias, paths in _keepers(drafts).items()}


def check_aliases(drafts: Sequence[ContractDraft], context: ZoneContext, as_of: date | None) -> Iterator[Finding]:
    """Check the aliases of contracts, and report those past their day.

    Args:
        drafts: The contracts, and all that keep an alias which is a name or alias of theirs.
        context: Zone, environments, and the paths of all contracts.
        as_of: Today; None: aliases past their day are not reported.
    """
    keepers = _keepers(drafts)
    if not keepers:
        return
    for draft in drafts:
        for alias in draft.aliases:
            name = canonical_name(alias.name)
            taken = [*paths_of_name(name, context), *keepers[name]]
            yield from _check_alias(draft, alias, context, taken, as_of)
        own = canonical_name(draft.name) if draft.name is not None else ""
        paths = paths_of_name(own, context) if own in keepers else ()
        keeper = next((path for path in (*paths, *keepers.get(own, ())) if path != draft.path), None)
        if keeper is not None and keeper not in paths and draft.path in paths:
            message = f"{own} is kept as an alias by {keeper}"
            hint = f"delete it from endpoint_aliases of {keeper}, in the same change"
            yield finding_at(ALIAS_TAKEN, draft.document, ("endpoint_dns_name",), message, hint)


def _keepers(drafts: Iterable[ContractDraft]) -> Mapping[str, Sequence[str]]:
    """Alias -> the contracts that keep it, with repetitions."""
    found: dict[str, list[str]] = {}
    for draft in drafts:
        for alias in draft.aliases:
            found.setdefault(canonical_name(alias.name), []).append(draft.path)
    return found


def paths_of_name(name: str, context: ZoneContext) -> tuple[str, ...]:
    """The contracts whose path says this name, sorted.

    One at most, unless labels have dots.
    """
    if context.zone is None:
        return ()
    return tuple(path for path in possible_paths(name, context.zone, context.folder) if path in context.contract_paths)


def possible_paths(name: str, zone: str, folder: str) -> Sequence[str]:
    """The paths that would say this name, sorted."""
    if not is_below(name, zone) or len(name) > MAX_NAME_OCTETS:
        return ()
    labels = name.removesuffix(f".{zone}").split(".")
    parts = [(".".join(labels[:cut]), ".".join(labels[cut:])) for cut in range(1, len(labels))]
    parts += [(labels[0], zone.partition(".")[0])] if len(labels) == 1 else []
    named = (EndpointName(*part, zone, folder) for part in parts)
    return sorted(endpoint.contract_path for endpoint in named if str(endpoint) == name)


def _check_alias(
    draft: ContractDraft,
    alias: AliasDraft,
    context: ZoneContext,
    taken: Sequence[str],
    as_of: date | None,
) -> Iterator[Finding]:
    name, at = canonical_name(alias.name), (*alias.at, "name")
    others = list(taken)
    others.remove(draft.path)
    if problem := naming_problem(alias.name, context):
        form = _form(context.zone) if context.zone else ""
        yield finding_at(ALIAS_NAME, draft.document, at, problem, form)
    elif others:
        whose = "this contract's already" if draft.path in others else f"taken by {others[0]}"
        hint = "delete the alias, or the other one"
        yield finding_at(ALIAS_TAKEN, draft.document, at, f"{name} is {whose}", hint)
    try:
        until = date.fromisoformat(alias.until)
    except ValueError:
        message = f"expected a day of the calendar, got {alias.until!r}"
        yield finding_at(ALIAS_UNTIL, draft.document, (*alias.at, "until"), message, "write it as YYYY-MM-DD")
        return
    if as_of is not None and as_of > until:
        message = f"{name} was to be kept until {until.isoformat()}"
        hint = f"delete its line from endpoint_aliases of {draft.path}; DNS changes when that is applied, not before"
        yield finding_at(ALIAS_EXPIRED, draft.document, at, message, hint)
