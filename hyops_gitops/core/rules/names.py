"""The naming rule (cutover contract, section 4), and that path and name agree."""

from collections.abc import Iterator

from hyops_gitops.core.drafts import ContractDraft
from hyops_gitops.core.findings import Finding
from hyops_gitops.core.names import EndpointName, canonical_name, is_in_zone, name_problem
from hyops_gitops.core.rules.catalog import finding_at
from hyops_gitops.core.rules.context import ZoneContext, did_you_mean, suggestion

_AT = ("endpoint_dns_name",)
_LABELS = 2  # service and environment


def check_name(draft: ContractDraft, context: ZoneContext) -> Iterator[Finding]:
    """At most one finding about endpoint_dns_name."""
    name = draft.name
    if name is None:
        return
    if problem := name_problem(name):
        yield finding_at("name-syntax", draft.document, _AT, f"{name!r}: {problem}", _syntax_hint(name))
    elif context.zone is not None:
        yield from _check_in_zone(draft, name, context.zone, context)


def _check_in_zone(draft: ContractDraft, name: str, zone: str, context: ZoneContext) -> Iterator[Finding]:
    form = f"the form is <service>.<env>.{zone}"
    if not is_in_zone(name, zone):
        yield finding_at(
            "name-outside-zone",
            draft.document,
            _AT,
            f"{name} is outside the zone {zone}",
            _outside_hint(name, zone, form),
        )
        return
    labels = name.removesuffix(zone).rstrip(".").split(".") if name != zone else []
    if len(labels) != _LABELS:
        message = f"{name} has {len(labels)} label(s) before the zone {zone}, expected 2: service and environment"
        yield finding_at("name-labels", draft.document, _AT, message, form)
        return
    parsed = EndpointName(labels[0], labels[1], zone)
    if context.environments is None:
        return
    if parsed.environment not in context.environments:
        message = f"{parsed.environment!r} in {name} is no environment"
        hint = suggestion(parsed.environment, context.environments, "environments")
        yield finding_at("name-environment", draft.document, _AT, message, hint)
    elif parsed.contract_path != draft.path:
        yield _misplaced(draft, parsed, context)


def _misplaced(draft: ContractDraft, name: EndpointName, context: ZoneContext) -> Finding:
    if name.contract_path in context.contract_paths:
        message = f"{name} is defined by {name.contract_path} already"
        hint = "a copied file needs an endpoint_dns_name of its own"
        return finding_at("name-duplicate", draft.document, _AT, message, hint)
    message = f"the contract of {name} must be {name.contract_path}, not {draft.path}"
    return finding_at("name-path", draft.document, _AT, message, "move the file, or correct endpoint_dns_name")


def _syntax_hint(name: str) -> str:
    repaired = canonical_name(name).replace("_", "-")
    return f"write {repaired}" if name_problem(repaired) is None else ""


def _outside_hint(name: str, zone: str, form: str) -> str:
    tail = ".".join(name.split(".")[-(zone.count(".") + 1) :])
    guess = did_you_mean(tail, [zone])
    return f"did you mean {name.removesuffix(tail)}{guess}? {form}" if guess else form
