"""The authority of one zone: its servers, limits and log."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.document import Document

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Host and port of a DNS server."""

    host: str  # an address or a host name, IPv6 without brackets
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ApiEndpoint:
    """A PowerDNS HTTP API, without its key.

    Only the name of the environment variable that holds the key is kept.
    """

    url: str  # scheme://host:port, without path
    key_env: str
    server_id: str
    ca_file: str | None


@dataclass(frozen=True, slots=True)
class Primary:
    """The writable primary."""

    api: ApiEndpoint
    site: str
    dns: ServerAddress | None
    max_body_mib: int  # the largest request that it takes


@dataclass(frozen=True, slots=True)
class Secondary:
    """A read-only secondary; its API, where given, requests transfers."""

    name: str
    site: str
    dns: ServerAddress
    api: ApiEndpoint | None


@dataclass(frozen=True, slots=True)
class Resolver:
    """A resolver that clients use."""

    name: str
    site: str
    dns: ServerAddress


@dataclass(frozen=True, slots=True)
class TtlBounds:
    minimum: int  # all in seconds
    maximum: int
    default: int


Role = Literal["primary", "secondaries", "resolvers"]


@dataclass(frozen=True, slots=True)
class Convergence:
    """Servers that must serve a change, and the time they have."""

    timeout_s: int
    require: tuple[Role, ...]


@dataclass(frozen=True, slots=True)
class Assertions:
    """Properties of the zone after a whole change; by default none."""

    environment_cutovers: Mapping[str, int] = field(default_factory=dict)  # environment -> at most, in one apply
    anti_flap_minutes: int = 0  # not moved twice within; 0: does not matter
    move_together: tuple[tuple[str, ...], ...] = ()  # groups of DNS names


NO_ASSERTIONS = Assertions()


@dataclass(frozen=True, slots=True)
class Freeze:
    """A window in which records stay as they were applied last."""

    start: datetime  # UTC, as `end`, which is outside
    end: datetime
    reason: str
    environments: tuple[str, ...]  # empty: all
    passes: tuple[str, ...]  # kinds of change that it does not stop

    def stops(self, environment: str, kind: str | None) -> bool:
        """Whether such a change has to wait for its end."""
        return (not self.environments or environment in self.environments) and kind not in self.passes


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """Requirements on changes made while the log cannot be reached."""

    witness: Literal["required", "optional"] = "optional"  # whether a second person signs each intent
    bundle_max_age_h: int = 168  # an older bundle is warned about
    review_h: int = 72  # within which another person reviews a reconciled segment


@dataclass(frozen=True, slots=True)
class Policy:
    """The limits under which changes are applied."""

    ttl: TtlBounds
    target_networks: tuple[Network, ...]  # empty: any address
    max_replaces: int
    max_deletes: int
    max_change_percent: int
    max_cutovers: int
    cutover_required: Literal["warn", "enforce"]
    readiness_unknown: Literal["refuse", "warn"]
    readiness_attested_minutes: int  # the oldest attestation that may replace an unknown readiness; 0: none
    rollback: Literal["off", "on-failed-verification"]
    cutover_ttl_max: int  # seconds; a longer TTL of a name that may be cut over is warned about
    zone_ownership: Literal["exclusive", "shared"]
    replication: Literal["transfer", "native"]
    separation_of_duties: Literal["enforce", "warn", "off"]  # whether another person has to approve a change
    overridable: frozenset[str]  # guard names
    lease_s: int
    convergence: Convergence
    assertions: Assertions
    breakglass: BreakGlass = BreakGlass()
    freezes: tuple[Freeze, ...] = ()
    owners: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # endpoint_owner -> who approves, in CODEOWNERS


@dataclass(frozen=True, slots=True)
class EvidenceSettings:
    """Branch, remote and genesis of the log."""

    branch: str
    remote: str | None  # None: local mode
    genesis: str | None  # 64 hex digits; None: not initialised yet
    mirrors: tuple[str, ...] = ()  # further remotes of this clone that the log is pushed to


@dataclass(frozen=True, slots=True)
class Authority:
    """One valid authority file."""

    path: str
    zone: str
    environments: tuple[str, ...]  # without `shared`, which always exists
    failure_domain: str
    primary: Primary
    secondaries: tuple[Secondary, ...]
    resolvers: tuple[Resolver, ...]
    policy: Policy
    evidence: EvidenceSettings
    document: Document


def bound_url(setting: str, zone: str) -> str:
    """The URL that a zone's API key is bound to; empty: none.

    Args:
        setting: HYOPS_PRIMARY_URL: one URL for every zone, or a list of `ZONE=URL`; blanks or commas part them.
        zone: Whose key it is.
    """
    items = setting.replace(",", " ").split()
    named = {name: url for name, equals, url in (item.partition("=") for item in items) if equals and "/" not in name}
    return named.get(zone) or " ".join(item for item in items if item.partition("=")[0] not in named)


DEFAULT_LEASE_S = 120
DEFAULT_MAX_BODY_MIB = 2  # as of PowerDNS's webserver-max-bodysize
DEFAULT_CONVERGENCE_S = 60
# Longer than a server on the primary's database keeps "there is none" in its caches; see `log.retirement`.
NATIVE_CONVERGENCE_S = 90


def default_convergence_s(replication: str | None, lease_s: int) -> int:
    """The default wait for servers; never longer than the lease."""
    return (
        NATIVE_CONVERGENCE_S if replication == "native" and lease_s >= NATIVE_CONVERGENCE_S else DEFAULT_CONVERGENCE_S
    )


# What an authority file without the key means; the schema's defaults say the same and a test compares them.
POLICY_DEFAULTS: Mapping[str, object] = {
    "max_replaces": 20,
    "max_deletes": 5,
    "max_change_percent": 30,
    "max_cutovers": 200,
    "cutover_required": "warn",
    "readiness_unknown": "refuse",
    "readiness_attested_minutes": 60,
    "rollback": "off",
    "cutover_ttl_max": 60,
    "zone_ownership": "shared",
    "replication": "transfer",
    "separation_of_duties": "warn",
    "lease_s": DEFAULT_LEASE_S,
}
DEFAULT_OVERRIDABLE = (
    "anti-flap",
    "cutover-required",
    "drift",
    "foreign",
    "freeze",
    "held",
    "history",
    "log-gap",
    "max-change-percent",
    "max-cutovers",
    "max-deletes",
    "max-environment-cutovers",
    "max-replaces",
    "mixed-commit",
    "move-together",
    "readiness",
    "restored",
    "segment-trust",
    "separation-of-duties",
    "trailers",
)
