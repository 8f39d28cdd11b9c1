"""Contracts for the records of a zone, and reasons against.

The form decides here: type, name, TTL. Validator and planner decide whether a contract is valid, and whether an apply
would adopt its records unchanged.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.codec import JsonObject
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.fields import ALWAYS
from hyops_gitops.core.findings import Finding, Severity
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.names import EndpointName, label_problem
from hyops_gitops.core.zone import RRset, Zone
from hyops_gitops.init.repository import scalar
from hyops_gitops.plan.limits import Limits
from hyops_gitops.plan.plan import Plan
from hyops_gitops.plan.planning import Inputs, make_plan
from hyops_gitops.validate.validation import Validation

CONTRACT_TYPES = frozenset({"A", "AAAA", "CNAME"})


@dataclass(frozen=True, slots=True, order=True)
class UnmappedRRset(JsonObject):
    """An RRset without a contract, and the reason."""

    name: str
    type: str
    rdata: tuple[str, ...]
    reason: str
    hint: Annotated[str, ALWAYS] = ""


@dataclass(frozen=True, slots=True)
class ContractDefaults:
    """Fields of contracts that a zone does not have."""

    port: int
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class ZoneMapping:
    """The RRsets of a zone with and without a contract."""

    contracts: Mapping[str, tuple[RRset, ...]]  # by path
    unmapped: tuple[UnmappedRRset, ...]

    def without(self, reasons: Mapping[str, tuple[str, str]]) -> "ZoneMapping":
        """The same without these contracts; path -> reason and hint."""
        dropped = [UnmappedRRset(*_shown(rrset), *reasons[path]) for path in reasons for rrset in self.contracts[path]]
        kept = {path: rrsets for path, rrsets in self.contracts.items() if path not in reasons}
        return ZoneMapping(kept, tuple(sorted((*self.unmapped, *dropped))))


def map_zone(zone: Zone, folder: str = "") -> ZoneMapping:
    """Map names of two labels with usable records to contracts.

    Args:
        zone: The records.
        folder: As of `EndpointName`.
    """
    contracts: dict[str, tuple[RRset, ...]] = {}
    unmapped: list[UnmappedRRset] = []
    for name, by_type in zone.by_name().items():
        wanted = tuple(rrset for rrtype, rrset in by_type.items() if rrtype in CONTRACT_TYPES)
        others = (rrset for rrtype, rrset in by_type.items() if rrtype not in CONTRACT_TYPES)
        unmapped += [UnmappedRRset(*_shown(rrset), "a contract defines A, AAAA and CNAME only") for rrset in others]
        endpoint = EndpointName.parse(name, zone.apex, folder)
        reason = _reason(name, zone.apex, endpoint, wanted)
        if reason is not None:
            unmapped += [UnmappedRRset(*_shown(rrset), *reason) for rrset in wanted]
        elif wanted and endpoint is not None:
            contracts[endpoint.contract_path] = wanted
    return ZoneMapping(contracts, tuple(sorted(unmapped)))


def contract_text(path: str, rrsets: tuple[RRset, ...], style: ContractDefaults) -> str:
    """The contract of one name that an apply would adopt unchanged."""
    first = rrsets[0]
    kind = "dns" if first.type == "CNAME" else "host"
    schema = f"# yaml-language-server: $schema={'../' * path.count('/')}schemas/endpoint.schema.json"
    return "".join(f"{line}\n" for line in (schema, *_contract_lines(rrsets, first, kind, style)))


def _contract_lines(rrsets: tuple[RRset, ...], first: RRset, kind: str, style: ContractDefaults) -> Iterator[str]:
    yield "# Made by `hyops-gitops init --from-zone` from what the zone held."
    yield f"endpoint_dns_name: {scalar(first.name)}"
    values = [value.removesuffix(".") if kind == "dns" else value for rrset in rrsets for value in rrset.rdata]
    shown = ", ".join(map(scalar, values))
    yield f"endpoint_target: {shown if len(values) == 1 else f'[{shown}]'}"
    yield f"endpoint_target_type: {kind}"
    yield f"endpoint_port: {style.port} # TODO: a zone does not say where the service listens; correct this"
    yield "endpoint_cutover_required: true"
    yield f"endpoint_ttl: {first.ttl}"
    if style.owner is not None:
        yield f"endpoint_owner: {scalar(style.owner)}"
    yield "# TODO: with the right port, take this out, so that a cutover asks the new target whether it is ready."
    yield "endpoint_readiness:"
    yield '  - {type: none, reason: "taken over from the zone by init: its port is not known yet"}'


def _reason(name: str, apex: str, endpoint: EndpointName | None, wanted: tuple[RRset, ...]) -> tuple[str, str] | None:
    """The reason that these records cannot become a contract, and a hint."""
    if not wanted:
        return None
    labels = name.removesuffix(apex).rstrip(".").split(".") if name != apex else []
    if endpoint is None:
        return f"{len(labels)} label(s) before the zone, expected 2: <service>.<env>.{apex}", ""
    problem = next((problem for label in labels if (problem := label_problem(label))), None)
    if problem is not None:
        return problem, ""
    if len({rrset.ttl for rrset in wanted}) > 1:
        ttls = ", ".join(f"{rrset.type} {rrset.ttl} s" for rrset in wanted)
        return f"its records differ in TTL: {ttls}", "give them the same TTL, then add a contract"
    if any(rrset.disabled for rrset in wanted):
        return "some of its records are disabled", "delete them, then add a contract"
    return None


def _shown(rrset: RRset) -> tuple[str, str, tuple[str, ...]]:
    return rrset.name, rrset.type, rrset.rdata or rrset.disabled


_Reasons = Mapping[str, tuple[str, str]]  # path -> reason, hint


Judge = Callable[[Mapping[str, bytes]], Validation]  # validates the repository with these files added


@dataclass(frozen=True, slots=True)
class ZoneContracts:
    """Contracts of a zone's records, and the RRsets without one."""

    contracts: Mapping[str, bytes]
    unmapped: tuple[UnmappedRRset, ...]


def map_contracts(
    authority: Authority, rrsets: tuple[RRset, ...], style: ContractDefaults, judge: Judge, folder: str = ""
) -> ZoneContracts:
    """Make the contracts; existing ones in the repository stay."""
    zone = Zone.of(authority.zone, rrsets)
    own = {path for path in judge({}).files if path.startswith("endpoints/")}
    mapped = map_zone(zone, folder)
    mapped = ZoneMapping({path: some for path, some in mapped.contracts.items() if path not in own}, mapped.unmapped)
    while True:
        texts = {path: contract_text(path, some, style).encode() for path, some in mapped.contracts.items()}
        validation = judge(texts)
        reasons = _invalid(validation.findings, mapped) or _not_adopted(authority, validation, zone, mapped)
        if not reasons:  # leaving one out can remove the target of another, hence the loop
            return ZoneContracts(texts, mapped.unmapped)
        mapped = mapped.without(reasons)


def _invalid(findings: tuple[Finding, ...], mapped: ZoneMapping) -> _Reasons:
    reasons: dict[str, tuple[str, str]] = {}
    for finding in findings:
        if finding.severity is Severity.ERROR and finding.path in mapped.contracts:
            reasons.setdefault(finding.path, (f"{finding.rule}: {finding.message}", finding.hint))
    return reasons


def _not_adopted(authority: Authority, validation: Validation, zone: Zone, mapped: ZoneMapping) -> _Reasons:
    """The contracts whose records a first apply would not adopt unchanged."""
    if not mapped.contracts:
        return {}
    nothing = ManagedSet.of(authority.zone, ())
    plan = make_plan(Inputs(nothing, validation.contracts, {}, zone, Limits.of(authority.policy)))
    paths = {str(contract.name): contract.path for contract in validation.contracts}
    return {path: why for name, why in _reasons_of(plan) if (path := paths[name]) in mapped.contracts}


def _reasons_of(plan: Plan) -> list[tuple[str, tuple[str, str]]]:
    refused = [(refusal.name, (refusal.message, "")) for refusal in plan.refusals if refusal.name is not None]
    written = [(change.name, ("an apply would write it", "")) for change in plan.changes if change.writes]
    return [*written, *refused]  # a refusal's reason replaces the first
