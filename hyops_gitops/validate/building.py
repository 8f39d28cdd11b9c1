"""Drafts of contracts for the rules, and values made of valid ones.

A draft's field is None (or left out) when it is absent or already has a finding, so that a rule never repeats it.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date
from ipaddress import ip_network
from typing import cast

from hyops_gitops.core.authority import (
    DEFAULT_LEASE_S,
    DEFAULT_MAX_BODY_MIB,
    DEFAULT_OVERRIDABLE,
    POLICY_DEFAULTS,
    ApiEndpoint,
    Assertions,
    Authority,
    BreakGlass,
    Convergence,
    EvidenceSettings,
    Policy,
    Primary,
    Resolver,
    Role,
    Secondary,
    ServerAddress,
    default_convergence_s,
)
from hyops_gitops.core.context import DEFAULT_TTL, ttl_bounds
from hyops_gitops.core.contract import Alias, Attestation, Contract, Readiness, Target, TargetType
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.document import Document, Fields, KeyPath
from hyops_gitops.core.fields import parse_time
from hyops_gitops.core.names import canonical_name, endpoint_name_of_path
from hyops_gitops.core.zone import canonical_address
from hyops_gitops.validate.authority_rules import parse_server_address
from hyops_gitops.validate.freeze_rules import freezes_of


@dataclass(frozen=True, slots=True)
class TargetDraft:
    """One target as written."""

    at: KeyPath  # where its value stands in the document
    values: tuple[tuple[KeyPath, str], ...]  # each address or name with its own place
    listed: bool
    type: TargetType | None
    port: int | None

    def canonical_values(self) -> tuple[str, ...]:
        """The values in the spelling in which they can be compared, sorted."""
        spell = canonical_name if self.type is TargetType.DNS else canonical_address
        return tuple(sorted({spell(value) for _, value in self.values}))


@dataclass(frozen=True, slots=True)
class AliasDraft:
    """One entry of endpoint_aliases as written."""

    at: KeyPath
    name: str
    until: str


@dataclass(frozen=True, slots=True)
class ContractDraft:
    """One contract file whose YAML could be read."""

    path: str
    document: Document
    name: str | None
    target: TargetDraft | None
    sites: Mapping[str, TargetDraft]
    home: str | None
    ttl: int | None  # seconds
    protocol: str
    readiness: tuple[tuple[KeyPath, Readiness], ...]
    attested: tuple[Attestation, ...] = ()
    cutover_required: bool = False
    aliases: tuple[AliasDraft, ...] = ()

    def targets(self) -> tuple[TargetDraft, ...]:
        """The main target, if it is sound, and those of the sites."""
        main = () if self.target is None else (self.target,)
        return (*main, *self.sites.values())


def draft_contract(document: Document) -> ContractDraft:
    """The draft of a document, as far as its form is sound."""
    fields = Fields(document)
    kind = _target_type(fields.text("endpoint_target_type"))
    port = fields.number("endpoint_port")
    return ContractDraft(
        path=document.path,
        document=document,
        name=fields.text("endpoint_dns_name"),
        target=_target(fields, ("endpoint_target",), kind, port),
        sites=_sites(fields, kind, port),
        home=fields.text("endpoint_home"),
        ttl=fields.number("endpoint_ttl"),
        protocol=fields.text("endpoint_protocol") or "tcp",
        readiness=_readiness(fields),
        attested=tuple(_attested(fields)),
        cutover_required=bool(fields.flag("endpoint_cutover_required")),
        aliases=tuple(_aliases(fields)),
    )


def _sites(fields: Fields, kind: TargetType | None, port: int | None) -> dict[str, TargetDraft]:
    """The sites; type and port default to the contract's."""
    sites: dict[str, TargetDraft] = {}
    for site, value in fields.mapping("endpoint_sites").items():
        at: KeyPath = ("endpoint_sites", site)
        if isinstance(value, dict):
            site_kind = _target_type(fields.text(*at, "type")) if "type" in value else kind
            site_port = fields.number(*at, "port") if "port" in value else port
            target = _target(fields, (*at, "target"), site_kind, site_port)
        else:
            target = _target(fields, at, kind, port)
        if target is not None:
            sites[site] = target
    return sites


def _target(fields: Fields, at: KeyPath, kind: TargetType | None, port: int | None) -> TargetDraft | None:
    if (single := fields.text(*at)) is not None:
        return TargetDraft(at, ((at, single),), listed=False, type=kind, port=port)
    values = tuple(((*at, index), text) for index, text in fields.texts(*at))
    return TargetDraft(at, values, listed=True, type=kind, port=port) if values else None


_TARGET_TYPES = {kind.value: kind for kind in TargetType}


def _target_type(text: str | None) -> TargetType | None:
    return None if text is None else _TARGET_TYPES.get(text)


def _attested(fields: Fields) -> Iterator[Attestation]:
    """Publishers' attestations that can be read; others are left out."""
    for index in range(fields.length("endpoint_attested")):
        at: KeyPath = ("endpoint_attested", index)
        single = fields.text(*at, "target")
        values = [single] if single is not None else [text for _, text in fields.texts(*at, "target")]
        status, time = fields.text(*at, "status"), fields.text(*at, "time")
        with suppress(ValueError):
            if values and status and time:
                spelt = sorted({canonical_address(canonical_name(value)) for value in values})
                yield Attestation(tuple(spelt), status, parse_time(time))


def _aliases(fields: Fields) -> Iterator[AliasDraft]:
    for index in range(fields.length("endpoint_aliases")):
        at: KeyPath = ("endpoint_aliases", index)
        name, until = fields.text(*at, "name"), fields.text(*at, "until")
        if name is not None and until is not None:
            yield AliasDraft(at, name, until)


def _readiness(fields: Fields) -> tuple[tuple[KeyPath, Readiness], ...]:
    probes: list[tuple[KeyPath, Readiness]] = []
    for index in range(fields.length("endpoint_readiness")):
        at: KeyPath = ("endpoint_readiness", index)
        kind = fields.text(*at, "type")
        if kind is not None:
            options = {key: value for key, value in fields.mapping(*at).items() if key != "type"}
            probes.append((at, Readiness(kind, options)))
    return tuple(probes)


DEFAULT_SERVER_ID = "localhost"
DEFAULT_BRANCH = "evidence"
_DIGEST_PREFIX = "sha256:"


def build_contract(draft: ContractDraft, authority: Authority) -> Contract:
    """The contract of a draft that has no error."""
    fields = Fields(draft.document)
    name = endpoint_name_of_path(draft.path, authority.zone)
    if name is None or draft.target is None:
        raise ValueError(f"{draft.path} has findings")
    return Contract(
        path=draft.path,
        name=name,
        target=_built_target(draft.target),
        ttl=authority.policy.ttl.default if draft.ttl is None else draft.ttl,
        cutover_required=bool(fields.flag("endpoint_cutover_required")),
        protocol=draft.protocol,
        sites={name: _built_target(site) for name, site in draft.sites.items()},
        home=draft.home,
        readiness=tuple(probe for _, probe in draft.readiness),
        owner=fields.text("endpoint_owner"),
        description=fields.text("endpoint_description"),
        source=fields.text("endpoint_source"),
        document=draft.document,
        attested=draft.attested,
        aliases=tuple(Alias(alias.name, date.fromisoformat(alias.until)) for alias in draft.aliases),
    )


def _built_target(draft: TargetDraft) -> Target:
    if draft.type is None or draft.port is None:
        raise ValueError("a target without type or port has findings")
    return Target(draft.type, draft.canonical_values(), draft.port)


def build_authority(document: Document) -> Authority:
    """The authority of a document that has no error."""
    fields = Fields(document)
    return Authority(
        path=document.path,
        zone=_text(fields, "zone"),
        environments=tuple(name for _, name in fields.texts("environments")),
        failure_domain=_text(fields, "failure_domain"),
        primary=Primary(
            _api(fields, "primary"),
            _text(fields, "primary", "site"),
            _dns(fields, "primary"),
            fields.number("primary", "max_body_mib") or DEFAULT_MAX_BODY_MIB,
        ),
        secondaries=tuple(_secondary(fields, index) for index in range(fields.length("secondaries"))),
        resolvers=tuple(_resolver(fields, index) for index in range(fields.length("resolvers"))),
        policy=_policy(fields),
        evidence=EvidenceSettings(
            branch=fields.text("evidence", "branch") or DEFAULT_BRANCH,
            remote=fields.text("evidence", "remote"),
            genesis=genesis_digest(fields),
            mirrors=tuple(name for _, name in fields.texts("evidence", "mirrors")),
        ),
        document=document,
    )


def genesis_digest(fields: Fields) -> str | None:
    """The 64 hex digits of evidence.genesis, or None before `evidence init`."""
    genesis = fields.text("evidence", "genesis")
    return None if genesis is None else genesis.removeprefix(_DIGEST_PREFIX)


def _text(fields: Fields, *at: str | int) -> str:
    value = fields.text(*at)
    if value is None:
        raise ValueError(f"{'.'.join(map(str, at))} is absent or has findings")
    return value


def _dns(fields: Fields, *at: str | int) -> ServerAddress | None:
    text = fields.text(*at, "dns")
    return None if text is None else parse_server_address(text)


def _required_dns(fields: Fields, *at: str | int) -> ServerAddress:
    address = _dns(fields, *at)
    if address is None:
        raise ValueError(f"{'.'.join(map(str, at))}.dns is absent or has findings")
    return address


def _api(fields: Fields, *at: str | int) -> ApiEndpoint:
    return ApiEndpoint(
        url=_text(fields, *at, "api_url"),
        key_env=_text(fields, *at, "api_key_env"),
        server_id=fields.text(*at, "server_id") or DEFAULT_SERVER_ID,
        ca_file=fields.text(*at, "ca_file"),
    )


def _secondary(fields: Fields, index: int) -> Secondary:
    at = ("secondaries", index)
    api = _api(fields, *at) if fields.text(*at, "api_url") is not None else None
    return Secondary(_text(fields, *at, "name"), _text(fields, *at, "site"), _required_dns(fields, *at), api)


def _resolver(fields: Fields, index: int) -> Resolver:
    at = ("resolvers", index)
    return Resolver(_text(fields, *at, "name"), _text(fields, *at, "site"), _required_dns(fields, *at))


def _policy(fields: Fields) -> Policy:
    given = fields.mapping("policy")
    limits = {key: given.get(key, default) for key, default in POLICY_DEFAULTS.items()}
    overridable = tuple(name for _, name in fields.texts("policy", "overridable"))
    return Policy(
        ttl=ttl_bounds(fields) or DEFAULT_TTL,
        target_networks=tuple(ip_network(text) for _, text in fields.texts("policy", "target_networks")),
        overridable=frozenset(overridable if "overridable" in given else DEFAULT_OVERRIDABLE),
        convergence=_convergence(fields),
        assertions=_assertions(fields),
        breakglass=_breakglass(fields),
        freezes=freezes_of(fields),
        owners=_owners(fields),
        **limits,  # type: ignore[arg-type]  # the schema has checked each limit's type
    )


def _breakglass(fields: Fields) -> BreakGlass:
    return BreakGlass(**fields.mapping("policy", "breakglass"))  # type: ignore[arg-type]  # the schema checks the types


def _owners(fields: Fields) -> dict[str, tuple[str, ...]]:
    at = ("policy", "owners")
    return {owner: tuple(name for _, name in fields.texts(*at, owner)) for owner in fields.mapping(*at)}


def _assertions(fields: Fields) -> Assertions:
    at = ("policy", "assertions")
    caps = (*at, "max_environment_cutovers")
    groups = (*at, "move_together")
    return Assertions(
        {name: fields.number(*caps, name) or 0 for name in fields.mapping(*caps)},
        fields.number(*at, "anti_flap_minutes") or 0,
        tuple(tuple(name for _, name in fields.texts(*groups, index)) for index in range(fields.length(*groups))),
    )


def _convergence(fields: Fields) -> Convergence:
    """Required servers; by default secondaries, and a primary with DNS address."""
    at = ("policy", "convergence")
    timeout = fields.number(*at, "timeout_s")
    default: tuple[str, ...] = ("primary", "secondaries") if "dns" in fields.mapping("primary") else ("secondaries",)
    require = tuple(role for _, role in fields.texts(*at, "require"))
    chosen = require if "require" in fields.mapping(*at) else default
    if timeout is None:
        lease = fields.number("policy", "lease_s")
        timeout = default_convergence_s(
            fields.text("policy", "replication"), DEFAULT_LEASE_S if lease is None else lease
        )
    return Convergence(timeout, cast("tuple[Role, ...]", chosen))
