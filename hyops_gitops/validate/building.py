"""From documents without errors to the values that everything after validation works with."""

from datetime import date
from ipaddress import ip_network
from typing import cast

from hyops_gitops.core.authority import (
    DEFAULT_LEASE_S,
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
from hyops_gitops.core.contract import Alias, Contract, Target
from hyops_gitops.core.document import Document, Fields
from hyops_gitops.core.names import endpoint_name_of_path
from hyops_gitops.validate.authority import parse_server_address
from hyops_gitops.validate.drafts import ContractDraft, TargetDraft

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
        target=_target(draft.target),
        ttl=authority.policy.ttl.default if draft.ttl is None else draft.ttl,
        cutover_required=bool(fields.flag("endpoint_cutover_required")),
        protocol=draft.protocol,
        sites={name: _target(site) for name, site in draft.sites.items()},
        home=draft.home,
        readiness=tuple(probe for _, probe in draft.readiness),
        owner=fields.text("endpoint_owner"),
        description=fields.text("endpoint_description"),
        source=fields.text("endpoint_source"),
        document=draft.document,
        attested=draft.attested,
        aliases=tuple(Alias(alias.name, date.fromisoformat(alias.until)) for alias in draft.aliases),
    )


def _target(draft: TargetDraft) -> Target:
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
        primary=Primary(_api(fields, "primary"), _text(fields, "primary", "site"), _dns(fields, "primary")),
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
        **limits,  # type: ignore[arg-type]  # the schema has checked each limit's type
    )


def _breakglass(fields: Fields) -> BreakGlass:
    return BreakGlass(**fields.mapping("policy", "breakglass"))  # type: ignore[arg-type]  # the schema checks the types


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
    """What is required by default: the secondaries, and the primary where its DNS address is known."""
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
